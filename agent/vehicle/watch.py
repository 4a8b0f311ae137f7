"""What is kept an eye on beside the trips: the gates that pause training, and the fleet's link."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agent.core import gates
from agent.fleet.broker import Broker
from agent.fleet.commands import Commands
from agent.fleet.link import PahoLink
from agent.fleet.outbox import Outbox
from agent.fleet.status import Presence, last_will
from agent.fleet.telegram import describer
from agent.fleet.topics import VehicleTopics
from agent.journal import Journal
from agent.ports import Clock, Conditions, Host
from agent.vehicle.gauges import Gauges

HOLD = "hold"
"""The journal's note of an operator's hold: it outlives a restart."""


class Fleet:
    """This vehicle's side of MQTT."""

    def __init__(self, link: PahoLink, topics: VehicleTopics, session: str, journal: Journal, clock: Clock) -> None:
        self.link = link
        self.presence = Presence(link, topics, session, clock)
        self.outbox = Outbox(journal, link, describer(topics))
        self._topics, self._journal, self._clock = topics, journal, clock
        self.commands: Commands | None = None
        self.presence.online()

    def obey(self, handlers: Mapping[str, Any]) -> None:
        self.commands = Commands(self.link, self._topics, self._journal, self._clock, handlers)


class Watch:
    """Gates and fleet. `closed`: names of the gates that are shut now."""

    def __init__(self, limits: gates.Limits, host: Host, journal: Journal, fleet: Fleet | None) -> None:
        self._limits, self._host, self._journal, self._fleet = limits, host, journal, fleet
        self._paused = False
        self._status: dict[str, Any] = {}
        self.closed: frozenset[str] = frozenset()
        self.conditions = Conditions()
        if fleet is not None:
            fleet.obey(
                {
                    "pause": lambda _: self._pause(True),
                    "resume": lambda _: self._pause(False),
                    "hold": lambda _: self._hold(True),
                    "release": lambda _: self._hold(False),
                    "resend": fleet.outbox.resend,
                    "doctor": lambda _: self._status,
                }
            )

    @property
    def troubles(self) -> list[str]:
        """Why work waits, in sentences."""
        return [gate.why for gate in gates.GATES if gate.name in self.closed]

    def look(self, ignition: bool | None) -> None:
        """See how the machine is and shut or open the gates."""
        held = self._paused or self._journal.note(HOLD) == "held"
        self.conditions = replace(self._host.conditions(), ignition=ignition, held=held)
        self.closed = gates.look(self.closed, self.conditions, self._limits)

    def bars(self, work: gates.Work) -> bool:
        return bool(gates.barred(self.closed, work))

    def talk(self, status: dict[str, Any]) -> None:
        """Publish what is new, say how we are, obey commands. Raises JournalFull."""
        self._status = status
        if self._fleet is None:
            return
        self._fleet.outbox.pump()
        self._fleet.presence.state(not status["troubles"], status["troubles"], _facts(status))
        if self._fleet.commands is not None:
            self._fleet.commands.obey(self._fleet.link.receive())

    def show(self, gauges: Gauges) -> None:
        gauges.machine(self.conditions, {gate.name: gate.name in self.closed for gate in gates.GATES})
        if self._fleet is not None:
            gauges.fleet(self._fleet.link, self._fleet.outbox.behind)

    def close(self) -> None:
        if self._fleet is not None:
            self._fleet.presence.stopped()
            self._fleet.link.close()

    def _pause(self, paused: bool) -> dict[str, Any]:
        """Until `resume` or a restart."""
        self._paused = paused
        return {"paused": paused}

    def _hold(self, held: bool) -> dict[str, Any]:
        """Until `release`, restarts included."""
        self._journal.remember(HOLD, "held" if held else "")
        return {"held": held}


def _facts(status: dict[str, Any]) -> dict[str, Any]:
    """What the fleet page shows of the status, without what changes every second."""
    return {name: status[name] for name in ("account", "trip", "jobs", "training", "software", "profile")}


def connect(broker: Broker, topics: VehicleTopics, journal: Journal, clock: Clock) -> Fleet:
    """The real link. The session's id tells an old last will from a new life."""
    session = secrets.token_hex(8)
    link = PahoLink(broker, topics.vehicle, (topics.commands,), will=last_will(topics, session))
    return Fleet(link, topics, session, journal, clock)
