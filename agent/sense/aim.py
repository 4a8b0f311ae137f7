"""Where a camera is aimed: what all its pictures of a drive have in common, and whether that has moved since.

The edges of many pictures are laid over each other: the road's own shape, the bonnet and the horizon stay, every place
that was passed is averaged away. A map has 64 x 36 cells and is the mean of at least 60 pictures, taken seconds apart
while the car drives, so that it gives no place away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from agent.errors import Malformed

if TYPE_CHECKING:
    from agent.sense.film import Image

Map = npt.NDArray[np.float32]

WIDTH, HEIGHT = 64, 36
EDGES = 2
"""Across and down."""
STRONGEST = 120.0
"""An edge counts no more than this, or one bright line decides."""
APART_S = 2.0
"""Between two pictures that count."""
LEAST, MOST = 60, 150
"""Pictures before a map says anything, and those that make a reference: five minutes of driving."""
DAY = 50.0
"""Mean brightness, of 255, below which a picture does not count: by night most edges are not seen."""
AROUND = (10, 6)
"""Cells by which a view may have moved before it is another one."""
MOST_TURN_DEG = 8
UP_DOWN, ASIDE, TURNED_DEG = 0.045, 0.12, 5.0
"""What counts as moved: shares of height and width, degrees. Halves of one recorded drive, even in the other direction,
differ by 0, 0.09 and 2: bends to one side pull a map aside."""
BETTER = 0.03
"""By how much more a moved map must agree."""
SAME, ANOTHER = 0.85, 0.75
"""Agreement from which it is the same view, moved or not, and below which it is another. Halves of a drive agree by
0.89 and more."""
GONE, GONE_SHARE = 0.25, 0.1
"""A cell that has this part of its edges left sees nothing; so many such cells are a cover."""


@dataclass(frozen=True, slots=True)
class Aim:
    """`edges`: (HEIGHT, WIDTH, EDGES), the mean strength of the edges across and down; `pictures` it is made of."""

    edges: Map
    pictures: int = 0

    @classmethod
    def none(cls) -> Aim:
        return cls(np.zeros((HEIGHT, WIDTH, EDGES), np.float32))

    def __repr__(self) -> str:
        return f"<Aim of {self.pictures} pictures>"

    @property
    def is_sure(self) -> bool:
        return self.pictures >= LEAST

    @property
    def is_full(self) -> bool:
        return self.pictures >= MOST

    def seen(self, image: Image, most: int = MOST) -> Aim:
        """With one more picture, uint8, (h, w, 3), BGR; the mean of about `most`, in which older ones fade."""
        pictures = min(self.pictures + 1, most)
        return Aim(self.edges + (edges_of(image) - self.edges) / np.float32(pictures), pictures)

    def to_bytes(self) -> bytes:
        return self.pictures.to_bytes(2, "little") + self.edges.astype("<f2").tobytes()

    @classmethod
    def parse(cls, data: bytes) -> Aim:
        """Raises Malformed."""
        edges = np.frombuffer(data[2:], "<f2") if len(data) == SIZE else np.zeros(0)
        if edges.size != HEIGHT * WIDTH * EDGES or not np.isfinite(edges).all():
            raise Malformed(what="the camera's aim", why="it is not one that was kept here")
        return cls(
            edges.astype(np.float32).reshape(HEIGHT, WIDTH, EDGES), min(MOST, int.from_bytes(data[:2], "little"))
        )


SIZE = 2 + 2 * HEIGHT * WIDTH * EDGES


@dataclass(frozen=True, slots=True)
class Change:
    """How a view differs from what it was. Shares of the picture; positive is to the right, down, clockwise."""

    agreement: float
    """Of the two maps, once laid over each other, 0 to 1."""
    aside: float
    down: float
    turned_deg: float
    gone: float
    """Share of the cells that had edges and have none any more."""

    @property
    def sentence(self) -> str | None:
        """What is wrong, else None."""
        gone = (
            f"{self.gone:.0%} of the camera's view have lost their edges since it was aimed. Is something in front of "
            "the lens, or is it dirty or out of focus?"
        )
        moved = [
            *([_way(self.down, "lower", "higher", "height")] if abs(self.down) >= UP_DOWN else []),
            *([_way(self.aside, "further right", "further left", "width")] if abs(self.aside) >= ASIDE else []),
            *([_turn(self.turned_deg)] if abs(self.turned_deg) >= TURNED_DEG else []),
        ]
        if self.gone >= GONE_SHARE and (self.agreement < SAME or not moved):
            return gone
        if self.agreement < ANOTHER:
            return f"The camera sees another view than when it was aimed. {HOW}"
        return f"The camera's view has moved since it was aimed: {', '.join(moved)}. {HOW}" if moved else None


HOW = "Aim it again, or run `milepost camera --accept` if this is how it is meant."


def _way(share: float, more: str, less: str, of: str) -> str:
    return f"the road is {abs(share):.0%} of the {of} {more if share > 0 else less}"


def _turn(degrees: float) -> str:
    return f"it is turned by {abs(degrees):.0f} degrees {'clockwise' if degrees > 0 else 'anticlockwise'}"


def edges_of(image: Image) -> Map:
    import cv2

    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    grey = cv2.resize(grey, (4 * WIDTH, 4 * HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)
    found = [np.minimum(np.abs(cv2.Sobel(grey, cv2.CV_32F, *way)), STRONGEST) for way in ((1, 0), (0, 1))]
    small = [cv2.resize(edges, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for edges in found]
    return np.stack(small, axis=-1).astype(np.float32)


def change(reference: Aim, now: Aim) -> Change:
    """What has moved: the turn and the shift with which the two maps agree best, by normalised cross-correlation."""
    import cv2

    before, after = np.sqrt(reference.edges), np.sqrt(now.edges)
    aside, down = AROUND
    wanted = [np.ascontiguousarray(before[down:-down, aside:-aside, way]) for way in range(EDGES)]
    best, turned, place, here = -1.0, 0, (down, aside), 0.0
    for degrees in range(-MOST_TURN_DEG, MOST_TURN_DEG + 1):
        turn = cv2.getRotationMatrix2D((WIDTH / 2 - 0.5, HEIGHT / 2 - 0.5), degrees, 1)
        view = cv2.warpAffine(after, turn, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
        parts = [np.ascontiguousarray(view[..., way]) for way in range(EDGES)]
        found = [cv2.matchTemplate(a, b, cv2.TM_CCOEFF_NORMED) for a, b in zip(parts, wanted, strict=True)]
        score = np.mean(found, axis=0)
        at = np.unravel_index(int(score.argmax()), score.shape)
        if score[at] > best:
            best, turned, place = float(score[at]), degrees, (int(at[0]), int(at[1]))
        if degrees == 0:
            here = float(score[down, aside])
    if best - here < BETTER:
        best, turned, place = here, 0, (down, aside)
    strength = reference.edges.sum(axis=-1)
    gone = (now.edges.sum(axis=-1) < GONE * strength) & (strength > np.median(strength) / 2)
    return Change(
        round(best, 2),
        round((place[1] - aside) / WIDTH, 3),
        round((place[0] - down) / HEIGHT, 3),
        # Turned back by so much, it agrees; OpenCV turns anticlockwise.
        float(turned),
        round(float(gone.mean()), 3),
    )
