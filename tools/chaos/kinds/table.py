"""All kinds."""

from __future__ import annotations

from tools.chaos.kinds import horizon, initiator, own, stranger, validator, vehicle
from tools.chaos.kinds.kind import Kind

KINDS: tuple[Kind, ...] = (
    *initiator.KINDS,
    *vehicle.KINDS,
    *validator.KINDS,
    *stranger.KINDS,
    *horizon.KINDS,
    *own.KINDS,
)
