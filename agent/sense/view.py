"""What a camera's pictures are like, for whoever mounts it: numbers, and what they mean in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from agent.sense.film import Image

Floats = npt.NDArray[np.float64]

LOOKED_AT = 200
"""Pixels of width in which sharpness is judged: a network sees no more."""
SOFT, BLURRED = 0.52, 0.64
"""Of 1. Recorded drives have 0.2 to 0.45; blurred by 1.2 % of their width, 0.65 to 0.74."""
DARK, BRIGHT = 50.0, 200.0
BLACK, WHITE = 5, 250
MOST_CLIPPED = 0.2
ROWS, COLUMNS = 6, 8
"""Blocks in which a cover is looked for."""
MOVES, STILL = 5.0, 1.0
"""Standard deviation over time, of 255, of a scene that moves past, and of what stands still before the lens."""
SHADE = 60.0
"""A block of the sky that is darker than this by day is none."""
MOST_COVERED = 0.04
LONG_GAP = 2.5
"""Frames that a gap spans before it is told."""


@dataclass(frozen=True, slots=True)
class ViewReport:
    """Of some seconds of frames."""

    width: int
    height: int
    frames: int
    fps: float
    jitter_s: float
    """Standard deviation of the time between two frames."""
    longest_gap_s: float
    blur: float
    """0 is sharp, 1 is not (Crété-Roffet et al. 2007)."""
    brightness: float
    """Mean, 0 to 255."""
    black: float
    white: float
    """Shares of the picture."""
    moves: bool
    """Whether the scene moved enough to tell what covers the lens."""
    covered: tuple[str, ...]
    """Where something stands still before a scene that moves."""
    covered_share: float


def view(times: Sequence[float], greys: Floats, size: tuple[int, int]) -> ViewReport:
    """`times` of at least one frame, ascending; `greys`, (n, h, w), as `grey` makes them, of some of these; `size`: the
    camera's width and height."""
    gaps = np.diff(times) if len(times) > 1 else np.zeros(1)
    where, share, moves = cover(greys)
    return ViewReport(
        *size,
        len(times),
        round(float(1 / np.median(gaps)), 1) if gaps.any() else 0.0,
        round(float(gaps.std()), 4),
        round(float(gaps.max()), 3),
        round(float(np.median([blur(picture) for picture in greys])), 2),
        round(float(greys.mean()), 1),
        round(float((greys <= BLACK).mean()), 3),
        round(float((greys >= WHITE).mean()), 3),
        moves,
        where,
        round(share, 3),
    )


def sentences(seen: ViewReport) -> dict[str, tuple[bool, str]]:
    """What it comes to, by subject: whether it is well, and a sentence."""
    return {"picture": _picture(seen), "sharpness": _sharp(seen), "exposure": _exposed(seen), "lens": _lens(seen)}


def _picture(seen: ViewReport) -> tuple[bool, str]:
    if not seen.fps:
        return False, f"One picture of {seen.width} x {seen.height} pixels: its rate cannot be told."
    rate = f"{seen.width} x {seen.height} pixels, {seen.fps:g} frames a second, ± {1000 * seen.jitter_s:.0f} ms"
    if seen.longest_gap_s * seen.fps > LONG_GAP:
        gap = f"{seen.longest_gap_s:.2f} s"
        return False, f"{rate}, but once {gap} without any: check cable, hub and network."
    return True, f"{rate}."


def _sharp(seen: ViewReport) -> tuple[bool, str]:
    if seen.blur >= BLURRED:
        return False, f"Blurred ({seen.blur:.2f}). Clean the lens and its pane, then set the focus to far away."
    if seen.blur >= SOFT:
        return True, f"Soft ({seen.blur:.2f}), good enough for what the network sees."
    return True, f"Sharp ({seen.blur:.2f})."


def _exposed(seen: ViewReport) -> tuple[bool, str]:
    shares = f"mean {seen.brightness:.0f} of 255, {seen.black:.0%} black, {seen.white:.0%} white"
    if seen.white >= MOST_CLIPPED or seen.brightness > BRIGHT:
        return False, f"Too bright: {shares}. Keep the sun and the bonnet's glare out, or lower the exposure."
    if seen.brightness < DARK:
        return False, f"Too dark: {shares}. By night this is normal; by day look for what shades the lens."
    return True, f"Good: {shares}."


def _lens(seen: ViewReport) -> tuple[bool, str]:
    if not seen.moves:
        return True, "Nothing moves, so what covers the lens cannot be told. Look at the still, or drive."
    if seen.covered_share > MOST_COVERED:
        where = ", ".join(seen.covered)
        return False, (
            f"{seen.covered_share:.0%} of the picture stand still while the rest moves ({where}). Bonnet and dashboard "
            "are harmless below the crop; anything else is in front of the lens."
        )
    return True, "Nothing stands in front of it."


def grey(image: Image) -> Floats:
    """A BGR picture as it is looked at here: LOOKED_AT wide."""
    import cv2

    height = max(8, round(LOOKED_AT * image.shape[0] / image.shape[1]))
    small = cv2.resize(image, (LOOKED_AT, height), interpolation=cv2.INTER_AREA)
    made: Floats = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float64)
    return made


def blur(picture: Floats) -> float:
    """How little a picture loses when it is blurred once more, 0 to 1."""
    import cv2

    worst = 0.0
    for axis, kernel in ((1, (9, 1)), (0, (1, 9))):
        there = np.abs(np.diff(picture, axis=axis))
        left = np.abs(np.diff(cv2.blur(picture, kernel), axis=axis))
        lost = np.maximum(0.0, there - left).sum()
        worst = max(worst, float(1 - lost / there.sum()) if there.any() else 1.0)
    return worst


def cover(greys: Floats) -> tuple[tuple[str, ...], float, bool]:
    """Where blocks stand still while the scene moves, their share, and whether it moves. `greys`: (n, h, w)."""
    height, width = (greys.shape[1] // ROWS) * ROWS, (greys.shape[2] // COLUMNS) * COLUMNS
    blocks = greys[:, :height, :width].reshape(len(greys), ROWS, height // ROWS, COLUMNS, width // COLUMNS)
    spread = blocks.std(axis=0).mean(axis=(1, 3))
    if np.median(spread) < MOVES:
        return (), 0.0, False
    still = spread < STILL
    is_sky = np.zeros_like(still)
    is_sky[: ROWS // 2] = blocks.mean(axis=(0, 2, 4))[: ROWS // 2] >= SHADE
    still &= ~is_sky
    names = [[_place(row, column) for column in range(COLUMNS)] for row in range(ROWS)]
    where = dict.fromkeys(names[row][column] for row, column in np.argwhere(still))
    return tuple(where), float(still.mean()), True


def _place(row: int, column: int) -> str:
    down = ("top", "middle", "bottom")[row * 3 // ROWS]
    across = ("left", "centre", "right")[column * 3 // COLUMNS]
    return "middle" if (down, across) == ("middle", "centre") else f"{down} {across}"
