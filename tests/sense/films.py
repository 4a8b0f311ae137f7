"""All pictures of a film."""

from __future__ import annotations

import numpy as np

from agent.sense.drive import Drive


def pictures(drive: Drive, first: int = 0) -> list[np.ndarray]:
    assert drive.images is not None
    film, found = drive.images.film(first), []
    while (image := film.read()) is not None:
        found.append(image)
    film.close()
    return found
