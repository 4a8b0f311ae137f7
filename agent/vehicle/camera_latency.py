"""How late the car's camera is: as its source says, else as it was last measured on a drive."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping

from agent.core import redact
from agent.journal import Journal, JournalReader
from agent.sense.latency import AT_ODDS, Latency, LatencyMeter

LEAST_S = 0.1
"""A car takes about so long to answer its wheel: less is not the camera's, and labels stay as they are."""
NEWS_S = 0.02
"""A measurement that has changed by less is not written down anew."""
NOTE = "latency"


class CameraLatency:
    """Measured once, it is remembered for this camera beside this odometer. `said_s`: what the camera's source says;
    None: nothing, and labels follow the measurement."""

    def __init__(self, journal: Journal, camera: str, odometer: str, said_s: float | None) -> None:
        self._journal, self._said_s = journal, said_s
        self._note = note_of(camera, odometer)
        self._measured = remembered(journal, self._note)
        self._why = "It has not been measured yet."

    @property
    def for_labels_s(self) -> float:
        """What labels are to be shifted by; a latency that the source says is taken off when a frame is stamped."""
        if self._said_s is not None or self._measured is None or abs(self._measured.seconds) < LEAST_S:
            return 0.0
        return self._measured.seconds

    @property
    def trouble(self) -> str | None:
        """A sentence while picture and steering contradict each other, else None."""
        return AT_ODDS if self._why == AT_ODDS else None

    def look(self, meter: LatencyMeter) -> None:
        """Measure again, and remember what is new. Raises JournalFull."""
        found = meter.measure()
        if isinstance(found, str):
            self._why = found
            return
        self._why = ""
        found = dataclasses.replace(found, seconds=round(found.seconds + (self._said_s or 0.0), 3))
        known = self._measured
        if known is None or abs(known.seconds - found.seconds) >= NEWS_S or found.uncertainty_s < known.uncertainty_s:
            self._measured = found
            self._journal.remember(self._note, json.dumps(dataclasses.asdict(found)))

    def told(self) -> Mapping[str, object]:
        """For status."""
        measured = dataclasses.asdict(self._measured) if self._measured else None
        return {
            "said_s": self._said_s,
            "measured": measured,
            "for_labels_s": self.for_labels_s,
            "why": self._why,
            "sentence": sentence(self._said_s, self._measured),
        }


def note_of(camera: str, odometer: str) -> str:
    """Where it is remembered; what the sources hold of secrets is no part of it."""
    pair = f"{redact.shown(camera)} {redact.shown(odometer)}"
    return f"{NOTE}/{hashlib.sha256(pair.encode()).hexdigest()[:16]}"


def remembered(journal: Journal | JournalReader, note: str) -> Latency | None:
    said = journal.note(note)
    return Latency(**json.loads(said)) if said else None


def is_contradicted(said_s: float | None, measured: Latency | None) -> bool:
    """Whether the source says something else than was measured. Nought stands: in a recording the table counts."""
    return bool(said_s and measured and abs(measured.seconds - said_s) > max(LEAST_S, 3 * measured.uncertainty_s))


def sentence(said_s: float | None, measured: Latency | None) -> str:
    """How late pictures come, for people."""
    if measured is None:
        return "Not measured yet." if said_s is None else f"Pictures come {said_s:.2f} s late, as the source says."
    found = f"Pictures come {measured.seconds:.2f} s (± {measured.uncertainty_s:.2f} s) late, as measured on a drive"
    if said_s is None:
        follow = "labels follow it" if abs(measured.seconds) >= LEAST_S else "that is too little to matter"
        return f"{found}: {follow}."
    if said_s == 0:
        return f"{found}; taken as none, since the source says so."
    if is_contradicted(said_s, measured):
        return f"{found}, but {said_s:.2f} s is what the source says. Correct its latency=, or leave it out."
    return f"{found}, and {said_s:.2f} s is what the source says."
