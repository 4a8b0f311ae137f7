"""When a claimant may claim: predicates over the ledger's close time (CAP-23)."""

from __future__ import annotations

from stellar_sdk import xdr

from .entries import MAX, Predicate

Type = xdr.ClaimPredicateType
MAX_DEPTH = 4


def is_well_formed(predicate: xdr.ClaimPredicate, depth: int = 1) -> bool:
    """Two children under AND and OR, one under NOT, no negative time, at most four levels."""
    if depth > MAX_DEPTH:
        return False
    kind = predicate.type
    if kind in (Type.CLAIM_PREDICATE_AND, Type.CLAIM_PREDICATE_OR):
        children = predicate.and_predicates or predicate.or_predicates or []
        return len(children) == 2 and all(is_well_formed(child, depth + 1) for child in children)
    if kind is Type.CLAIM_PREDICATE_NOT:
        child = predicate.not_predicate
        return child is not None and is_well_formed(child, depth + 1)
    times = (predicate.abs_before, predicate.rel_before)
    return all(time is None or time.int64 >= 0 for time in times)


def absolute(predicate: xdr.ClaimPredicate, now: int) -> Predicate:
    """A well-formed predicate with its relative times counted from `now`."""
    kind = predicate.type
    if kind is Type.CLAIM_PREDICATE_AND:
        return ("and", *(absolute(child, now) for child in predicate.and_predicates or ()))
    if kind is Type.CLAIM_PREDICATE_OR:
        return ("or", *(absolute(child, now) for child in predicate.or_predicates or ()))
    if predicate.not_predicate is not None:
        return ("not", absolute(predicate.not_predicate, now))
    if predicate.abs_before is not None:
        return ("before", predicate.abs_before.int64)
    if predicate.rel_before is not None:
        return ("before", min(MAX, now + predicate.rel_before.int64))
    return ("unconditional",)


def holds(predicate: Predicate, now: int) -> bool:
    kind, *arguments = predicate
    if kind == "and":
        return all(holds(child, now) for child in arguments)
    if kind == "or":
        return any(holds(child, now) for child in arguments)
    if kind == "not":
        return not holds(arguments[0], now)
    return kind == "unconditional" or bool(now < arguments[0])
