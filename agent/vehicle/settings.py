"""What the vehicle's parts are told of its configuration: narrow, checked, and in the units that are reckoned in.

Whoever makes one states every value: the defaults stand in `agent.host.sections`, and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from agent.core.ids import AccountId
from agent.core.money import Stroops
from agent.market.payout import Payout

if TYPE_CHECKING:
    from agent.learn.device import Device


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this vehicle is."""

    vehicle: str
    """Its name: MQTT client id and the certificate's CN."""
    fleet: str
    account: AccountId
    """Its Stellar account."""
    profile: str
    """The board's firmware profile."""


Committees: TypeAlias = "Literal['named', 'drawn'] | tuple[AccountId, ...]"
"""Whatever committee a round has; only one that was drawn from the operator's registry; only one of these accounts."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """Whom the owner wants to train for, and how much to risk."""

    initiators: tuple[AccountId, ...]
    """Accounts whose offers are considered."""
    operator: AccountId | None
    """The account that issues DLC; None: the vehicle takes part in nothing."""
    max_stake: Stroops
    """Most DLC to stake on one contribution."""
    buy_budget: Stroops
    """Most XLM to spend on missing DLC for one contribution."""
    min_pay: Stroops
    """Least expected net pay, in XLM, for which a round is worth training."""
    accept_probability: float
    """Assumed until the vehicle has a record of its own, 0 to 1."""
    open_rounds: bool
    """Whether to take part in rounds that publish their updates."""
    committees: Committees
    """By whom it is judged."""
    payout: Payout | None
    """Where pay goes; None: to the car's own account."""
    max_fee: Stroops
    """Most that is bid for one operation."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What of this machine a contribution is made with."""

    memory_mb: int
    """What the training process may hold."""
    labelled: Path | None
    """Folder of the pictures that the owner has labelled."""
    views: tuple[str, ...]
    """What the car's cameras look at, the first first."""
    machine: Device
    """How a model is run: for a teacher's labels and the shadow."""
    profile: str
    """The board's firmware profile, as contributions name it."""
    validator: AccountId | None
    """The validator of its own fleet, as contributions name it; None: there is none."""
