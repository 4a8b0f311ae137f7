"""Order books: for every pair of assets the ids of its offers, best price first.

RULES 4: offers rank by price as an IEEE double, then by id. Python's `n / d` is that same double. Ranks are
kept negated, so that the best offer stands last in its list and taking it costs nothing however long the list
is.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from .assets import Asset
from .entries import Offer

Pair = tuple[Asset, Asset]


class Books:
    def __init__(self) -> None:
        self._ranks: dict[Pair, list[tuple[float, int]]] = {}

    def add(self, offer: Offer) -> None:
        insort(self._ranks.setdefault((offer.selling, offer.buying), []), _rank(offer))

    def remove(self, offer: Offer) -> None:
        ranks = self._ranks[offer.selling, offer.buying]
        rank = _rank(offer)
        if ranks[-1] == rank:
            ranks.pop()
        else:
            del ranks[bisect_left(ranks, rank)]
        if not ranks:
            del self._ranks[offer.selling, offer.buying]

    def best(self, selling: Asset, buying: Asset) -> int | None:
        """The id of the offer that is crossed first, or None."""
        ranks = self._ranks.get((selling, buying))
        return -ranks[-1][1] if ranks else None

    def ids(self, selling: Asset, buying: Asset) -> Iterator[int]:
        """Ids of all offers of a pair, best first."""
        return (-rank[1] for rank in reversed(self._ranks.get((selling, buying), ())))

    def pairs(self) -> Iterator[Pair]:
        """Every (selling, buying) which has an offer."""
        return iter(list(self._ranks))


def _rank(offer: Offer) -> tuple[float, int]:
    return -(offer.n / offer.d), -offer.id
