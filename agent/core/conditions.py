"""How the machine under the agent is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Conditions:
    """None: it cannot be known here."""

    temperature_c: float | None = None
    battery_volts: float | None = None
    ignition: bool | None = None
    disk_free_bytes: int | None = None
    cpu_load: float | None = None
    """Share of all cores used by others, 0 to 1."""
    metered: bool | None = None
    held: bool = False
    """An operator's hold."""
