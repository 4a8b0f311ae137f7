"""The board: what is known of a fleet, folded from its MQTT messages.

Rules
  1. Messages come from outside: each is bounded, typed or dropped, and counted when it was no use.
  2. Events count once (`Intake`), in any order of arrival; a board that starts late simply knows less.
  3. Every change raises `version`, so that a reader asks for what changed since it last looked.
  4. Everything kept is bounded, and no vehicle can take the place of others (`CardShelf`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from agent.core.jobs.contribution import (
    TABLE,
    Accepted,
    Arrived,
    Chosen,
    Closed,
    Closing,
    Idle,
    JobState,
    Outcome,
    Rejected,
    Signed,
)
from agent.core.jobs.fold import Event as Happened
from agent.core.jobs.written import names
from agent.core.plain import plain
from agent.core.round import Round
from agent.fleet.page.cards import JobCard, PaymentCard, RoundCard, VehicleCard
from agent.fleet.page.said import MAX_TEXT, Condition, Event, FalseRound, Status, amount, number, short
from agent.fleet.page.shelf import CardShelf
from agent.fleet.reading import parsed
from agent.fleet.status import OFFLINE, ONLINE
from agent.fleet.topics import Address, address, false_round, matches
from agent.ports import Message

MAX_VEHICLES = 20_000
MAX_JOBS = 5_000
MAX_ROUNDS = 2_000
MAX_PATH = 40
MAX_NAMING = 20
"""Validators that a round is called false by: a committee is no larger."""
STALE_AFTER = 2.5
"""Times the promised interval, after which a vehicle's word is no longer fresh."""

SHOWN = tuple(
    {n: n for event in TABLE.kinds.values() if event not in (Signed, Closing) for n in names(event, lists=False)}
)
"""Facts of a job that the page shows: all but lists and what is about an envelope. `transaction` and `closing` come
from the `hash` of the entry's envelope and the closing's."""
MAX_PAYMENTS = 50
"""Kinds of payment that one vehicle may tell of; what is beyond is added up under OTHERS."""
OTHERS = "others"
_USUALLY = {event: after for (_, event), after in TABLE.follows.items()}
"""The state after an event, where the one before is not known."""


class Dashboard:
    """`take` messages, then ask for what changed `since` a version. Pure: time comes in as an argument."""

    def __init__(self) -> None:
        self.version = 0
        self.dropped = 0
        """Messages that were malformed or beyond the bounds."""
        self.messages = 0
        self.outcomes: Counter[str] = Counter()
        self.paid = 0
        """XLM stroops, all vehicles."""
        self.vehicles: dict[str, VehicleCard] = {}
        self.jobs: CardShelf[JobCard] = CardShelf(MAX_JOBS)
        self.rounds: CardShelf[RoundCard] = CardShelf(MAX_ROUNDS)
        self.payments: dict[tuple[str, str, str, str], PaymentCard] = {}

    # --- in -----------------------------------------------------------------------------------------------

    def take(self, message: Message, now: float) -> None:
        """One message of a vehicle, or a validator's. Never raises: what makes no sense is counted."""
        self.messages += 1
        if matches(false_round("+", "+"), message.topic):
            self._take_false(message)
            return
        place = address(message.topic)
        reader = _READERS.get(place.channel) if place else None
        try:
            if place is None or reader is None:
                raise ValueError
            form, fold = reader
            said = form.model_validate(parsed(message.payload))
            card = self._vehicle(place)
            fold(self, card, said)
        except Exception:  # whatever a stranger finds to say, the others are still heard
            self.dropped += 1
            return
        said_at = now if not message.retain else min(now, said.at)
        if card.status != OFFLINE or place.channel != "status":  # a last will is not the vehicle's word
            card.said_at = max(card.said_at, said_at)
        self._weigh(card, now)
        self._changed(card)

    def _take_false(self, message: Message) -> None:
        validator = plain(message.topic.rpartition("/")[2][:56])
        try:
            said = FalseRound.model_validate(parsed(message.payload))
        except ValueError:
            self.dropped += 1
            return
        card = self._round(said.round, f"validator {validator}")
        if not card.model:
            card.model, card.number = said.model, number(said.number)
        if validator in card.false or len(card.false) < MAX_NAMING:
            card.false[validator] = said.why
        self._changed(card)

    def age(self, now: float) -> None:
        """See who has gone stale since. Call every few seconds."""
        for card in self.vehicles.values():
            before = card.fresh
            self._weigh(card, now)
            if card.fresh is not before:
                self._changed(card)

    def take_round(self, cid: str, round_: Round) -> None:
        """What a round's own document says, from the content store."""
        card = self.rounds.get(cid)
        if card is None:
            return
        card.model, card.number, card.previous = round_.model, round_.number, round_.previous
        if round_.figure is not None:
            figure = round_.figure
            card.figure, card.figure_name = format(figure.value.normalize(), "f"), figure.name
            card.unit, card.better = figure.unit, figure.better
        card.fused = [
            {"cid": part.cid, "vehicle": part.vehicle, "weight": format(part.weight.normalize(), "f")}
            for part in round_.lineage
        ]
        if round_.previous:
            self._round(round_.previous, card.owner)
        self._changed(card)

    def _status(self, card: VehicleCard, said: Status) -> None:
        if said.status == OFFLINE and card.session and said.session != card.session:
            return  # the last will of an earlier life
        card.status, card.session = said.status, said.session

    def _state(self, card: VehicleCard, said: Condition) -> None:
        card.healthy, card.about = said.healthy, said
        card.troubles = [plain(trouble[:MAX_TEXT]) for trouble in said.troubles[:10]]
        card.every = min(max(said.every, 1.0), 3600.0)

    def _event(self, card: VehicleCard, said: Event) -> None:
        new = card.inbox.take(said.journal, said.seq, said.after)
        card.missed = len(card.inbox.gaps)
        if not new:
            return
        job = self._job(card, said.job)
        happened = TABLE.kinds.get(said.kind)
        _fold(job, said, happened)
        self._changed(job)
        if happened is Chosen and isinstance(said.data.get("round"), str):
            self._chosen(card, said.data)
        if happened is not None and issubclass(happened, Outcome):
            card.outcomes[said.kind] = card.outcomes.get(said.kind, 0) + 1
            self.outcomes[said.kind] += 1
        self._settle(card, job, happened)

    def _chosen(self, vehicle: VehicleCard, data: Mapping[str, Any]) -> None:
        card = self._round(plain(str(data["round"])[:64]), vehicle.key)
        if not card.model:
            card.model, card.number = plain(str(data.get("model", ""))[:80]), number(data.get("number"))
            self._changed(card)

    def _settle(self, card: VehicleCard, job: JobCard, happened: type[Happened] | None) -> None:
        """Who paid whom, as the vehicle tells it; its transactions are on the ledger for everybody to check."""
        facts = job.facts
        code = str(facts.get("model", ""))[:80].partition(":")[0]
        stake, returned = (amount(facts.get(name)) for name in ("stake", "returned"))
        if happened is Accepted:
            credit = code.replace("DLM", "VLM", 1) or "VLM"
            self._pay(card, "settlement", card.key, credit, "credit", amount(facts.get("credit")))
        if happened in (Accepted, Idle):
            self._pay(card, card.key, "settlement", "DLC", "fee", stake - returned)
        if happened is Rejected:
            self._pay(card, card.key, "settlement", "DLC", "forfeited stake", stake)
        if happened is Closed:
            paid = max(amount(facts.get("paid")), 0)
            card.paid += paid
            self.paid += paid
            self._pay(card, "settlement", card.key, "XLM", "reward", paid)

    def _pay(self, vehicle: VehicleCard, source: str, to: str, asset: str, why: str, stroops: int) -> None:
        if stroops <= 0:
            return
        if (source, to, asset, why) not in self.payments:
            vehicle.payments += 1
            if vehicle.payments > MAX_PAYMENTS:  # of one that names ever new assets and issuers
                source, to, asset = (vehicle.key if party == vehicle.key else OTHERS for party in (source, to, asset))
        card = self.payments.setdefault((source, to, asset, why), PaymentCard(source, to, asset, why))
        card.amount += stroops
        card.times += 1
        self._changed(card)

    # --- out ----------------------------------------------------------------------------------------------

    def since(self, version: int, vehicle: str | None = None, jobs: int = 200) -> dict[str, Any]:
        """What changed after `version`, as JSON; everything for version 0, and then at most the newest `jobs` jobs.
        `vehicle`: that one's page."""
        cards = [c for c in self.vehicles.values() if c.version > version and vehicle in (None, c.key)]
        newest = [c for c in reversed(self.jobs.values()) if c.version > version and vehicle in (None, c.vehicle)]
        newest = newest if version else newest[:jobs]
        paid = [c for c in self.payments.values() if c.version > version and vehicle in (None, c.source, c.to)]
        return {
            "version": self.version,
            "vehicles": [card.plain() for card in cards],
            "jobs": [card.plain() for card in newest],
            "rounds": [card.plain() for card in self.rounds.values() if card.version > version],
            "payments": [card.plain() for card in paid],
            "counts": self.counts(),
        }

    def counts(self) -> dict[str, Any]:
        """The fleet in a few numbers."""
        cards = self.vehicles.values()
        return {
            "vehicles": len(cards),
            "attention": sum(card.need > 0 for card in cards),
            "online": sum(card.status == ONLINE for card in cards),
            "healthy": sum(card.healthy is True for card in cards),
            "fresh": sum(card.fresh for card in cards),
            "states": dict(Counter(job.state for job in self.jobs.values() if not job.is_over)),
            "outcomes": dict(self.outcomes),
            "paid": str(self.paid),
            "missed": sum(card.missed for card in cards),
            "dropped": self.dropped,
            "messages": self.messages,
        }

    # --- the cards ------------------------------------------------------------------------------------------

    def _vehicle(self, place: Address) -> VehicleCard:
        key = f"{place.fleet}/{place.vehicle}"
        if key not in self.vehicles:
            if len(self.vehicles) >= MAX_VEHICLES:
                raise ValueError
            self.vehicles[key] = VehicleCard(place.fleet, place.vehicle)
        return self.vehicles[key]

    def _job(self, card: VehicleCard, job_id: str) -> JobCard:
        key = f"{card.key}/{job_id}"
        job = self.jobs.get(key) or JobCard(card.key, job_id)
        self.jobs.put(key, job, card.key)
        return job

    def _round(self, cid: str, owner: str) -> RoundCard:
        card = self.rounds.get(cid)
        if card is None:
            card = RoundCard(cid, owner)
            self._changed(card)
        self.rounds.put(cid, card, owner)
        return card

    def _weigh(self, card: VehicleCard, now: float) -> None:
        card.fresh = now - card.said_at < card.every * STALE_AFTER

    def _changed(self, card: VehicleCard | JobCard | RoundCard | PaymentCard) -> None:
        self.version += 1
        card.version = self.version


_READERS: Mapping[str, tuple[type[Status | Condition | Event], Callable[[Dashboard, VehicleCard, Any], None]]] = {
    "status": (Status, Dashboard._status),
    "state": (Condition, Dashboard._state),
    "event": (Event, Dashboard._event),
}


def _fold(job: JobCard, said: Event, happened: type[Happened] | None) -> None:
    """As `core.jobs.fold.advance`, but for one who may have missed some events: then the event alone decides."""
    kind, data = said.kind[:40], said.data
    after = (TABLE.follows.get((JobState(job.state), happened)) or _USUALLY.get(happened)) if happened else None
    if said.seq > job.seq and after is not None:  # what was sent again does not turn the state back
        job.seq, job.state, job.at = said.seq, after.value, said.at
    if happened is not None and issubclass(happened, Outcome):
        job.outcome = kind
    shown = {name: short(data[name]) for name in SHOWN if name in data}
    if happened is Arrived:
        shown["ended"] = shown.pop("reason", None)  # why the trip ended, not why the verdict fell
    job.facts.update(shown)
    if isinstance(data.get("hash"), str):
        job.facts |= {"closing" if happened is Closing else "transaction": plain(data["hash"][:64])}
    job.path = sorted([*job.path, (said.seq, kind, said.at)])[-MAX_PATH:]
