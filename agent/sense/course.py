"""A course through the hills and the driver who follows it: geometry and a kinematic bicycle, no pictures.

All that the driver does follows from what the road ahead looks like, so that steering can be learnt from
images. Same seed, same drive, to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from agent.sense.drive import Column

STEP_M = 0.5
"""Between two points of the centre line."""

WHEELBASE_M = 2.7
LOOK_AHEAD_S = 0.8
"""How far ahead the driver aims, in seconds of driving (pure pursuit; Coulter, CMU-RI-TR-92-01)."""

NEAREST_AIM_M = 6.0
REACTION_S = 0.12
"""First-order lag of the hands."""

SLOWEST_MPS, FASTEST_MPS = 5.0, 13.0
SIDEWAYS_MPS2 = 2.2
"""The lateral acceleration at which this driver takes a bend."""

SHARPEST = 1 / 20
"""Curvature of the tightest bend, 1/m."""

BEYOND_M = 120.0
"""Road past the last place, so that the driver always sees some."""


@dataclass(frozen=True, slots=True)
class Course:
    """The centre line: arc length, position in metres, heading in radians, left positive."""

    s: Column
    x: Column
    y: Column
    heading: Column
    curvature: Column

    def at(self, s: float) -> tuple[float, float, float]:
        """Position and heading at arc length `s`."""
        return (
            float(np.interp(s, self.s, self.x)),
            float(np.interp(s, self.s, self.y)),
            float(np.interp(s, self.s, self.heading)),
        )


@dataclass(frozen=True, slots=True)
class Ride:
    """What the car did, one row per frame. `x`, `y`, `heading` place the car on the course's plane."""

    course: Course
    t: Column
    s: Column
    x: Column
    y: Column
    heading: Column
    speed_mps: Column
    steering_deg: Column
    """Road-wheel angle, positive to the left."""
    distance_m: Column


def lay(length_m: float, rng: np.random.Generator) -> Course:
    """Bends of every length between 45 and 400 m on top of one another."""
    s = np.arange(0.0, length_m + BEYOND_M, STEP_M)
    waves_m = np.geomspace(45.0, 400.0, 6) * rng.uniform(0.85, 1.15, 6)
    phases = rng.uniform(0, 2 * math.pi, 6)
    waves = np.sin(2 * math.pi * s[:, None] / waves_m + phases)
    curvature = np.clip(waves @ rng.uniform(0.5, 1.0, 6) * 0.02, -SHARPEST, SHARPEST)
    curvature *= np.clip(s / 30, 0, 1)  # the first metres are straight: nobody starts in a bend
    heading = np.cumsum(curvature) * STEP_M
    x, y = np.cumsum(np.cos(heading)) * STEP_M, np.cumsum(np.sin(heading)) * STEP_M
    return Course(s, x, y, heading, curvature)


def ride(seconds: float, fps: float, seed: int) -> Ride:
    """Drive a new course for `seconds`, one row every 1/fps."""
    rng = np.random.default_rng(seed)
    course = lay(seconds * FASTEST_MPS, rng)
    rows = max(2, round(seconds * fps))
    gusts = rng.normal(0.0, 0.03, rows)  # pushes the car off line, so that getting back is seen and learnt
    table = np.empty((rows, 7))
    s, speed, steering, distance = 2.0, SLOWEST_MPS, 0.0, 0.0
    x, y, heading = course.at(s)
    dt = 1.0 / fps
    for row in range(rows):
        table[row] = s, x, y, heading, speed, math.degrees(steering), distance
        steering += (_aim(course, s, x, y, heading, speed) - steering) * min(1.0, dt / REACTION_S)
        heading += speed / WHEELBASE_M * math.tan(steering) * dt + gusts[row] * math.sqrt(dt)
        x, y = x + speed * math.cos(heading) * dt, y + speed * math.sin(heading) * dt
        distance += speed * dt
        s = _nearest(course, s + speed * dt, x, y)
        speed += (_pace(course, s) - speed) * min(1.0, dt / 2.0)
    return Ride(course, np.arange(rows) / fps, *np.ascontiguousarray(table.T))


def _aim(course: Course, s: float, x: float, y: float, heading: float, speed: float) -> float:
    """Pure pursuit: the road-wheel angle of the arc through the point ahead, radians."""
    ahead = max(NEAREST_AIM_M, speed * LOOK_AHEAD_S)
    to_x, to_y, _ = course.at(s + ahead)
    bearing = math.atan2(to_y - y, to_x - x) - heading
    return math.atan2(2 * WHEELBASE_M * math.sin(bearing), math.hypot(to_x - x, to_y - y))


def _pace(course: Course, s: float) -> float:
    """As fast as the sharpest bend of the next 30 m allows."""
    first = int(s / STEP_M)
    sharpest = float(np.abs(course.curvature[first : first + int(30 / STEP_M)]).max())
    return min(max(math.sqrt(SIDEWAYS_MPS2 / max(sharpest, 1e-3)), SLOWEST_MPS), FASTEST_MPS)


def _nearest(course: Course, guess: float, x: float, y: float) -> float:
    """Arc length of the centre line's point beside the car, near a good guess: one projection is enough."""
    at_x, at_y, heading = course.at(guess)
    return guess + (x - at_x) * math.cos(heading) + (y - at_y) * math.sin(heading)
