"""What is kept an eye on beside the trips: the gates that pause training, and what the workshop wishes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace

from agent.core import gates
from agent.errors import MilepostError
from agent.fleet.commands import Handler
from agent.fleet.desired import WishOutcome
from agent.host.logs import Log
from agent.journal import Journal
from agent.ports import Conditions, Host, Wake, nobody
from agent.vehicle.gauges import Gauges
from agent.vehicle.session import FleetSession, Follow, VehicleStatus

HOLD = "hold"
"""The journal's note of an operator's hold: it outlives a restart."""

Checkup = Callable[[], Mapping[str, object]]
"""What the doctor finds. Takes seconds."""
OpenSession = Callable[[Mapping[str, Handler], Follow], FleetSession]


@dataclass(frozen=True, slots=True)
class Followed:
    """The vehicle's own settings with what the workshop wished of them."""

    limits: gates.GateLimits
    metric_s: float
    """Between two messages with figures; 0: none."""
    taken: Mapping[str, object]
    """The wishes that were followed, by key."""
    outcome: WishOutcome


class Supervisor:
    """`closed`: names of the gates that are shut now. `settle` holds wishes against the vehicle's own settings;
    `followed`: what came of the last ones. `open_session` makes the radio; None: the vehicle has none. `wake` is told
    when an order that took long is done."""

    def __init__(
        self,
        settle: Callable[[Mapping[str, object]], Followed],
        host: Host,
        journal: Journal,
        log: Log,
        checkup: Checkup,
        open_session: OpenSession | None,
        wake: Wake = nobody,
    ) -> None:
        self._settle, self._host, self._journal, self._log = settle, host, journal, log
        self._paused = False
        self._noted: type[MilepostError] | None = None
        self._checkup, self._wake = checkup, wake
        self._checked: Future[Mapping[str, object]] | None = None
        self._answered = False
        self.closed: frozenset[str] = frozenset()
        self.conditions = Conditions()
        self.followed = settle({})
        orders: dict[str, Handler] = {
            "pause": lambda _: self._pause(True),
            "resume": lambda _: self._pause(False),
            "hold": lambda _: self._hold(True),
            "release": lambda _: self._hold(False),
            "doctor": lambda _: self._doctor(),
        }
        self._radio = open_session(orders, self._follow) if open_session else None

    @property
    def spoken_to(self) -> bool:
        """Whether somebody waits to be heard or answered by `talk`."""
        return self._answered or (self._radio is not None and self._radio.spoken_to)

    @property
    def troubles(self) -> list[str]:
        """Why work waits, in sentences."""
        session = self._radio.trouble if self._radio is not None else None
        return [*([str(session)] if session else []), *(gate.why for gate in gates.GATES if gate.name in self.closed)]

    def look(self, ignition: bool | None) -> None:
        """See how the machine is and shut or open the gates."""
        held = self._paused or self._journal.note(HOLD) == "held"
        self.conditions = replace(self._host.conditions(), ignition=ignition, held=held)
        self.closed = gates.look(self.closed, self.conditions, self.followed.limits)

    def bars(self, work: gates.Work) -> bool:
        return bool(gates.barred(self.closed, work))

    def talk(self, status: VehicleStatus, figures: Mapping[str, object]) -> None:
        """Tell the fleet how we are and obey it. Raises JournalFull."""
        self._answered = False
        if self._radio is not None:
            self._note(self._radio.trouble)
            self._radio.talk(status, figures, self.followed.metric_s)

    def _note(self, trouble: MilepostError | None) -> None:
        """Each trouble of the link once, and its end."""
        kind = type(trouble) if trouble is not None else None  # not how often by now
        if kind is self._noted:
            return
        self._noted = kind
        if trouble is not None:
            self._log.warning("link.troubled", why=str(trouble))
        else:
            self._log.event("link.recovered")

    def show(self, gauges: Gauges) -> None:
        gauges.machine(self.conditions, {gate.name: gate.name in self.closed for gate in gates.GATES})
        if self._radio is not None:
            self._radio.show(gauges)

    def close(self) -> None:
        if self._radio is not None:
            self._radio.close()

    def _pause(self, paused: bool) -> dict[str, object]:
        """Until `resume` or a restart."""
        self._paused = paused
        return {"paused": paused}

    def _hold(self, held: bool) -> dict[str, object]:
        """Until `release`, restarts included."""
        self._journal.remember(HOLD, "held" if held else "")
        return {"held": held}

    def _doctor(self) -> Future[Mapping[str, object]]:
        """Beside the loop, which has no seconds to give. Who asks meanwhile gets the same answer."""
        if self._checked is None or self._checked.done():
            self._checked = checked = Future[Mapping[str, object]]()
            checked.add_done_callback(self._examined)
            threading.Thread(target=lambda: _examine(checked, self._checkup), name="doctor", daemon=True).start()
        return self._checked

    def _examined(self, _checked: Future[Mapping[str, object]]) -> None:
        self._answered = True
        self._wake()

    def _follow(self, wishes: Mapping[str, object]) -> WishOutcome:
        self.followed = self._settle(wishes)
        for key, value in self.followed.taken.items():
            self._log.event("setting.followed", key=key, value=value)
        for key, why in self.followed.outcome.refused.items():
            self._log.warning("setting.refused", key=key, why=why)
        return self.followed.outcome


def _examine(checked: Future[Mapping[str, object]], checkup: Checkup) -> None:
    """A doctor that dies is an answer too: else it would be waited for until the next restart."""
    try:
        checked.set_result(checkup())
    except Exception as error:
        checked.set_exception(error)
