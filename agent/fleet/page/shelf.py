"""A bounded place for cards: who put in the most gives up its oldest, so that a vehicle which talks without end buries
only itself."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

Card = TypeVar("Card")


class CardShelf(OrderedDict[str, Card]):
    """Cards by key, the one `put` last at the end. Put cards in with `put` alone."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self._owner: dict[str, str] = {}
        self._owned: dict[str, OrderedDict[str, None]] = {}

    def put(self, key: str, card: Card, owner: str) -> None:
        """Keep a card, or move it to the end; whoever put it in first owns it."""
        self[key] = card
        self.move_to_end(key)
        owner = self._owner.setdefault(key, owner)
        mine = self._owned.setdefault(owner, OrderedDict())
        mine[key] = None
        mine.move_to_end(key)
        while len(self) > self.most:
            self._drop_one_of(owner)

    def _drop_one_of(self, owner: str) -> None:
        mine = len(self._owned[owner])
        if mine == 1 or mine * len(self._owned) <= self.most:  # no more than its share: somebody else has as much
            owner = max(self._owned, key=lambda name: len(self._owned[name]))
        oldest, _ = self._owned[owner].popitem(last=False)
        if not self._owned[owner]:
            del self._owned[owner]
        del self[oldest], self._owner[oldest]
