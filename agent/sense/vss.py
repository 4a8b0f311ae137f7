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

IGNITION_ON = frozenset(
    {"ON", "START", "RUN", "RUNNING", "CRANK", "CRANKING", "DRIVE", "DRIVING", "READY", "ACTIVE", "EIN"}
)
IGNITION_OFF = frozenset({"OFF", "LOCK", "LOCKED", "SLEEP", "STANDBY", "PARKED", "INACTIVE", "AUS"})
"""VSS's words and those of makers' DBC files, alone or within another: `Ign_Run`, `KeyOff`. A bus often has a flag."""
ACCESSORY = frozenset({"ACC", "ACCESSORY", "RADIO"})
"""On, but not the ignition: `ACC_ON` is off."""
NOTHING = frozenset(
    {
        "SNA",
        "NA",
        "INVALID",
        "ERROR",
        "FAULT",
        "FAULTY",
        "UNAVAILABLE",
        "NOTAVAILABLE",
        "UNDEFINED",
        "UNKNOWN",
        "INIT",
        "RESERVED",
    }
)
"""A DBC's words for a number that is none; and NOT with what it is not: `Not_Available`, `NotValid`."""

UNITS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        SPEED: {"mph": 1.609344, "mi/h": 1.609344, "mile/h": 1.609344, "m/s": 3.6, "kn": 1.852, "knots": 1.852},
        TRAVELLED: {"km": 1000.0, "mi": 1609.344, "mile": 1609.344, "miles": 1609.344, "ft": 0.3048, "cm": 0.01},
        STEERING: {"rad": math.degrees(1)},
    }
)
"""What a DBC may give a signal in, and what a one of it is in VSS's unit."""

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
    said = words(raw) if isinstance(raw, str) else frozenset[str]()
    if said & ACCESSORY:
        return False
    on, off = bool(said & IGNITION_ON), bool(said & IGNITION_OFF)
    return on is not ("NOT" in said) if on != off else None


def words(text: str) -> frozenset[str]:
    """What a name is made of, in capitals: `KEY_OFF`, `KeyOff` and `key off` are the same."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text[:64])
    return frozenset(word for word in re.split(r"[^A-Z]+", apart.upper()) if word)


def is_nothing(word: str) -> bool:
    """Whether a DBC's word for a value says that there is none."""
    said = words(word)
    return bool(said & NOTHING) or ("NOT" in said and bool(said & {"AVAILABLE", "VALID", "DEFINED", "USED"}))


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
