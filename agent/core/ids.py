"""What things are called, each a type of its own beside `Cid`: a name of one kind is never taken for one of another.

They are plain text when the program runs; mypy alone tells them apart.
"""

from __future__ import annotations

from typing import NewType

AccountId = NewType("AccountId", str)
"""A Stellar account: G and 55 more characters (SEP-23)."""
TxHash = NewType("TxHash", str)
"""A transaction, by the hash that it is signed under: 64 hex digits."""
StakeId = NewType("StakeId", str)
"""A claimable balance: 64 hex digits (CAP-23)."""
CidText = NewType("CidText", str)
"""A `Cid` as it is written in documents and in the journal."""
