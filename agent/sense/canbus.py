"""The car's own CAN bus, through python-can, decoded by a DBC with cantools.

A mapping says which signals of the DBC are which VSS signals (docs/sensing.md):

    [signals."Vehicle.Speed"]
    message = "WHEEL_SPEEDS"
    signals = ["WHEEL_SPEED_FL", "WHEEL_SPEED_FR", "WHEEL_SPEED_RL", "WHEEL_SPEED_RR"]   # summed
    scale = 0.25
"""

from __future__ import annotations

import difflib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import BAD_CONFIG, MilepostError
from agent.ports import Reading
from agent.sense import vss
from agent.sense.patience import Patience

if TYPE_CHECKING:
    import can
    from cantools.database.can import Database

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SILENCE_S = 3.0
"""A mapped message comes many times a second: past this the bus is dead or is another car's."""

KEPT = 8192

BUS_OFF = 0x40
"""This bit of an error frame's identifier says so (CAN_ERR_BUSOFF, linux/can/error.h)."""


class MappingUnusable(MilepostError):
    """The CAN mapping {path} cannot be used: {why}"""

    exit_code = BAD_CONFIG


class DatabaseUnusable(MilepostError):
    """The DBC file {path} cannot be used: {why}. Take the one for this make and model year."""

    exit_code = BAD_CONFIG


class Signal(BaseModel):
    """One VSS signal: the sum of `signals` of a DBC message, times `scale`, plus `offset`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    message: str
    signals: Annotated[tuple[str, ...], Field(min_length=1)]
    scale: float = 1.0
    offset: float = 0.0


class SignalMap(BaseModel):
    """Which DBC signals are which VSS signals."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    signals: Annotated[dict[str, Signal], Field(min_length=1)]


def load_map(path: Path) -> SignalMap:
    """Read a mapping. Raises MappingUnusable."""
    try:
        mapping = SignalMap.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise MappingUnusable(path=path, why=f"it cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MappingUnusable(path=path, why=str(error)) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise MappingUnusable(path=path, why=f"{where}: {first['msg']}") from None
    for name in mapping.signals:
        if name not in vss.SIGNALS:
            hint = _nearest(name, vss.SIGNALS)
            raise MappingUnusable(path=path, why=f"{name} is no signal of an odometer{hint}")
    return mapping


def load_database(path: Path) -> Database:
    """Read a DBC. Raises DatabaseUnusable."""
    import cantools

    try:
        # Real DBC files overlap signals and misstate lengths; what is decoded is bounded by vss.LIMITS.
        return cantools.database.load_file(str(path), database_format="dbc", strict=False)
    except OSError as error:
        raise DatabaseUnusable(path=path, why=f"it cannot be read ({error.strerror})") from None
    except (ValueError, cantools.Error) as error:
        raise DatabaseUnusable(path=path, why=str(error).splitlines()[0][:200]) from None


@dataclass(frozen=True, slots=True)
class Decoder:
    """From frames to VSS values. `wanted`: what each arbitration id is mapped to."""

    database: Database
    wanted: Mapping[int, Sequence[tuple[str, Signal]]]

    @classmethod
    def of(cls, database: Database, mapping: SignalMap, mapped_in: Path) -> Decoder:
        """Raises MappingUnusable, naming the file `mapped_in`, when the DBC lacks a message or signal."""
        wanted: dict[int, list[tuple[str, Signal]]] = {}
        messages = {message.name: message for message in database.messages}
        for path, signal in mapping.signals.items():
            message = messages.get(signal.message)
            if message is None:
                why = f"{path}: the DBC has no message {signal.message}{_nearest(signal.message, messages)}"
                raise MappingUnusable(path=mapped_in, why=why)
            names = [one.name for one in message.signals]
            for name in signal.signals:
                if name not in names:
                    why = f"{path}: {signal.message} has no signal {name}{_nearest(name, names)}"
                    raise MappingUnusable(path=mapped_in, why=why)
            wanted.setdefault(message.frame_id, []).append((path, signal))
        return cls(database, wanted)

    def decode(self, arbitration_id: int, data: bytes) -> dict[str, float | bool | None]:
        """VSS values of one frame. Raises ValueError when the frame does not fit the DBC."""
        import cantools

        try:
            values = self.database.decode_message(arbitration_id, data, decode_choices=False)
        except cantools.Error as error:
            raise ValueError(str(error)) from None
        decoded = {
            path: vss.value(path, sum(values[name] for name in signal.signals) * signal.scale + signal.offset)
            for path, signal in self.wanted[arbitration_id]
        }
        if None in decoded.values():
            raise ValueError(f"values out of range in {arbitration_id:#x}")
        return decoded


class CanOdometer:
    """Readings from a bus that `connect` opens. A thread listens; a bus that is off or gone is opened again.

    `stamp` gives a message's time on the clock of the frames; without it that is the time of reception, which
    is right for a bus that is there now and wrong for a log played faster than it was recorded.
    """

    def __init__(
        self,
        connect: Callable[[], can.BusABC],
        decoder: Decoder,
        name: str = "CAN",
        stamp: Callable[[can.Message], float] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect, self._decoder, self._name, self._now = connect, decoder, name, now
        self._stamp = stamp or (lambda _: now())
        self._readings: deque[Reading] = deque(maxlen=KEPT)
        self._closing = threading.Event()
        self._lost: str | None = "it was not opened yet"
        self._decoded_at = self._now()
        self.decoded = 0
        self.refused = 0
        """Mapped frames that the DBC does not fit."""
        self._thread = threading.Thread(target=self._listen, name="canbus", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        counts = f"decoded={self.decoded} refused={self.refused}"
        return f"<CanOdometer {self._name} {counts} trouble={self.trouble!r}>"

    @property
    def trouble(self) -> str | None:
        if self._lost is not None:
            return f"CAN bus {self._name} is not there ({self._lost}). It is tried again. Is it up?"
        if self.refused > self.decoded:
            return (
                f"{self.refused} frames on {self._name} do not fit the DBC and {self.decoded} do. "
                "Nothing wrong is counted. Take the DBC for this make and model year."
            )
        if self._now() - self._decoded_at > SILENCE_S:
            return (
                f"No mapped message on {self._name} for {SILENCE_S:.0f} s. Trips cannot start by CAN. "
                "Is the car awake, and the mapping the one for it?"
            )
        return None

    def poll(self) -> Sequence[Reading]:
        return [self._readings.popleft() for _ in range(len(self._readings))]

    def close(self) -> None:
        self._closing.set()
        self._thread.join()

    def _listen(self) -> None:
        import can

        patience = Patience()
        while not self._closing.is_set():
            try:
                with self._connect() as bus:
                    self._follow(bus, patience)
            except (can.CanError, OSError, ValueError) as error:
                self._lost = str(error)[:120] or type(error).__name__
                self._closing.wait(patience.pause())

    def _follow(self, bus: can.BusABC, patience: Patience) -> None:
        """Take frames until the bus fails. Raises can.CanError or OSError."""
        import can

        self._lost, self._decoded_at = None, self._now()
        wanted = self._decoder.wanted
        # The kernel leaves out the other hundreds of messages.
        bus.set_filters([{"can_id": one, "can_mask": 0x1FFFFFFF} for one in (*wanted, BUS_OFF)])
        while not self._closing.is_set():
            message = bus.recv(timeout=0.2)
            if message is None:
                if bus.state is can.BusState.ERROR:
                    raise can.CanError("the controller went bus-off")
            elif message.is_error_frame:
                if message.arbitration_id & BUS_OFF:
                    raise can.CanError("the controller went bus-off")
            elif message.arbitration_id in wanted:
                self._take(message)
                patience.reward()

    def _take(self, message: can.Message) -> None:
        try:
            values = self._decoder.decode(message.arbitration_id, bytes(message.data))
        except ValueError:
            self.refused += 1
            return
        self.decoded += 1
        self._decoded_at = self._now()
        self._readings.append(vss.reading(self._stamp(message), values))


def _nearest(name: str, names: Sequence[str] | Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, list(names), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
