"""Whether the camera still sees what it saw when it was aimed; kept in one small file of the state directory.

The file holds two maps of edges (`agent.sense.aim`), each of two minutes of driving and more, and where the horizon is:
no picture, and nothing of which one could be made.
"""

from __future__ import annotations

import hashlib
import math
import struct
import threading
from pathlib import Path

from agent import files
from agent.core import redact
from agent.errors import Malformed
from agent.ports import LabelledFrame
from agent.sense.aim import APART_S, DAY, LEAST, SIZE, Aim, Change, change
from agent.sense.mount import MountMeter

FILE = "aim"
HEAD = struct.Struct("<16sdd")
"""Which camera, horizon, tilt; NaN where a drive has not shown it."""
BURST = 6
"""Frames in a row that are looked at for horizon and tilt, each time."""


class CameraAim:
    """`reference` is what the first drive of two minutes and more saw, five of it at the most; `newest` the last two
    minutes. Frames come from the capture thread; the rest is the loop's."""

    def __init__(self, folder: Path, source: str) -> None:
        self.path = folder / FILE
        self._camera = hashlib.sha256(redact.shown(source).encode()).digest()[:16]
        self.reference, self.newest = Aim.none(), Aim.none()
        self.horizon: float | None = None
        """In heights from the top, as the last drive that showed it had it."""
        self.tilt_deg: float | None = None
        self._mount = MountMeter()
        self._lock = threading.Lock()
        self._counted, self._burst = -math.inf, 0
        self._grows = True
        self._is_kept = False
        self._trouble: str | None = None
        self._read()

    def __repr__(self) -> str:
        return f"<CameraAim reference={self.reference} newest={self.newest}>"

    @property
    def change(self) -> Change | None:
        """None while one of the two has seen too little."""
        return change(self.reference, self.newest) if self.reference.is_sure and self.newest.is_sure else None

    @property
    def trouble(self) -> str | None:
        """A sentence when the view has moved, or is covered, since the camera was aimed; looked at in `keep`."""
        return self._trouble

    def begin(self) -> None:
        """A new drive: what the last one saw counts no more."""
        with self._lock:
            self._anew()

    def see(self, frame: LabelledFrame) -> None:
        """A frame with a label was taken while the car drove: others may show where it is parked."""
        if frame.label is None:
            return
        with self._lock:
            if frame.t - self._counted >= APART_S:
                if float(frame.image[::16, ::16].mean()) < DAY:
                    return
                self._counted, self._burst = frame.t, BURST
                if self._grows and not self.reference.is_full:
                    self.reference = self.reference.seen(frame.image)
                self.newest = self.newest.seen(frame.image, LEAST)
            if self._burst:
                self._burst -= 1
                self._mount.look(frame.t, frame.image)

    def keep(self) -> None:
        """Write down what is sure. A file that was removed means: begin anew. Raises Unavailable."""
        with self._lock:
            if self._is_kept and not self.path.exists():
                self.reference, self._is_kept = Aim.none(), False
                self._anew()
            if not (self.reference.is_sure and self.newest.is_sure):
                return
            if (horizon := self._mount.horizon) is not None:
                self.horizon = horizon
            if (tilt := self._mount.tilt_deg) is not None:
                self.tilt_deg = tilt
            places = (math.nan if known is None else known for known in (self.horizon, self.tilt_deg))
            data = HEAD.pack(self._camera, *places) + self.reference.to_bytes() + self.newest.to_bytes()
        moved = self.change
        self._trouble = moved.sentence if moved else None
        files.make_folder(self.path.parent)
        files.write_whole(self.path, data)
        self._is_kept = True

    def _anew(self) -> None:
        self.newest, self._counted, self._burst = Aim.none(), -math.inf, 0
        self._trouble = None
        self._grows = not self.reference.is_sure  # a later drive may have moved the camera

    def _read(self) -> None:
        """A file of another camera, or none that was kept here, is as good as none."""
        try:
            with self.path.open("rb") as file:
                data = file.read(HEAD.size + 2 * SIZE + 1)
            camera, horizon, tilt = HEAD.unpack(data[: HEAD.size])
            maps = Aim.parse(data[HEAD.size : HEAD.size + SIZE]), Aim.parse(data[HEAD.size + SIZE :])
        except (OSError, Malformed, struct.error):
            return
        if camera == self._camera:
            self.reference, self.newest = maps
            self.horizon, self.tilt_deg = _known(horizon), _known(tilt)
            self._is_kept = True


def _known(kept: float) -> float | None:
    return None if math.isnan(kept) else kept
