"""Where a receiver saw the car lately: positions, and what they are apart. Never stored."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius, IUGG."""

TRAIL_S = 20.0
"""The stretch over which the receiver's speed and position are held against each other."""

Point = tuple[float, float]
"""Latitude and longitude in degrees."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the receiver saw the car. `metres`: counted by it up to here, at rest too."""

    t: float
    place: Point = field(repr=False)
    metres: float


def distance_m(a: Point, b: Point) -> float:
    """Great-circle distance (haversine) in metres."""
    lat_a, lon_a, lat_b, lon_b = map(math.radians, (*a, *b))
    h = math.sin((lat_b - lat_a) / 2) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(h)))


def grown(trail: tuple[Mark, ...], newest: Mark) -> tuple[Mark, ...]:
    """With its newest mark, if a second has passed since the last."""
    if newest.t - trail[-1].t < 1.0:
        return trail
    return (*(mark for mark in trail if newest.t - mark.t <= TRAIL_S), newest)


def gone(trail: tuple[Mark, ...]) -> float:
    """Metres between the middle of a trail's first quarter and that of its last: what noise is left is small."""
    few = max(1, len(trail) // 4)
    return distance_m(_middle(trail[:few]), _middle(trail[-few:]))


def _middle(marks: tuple[Mark, ...]) -> Point:
    first = marks[0].place  # a mean of longitudes would be wrong across the date line
    east = [(mark.place[1] - first[1] + 180.0) % 360.0 - 180.0 for mark in marks]
    longitude = first[1] + sum(east) / len(east)
    return sum(mark.place[0] for mark in marks) / len(marks), (longitude + 180.0) % 360.0 - 180.0
