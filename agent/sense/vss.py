"""From signals to readings: the part of COVESA VSS that an odometer is made of.

CAN and MQTT sources both end up as VSS paths and numbers; this is where these become a `Reading`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from types import MappingProxyType

from agent.ports import Position, Reading

SPEED = "Vehicle.Speed"
TRAVELLED = "Vehicle.TraveledDistance"
STEERING = "Vehicle.Chassis.SteeringWheel.Angle"
IGNITION = "Vehicle.LowVoltageSystemState"
LATITUDE = "Vehicle.CurrentLocation.Latitude"
LONGITUDE = "Vehicle.CurrentLocation.Longitude"
ACCURACY = "Vehicle.CurrentLocation.HorizontalAccuracy"

LIMITS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        SPEED: (-300.0, 500.0),  # km/h
        TRAVELLED: (0.0, 1e10),  # m
        STEERING: (-1500.0, 1500.0),  # degrees
        LATITUDE: (-90.0, 90.0),
        LONGITUDE: (-180.0, 180.0),
        ACCURACY: (0.0, 1e6),  # m
    }
)
"""What a signal can be at all. Outside it, the mapping or the sender is wrong."""

IGNITION_ON = frozenset({"ON", "START", "RUN", "RUNNING", "CRANK", "CRANKING"})
IGNITION_OFF = frozenset({"OFF", "ACC", "ACCESSORY", "LOCK", "LOCKED"})
"""VSS's words and those of makers' DBC files, alone or within another: `Ign_Run`, `KEY_OFF`. A bus often has a flag."""
ACCESSORY = frozenset({"ACC", "ACCESSORY"})
"""On, but not the ignition: `ACC_ON` is off."""

SIGNALS = (*LIMITS, IGNITION)


def value(path: str, raw: object) -> float | bool | None:
    """A signal's value in VSS units, or None when it cannot be one."""
    if path == IGNITION:
        return _ignition(raw)
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        return None
    lowest, highest = LIMITS[path]
    # Compared before it becomes a float: JSON has integers that no float holds.
    return float(raw) if lowest <= raw <= highest and math.isfinite(raw) else None


def _ignition(raw: object) -> bool | None:
    if isinstance(raw, (bool, int, float)):
        return bool(raw) if raw in (0, 1) else None
    words = set(re.split(r"[^A-Z]+", raw.upper()[:64])) if isinstance(raw, str) else set()
    if words & ACCESSORY:
        return False
    on, off = bool(words & IGNITION_ON), bool(words & IGNITION_OFF)
    return on if on != off else None


def reading(t: float, values: Mapping[str, float | bool | None]) -> Reading:
    """One moment's signals as a reading; what is not among them is not said."""
    latitude, longitude = values.get(LATITUDE), values.get(LONGITUDE)
    here = None if latitude is None or longitude is None else Position(latitude, longitude, values.get(ACCURACY))
    ignition = values.get(IGNITION)
    return Reading(
        t,
        speed_kmh=values.get(SPEED),
        travelled_m=values.get(TRAVELLED),
        steering_deg=values.get(STEERING),
        ignition=None if ignition is None else bool(ignition),
        position=here,
    )
