"""The stakes that entries owe, strikes counted: what was settled before an entry does not change any more, so each is
counted once."""

from __future__ import annotations

from collections.abc import Mapping

from agent.core.ids import CidText, StakeId
from agent.core.money import Stroops
from agent.ledger.horizon import Horizon
from agent.market import strikes
from agent.market.strikes import GRACE_LEDGERS
from agent.validator.entries import Entry
from agent.validator.rounds import Served


class Dues:
    def __init__(self, horizon: Horizon) -> None:
        self._horizon = horizon
        self._known: dict[StakeId, Mapping[CidText, Stroops]] = {}

    def of(self, found: Entry, rounds: tuple[Served, ...]) -> Mapping[CidText, Stroops]:
        """Round → the stake due there. Raises Unavailable, StillCounting."""
        known = self._known.get(found.stake.id, {})
        if any(served.cid not in known for served in rounds):
            counted: dict[str, Stroops] = {}
            due = {}
            for served in rounds:
                schedule = served.round.stake.model_dump_json()
                if schedule not in counted:
                    counted[schedule] = self._counted(found, served)
                due[served.cid] = counted[schedule]
            self._known[found.stake.id] = known = due
        return known

    def forget(self, entry: StakeId) -> None:
        self._known.pop(entry, None)

    def _counted(self, found: Entry, served: Served) -> Stroops:
        return strikes.due(self._horizon, served.round, found.vehicle, found.ledger, GRACE_LEDGERS)
