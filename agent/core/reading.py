"""What a car says of its movement."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Position:
    """WGS 84. Never leaves the car: not in the journal, the log or MQTT, and it does not show when it is printed."""

    latitude_deg: float
    longitude_deg: float
    accuracy_m: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What the car says at one moment, named as in COVESA VSS 6. None: this source does not say.

    `t` is in seconds on the same monotonic clock as `agent.ports.Frame.t`.
    """

    t: float
    speed_kmh: float | None = None
    travelled_m: float | None = None
    """Vehicle.TraveledDistance: cumulative, may restart at 0 when the source restarts."""
    steering_deg: float | None = None
    """Vehicle.Chassis.SteeringWheel.Angle or road-wheel angle as the source has it; positive is left."""
    ignition: bool | None = None
    position: Position | None = None
