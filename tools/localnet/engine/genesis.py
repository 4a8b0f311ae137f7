"""The first ledger of a network: one root account that owns every lumen."""

from __future__ import annotations

from stellar_sdk import Keypair

from .entries import Account, Entry, Header
from .envelope import network_id
from .rules import TODAY, Rules

TOTAL_COINS = 10**18


def root_keypair(passphrase: str) -> Keypair:
    """The root account's key: its seed is the network id itself (RULES 1)."""
    return Keypair.from_raw_ed25519_seed(network_id(passphrase))


def genesis(
    passphrase: str,
    *,
    close_time: int = 0,
    base_fee: int = 100,
    base_reserve: int = 5_000_000,
    max_tx_set_size: int = 5_000,
    rules: Rules = TODAY,
) -> tuple[Entry, ...]:
    """Ledger 1: its header and the root account with all coins and sequence number 0."""
    root = root_keypair(passphrase).public_key
    header = Header(
        ledger_seq=1,
        close_time=close_time,
        protocol=rules.protocol,
        base_fee=base_fee,
        base_reserve=base_reserve,
        max_tx_set_size=max_tx_set_size,
        fee_pool=0,
        total_coins=TOTAL_COINS,
        id_pool=0,
    )
    return header, Account(account=root, balance=TOTAL_COINS, sequence=0, last_modified=1)
