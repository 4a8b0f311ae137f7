"""From the journal to the fleet: every event, in order, however often the broker, the link or the agent dies.

Rules
  1. An event is published after it is in the journal, never before.
  2. The cursor moves on only when the broker has confirmed an event and all before it. What was on its way when the
     agent died is published again, under the same `seq`.
  3. `seq` is the journal's, `after` the `seq` published before it: a consumer drops what it has and sees what it lacks
     (`agent.fleet.inbox`). `journal` names the journal, so that a new one is not taken for repeats.
  4. What a broker confirmed and then lost is asked for again with the command `resend`.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from agent.errors import Malformed
from agent.fleet.event_message import EventMessage, Happened, message
from agent.fleet.reading import MOST
from agent.ports import FleetLink, Message

CURSOR = "outbox"
JOURNAL_NAME = "outbox.journal"
WINDOW = 100
"""Events on their way at the same time."""
MAX_ASKED = 100
"""Of `resend` at once; what is beyond is asked for again by whoever still lacks it."""
MAX_RESENT = 1000
"""Events that one `resend` brings back at most."""


class EventLog(Protocol):
    """What the outbox needs of a journal."""

    def events(self, job: str | None = None, after: int = 0, limit: int | None = None) -> Iterator[Happened]: ...
    def cursor(self, name: str) -> int: ...
    def advance(self, name: str, seq: int) -> None: ...
    def note(self, name: str) -> str | None: ...
    def remember(self, name: str, text: str) -> None: ...


class Outbox:
    """Call `pump` once per turn of the daemon's loop. It alone reads the link's confirmations.

    `describe` says how an event looks to the fleet, or None for one that stays in the car.
    """

    def __init__(self, journal: EventLog, link: FleetLink, describe: Callable[[Happened], EventMessage | None]) -> None:
        self._journal, self._link, self._describe = journal, link, describe
        self._name = _name_of(journal)
        self._published = self._looked_at = journal.cursor(CURSOR)
        self._on_the_way: deque[tuple[int, int]] = deque()  # (the link's id, seq), in order
        self._confirmed: set[int] = set()
        self._again: deque[tuple[int, int]] = deque()  # (after, up to) asked for again

    def pump(self) -> int:
        """Move the cursor over what was confirmed, then publish what is new; returns how many events went out. Never
        waits for the network. Raises what the journal raises (JournalFull): the next call goes on."""
        self._settle()
        if not self._link.connected:
            return 0  # they are safe where they are
        return self._send_new() + self._send_again()

    def resend(self, args: Mapping[str, object]) -> Mapping[str, object]:
        """The command of that name: publish the events with after < seq <= until again, MAX_RESENT at most, in the next
        calls of `pump`. Answers how far it will go. Raises Malformed for anything but two whole numbers."""
        after, until = args.get("after"), args.get("until")
        if type(after) is not int or type(until) is not int or not 0 <= after <= MOST:
            raise Malformed(what="a resend", why='it needs {"after": a number, "until": a number}')
        until = min(until, self._published, after + MAX_RESENT)
        if until > after and (after, until) not in self._again and len(self._again) < MAX_ASKED:
            self._again.append((after, until))
        return {"after": after, "until": max(until, after)}

    @property
    def behind(self) -> bool:
        """Whether there is something that the broker has not confirmed, as far as was looked."""
        return bool(self._on_the_way) or any(True for _ in self._journal.events(after=self._looked_at, limit=1))

    def __repr__(self) -> str:
        return f"<Outbox published to {self._published}, {len(self._on_the_way)} on their way>"

    def _settle(self) -> None:
        self._confirmed.update(self._link.acknowledged())
        done = 0
        while done < len(self._on_the_way) and self._on_the_way[done][0] in self._confirmed:
            done += 1
        if done:
            self._journal.advance(CURSOR, self._on_the_way[done - 1][1])
        for _ in range(done):
            self._confirmed.discard(self._on_the_way.popleft()[0])
        if not self._on_the_way:
            self._confirmed.clear()  # of greetings and resends, for which nobody waits

    def _send_new(self) -> int:
        sent = 0
        for event in self._journal.events(after=self._looked_at, limit=WINDOW - len(self._on_the_way)):
            event_message = self._describe(event)
            if event_message is not None:
                number = self._link.publish(self._message(event_message, event.seq, self._published))
                if number is None:
                    break
                self._on_the_way.append((number, event.seq))
                self._published = event.seq
                sent += 1
            self._looked_at = event.seq
        return sent

    def _send_again(self) -> int:
        if not self._again:
            return 0
        after, until = self._again.popleft()
        sent, before = 0, after
        for event in self._journal.events(after=after, limit=WINDOW):
            if event.seq > until:
                return sent
            event_message = self._describe(event)
            if event_message is not None:
                if self._link.publish(self._message(event_message, event.seq, before)) is None:
                    break
                before, sent = event.seq, sent + 1
            after = event.seq
        if after < until and sent:
            self._again.appendleft((after, until))
        return sent

    def _message(self, event_message: EventMessage, seq: int, after: int) -> Message:
        return message(event_message.topic, {**event_message.body, "seq": seq, "after": after, "journal": self._name})


def _name_of(journal: EventLog) -> str:
    name = journal.note(JOURNAL_NAME)
    if name is None:
        name = secrets.token_hex(8)
        journal.remember(JOURNAL_NAME, name)
    return name
