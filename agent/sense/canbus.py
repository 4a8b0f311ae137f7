"""The car's own CAN bus, through python-can, decoded by a DBC with cantools.

A mapping says which signals of the DBC are which VSS signals (docs/sensing.md):

    [signals."Vehicle.Speed"]
    message = "WHEEL_SPEEDS"
    signals = ["WHEEL_SPEED_FL", "WHEEL_SPEED_FR", "WHEEL_SPEED_RL", "WHEEL_SPEED_RR"]   # summed
    scale = 0.25
"""

from __future__ import annotations

import codecs
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent import toml
from agent.core.pauses import Patience
from agent.errors import BAD_CONFIG, ConfigError, MilepostError
from agent.ports import Reading, Wake, nobody
from agent.sense import vss
from agent.sense.closing import Closing
from agent.sentences import did_you_mean, first_mistake

if TYPE_CHECKING:
    import can
    from cantools.database.can import Database, Message
    from cantools.database.can import Signal as DbcSignal

SILENCE_S = 3.0
"""A mapped message comes many times a second: past this the bus is dead or is another car's."""

LOOK_S = 0.2
"""Between two looks at a bus whose driver cannot be waited for together with the end."""

KEPT = 8192

BUS_OFF = 0x40
"""This bit of an error frame's identifier says so (CAN_ERR_BUSOFF, linux/can/error.h)."""

EVERY_BIT = 0x1FFFFFFF
NULL_ADDRESS = 0xFE
"""J1939's address of nobody: DBC files put it where any sender's stands."""

GROUPS = frozenset({0xF009, 0xFE6C, 0xFEBF, 0xFEC1, 0xFEE0, 0xFEE8, 0xFEF1, 0xFEF3})
"""Parameter groups of SAE J1939-71 that tell of movement: VDC2, TCO1, EBC2, VDHR, VD, VDS, CCVS1, VP."""


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
        mapping = SignalMap.model_validate(toml.read(path).values)
    except ConfigError as error:
        raise MappingUnusable(path=path, why=str(error).rstrip(".")) from None
    except ValidationError as error:
        raise MappingUnusable(path=path, why=first_mistake(error)) from None
    for name in mapping.signals:
        if name not in vss.SIGNALS:
            hint = _nearest(name, vss.SIGNALS)
            raise MappingUnusable(path=path, why=f"{name} is no signal of an odometer{hint}")
    return mapping


def load_database(path: Path) -> Database:
    """Read a DBC, with or without a byte-order mark. Raises DatabaseUnusable."""
    import cantools

    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig" if data.startswith(codecs.BOM_UTF8) else "cp1252", errors="replace")
        # Real DBC files overlap signals and misstate lengths; what is decoded is bounded by vss.LIMITS.
        return cantools.database.load_string(text, database_format="dbc", strict=False)
    except OSError as error:
        raise DatabaseUnusable(path=path, why=f"it cannot be read ({error.strerror})") from None
    except (ValueError, cantools.Error) as error:
        raise DatabaseUnusable(path=path, why=str(error).splitlines()[0][:200]) from None


@dataclass(frozen=True, slots=True)
class Identifier:
    """Which frames carry a message: those whose identifier is `number` under `mask`. 11 and 29 bits are two worlds."""

    number: int
    extended: bool = False
    mask: int = EVERY_BIT

    def fits(self, number: int, extended: bool) -> bool:
        return extended == self.extended and number & self.mask == self.number & self.mask

    def __str__(self) -> str:
        return f"{self.number:#x}{' (29 bits)' if self.extended else ''}"


def identifier(message: Message) -> Identifier:
    """Of a DBC's message. In J1939 the parameter group decides; priority and addresses are the sender's (SAE J1939-21).
    A DBC says so by its protocol, by the null address, which nobody sends from, or by one of GROUPS."""
    number, extended = message.frame_id, message.is_extended_frame
    is_j1939 = message.protocol == "j1939" or number & 0xFF == NULL_ADDRESS or number >> 8 & 0x3FFFF in GROUPS
    if not extended or not is_j1939:
        return Identifier(number, extended)
    is_addressed = (number >> 16) & 0xFF < 240  # PDU1: its second byte is the receiver
    return Identifier(number, True, 0x03FF0000 if is_addressed else 0x03FFFF00)


@dataclass(frozen=True, slots=True)
class Mapped:
    """One VSS signal and the message that carries it."""

    path: str
    signal: Signal
    message: Message


@dataclass(frozen=True, slots=True)
class Decoder:
    """From frames to VSS values. `wanted`: what the frames of each identifier are mapped to."""

    wanted: Mapping[Identifier, Sequence[Mapped]]

    @classmethod
    def of(cls, database: Database, mapping: SignalMap, mapped_in: Path) -> Decoder:
        """Raises MappingUnusable, naming the file `mapped_in`, when the DBC lacks a message or signal, or has two of
        that name."""
        wanted: dict[Identifier, list[Mapped]] = {}
        names = [message.name for message in database.messages]
        for path, signal in mapping.signals.items():
            found = [message for message in database.messages if message.name == signal.message]
            if not found:
                why = f"{path}: the DBC has no message {signal.message}{_nearest(signal.message, names)}"
                raise MappingUnusable(path=mapped_in, why=why)
            if len(found) > 1:
                both = " and ".join(str(identifier(message)) for message in found)
                why = f"{path}: the DBC calls the messages {both} by one name, {signal.message}. Rename one there"
                raise MappingUnusable(path=mapped_in, why=why)
            (message,) = found
            inside = [one.name for one in message.signals]
            for name in signal.signals:
                if name not in inside:
                    why = f"{path}: {signal.message} has no signal {name}{_nearest(name, inside)}"
                    raise MappingUnusable(path=mapped_in, why=why)
                another = _another_unit(path, signal, message.get_signal_by_name(name))
                if another is not None:
                    raise MappingUnusable(path=mapped_in, why=another)
            wanted.setdefault(identifier(message), []).append(Mapped(path, signal, message))
        return cls(wanted)

    def mapped(self, arbitration_id: int, extended: bool = False) -> list[Mapped]:
        """What a frame is mapped to, if to anything."""
        return [one for key, found in self.wanted.items() if key.fits(arbitration_id, extended) for one in found]

    def decode(self, arbitration_id: int, data: bytes, extended: bool = False) -> dict[str, float | bool | None]:
        """VSS values of one frame, without what it does not hold (another page of a multiplexed message) or the car has
        no value for. Raises ValueError when the frame does not fit the DBC."""
        import cantools

        decoded: dict[str, float | bool | None] = {}
        for one in self.mapped(arbitration_id, extended):
            pages = one.message.is_multiplexed()
            try:
                raw = one.message.decode(data, decode_choices=False, scaling=False, allow_truncated=True)
            except (cantools.Error, ValueError) as error:
                if pages:  # one that the DBC does not know is none of ours
                    continue
                raise ValueError(str(error)) from None
            if not isinstance(raw, dict) or any(name not in raw for name in one.signal.signals):
                if pages:
                    continue
                raise ValueError(f"{arbitration_id:#x} ends before {', '.join(one.signal.signals)}")
            parts = [_value(one.path, one.message.get_signal_by_name(name), raw[name]) for name in one.signal.signals]
            value = _combined(one, [value for value, _ in parts])
            if value is not None:
                decoded[one.path] = value
            elif one.path != vss.IGNITION and not any(is_code for _, is_code in parts):
                raise ValueError(f"values out of range in {arbitration_id:#x}")
        return decoded


def _combined(mapped: Mapped, parts: Sequence[float | str | None]) -> float | bool | None:
    """A mapping's signals as one VSS value; None when they are none."""
    numbers = [part for part in parts if isinstance(part, (int, float))]
    if len(numbers) == len(parts):
        return vss.value(mapped.path, sum(numbers) * mapped.signal.scale + mapped.signal.offset)
    return vss.value(mapped.path, parts[0]) if len(parts) == 1 else None


def _value(path: str, signal: DbcSignal, raw: Any) -> tuple[float | str | None, bool]:
    """(in the DBC's unit, or the word where the ignition has words; whether it may be a code). None: it is one."""
    word = str(signal.choices[raw]) if signal.choices and raw in signal.choices else ""
    if vss.is_nothing(word):
        return None, True
    if path == vss.IGNITION and word:
        is_flag = len(signal.choices or ()) == 2
        return (raw if is_flag and vss.value(path, word) is None else word), False
    scaled, is_code = float(signal.conversion.raw_to_scaled(raw, decode_choices=False)), _is_code(signal, raw)
    low, high = signal.minimum, signal.maximum
    outside = low is not None and high is not None and low < high and not low <= scaled <= high
    return (None if outside and is_code else scaled), is_code


def _is_code(signal: DbcSignal, raw: float) -> bool:
    """Whether a raw value may be one of those that say "not available" or "error": the top of an unsigned signal (SAE
    J1939-71: 0xFB and above in the highest byte), either end of a signed one, a float that is no number."""
    if signal.is_float or signal.length < 8:
        return not math.isfinite(raw)
    if signal.is_signed:
        end = 1 << signal.length - 1
        return bool(raw in (-end, end - 1))
    return bool(raw >= ((1 << signal.length) - 1) * 251 // 255)


def _another_unit(path: str, signal: Signal, inside: DbcSignal) -> str | None:
    """Why a signal cannot be taken as it is: the DBC gives it in another unit, and the mapping names no scale."""
    factor = vss.UNITS.get(path, {}).get((inside.unit or "").strip().lower())
    if factor is None or "scale" in signal.model_fields_set:
        return None
    return (
        f"{path}: the DBC has {inside.name} in {inside.unit}. Say scale = {factor:g} in the mapping, or scale = 1 if "
        "the DBC is wrong"
    )


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
        wake: Wake = nobody,
    ) -> None:
        self._connect, self._decoder, self._name, self._now, self._wake = connect, decoder, name, now, wake
        self._stamp = stamp or (lambda _: now())
        self._readings: deque[Reading] = deque(maxlen=KEPT)
        self._closing = Closing()
        self._lost: str | None = "it was not opened yet"
        self._decoded_at = self._now()
        self.decoded = 0
        self.refused = 0
        """Mapped frames that the DBC does not fit."""
        self._thread = threading.Thread(target=self._listen, name="canbus", daemon=True)
        self._thread.start()

    pause_s = math.inf

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
        bus.set_filters(
            [{"can_id": one.number, "can_mask": one.mask, "extended": one.extended} for one in wanted]
            + [{"can_id": BUS_OFF, "can_mask": EVERY_BIT}]
        )
        device = _device(bus)
        while not self._closing.is_set():
            message = bus.recv(timeout=LOOK_S if device is None else 0)
            if message is None:
                if bus.state is can.BusState.ERROR:
                    raise can.CanError("the controller went bus-off")
                if device is not None:
                    self._closing.readable(device, SILENCE_S)
            elif message.is_error_frame:
                if message.arbitration_id & BUS_OFF:
                    raise can.CanError("the controller went bus-off")
            elif self._decoder.mapped(message.arbitration_id, message.is_extended_id):
                self._take(message)
                patience.reward()

    def _take(self, message: can.Message) -> None:
        try:
            values = self._decoder.decode(message.arbitration_id, bytes(message.data), message.is_extended_id)
        except Exception:  # no frame of any bus ends the listening, whatever a decoder makes of it
            self.refused += 1
            return
        if not values:
            return
        self.decoded += 1
        self._decoded_at = self._now()
        self._readings.append(vss.reading(self._stamp(message), values))
        self._wake()


def _device(bus: can.BusABC) -> int | None:
    """What can be waited for; None for a bus inside this process and for drivers that have no file descriptor."""
    try:
        number: int = bus.fileno()
    except NotImplementedError:
        return None
    return number


def _nearest(name: str, names: Sequence[str] | Mapping[str, object]) -> str:
    hint = did_you_mean(name, names)
    return f" ({hint})" if hint else ""
