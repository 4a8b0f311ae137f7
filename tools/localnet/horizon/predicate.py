"""Claim predicates as Horizon writes them, from an operation's XDR or from the ledger's own form."""

from __future__ import annotations

from typing import Any

from stellar_sdk import xdr

from ..engine.entries import Predicate
from .moment import moment


def xdr_predicate(predicate: xdr.ClaimPredicate) -> dict[str, Any]:
    if predicate.and_predicates is not None:
        return {"and": [xdr_predicate(one) for one in predicate.and_predicates]}
    if predicate.or_predicates is not None:
        return {"or": [xdr_predicate(one) for one in predicate.or_predicates]}
    if predicate.not_predicate is not None:
        return {"not": xdr_predicate(predicate.not_predicate)}
    if predicate.abs_before is not None:
        return _before(predicate.abs_before.int64)
    if predicate.rel_before is not None:
        return {"rel_before": str(predicate.rel_before.int64)}
    return {"unconditional": True}


def entry_predicate(predicate: Predicate) -> dict[str, Any]:
    """Relative times became absolute when the balance was created, so a stored predicate has none."""
    kind, *parts = predicate
    if kind in ("and", "or"):
        return {kind: [entry_predicate(part) for part in parts]}
    if kind == "not":
        return {"not": entry_predicate(parts[0])}
    return _before(parts[0]) if kind == "before" else {"unconditional": True}


def _before(unix_seconds: int) -> dict[str, str]:
    return {"abs_before": moment(unix_seconds), "abs_before_epoch": str(unix_seconds)}
