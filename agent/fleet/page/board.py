"""The board: what is known of a fleet, folded from its MQTT messages.

Rules
  1. Messages come from outside: each is bounded, typed or dropped, and counted when it was no use.
  2. Events count once (`Intake`), in any order of arrival; a board that starts late simply knows less.
  3. Every change raises `version`, so that a reader asks for what changed since it last looked.
  4. Everything kept is bounded: the oldest finished job goes first.
"""

from __future__ import annotations

import json
import math
from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import Any

from agent.core.documents import Round
from agent.core.job import OUTCOMES, TABLE, State
from agent.fleet.page.cards import About, JobCard, PaymentCard, RoundCard, VehicleCard
from agent.fleet.status import EVERY, OFFLINE, ONLINE, STOPPED
from agent.fleet.topics import Address, address
from agent.ports import Message

MAX_VEHICLES = 20_000
MAX_JOBS = 5_000
MAX_ROUNDS = 2_000
MAX_PATH = 40
STALE_AFTER = 2.5
"""Times the promised interval, after which a vehicle's word is no longer fresh."""

SHOWN = (
    "metres", "seconds", "round", "number", "model", "reward", "stake", "reason", "samples", "steps", "held_back",
    "shadow", "shadow_last", "shadow_worse", "contribution", "ledger", "credit", "returned", "settlement", "paid",
    "why", "codes",
)  # fmt: skip
"""Facts of a job that the page shows. `transaction` and `closing` come from the `hash` of the events of that name."""
MAX_NUMBER = 10**9
"""Of a round, as a vehicle says it."""
_BY_KIND = {kind: after for (_, kind), after in TABLE.items()}


class Board:
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
        self.jobs: OrderedDict[str, JobCard] = OrderedDict()
        self.rounds: dict[str, RoundCard] = {}
        self.payments: dict[tuple[str, str, str, str], PaymentCard] = {}

    # --- in -----------------------------------------------------------------------------------------------

    def take(self, message: Message, now: float) -> None:
        """One message of a vehicle. Never raises: what makes no sense is counted."""
        self.messages += 1
        place = address(message.topic)
        reader = _READERS.get(place.channel) if place else None
        try:
            body = _parsed(message.payload)
            if place is None or reader is None or not isinstance(body, dict):
                raise ValueError
            card = self._vehicle(place)
            reader(self, card, body, place.name)
        except (ValueError, TypeError, KeyError, RecursionError):
            self.dropped += 1
            return
        said_at = now if not message.retain else min(now, _number(body.get("at"), 0.0))
        if card.status != OFFLINE or place.channel != "status":  # a last will is not the vehicle's word
            card.said_at = max(card.said_at, said_at)
        self._weigh(card, now)
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
        card = self._round(cid)
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
            self._round(round_.previous)
        self._changed(card)

    def _status(self, card: VehicleCard, body: Mapping[str, Any], _name: str) -> None:
        status, session = body["status"], str(body["session"])[:64]
        if status not in (ONLINE, STOPPED, OFFLINE):
            raise ValueError
        if status == OFFLINE and card.status == ONLINE and session != card.session:
            return  # the last will of an earlier life
        card.status, card.session = status, session

    def _state(self, card: VehicleCard, body: Mapping[str, Any], _name: str) -> None:
        healthy, troubles, about = body["healthy"], body["troubles"], About.model_validate(body)
        if not isinstance(healthy, bool) or not isinstance(troubles, list):
            raise ValueError
        card.healthy, card.about = healthy, about
        card.troubles = [str(trouble)[:300] for trouble in troubles[:10]]
        card.every = min(max(_number(body.get("every"), EVERY), 1.0), 3600.0)

    def _event(self, card: VehicleCard, body: Mapping[str, Any], _name: str) -> None:
        job_id, kind, facts, at = body["job"], body["kind"], body["data"], _number(body["at"], 0.0)
        if not (isinstance(job_id, str) and isinstance(kind, str) and isinstance(facts, dict)):
            raise ValueError
        seq = int(body["seq"])
        new = card.intake.take(str(body["journal"])[:64], seq, int(body["after"]))
        card.missed = len(card.intake.gaps)
        if not new:
            return
        job = self._job(card, job_id[:200])
        _fold(job, seq, kind[:40], facts, at)
        self._changed(job)
        if kind == "chosen" and isinstance(facts.get("round"), str):
            self._chosen(facts)
        if kind in OUTCOMES:
            card.outcomes[kind] = card.outcomes.get(kind, 0) + 1
            self.outcomes[kind] += 1
        self._settle(card, job, kind)

    def _chosen(self, facts: Mapping[str, Any]) -> None:
        card = self._round(str(facts["round"])[:64])
        if card is not None and not card.model:
            number = min(int(_number(facts.get("number"), 0)), MAX_NUMBER)
            card.model, card.number = str(facts.get("model", ""))[:80], number
            self._changed(card)

    def _settle(self, card: VehicleCard, job: JobCard, kind: str) -> None:
        """Who paid whom, as the vehicle tells it; its transactions are on the ledger for everybody to check."""
        facts = job.facts
        code, _, issuer = str(facts.get("model", "")).partition(":")
        stake, returned = (_whole(facts.get(name)) for name in ("stake", "returned"))
        if kind == "accepted":
            credit = code.replace("DLM", "VLM", 1) or "VLM"
            self._pay("settlement", card.key, credit, "credit", _whole(facts.get("credit")))
        if kind in ("accepted", "idle"):
            self._pay(card.key, "settlement", "DLC", "fee", stake - returned)
        if kind == "rejected":
            self._pay(card.key, "settlement", "DLC", "forfeited stake", stake)
        if kind == "closed":
            paid = _whole(facts.get("paid"))
            card.paid += paid
            self.paid += paid
            self._pay(issuer or "initiator", card.key, "XLM", "reward", paid)

    def _pay(self, source: str, to: str, asset: str, why: str, amount: int) -> None:
        if amount <= 0:
            return
        card = self.payments.setdefault((source, to, asset, why), PaymentCard(source, to, asset, why))
        card.amount += amount
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
        job = self.jobs.setdefault(key, JobCard(card.key, job_id))
        self.jobs.move_to_end(key)
        while len(self.jobs) > MAX_JOBS:
            self.jobs.popitem(last=False)
        return job

    def _round(self, cid: str) -> RoundCard | None:
        if cid not in self.rounds:
            if len(self.rounds) >= MAX_ROUNDS:
                return None
            self.rounds[cid] = RoundCard(cid)
            self._changed(self.rounds[cid])
        return self.rounds[cid]

    def _weigh(self, card: VehicleCard, now: float) -> None:
        card.fresh = now - card.said_at < card.every * STALE_AFTER

    def _changed(self, card: VehicleCard | JobCard | RoundCard | PaymentCard) -> None:
        self.version += 1
        card.version = self.version


_READERS = {"status": Board._status, "state": Board._state, "event": Board._event}


def _fold(job: JobCard, seq: int, kind: str, facts: Mapping[str, Any], at: float) -> None:
    """As `core.job.advance`, but for one who may have missed some events: then the kind alone decides."""
    after = TABLE.get((State(job.state), kind)) or _BY_KIND.get(kind)
    if seq > job.seq and after is not None:  # what was sent again does not turn the state back
        job.seq, job.state, job.at = seq, after.value, at
    job.outcome = kind if kind in OUTCOMES else job.outcome
    shown = {name: _short(facts[name]) for name in SHOWN if name in facts}
    if kind == "arrived":
        shown["ended"] = shown.pop("reason", None)  # why the trip ended, not why the verdict fell
    job.facts.update(shown)
    if isinstance(facts.get("hash"), str):
        job.facts["closing" if kind == "closing" else "transaction"] = facts["hash"][:64]
    job.path = sorted([*job.path, (seq, kind, at)])[-MAX_PATH:]


def _parsed(payload: bytes) -> Any:
    """JSON that can be said again as JSON: no NaN, no number beyond a float's, no half of a character. Raises
    ValueError."""
    body = json.loads(payload, parse_constant=_finite, parse_float=_finite)
    if b"\\u" in payload:
        json.dumps(body, ensure_ascii=False).encode()
    return body


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def _short(value: Any) -> Any:
    """Amounts as text: JavaScript's numbers do not hold 63 bits."""
    if isinstance(value, str):
        return value[:300]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, bool | float | None) else None


def _number(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else otherwise


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int | str) and str(value).lstrip("-").isdigit() else 0
