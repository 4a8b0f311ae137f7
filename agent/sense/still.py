"""A still of what a network will see: the camera's picture with crop and horizon drawn in, and the sample below it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agent import files

if TYPE_CHECKING:
    from agent.sense.film import Image

WIDTH = 960
"""Of the still; the picture is scaled to it."""
CUT, CROP, HORIZON = 0.35, (80, 220, 80), (60, 160, 255)
"""How bright what is cut away stays, and the lines' colours, BGR."""


def still(image: Image, sample: Image, crop_top: float, horizon: float | None, tilt_deg: float | None) -> Image:
    """`image`: BGR, (h, w, 3). `sample`: what the network gets of it, BGR, small. `horizon`: in heights from the top.
    Returns BGR, WIDTH wide: the picture with what is cut away darkened, below it the sample, its pixels enlarged."""
    import cv2

    height = round(WIDTH * image.shape[0] / image.shape[1])
    big = cv2.resize(
        image, (WIDTH, height), interpolation=cv2.INTER_AREA if image.shape[1] > WIDTH else cv2.INTER_LINEAR
    )
    top = int(height * crop_top)
    big[:top] = (big[:top] * CUT).astype(np.uint8)
    cv2.rectangle(big, (1, top + 1), (WIDTH - 2, height - 2), CROP, 2)
    if horizon is not None:
        lean = math.tan(math.radians(tilt_deg or 0.0)) * WIDTH / 2
        ends = (0, round(horizon * height - lean)), (WIDTH - 1, round(horizon * height + lean))
        cv2.line(big, *ends, HORIZON, 2, cv2.LINE_AA)
    times = max(1, WIDTH // sample.shape[1])
    below = cv2.resize(sample, None, fx=times, fy=times, interpolation=cv2.INTER_NEAREST)[:, :WIDTH]
    border = (WIDTH - below.shape[1]) // 2
    below = cv2.copyMakeBorder(below, 8, 8, border, WIDTH - below.shape[1] - border, cv2.BORDER_CONSTANT)
    whole: Image = np.concatenate([big, below])
    return whole


def png(image: Image, path: Path) -> None:
    """Write it, for its owner's eyes alone. Raises Unavailable where the disk refuses."""
    import cv2

    good, data = cv2.imencode(".png", image)
    assert good  # noqa: S101 (an 8-bit picture always is)
    files.write_whole(path, data.tobytes())


def blocks(image: Image, columns: int) -> str:
    """A BGR picture in half blocks of 24-bit colour, two rows of pixels a line."""
    import cv2

    rows = max(2, round(columns * image.shape[0] / image.shape[1] / 2) * 2)
    small = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)[:, :, ::-1].tolist()
    lines = []
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        cells = (
            f"\x1b[38;2;{a[0]};{a[1]};{a[2]}m\x1b[48;2;{b[0]};{b[1]};{b[2]}m▀"
            for a, b in zip(upper, lower, strict=True)
        )
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)
