"""Several odometers as one: the wheels when they speak, GPS when they do not, and whatever either knows
besides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from agent.ports import Odometer, Reading

CARRY_S = 3.0
"""How long a better source may be silent before the next one's movement is taken."""


class ComposedOdometer:
    """Sources in order of trust. Movement comes from the best one that speaks, all else from any of them.

    Two sources never both say how far the car went: a ferry turns no wheel however far GPS sees it go.
    """

    def __init__(self, sources: Sequence[Odometer]) -> None:
        self._sources = tuple(sources)
        self._moved_at = [-math.inf] * len(self._sources)

    def __repr__(self) -> str:
        return f"<ComposedOdometer {self._sources!r}>"

    @property
    def trouble(self) -> str | None:
        """Only when no source gives anything: the first one's sentence."""
        troubles = [source.trouble for source in self._sources]
        return troubles[0] if all(troubles) else None

    @property
    def pause_s(self) -> float:
        return min(source.pause_s for source in self._sources)

    def poll(self) -> Sequence[Reading]:
        heard = [(reading, rank) for rank, source in enumerate(self._sources) for reading in source.poll()]
        heard.sort(key=lambda one: (one[0].t, one[1]))
        readings = []
        for reading, rank in heard:
            if reading.speed_kmh is not None or reading.travelled_m is not None:
                self._moved_at[rank] = reading.t
            if any(reading.t - moved_at <= CARRY_S for moved_at in self._moved_at[:rank]):
                reading = replace(reading, speed_kmh=None, travelled_m=None)
            readings.append(reading)
        return readings

    def close(self) -> None:
        for source in self._sources:
            source.close()
