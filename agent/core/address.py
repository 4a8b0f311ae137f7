"""Stellar addresses as they are written: a version byte, 32 bytes of key and a checksum, in base 32 (SEP-23). A muxed
one has eight bytes more between key and checksum: whom of many the account is to think of."""

from __future__ import annotations

import base64
from binascii import crc_hqx
from functools import lru_cache

from agent.core.ids import AccountId

ACCOUNT = 6 << 3
"""The version byte of an account: every address then begins with G."""
MUXED = 12 << 3
"""The version byte of a muxed account: every address then begins with M."""


def account(address: str) -> AccountId:
    """The address, if it is an account's with the checksum that belongs to it. Raises ValueError. Whether its key is a
    point that can be sealed to is another question (`ledger.keys.sealing_public`)."""
    if _bytes(address, ACCOUNT, 35) is None:
        raise ValueError("a Stellar account is G and 55 more letters and digits, the last of them a checksum")
    return AccountId(address)


def payee(address: str) -> str:
    """The address, if it is an account's or a muxed account's. Raises ValueError."""
    if not address.startswith("M"):
        return account(address)
    if _bytes(address, MUXED, 43) is None:
        raise ValueError("a muxed Stellar account is M and 68 more letters and digits, the last of them a checksum")
    return address


def account_of(address: str) -> AccountId:
    """The account that holds what is paid to an address: itself, or the one that is muxed. Raises ValueError."""
    raw = _bytes(payee(address), MUXED, 43)
    if raw is None:
        return AccountId(address)
    body = bytes([ACCOUNT]) + raw[1:33]
    return AccountId(base64.b32encode(body + _checksum(body)).decode())


@lru_cache(maxsize=4096)
def _bytes(address: str, version: int, length: int) -> bytes | None:
    """What an address stands for, where it is one of this kind, written in the one way it can be. Remembered: a
    committee reads the same few in every vote."""
    try:
        raw = base64.b32decode(address + "=" * (-len(address) % 8))
    except ValueError:
        return None
    is_whole = len(raw) == length and raw[0] == version and raw[-2:] == _checksum(raw[:-2])
    return raw if is_whole and base64.b32encode(raw).decode().rstrip("=") == address else None


def _checksum(data: bytes) -> bytes:
    """CRC-16/XMODEM."""
    return crc_hqx(data, 0).to_bytes(2, "little")
