"""Whether a camera still sees: black and frozen images, told apart from a dark or a quiet road."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from agent.troubles import CameraBlack, CameraFrozen

if TYPE_CHECKING:
    from agent.sense.film import Image

BLACK_MEAN = 6.0
"""Of 255. A night road with headlights on is above 15; a covered lens or a dead sensor below 3."""

BLACK_DEVIATION = 4.0
BLACK_S = 3.0
FROZEN_S = 5.0
"""A sensor's noise changes every image; one that repeats to the bit for so long comes from a stuck driver."""


class Sight:
    """Looks at each frame in turn and says what is wrong, in a sentence, or None."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._black_since: float | None = None
        self._frozen_since: float | None = None
        self._last = -1

    @property
    def doubts(self) -> bool:
        """Whether the last image was black, or the one before once more: what will be said when it goes on."""
        return self._black_since is not None or self._frozen_since is not None

    def look(self, t: float, image: Image) -> str | None:
        """`t` in seconds, ascending."""
        thin = image[::8, ::8]
        seen = zlib.crc32(image.tobytes())
        black = float(thin.mean()) < BLACK_MEAN and float(thin.std()) < BLACK_DEVIATION
        self._frozen_since = (self._frozen_since or t) if seen == self._last else None
        self._black_since = (self._black_since or t) if black else None
        self._last = seen
        if self._black_since is not None and t - self._black_since >= BLACK_S:
            return str(CameraBlack(name=self._name))
        if self._frozen_since is not None and t - self._frozen_since >= FROZEN_S:
            return str(CameraFrozen(name=self._name))
        return None
