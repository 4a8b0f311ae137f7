"""What the workshop wishes a vehicle's settings to be, and what the vehicle made of it.

`config/desired`, retained: {"id": "…", "settings": {"gates.pause_above_c": 80}}. `config/reported`, retained, answers:
{"id", "settings": every key that may be changed with its value in force, "refused": {key: sentence}, "at", "session"}.

Rules
  1. A wish is whole: a key that the next one does not name is as the vehicle's own configuration has it. The newest
     counts, and an empty message wishes for nothing.
  2. It is written down before it is followed, so that a restart changes nothing. The same wish again changes nothing.
  3. Each key is taken or refused by itself, with a sentence. A malformed wish is answered and changes nothing.

Which keys there are, and what is too much, is the composition's affair (`agent.compose.remote`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from agent.errors import Malformed
from agent.fleet.commands import Id, ReplyStore
from agent.fleet.event_message import message
from agent.fleet.reading import parsed
from agent.fleet.topics import VehicleTopics
from agent.ports import Clock, FleetLink, Message
from agent.sentences import first_mistake

NOTE = "desired"
"""The journal's note that holds the wish in force."""
MAX_WISH = 4096
"""Bytes."""


def _plain(value: Any) -> Any:
    if not isinstance(value, bool | int | float | str) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError("a setting is a number, a text, true or false")
    return value


Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.]{1,64}$")]
Value = Annotated[Any, AfterValidator(_plain)]


class Wish(BaseModel):
    """A payload of `config/desired`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Id
    settings: dict[Key, Value] = Field(max_length=32)


NOTHING = Wish(id="none", settings={})


@dataclass(frozen=True, slots=True)
class WishOutcome:
    """What became of a wish. `settings`: every key that may be changed, and its value in force."""

    settings: Mapping[str, object]
    refused: Mapping[str, str]


def kept(note: str | None) -> Wish:
    """The wish in a journal's note; NOTHING where there is none."""
    return Wish.model_validate_json(note) if note else NOTHING


class Desired:
    """`follow` puts the settings of a wish in force, as far as they may be. It is called with the remembered wish at
    once, and again with each new one."""

    def __init__(
        self,
        link: FleetLink,
        topics: VehicleTopics,
        session: str,
        memory: ReplyStore,
        clock: Clock,
        follow: Callable[[Mapping[str, object]], WishOutcome],
    ) -> None:
        self.refused = 0
        """Wishes that were malformed."""
        self._link, self._topics, self._session, self._memory, self._clock = link, topics, session, memory, clock
        self._follow = follow
        self._unread: Message | None = None
        self._wish = kept(memory.note(NOTE))
        self._outcome = follow(self._wish.settings)

    def hear(self, messages: Sequence[Message]) -> None:
        """Follow and answer the newest wish among these messages; others are left alone. Raises what the journal raises
        (JournalFull): the next call goes on."""
        for heard in messages:
            if heard.topic == self._topics.desired:
                self._unread = heard
        if self._unread is None:
            return
        try:
            wish = _parsed(self._unread.payload)
        except Malformed as error:
            self.refused += 1
            self._unread = None
            self.report(str(error))
            return
        if wish != self._wish:
            self._memory.remember(NOTE, wish.model_dump_json())
            self._wish, self._outcome = wish, self._follow(wish.settings)
        self._unread = None
        self.report()

    def report(self, error: str = "") -> None:
        """Say which settings are in force. `error`: why the last wish was not read."""
        about = {"id": self._wish.id, "settings": self._outcome.settings, "refused": self._outcome.refused}
        said = {**about, "at": round(self._clock.now(), 3), "session": self._session}
        body = {**said, "error": error} if error else said
        self._link.publish(message(self._topics.reported, body, retain=True))


def _parsed(payload: bytes) -> Wish:
    if len(payload) > MAX_WISH:
        raise Malformed(what="a wish for settings", why=f"more than {MAX_WISH} bytes")
    if not payload:
        return NOTHING
    try:
        return Wish.model_validate(parsed(payload))
    except ValidationError as error:
        raise Malformed(what="a wish for settings", why=first_mistake(error)) from None
    except ValueError as error:
        raise Malformed(what="a wish for settings", why=str(error)[:200]) from None
