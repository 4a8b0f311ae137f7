"""Ways from one asset to another through the order books, with exactly the amounts a payment would move.

Each hop is crossed by the engine itself and then undone, so what is found here is what settles. Hops of one
way lie in different books and do not disturb each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .engine import Asset, LedgerState, Offer
from .engine.crossing import End, cross
from .engine.entries import MAX
from .engine.exchange import Rounding

MAX_HOPS = 3
"""As many as Horizon looks for by default; a payment itself may have six."""


@dataclass(frozen=True, slots=True)
class Way:
    """`amount` arrives at (or is needed of) the last asset of `assets`, which starts with the fixed one."""

    amount: int
    assets: tuple[Asset, ...]


Hop = Callable[[LedgerState, Asset, Asset, int], "int | None"]


def ways_sending(state: LedgerState, source: Asset, amount: int) -> dict[Asset, Way]:
    """For every asset within reach the way on which most of it arrives."""
    return _search(state, source, amount, _received, lambda new, old: new > old, forwards=True)


def ways_receiving(state: LedgerState, destination: Asset, amount: int) -> dict[Asset, Way]:
    """For every asset within reach the way that needs least of it. Ways run back from the destination."""
    return _search(state, destination, amount, _needed, lambda new, old: new < old, forwards=False)


def _search(
    state: LedgerState, fixed: Asset, amount: int, hop: Hop, better: Callable[[int, int], bool], forwards: bool
) -> dict[Asset, Way]:
    """Widen the reach by one hop at a time, keeping the best way to each asset."""
    best = {fixed: Way(amount, (fixed,))}
    neighbours = _neighbours(state.pairs(), forwards)
    fresh = dict(best)
    for _ in range(MAX_HOPS):
        found: dict[Asset, Way] = {}
        for asset, way in fresh.items():
            for other in neighbours.get(asset, ()):
                if other in way.assets:
                    continue
                moved = hop(state, asset, other, way.amount)
                known = found.get(other) or best.get(other)
                if moved is not None and (known is None or better(moved, known.amount)):
                    found[other] = Way(moved, (*way.assets, other))
        best |= found
        fresh = found
    return best


def _neighbours(pairs: Iterable[tuple[Asset, Asset]], forwards: bool) -> dict[Asset, list[Asset]]:
    """Which assets a book leads to: whoever pays with `buying` gets `selling`."""
    found: dict[Asset, list[Asset]] = {}
    for selling, buying in pairs:
        start, end = (buying, selling) if forwards else (selling, buying)
        found.setdefault(start, []).append(end)
    return found


def _received(state: LedgerState, sheep: Asset, wheat: Asset, amount: int) -> int | None:
    """What arrives for exactly `amount` of sheep, or None where the book cannot take so much."""
    start = state.savepoint()
    try:
        walk = cross(state, sheep, amount, wheat, MAX, Rounding.STRICT_SEND, _any)
    finally:
        state.rollback(start)
    return walk.wheat_received if walk.sheep_sent == amount and walk.wheat_received > 0 else None


def _needed(state: LedgerState, wheat: Asset, sheep: Asset, amount: int) -> int | None:
    """What has to be sent for exactly `amount` of wheat, or None where the book does not hold so much."""
    start = state.savepoint()
    try:
        walk = cross(state, sheep, MAX, wheat, amount, Rounding.STRICT_RECEIVE, _any)
    finally:
        state.rollback(start)
    return walk.sheep_sent if walk.wheat_received == amount else None


def _any(_offer: Offer) -> End | None:
    return None
