"""The capture thread: camera to aligner to whoever learns from it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from agent.ports import Camera, LabelledFrame
from agent.sense.alignment import Aligner

READ_S = 0.2
"""How long one look at the camera may take: what was labelled meanwhile goes on at least this often."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What went through since the start."""

    frames: int = 0
    labelled: int = 0
    unlabelled: int = 0
    failures: int = 0


class Capture:
    """Runs from `start` to `stop`. A failure is counted and told as `trouble`; the thread goes on."""

    def __init__(self, camera: Camera, aligner: Aligner, sink: Callable[[LabelledFrame], None]) -> None:
        self._camera, self._aligner, self._sink = camera, aligner, sink
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._failure: str | None = None
        self.counts = Counts()

    def __repr__(self) -> str:
        return f"<Capture {self.counts} trouble={self.trouble!r}>"

    @property
    def trouble(self) -> str | None:
        """Why frames do not come through, in a sentence."""
        return self._failure or self._camera.trouble or self._aligner.trouble

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Hand on what still waits and end the thread. The camera stays open: it is not ours. Idempotent."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
                self._hand_on(last=False)
                self._failure = None
            except Exception as failure:  # a thread that died would look like a road without frames
                self._failed(failure)
                self._stopping.wait(READ_S)
        try:
            self._hand_on(last=True)
        except Exception as failure:
            self._failed(failure)

    def _look(self) -> None:
        frame = self._camera.read(READ_S)
        if frame is not None:
            self._aligner.frame(frame)
            self.counts = replace(self.counts, frames=self.counts.frames + 1)

    def _hand_on(self, *, last: bool) -> None:
        for frame in self._aligner.ready(last=last):
            known = frame.label is not None
            self.counts = replace(
                self.counts,
                labelled=self.counts.labelled + known,
                unlabelled=self.counts.unlabelled + (not known),
            )
            self._sink(frame)

    def _failed(self, failure: Exception) -> None:
        self.counts = replace(self.counts, failures=self.counts.failures + 1)
        self._failure = f"A frame could not be taken in ({failure}). Capture goes on with the next one."
