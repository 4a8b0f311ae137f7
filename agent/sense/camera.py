"""A live camera through OpenCV: V4L2, a GStreamer pipeline (CSI on a Jetson), RTSP, MJPEG over HTTP."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.core import redact
from agent.core.pauses import Patience
from agent.ports import Frame
from agent.sense.sight import Sight
from agent.troubles import CameraAway, CameraSilent

if TYPE_CHECKING:
    import cv2

# A lost camera is tried for hours, and `trouble` says so once; OpenCV and FFmpeg would write to stderr each time. They
# read this when they are loaded: OpenCV's versions have no function for it in common.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

PATIENCE = (("CAP_PROP_OPEN_TIMEOUT_MSEC", 5_000), ("CAP_PROP_READ_TIMEOUT_MSEC", 5_000))
"""How long opening a network camera, or its next image, may take; FFmpeg's own limit is 30 s."""

SILENCE_S = 5.0
KEPT = 4
"""Frames held for a reader; a late reader gets recent ones."""


@dataclass(frozen=True, slots=True)
class CaptureDevice:
    """What OpenCV opens. `backend` is the name of its constant: CAP_V4L2, CAP_GSTREAMER, CAP_FFMPEG."""

    source: str
    backend: str
    settings: tuple[tuple[str, int], ...] = ()
    """By the name of OpenCV's property: CAP_PROP_FRAME_WIDTH and the like."""

    @property
    def name(self) -> str:
        """For messages: without what a URL or a pipeline may hold of secrets."""
        return redact.shown(self.source)[:120]

    def open(self) -> cv2.VideoCapture:
        """Raises OSError when there is no such camera or it is in use."""
        import cv2

        settings = [number for name, value in self.settings for number in (getattr(cv2, name), value)]
        capture = cv2.VideoCapture(self.source, getattr(cv2, self.backend), settings)
        if not capture.isOpened():
            capture.release()
            raise OSError("it cannot be opened")
        return capture


class LiveCamera:
    """Frames of a device, stamped as they are taken. A thread takes them and opens the device again when it
    is lost.

    At most `fps` a second are kept, when given: decoding what nobody learns from costs heat. `latency_s`: how much
    later than the moment it shows an image comes; a network camera's encoder and buffers take 0.2 to 1 s.
    """

    def __init__(
        self,
        device: CaptureDevice,
        fps: float | None = None,
        now: Callable[[], float] = time.monotonic,
        latency_s: float = 0.0,
    ) -> None:
        self._device, self._now, self._latency_s = device, now, latency_s
        self._apart_s = 0.9 / fps if fps else 0.0  # a tenth early, so that 30 halves to 15 and not to 10
        self._frames: deque[Frame] = deque(maxlen=KEPT)
        self._arrived = threading.Condition()
        self._closing = threading.Event()
        self._lost: str | None = "it was not opened yet"
        self._unusable: str | None = None
        self._seen_at = now()
        self.opened = 0
        """How often the device was opened: more than once, it was lost in between."""
        self._thread = threading.Thread(target=self._watch, name="camera", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"<LiveCamera {self._device.name} opened={self.opened} trouble={self.trouble!r}>"

    @property
    def trouble(self) -> str | None:
        name = self._device.name
        if self._lost is not None:
            return str(CameraAway(name=name, why=self._lost))
        if self._now() - self._seen_at > SILENCE_S:
            return str(CameraSilent(name=name))
        return self._unusable

    def read(self, timeout: float) -> Frame | None:
        with self._arrived:
            self._arrived.wait_for(lambda: self._frames or self._closing.is_set(), timeout)
            return self._frames.popleft() if self._frames else None

    def close(self) -> None:
        self._closing.set()
        with self._arrived:
            self._arrived.notify_all()
        # A driver may sit in a call for as long as it likes; the thread ends once it comes back.
        self._thread.join(timeout=2.0)

    def _watch(self) -> None:
        patience = Patience()
        while not self._closing.is_set():
            try:
                capture = self._device.open()
                self.opened += 1
                self._lost, self._seen_at = None, self._now()
                self._take(capture, patience)
                capture.release()
                self._lost = "it stopped giving images"
            except Exception as error:  # OpenCV's many builds fail in many ways; a thread that died would tell of none
                self._lost = redact.text(str(error).replace(self._device.source, self._device.name))[:120]
            self._closing.wait(patience.pause())

    def _take(self, capture: cv2.VideoCapture, patience: Patience) -> None:
        """Take frames until the device gives no more."""
        sight, taken_at = Sight(f"the camera {self._device.name}"), -self._apart_s
        while not self._closing.is_set() and capture.grab():
            t = self._now()
            if t - taken_at < self._apart_s:
                continue
            good, image = capture.retrieve()
            if not good:
                return
            taken_at = self._seen_at = t
            patience.reward()
            self._unusable = sight.look(t, image)
            if self._unusable is None:
                with self._arrived:
                    self._frames.append(Frame(t - self._latency_s, image))
                    self._arrived.notify()
