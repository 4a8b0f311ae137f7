"""The synthetic road: what a camera behind the windscreen sees of a course, drawn with OpenCV.

A curving road in perspective with solid edges and a dashed centre line, trees, shadows across the asphalt,
a light that changes, and a camera's noise. It is a stand-in where no recording is at hand, not a simulator.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agent.sense.course import Ride, ride
from agent.sense.drive import Drive
from agent.sense.film import Film, Image

WIDTH, HEIGHT = 200, 100
FOCAL_PX = 115.0
CAMERA_HEIGHT_M = 1.25
HORIZON_PX = 36.0
HALF_ROAD_M = 2.6
NEAR_M, FAR_M = 2.0, 75.0
SUBPIXEL = 4
"""Bits of sub-pixel precision that OpenCV draws with: without them a distant bend moves in steps."""

NOISES = 32
NOISE_SIGMA = 5.0

GRASS, ASPHALT, SHADE = (48, 112, 84), (92, 90, 88), (64, 62, 62)
WHITE, YELLOW, TRUNK, CROWN = (225, 230, 230), (60, 190, 225), (38, 58, 80), (36, 84, 44)
"""BGR at noon."""


def synthetic_drive(seconds: float, fps: float = 20.0, seed: int = 0) -> Drive:
    """A drive like a recorded one; its images are drawn when they are asked for. Deterministic in all
    arguments.
    """
    rode = ride(seconds, fps, seed)
    unknown = np.full(len(rode.t), math.nan)
    return Drive(
        name=f"road-{seed}",
        t=rode.t,
        steering_deg=rode.steering_deg,
        speed_mps=rode.speed_mps,
        distance_m=rode.distance_m,
        latitude_deg=unknown,
        longitude_deg=unknown,
        images=RoadImages(rode, seed),
    )


def write_drive(folder: Path, seconds: float, fps: float = 20.0, seed: int = 0) -> None:
    """Render a drive into `folder` in the format of recorded ones. Raises OSError when the video cannot be
    written.
    """
    import cv2

    rode = ride(seconds, fps, seed)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "video.mp4"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (WIDTH, HEIGHT))
    if not video.isOpened():
        raise OSError(f"OpenCV cannot write {path}")
    film = RoadImages(rode, seed).film(0)
    while (image := film.read()) is not None:
        video.write(image)
    video.release()
    with (folder / "telemetry.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("frame", "t", "speed_mps", "steering_deg", "lat", "lon", "heading_deg", "distance_m"))
        cells = zip(rode.t, rode.speed_mps, rode.steering_deg, rode.distance_m, strict=True)
        for frame, (t, speed, steering, distance) in enumerate(cells):
            table.writerow((frame, f"{t:.3f}", f"{speed:.4f}", f"{steering:.3f}", "", "", "", f"{distance:.2f}"))


class RoadImages:
    """Every frame of a ride. A frame depends on its number alone, never on what was drawn before."""

    def __init__(self, rode: Ride, seed: int) -> None:
        rng = np.random.default_rng((seed, 1))
        self._ride = rode
        self._noise = rng.normal(0.0, NOISE_SIGMA, (NOISES, HEIGHT, WIDTH, 3)).astype(np.int16)
        self._light = Light(*rng.uniform(0, 2 * math.pi, 3))
        self._trees = _plant(rode, rng)
        self._ahead = NEAR_M * (FAR_M / NEAR_M) ** np.linspace(0, 1, 40)

    def film(self, first: int) -> Film:
        return _RoadFilm(self, first)

    def __len__(self) -> int:
        return len(self._ride.t)

    def draw(self, row: int) -> Image:
        """uint8, (HEIGHT, WIDTH, 3), BGR."""
        rode = self._ride
        eye = Eye(
            float(rode.x[row]),
            float(rode.y[row]),
            float(rode.heading[row]),
            HORIZON_PX + 0.8 * math.sin(float(rode.distance_m[row]) / 3.1),  # a road is never quite even
        )
        s = float(rode.s[row])
        image = _backdrop(eye.horizon_px)
        self._paint_road(image, eye, s)
        self._paint_trees(image, eye, s)
        return self._expose(image, row, float(rode.t[row]), s)

    def _paint_road(self, image: Image, eye: Eye, s: float) -> None:
        line = s + self._ahead
        _strip(image, eye, self._ride, line, -HALF_ROAD_M - 0.4, HALF_ROAD_M + 0.4, ASPHALT)
        for band in range(int(s // 23), int((s + FAR_M) // 23) + 1):
            if band % 3 != 1:  # trees do not stand in ranks
                shadow = np.clip(np.linspace(band * 23.0, band * 23.0 + 4.0 + band % 5, 4), line[0], line[-1])
                _strip(image, eye, self._ride, shadow, -HALF_ROAD_M - 0.4, HALF_ROAD_M + 0.4, SHADE)
        for side in (-HALF_ROAD_M, HALF_ROAD_M):
            _strip(image, eye, self._ride, line, side - 0.09, side + 0.09, WHITE)
        for dash in range(int(s // 6), int((s + FAR_M) // 6) + 1):
            paint = np.clip(np.linspace(dash * 6.0, dash * 6.0 + 3.0, 4), line[0], line[-1])
            _strip(image, eye, self._ride, paint, -0.08, 0.08, YELLOW)

    def _paint_trees(self, image: Image, eye: Eye, s: float) -> None:
        import cv2

        first, beyond = np.searchsorted(self._trees[:, 0], (s + NEAR_M, s + FAR_M))
        for _, x, y, height in self._trees[first:beyond][::-1]:
            forward, left = eye.sees(x, y)
            if forward < NEAR_M:
                continue
            scale = FOCAL_PX / float(forward)
            foot = (WIDTH / 2 - float(left) * scale, eye.horizon_px + CAMERA_HEIGHT_M * scale)
            top = foot[1] - height * scale
            trunk = max(1, round(0.3 * scale))
            _line(image, foot, (foot[0], top), TRUNK, trunk)
            crown = (_fixed(foot[0]), _fixed(top))
            size = (_fixed(0.25 * height * scale), _fixed(0.45 * height * scale))
            cv2.ellipse(image, crown, size, 0, 0, 360, CROWN, cv2.FILLED, cv2.LINE_AA, SUBPIXEL)

    def _expose(self, image: Image, row: int, t: float, s: float) -> Image:
        import cv2

        lit = cv2.LUT(image, self._light.table(t, s))
        noisy = cv2.add(lit, self._noise[row * 7919 % NOISES], dtype=cv2.CV_8U)
        return np.asarray(noisy, dtype=np.uint8)


class _RoadFilm:
    def __init__(self, images: RoadImages, first: int) -> None:
        self._images, self._next = images, first

    def read(self) -> Image | None:
        if self._next >= len(self._images):
            return None
        self._next += 1
        return self._images.draw(self._next - 1)

    def skip(self) -> None:
        self._next += 1

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True, slots=True)
class Eye:
    """A pinhole camera, level, at CAMERA_HEIGHT_M above the plane."""

    x: float
    y: float
    heading: float
    horizon_px: float

    def sees(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Metres forward and to the left of the camera."""
        dx, dy = np.asarray(x, dtype=np.float64) - self.x, np.asarray(y, dtype=np.float64) - self.y
        cos, sin = math.cos(self.heading), math.sin(self.heading)
        return dx * cos + dy * sin, dy * cos - dx * sin


@dataclass(frozen=True, slots=True)
class Light:
    """Clouds, the time of day and the gain of the camera: three slow waves with their phases in radians."""

    cloud: float
    warmth: float
    canopy: float

    def table(self, t: float, s: float) -> Image:
        """What each value of each channel comes out as; uint8, (256, 1, 3)."""
        gain = 0.85 + 0.22 * math.sin(t / 9 + self.cloud) + 0.10 * math.sin(s / 31 + self.canopy)
        warm = 0.06 * math.sin(t / 41 + self.warmth)
        values = np.arange(256.0)[:, None, None] * (gain * np.array([1 - warm, 1.0, 1 + warm]))
        return np.clip(values, 0, 255).astype(np.uint8)


def _plant(rode: Ride, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Trees beside the course: rows of arc length, x, y and height, in order of arc length."""
    s = np.sort(rng.uniform(0, rode.course.s[-1], int(rode.course.s[-1] / 9)))
    aside = rng.choice((-1.0, 1.0), len(s)) * rng.uniform(5.0, 11.0, len(s))
    x, y = _beside(rode, s, aside)
    return np.column_stack((s, x, y, rng.uniform(2.5, 6.0, len(s))))


def _beside(rode: Ride, s: Line, aside_m: float | Line) -> tuple[Line, Line]:
    course = rode.course
    heading = np.interp(s, course.s, course.heading)
    x = np.interp(s, course.s, course.x) - np.sin(heading) * aside_m
    y = np.interp(s, course.s, course.y) + np.cos(heading) * aside_m
    return x, y


Line = npt.NDArray[np.float64]
Colour = tuple[int, int, int]


def _strip(image: Image, eye: Eye, rode: Ride, s: Line, right_m: float, left_m: float, colour: Colour) -> None:
    """The surface between two lines along the course."""
    import cv2

    edges = [_seen(eye, *_beside(rode, s, aside)) for aside in (right_m, left_m)]
    outline = np.concatenate((edges[0], edges[1][::-1]))
    points = np.round(outline * (1 << SUBPIXEL)).astype(np.int32)
    cv2.fillPoly(image, [points], colour, cv2.LINE_AA, SUBPIXEL)


def _seen(eye: Eye, x: Line, y: Line) -> Line:
    """Pixels, (n, 2). What lies behind the lens is drawn just before it."""
    forward, left = eye.sees(x, y)
    scale = FOCAL_PX / np.maximum(forward, 0.8)
    return np.column_stack((WIDTH / 2 - left * scale, eye.horizon_px + CAMERA_HEIGHT_M * scale))


def _backdrop(horizon_px: float) -> Image:
    """Sky and grass, a little paler towards the horizon."""
    rows = np.arange(HEIGHT, dtype=np.float64) - horizon_px
    haze = np.exp(-np.abs(rows) / 14)[:, None]
    plain = np.where(rows[:, None] < 0, np.array([222.0, 190.0, 150.0]), np.array(GRASS, dtype=np.float64))
    column = plain * (1 - 0.5 * haze) + np.array([205.0, 205.0, 200.0]) * 0.5 * haze
    return np.repeat(column.astype(np.uint8)[:, None, :], WIDTH, axis=1)


def _line(image: Image, a: tuple[float, float], b: tuple[float, float], colour: Colour, thick: int) -> None:
    import cv2

    ends = (_fixed(a[0]), _fixed(a[1])), (_fixed(b[0]), _fixed(b[1]))
    cv2.line(image, *ends, colour, thick, cv2.LINE_AA, SUBPIXEL)


def _fixed(pixels: float) -> int:
    """OpenCV's fixed point, kept within what its drawing can take."""
    return round(min(max(pixels, -1000.0), 1000.0) * (1 << SUBPIXEL))
