"""The rounds a validator serves: the newest of each followed initiator, and those before it that are not too stale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.core.documents import Round
from agent.errors import Refused
from agent.ledger.horizon import Horizon
from agent.market.bundle import Shelf
from agent.market.listing import NotPublished, listing, publication, training_offers

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Served:
    """One round this validator is on the committee of. `newest`: the number of the model's newest round."""

    cid: str
    round: Round
    newest: int
    ledger: int = 0
    """That published it."""

    @property
    def is_stale(self) -> bool:
        return self.newest - self.round.number > self.round.staleness


@dataclass(frozen=True, slots=True)
class Published:
    """A round as its initiator's newest transaction offers it."""

    cid: str
    ledger: int
    closed_at: int


class Rounds:
    """What is open for review, read from the ledger. Rounds seen once stay known: entries refer to them by CID."""

    def __init__(self, horizon: Horizon, shelf: Shelf, initiators: Sequence[str], validator: str) -> None:
        self._horizon, self._shelf = horizon, shelf
        self._initiators = initiators
        self._validator = validator
        self.served: dict[str, Served] = {}
        self.newest: dict[str, Published] = {}
        """Settlement account → the newest round that is settled there."""
        self.troubles: list[str] = []

    def look(self) -> None:
        """Raises Unavailable. A round that is not what its initiator should have published is a trouble, not served."""
        self.troubles = []
        for initiator in self._initiators:
            for offer in training_offers(self._horizon, initiator):
                try:
                    listed = listing(self._horizon, offer)
                    cid = listed.cid
                    if cid not in self.served or self.served[cid].newest != self.served[cid].round.number:
                        self._serve(cid, listed.ledger)
                    if cid in self.served:
                        published = Published(cid, listed.ledger, listed.closed_at)
                        self.newest[self.served[cid].round.settlement] = published
                except (NotPublished, Refused) as error:
                    self.troubles.append(str(error))

    @property
    def settlements(self) -> set[str]:
        return {served.round.settlement for served in self.served.values()}

    def of(self, settlement: str) -> list[Served]:
        """Oldest round first."""
        found = [s for s in self.served.values() if s.round.settlement == settlement]
        return sorted(found, key=lambda s: s.round.number)

    def _serve(self, cid: str, ledger: int) -> None:
        """The newest round, published in `ledger`, and its forebears, as far back as an entry may be based on them."""
        newest = self._shelf.round(cid)
        step: str | None = cid
        for _ in range(newest.staleness + 2):
            if step is None:
                break
            round_ = self._shelf.round(step)
            if round_.model != newest.model:
                raise Refused(what=f"the round {step}", why=f"it is said to precede {cid} but is of another model")
            if self._validator in round_.committee:
                self.served[step] = Served(
                    step, round_, newest.number, ledger if step == cid else self._ledger(step, round_)
                )
            step = round_.previous

    def _ledger(self, cid: str, round_: Round) -> int:
        """That published a forebear. Raises Refused when none did."""
        if cid in self.served:
            return self.served[cid].ledger
        found = publication(self._horizon, round_, cid)
        if found is None:
            raise Refused(what=f"the round {cid}", why="its initiator never published it")
        return found.ledger
