"""Stellar addresses as they are written: a version byte, 32 bytes of key and a checksum, in base 32 (SEP-23)."""

from __future__ import annotations

import base64

from agent.core.ids import AccountId

ACCOUNT = 6 << 3
"""The version byte of an account: every address then begins with G."""


def account(address: str) -> AccountId:
    """The address, if it is an account's with the checksum that belongs to it. Raises ValueError. Whether its key is a
    point that can be sealed to is another question (`ledger.keys.sealing_public`)."""
    try:
        raw = base64.b32decode(address)
    except ValueError:
        raw = b""
    if len(raw) != 35 or raw[0] != ACCOUNT or raw[-2:] != _crc16(raw[:-2]).to_bytes(2, "little"):
        raise ValueError("a Stellar account is G and 55 more letters and digits, the last of them a checksum")
    return AccountId(address)


def _crc16(data: bytes) -> int:
    """CRC-16/XMODEM."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc
