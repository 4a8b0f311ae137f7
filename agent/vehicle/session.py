"""The vehicle's side of MQTT: what it tells its fleet, and what it obeys."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import TypedDict

from agent import __version__
from agent.core.ids import AccountId
from agent.errors import MilepostError
from agent.fleet.broker import Broker
from agent.fleet.commands import Commands, Handler
from agent.fleet.desired import Desired, WishOutcome
from agent.fleet.discovery import Discovery
from agent.fleet.event_message import describer
from agent.fleet.link import BrokerNotReady, PahoLink
from agent.fleet.metric import Metric
from agent.fleet.outbox import Outbox
from agent.fleet.status import Presence, last_will
from agent.fleet.topics import VehicleTopics
from agent.journal import Journal
from agent.ports import Clock
from agent.vehicle.gauges import Gauges
from agent.vehicle.settings import Identity

Follow = Callable[[Mapping[str, object]], WishOutcome]


class VehicleStatus(TypedDict):
    """What `milepost status` and the fleet are told. No position."""

    status: str
    at: float
    """Seconds since the epoch."""
    pid: int
    vehicle: str
    account: AccountId
    owner: AccountId | None
    """Whose key has the last word on the account, where that is known."""
    payout: str | None
    """Where pay goes, where it is not the account."""
    trip: Mapping[str, object]
    jobs: list[Mapping[str, object]]
    training: Mapping[str, object] | None
    closed_gates: list[str]
    set_by_fleet: dict[str, object]
    software: str
    profile: str
    latency: Mapping[str, object]
    troubles: list[str]
    """Sentences."""


class FleetSession:
    """`discovery`: Home Assistant's prefix, or ''. `orders` obey the workshop's commands, `follow` its wishes for
    settings. The session's id tells an old last will from a new life. Raises NotDiscoverable."""

    def __init__(
        self,
        identity: Identity,
        broker: Broker,
        discovery: str,
        journal: Journal,
        clock: Clock,
        orders: Mapping[str, Handler],
        follow: Follow,
    ) -> None:
        topics = VehicleTopics(identity.fleet, identity.vehicle)
        session = secrets.token_hex(8)
        self.link = link = PahoLink(
            broker, topics.vehicle, (topics.commands, topics.desired), will=last_will(topics, session), wake=clock.wake
        )
        self._presence = Presence(link, topics, session, clock)
        self._outbox = Outbox(journal, link, describer(topics))
        self._metric = Metric(link, topics, session, clock)
        self._commands = Commands(link, topics, journal, clock, {**orders, "resend": self._outbox.resend})
        self._desired = Desired(link, topics, session, journal, clock, follow)
        self._discovery = Discovery(link, topics, journal, discovery, __version__, identity.profile)
        self._announced: float | None = None
        """The interval of `metric` as it was announced."""
        self._presence.online()
        self._desired.report()

    def talk(self, status: VehicleStatus, figures: Mapping[str, object], metric_s: float) -> None:
        """Publish what is new, say how we are, obey. Raises JournalFull."""
        if metric_s != self._announced:
            self._announced = metric_s
            self._discovery.announce(metric_s)
        self._outbox.pump()
        self._presence.state(not status["troubles"], status["troubles"], _facts(status))
        self._metric.say(figures, metric_s)
        heard = self.link.receive()
        try:
            self._commands.obey(heard)
        finally:  # a full disk keeps a command from being answered; a wish waits until it can be written down
            self._desired.hear(heard)

    @property
    def spoken_to(self) -> bool:
        """Whether `talk` would hear something."""
        return self.link.has_heard

    @property
    def trouble(self) -> MilepostError | None:
        """What is wrong with the link. That it is not there yet is nothing."""
        trouble = self.link.trouble
        return None if isinstance(trouble, BrokerNotReady) else trouble

    def show(self, gauges: Gauges) -> None:
        gauges.fleet(
            self.link.connected,
            self._outbox.behind,
            {"broker": self.link.refused, "commands": self._commands.refused, "desired": self._desired.refused},
        )

    def close(self) -> None:
        self._presence.stopped()
        self.link.close()


def _facts(status: VehicleStatus) -> dict[str, object]:
    """What the fleet page shows of the status, without what changes every second."""
    return {
        "account": status["account"],
        "trip": status["trip"],
        "jobs": status["jobs"],
        "training": status["training"],
        "software": status["software"],
        "profile": status["profile"],
    }
