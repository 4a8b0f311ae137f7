"""The doors: how the world comes in. Each is a small Protocol whose docstring is a contract.

Every door has a real and an embedded implementation, and one contract suite (tests/contract/) runs over both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from agent.core.boxes import Box as Box
from agent.core.conditions import Conditions as Conditions
from agent.core.reading import Position as Position
from agent.core.reading import Reading as Reading
from agent.errors import MilepostError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from agent.core.cid import Cid
    from agent.core.round import Round

Wake = Callable[[], None]
"""Tells a daemon's loop that something happened. Any thread may call it; it never waits."""


def nobody() -> None:
    """The `Wake` of who looks by itself."""


# --- where the car is -----------------------------------------------------------------------------------------


class Odometer(Protocol):
    """Where the car is and how it moves. Reconnects by itself; a lost source is `trouble`, not an exception."""

    @property
    def trouble(self) -> str | None:
        """A sentence while the source gives nothing usable, else None."""

    @property
    def pause_s(self) -> float:
        """Seconds until there may be a reading that the source does not tell of by its `Wake`; inf: it tells of all."""

    def poll(self) -> Sequence[Reading]:
        """The readings since the last call, oldest first, possibly none. Returns within 50 ms. Never raises."""

    def close(self) -> None:
        """Idempotent."""


# --- what it sees ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Frame:
    """One image, stamped at capture. `image`: uint8, (height, width, 3), BGR."""

    t: float
    image: npt.NDArray[np.uint8]


Label = float | tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class LabelledFrame:
    """A frame with what is to be learnt from it: degrees of steering, a class index, or boxes in the whole picture
    (none: nothing is in it); None = no label known."""

    t: float
    image: npt.NDArray[np.uint8]
    label: Label | None


class Camera(Protocol):
    """Frames in order of capture. Reconnects by itself with backoff; a lost camera is `trouble`."""

    @property
    def trouble(self) -> str | None:
        """A sentence while there is no usable image (gone, frozen, black), else None."""

    def read(self, timeout: float) -> Frame | None:
        """The next frame, or None when none came within `timeout` seconds or the recording is over. Never raises."""

    def close(self) -> None:
        """Idempotent."""


# --- learning -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """One job's training. The folder holds everything, so that a task started again goes on where it was."""

    folder: Path
    """Scratch of this job: checkpoints are written here, atomically."""
    base: Path
    """The verified round bundle: round.json, weights.safetensors, optionally model.onnx."""
    round: Round
    seed: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How training stands now."""

    samples: int = 0
    steps: int = 0
    loss: float | None = None
    device: str = "none"
    unlabelled: int = 0
    dropped: int = 0
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Trained:
    """What training hands over. `samples` counts distinct frames seen."""

    weights: Path
    """safetensors with the same names and shapes as the base's weights."""
    samples: int
    steps: int
    held_back: float | None
    """The task's figure on frames kept from training."""


class Trainer(Protocol):
    """Turns labelled frames into better weights, apart from the daemon. One task at a time."""

    def start(self, task: TrainingTask) -> None:
        """Begin, or go on from the last checkpoint in `task.folder`. Idempotent for the running task."""

    def feed(self, frame: LabelledFrame) -> None:
        """Offer a frame, from the capture thread. Never waits: when the ring is full the oldest frame is dropped."""

    def hold(self, closed: bool) -> None:
        """Pause between two batches within 1 s (True), or go on (False). Frames keep being taken."""

    def progress(self) -> Progress:
        """Returns at once."""

    def finish(self, task: TrainingTask) -> Trained:
        """Stop, write the last checkpoint, hand over. Idempotent, and works after a restart without `start`: then it
        is what the last checkpoint holds. Raises NothingLearnt when there is nothing worth a stake."""

    def close(self) -> None:
        """Stop at once; the last checkpoint stays. Idempotent."""


# --- content --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BundleLimits:
    """What a reader is willing to take of a bundle, before anything is allocated."""

    total_bytes: int = 1 << 30
    files: int = 64
    depth: int = 4
    seconds: float | None = None
    """How long one try may take, as far as it is made of many answers; what came by then is kept for the next one."""


class ContentStore(Protocol):
    """Folders of files named by their CID. Every byte that comes back was checked against the CID asked for."""

    def put(self, folder: Path) -> Cid:
        """Store a folder as a UnixFS directory, pinned; returns its CIDv0. Idempotent; goes on where it stopped after
        a crash. Raises Unavailable."""

    def get(self, cid: Cid, into: Path, limits: BundleLimits) -> None:
        """Fetch a directory so that `into` holds it, whole or not at all; what came before a break is kept for the
        next try. Idempotent. Raises Unavailable (wait), Refused or Malformed (never ask again)."""

    def has(self, cid: Cid) -> bool:
        """Whether the whole directory can be had here now. Raises Unavailable."""

    def drop(self, folder: Path) -> None:
        """Undo `put`, for a folder whose every block is its own: no other bundle holds one of them. Idempotent. Raises
        Unavailable."""


# --- the fleet ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message. `payload` is bounded by the link (64 KiB by default) before anybody sees it."""

    topic: str
    payload: bytes
    retain: bool = False


class FleetLink(Protocol):
    """MQTT. Offline is normal: nothing here raises because a broker is away."""

    @property
    def connected(self) -> bool: ...

    @property
    def trouble(self) -> MilepostError | None:
        """Why there is no connection, or what is wrong with it (`agent.troubles`)."""

    def publish(self, message: Message, qos: int = 1) -> int | None:
        """Hand over a message; returns its id, or None when it could not be taken now. Never waits."""

    def acknowledged(self) -> Sequence[int]:
        """Ids of QoS 1 messages that the broker confirmed since the last call."""

    def receive(self) -> Sequence[Message]:
        """Messages on subscribed topics since the last call. Never waits."""

    def close(self) -> None:
        """Says goodbye (no last will). Idempotent."""


# --- this machine ---------------------------------------------------------------------------------------------


class Host(Protocol):
    """The machine under the agent."""

    def conditions(self) -> Conditions:
        """Returns within 100 ms. Never raises: what cannot be read is None."""


class Clock(Protocol):
    """Time. `now` for people and time stamps, `monotonic` for waiting."""

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop, which ends a daemon's loop."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def learn(self, now: float) -> None:
        """Somebody else's time, a ledger's say: it counts for as long as this machine's clock was not set."""

    @property
    def trouble(self) -> MilepostError | None:
        """That it was not set (`agent.troubles`)."""

    def monotonic(self) -> float:
        """Seconds, never backwards."""

    def sleep(self, seconds: float) -> None:
        """Wait, or until the clock is told to stop."""

    def wait(self, seconds: float) -> None:
        """The same, or until somebody calls `wake`: before it counts too, once. For one thread."""

    def wake(self) -> None:
        """A `Wake`: ends `wait`."""
