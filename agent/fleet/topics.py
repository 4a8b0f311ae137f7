"""Topic names. One place builds them and one place reads them.

milepost/v1/{fleet}/{vehicle}/status | state | metric | event/{kind} | cmd/{verb} | reply/{verb} | config/desired |
config/reported. Under milepost/v1/market/{settlement}/ validators talk, so no fleet may be called "market".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.errors import Malformed

ROOT = "milepost/v1"
MARKET = "market"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")


@dataclass(frozen=True, slots=True)
class VehicleTopics:
    """Everything one vehicle says and hears. Raises Malformed for names that would not be one topic level."""

    fleet: str
    vehicle: str

    def __post_init__(self) -> None:
        for name in (self.fleet, self.vehicle):
            if not _NAME.fullmatch(name):
                raise Malformed(what=f"the name {name[:80]!r}", why="1 to 64 letters, digits or any of _ . : -")
        if self.fleet == MARKET:
            raise Malformed(what="the fleet's name", why=f"{MARKET!r} is where validators talk: choose another")

    @property
    def root(self) -> str:
        return f"{ROOT}/{self.fleet}/{self.vehicle}"

    @property
    def status(self) -> str:
        return f"{self.root}/status"

    @property
    def state(self) -> str:
        return f"{self.root}/state"

    @property
    def metric(self) -> str:
        return f"{self.root}/metric"

    @property
    def desired(self) -> str:
        return f"{self.root}/config/desired"

    @property
    def reported(self) -> str:
        return f"{self.root}/config/reported"

    @property
    def commands(self) -> str:
        """The pattern to subscribe to."""
        return f"{self.root}/cmd/+"

    def event(self, kind: str) -> str:
        return f"{self.root}/event/{kind}"

    def command(self, verb: str) -> str:
        return f"{self.root}/cmd/{verb}"

    def reply(self, verb: str) -> str:
        return f"{self.root}/reply/{verb}"


@dataclass(frozen=True, slots=True)
class Address:
    """A vehicle's topic taken apart: `channel` is status, state, event, metric, cmd, reply or config; `name` is the
    level below it, or ''."""

    fleet: str
    vehicle: str
    channel: str
    name: str = ""


def address(topic: str) -> Address | None:
    """Where a message came from, or None when the topic is no vehicle's."""
    levels = topic.split("/")
    if not 5 <= len(levels) <= 6 or "/".join(levels[:2]) != ROOT or levels[2] == MARKET:
        return None
    if not all(_NAME.fullmatch(level) for level in levels[2:]):
        return None
    return Address(*levels[2:])


def whole_fleet(fleet: str = "+") -> tuple[str, ...]:
    """The patterns a fleet page listens to: its vehicles, and what validators say of false rounds."""
    return (*(f"{ROOT}/{fleet}/+/{tail}" for tail in ("status", "state", "event/+")), false_round("+", "+"))


def market(settlement: str) -> str:
    """The root under which the validators of one settlement account talk."""
    return f"{ROOT}/{MARKET}/{settlement}"


def false_round(settlement: str, validator: str) -> str:
    """Where a validator names the round that it does not serve because it is not what its lineage says."""
    return f"{market(settlement)}/false/{validator}"


def matches(pattern: str, topic: str) -> bool:
    """Whether an MQTT subscription pattern covers a topic (MQTT 3.1.1 section 4.7)."""
    wanted, levels = pattern.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for depth, want in enumerate(wanted):
        if want == "#":
            return True
        if depth >= len(levels) or want not in ("+", levels[depth]):
            return False
    return len(wanted) == len(levels)
