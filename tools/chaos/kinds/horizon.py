"""Horizon's habits, and a bad line to it: each strikes some parties for a while."""

from __future__ import annotations

from tools.chaos.kinds.kind import Act, Cast, Course, Kind, ledgers
from tools.chaos.town import Town

LASTS = 12


def _fault(name: str) -> Act:
    def act(town: Town, cast: Cast) -> Course:
        daemons = town.daemons
        struck = town.ground.dice.sample(daemons, len(daemons) // 2)
        for daemon in struck:
            daemon.weather.horizon.add(name)
        yield from ledgers(LASTS)
        for daemon in struck:
            daemon.weather.horizon.discard(name)

    return act


KINDS = (
    Kind("horizon errors", "horizon", "answers 429 and 5xx with a proxy's page", _fault("errors")),
    Kind("horizon timeouts", "horizon", "loses requests, and answers to what it took", _fault("timeouts")),
    Kind("short history", "horizon", "410, 404 and silence about all but the newest ledgers", _fault("short")),
    Kind("late replica", "horizon", "every fourth answer comes from a replica that is behind", _fault("late")),
    Kind("garbage result", "horizon", "result_xdr is AAA=", _fault("garbage")),
    Kind("unknown operation", "horizon", "an old transaction holds an operation nobody can read", _fault("unknown")),
    Kind("proxy 404", "horizon", "another server's JSON 404 on an account's history", _fault("proxy")),
)
