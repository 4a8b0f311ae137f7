"""Entries as one line of JSON each: what the store keeps and what the state's hash is taken over."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from .assets import Asset
from .entries import (
    Account,
    ClaimableBalance,
    Claimant,
    DataEntry,
    Entry,
    Header,
    Offer,
    Signer,
    TrustLine,
)

_KINDS: dict[str, Any] = {
    "header": Header,
    "account": Account,
    "trustline": TrustLine,
    "offer": Offer,
    "data": DataEntry,
    "claimable_balance": ClaimableBalance,
}
_FIELDS = {kind: tuple(one.name for one in fields(kind)) for kind in (*_KINDS.values(), Signer, Claimant)}


def row_of(entry: Entry) -> str:
    """`["offer", 17, "G…", …]`: the kind, then the fields in their order."""
    return json.dumps([entry.key[0], *_values(entry)], default=_plain, separators=(",", ":"))


def entry_of(row: str) -> Entry:
    kind, *values = json.loads(row)
    entry: Entry = _RESTORE[kind](_KINDS[kind](*map(_frozen, values)))
    return entry


def _values(value: Any) -> list[Any]:
    return [getattr(value, name) for name in _FIELDS[type(value)]]


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else _values(value)


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _restored(**makers: Any) -> Any:
    def restore(entry: Any) -> Any:
        values = {name: getattr(entry, name) for name in _FIELDS[type(entry)]}
        return type(entry)(**values | {name: make(values[name]) for name, make in makers.items()})

    return restore


def _asset(pair: tuple[str, str]) -> Asset:
    return Asset(*pair)


_RESTORE: dict[str, Any] = {
    "header": _restored(previous_hash=bytes.fromhex, hash=bytes.fromhex),
    "account": _restored(signers=lambda rows: tuple(Signer(*row) for row in rows)),
    "trustline": _restored(asset=_asset),
    "offer": _restored(selling=_asset, buying=_asset),
    "data": _restored(value=bytes.fromhex),
    "claimable_balance": _restored(asset=_asset, claimants=lambda rows: tuple(Claimant(*row) for row in rows)),
}
