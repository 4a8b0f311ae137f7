"""Commands from the workshop: bounded, idempotent by id, and each one answered.

`milepost/v1/{fleet}/{vehicle}/cmd/{verb}` carries {"id": "…", "args": {…}}; the answer on `reply/{verb}` is
{"id", "ok", "result"} or {"id", "ok": false, "error": "a sentence"}. Who may send commands is the broker's affair (its
ACL); here it is only made sure that one never does harm by coming twice, late, malformed or by the thousand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from agent.errors import Malformed, MilepostError, Refused
from agent.fleet.event_message import redacted
from agent.fleet.reading import parsed
from agent.fleet.topics import VehicleTopics, address
from agent.ports import Clock, FleetLink, Message
from agent.sentences import first_mistake

NOTE = "commands"
REMEMBERED = 100
"""Commands whose answers are kept: a repeat within these gets the same answer and does nothing."""
BURST, PER_SECOND = 20, 1.0
"""How many commands are heard at once and over time. The rest of a flood is counted and not answered."""
MAX_COMMAND, MAX_ANSWER = 4096, 8192
"""Bytes."""

Result = Mapping[str, object]
Handler = Callable[[Mapping[str, object]], Result | Future[Result] | None]
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
"""By which a sender knows its order again."""


class ReplyStore(Protocol):
    """What commands need of a journal."""

    def note(self, name: str) -> str | None: ...
    def remember(self, name: str, text: str) -> None: ...


class Retained(Refused):
    """A retained command comes again and again: send it without the retain flag."""


class NoSuchCommand(Refused):
    """There is no command {verb}. There are: {verbs}."""


class Order(BaseModel):
    """A command's payload."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Id
    args: dict[str, Any] = Field(default_factory=dict, max_length=16)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one command. `line` is the reply's payload, kept as it was sent."""

    id: str
    verb: str
    line: str


class Commands:
    """Call `obey` once per turn with what the link received. `handlers` do the work, per verb; they may be called twice
    for one command when the agent dies in between, so each must be harmless when repeated. A handler answers with facts
    or raises a MilepostError, whose sentence becomes the answer; what takes long it answers with a Future."""

    def __init__(
        self,
        link: FleetLink,
        topics: VehicleTopics,
        memory: ReplyStore,
        clock: Clock,
        handlers: Mapping[str, Handler],
    ) -> None:
        self.refused = 0
        """Commands of a flood, or too malformed to answer."""
        self._link, self._topics, self._memory, self._clock = link, topics, memory, clock
        self._handlers = handlers
        self._budget, self._filled_at = float(BURST), clock.monotonic()
        self._awaited: dict[str, tuple[str, Future[Result]]] = {}
        """By id: the verb, and what will be the answer."""
        kept = json.loads(memory.note(NOTE) or "[]")
        self._answers = {id: Answer(id, verb, line) for id, verb, line in kept}

    def obey(self, messages: Sequence[Message]) -> None:
        """Do and answer the commands among these messages; others are left alone."""
        for message in messages:
            place = address(message.topic)
            if place is None or message.topic != self._topics.command(place.name):
                continue
            if not self._affordable():
                self.refused += 1
                continue
            self._one(place.name, message)
        self._answer()

    def _one(self, verb: str, message: Message) -> None:
        try:
            order = _parsed(message)
        except Refused:
            self.refused += 1
            return
        known = self._answers.get(order.id)
        used_for = known.verb if known else self._awaited.get(order.id, (verb,))[0]
        if used_for != verb:
            self._say(Answer(order.id, verb, _line(order.id, error=f"The id was used for {used_for}: choose another.")))
        elif known is not None:
            self._say(known)
        elif order.id not in self._awaited and len(self._awaited) < REMEMBERED:
            self._awaited[order.id] = verb, self._begun(verb, order, message.retain)

    def _begun(self, verb: str, order: Order, retained: bool) -> Future[Result]:
        future: Future[Result] = Future()
        try:
            if retained:
                raise Retained()
            if verb not in self._handlers:
                raise NoSuchCommand(verb=verb, verbs=", ".join(sorted(self._handlers)))
            result = self._handlers[verb](order.args)
        except Exception as error:  # `_outcome` says what became of it
            future.set_exception(error)
        else:
            if isinstance(result, Future):
                return result
            future.set_result(result or {})
        return future

    def _answer(self) -> None:
        """What is ready. An answer that could not be kept (a full disk) stays ready."""
        for id, (verb, future) in list(self._awaited.items()):
            if future.done():
                self._keep(answer := Answer(id, verb, _outcome(id, future)))
                del self._awaited[id]
                self._say(answer)

    def _keep(self, answer: Answer) -> None:
        self._answers[answer.id] = answer
        for oldest in list(self._answers)[:-REMEMBERED]:
            del self._answers[oldest]
        self._memory.remember(NOTE, json.dumps([[a.id, a.verb, a.line] for a in self._answers.values()]))

    def _say(self, answer: Answer) -> None:
        self._link.publish(Message(self._topics.reply(answer.verb), answer.line.encode()))

    def _affordable(self) -> bool:
        now = self._clock.monotonic()
        self._budget = min(float(BURST), self._budget + (now - self._filled_at) * PER_SECOND)
        self._filled_at = now
        if self._budget < 1:
            return False
        self._budget -= 1
        return True


def _parsed(message: Message) -> Order:
    if len(message.payload) > MAX_COMMAND:
        raise Malformed(what="a command", why=f"more than {MAX_COMMAND} bytes")
    try:
        return Order.model_validate(parsed(message.payload))
    except ValidationError as error:
        raise Malformed(what="a command", why=first_mistake(error)) from None
    except ValueError as error:
        raise Malformed(what="a command", why=str(error)[:200]) from None


def _outcome(id: str, future: Future[Result]) -> str:
    try:
        return _line(id, result=redacted(future.result()))
    except MilepostError as error:
        return _line(id, error=redacted(str(error)))
    except Exception as error:  # what a handler did not foresee is its sender's answer, not the daemon's end
        return _line(id, error=f"The command failed: {type(error).__name__}.")


def _line(id: str, result: Any = None, error: str | None = None) -> str:
    outcome = {"ok": True, "result": result} if error is None else {"ok": False, "error": error}
    line = json.dumps({"id": id, **outcome}, sort_keys=True, separators=(",", ":"))
    if len(line) > MAX_ANSWER:
        return _line(id, error="The answer is too large for a message: look at the vehicle itself.")
    return line
