"""All kinds."""

from __future__ import annotations

from tools.chaos.kinds import horizon, initiator, operator, own, stranger, validator, vehicle
from tools.chaos.kinds.kind import Kind

KINDS: tuple[Kind, ...] = (
    *initiator.KINDS,
    *vehicle.KINDS,
    *validator.KINDS,
    *stranger.KINDS,
    *operator.KINDS,
    *horizon.KINDS,
    *own.KINDS,
)
