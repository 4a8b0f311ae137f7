"""The initiator's plan: one TOML file that says what is to be learnt, by whom it is checked, and what is paid."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from agent import toml
from agent.core import money, pay
from agent.core.fields import MOST_PRICE, WEEK_LEDGERS, AccountId, AmountText, AssetName, Name, Number
from agent.core.money import Stroops
from agent.core.round import Arbiter, Architecture, Input, Pledge, Recipe, Task
from agent.errors import ConfigError
from agent.sentences import first_mistake

Named = Annotated[tuple[AccountId, ...], Field(min_length=1, max_length=20)]


class PlanError(ConfigError):
    """The plan {path}: {why}"""


class StakePlan(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    asset: AssetName
    """The operator's DLC, as CODE:ISSUER."""
    base: AmountText
    """DLC at stake without strikes."""
    fee: AmountText
    """DLC kept of a stake that is not forfeited."""
    growth: Number = Decimal(2)
    window_ledgers: int = WEEK_LEDGERS
    """A week of ledgers."""
    newcomer: Number | None = Field(default=None, gt=1, le=1000)
    """So many times the base for an account of which nothing was accepted in the window; none: it pays the base."""


class ArbiterPlan(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    account: AccountId
    fee: AmountText
    """XLM that it takes for each dispute."""


class Plan(BaseModel):
    """plan.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,9}$")]
    """The model's short name: its assets are DLM{name} and VLM{name}."""
    committee: Named | Annotated[int, Field(ge=1, le=20)]
    """The validators' accounts; or how many are drawn from the registry of the stake's operator. Where they change, the
    committee before hands over with the next round."""
    substitutes: tuple[AccountId, ...] = Field(default=(), max_length=20)
    """Who takes the place of members of a named committee that are silent, the first first."""
    turns: int = Field(default=8, ge=1, le=1000)
    """Settlements in a row without a vote of its own after which a member is silent."""
    redraw: int = Field(default=0, ge=0, le=1000)
    """Rounds that a drawn committee sits before another is drawn, by what each one's fleet has brought; 0: for ever."""
    reward: AmountText
    """XLM for one contribution with full credit. It is the model's for ever."""
    budget: AmountText
    """XLM that each round locks as pay: at least one reward for each contribution it plans for."""
    contributions: int = Field(ge=1)
    """K: contributions a round plans for."""
    review_window: int = 3600
    turn: int = 30
    collect: int = 60
    """Seconds in which entries come together on a roll."""
    most: int = 32
    """Entries on one roll: with so many it is full."""
    least: int = 2
    """With fewer a roll waits once more as long."""
    length: int = 86_400
    staleness: int = 1
    tolerance: Number = Decimal("0.97")
    gain_share: Number = Field(default=Decimal("0.05"), gt=0, le=1)
    """The share of the base's loss that one contribution must take away, at fusion weight, to earn full credit."""
    fusion: Name = "composite"
    momentum: Number = Field(default=Decimal(0), ge=0, lt=1)
    """The share of the last round's step that is taken once more."""
    privacy: Literal["open", "sealed"] = "sealed"
    root_set: Path | None = None
    """Labelled samples of the initiator's own, in the form of a test set and in none: each round's root update is
    learnt from them. In the file relative to it."""
    stake: StakePlan
    arbiter: ArbiterPlan | None = None
    """Who rules on entries that the committee never judged; none: nobody does."""
    task: Task
    architecture: Architecture
    input: Input
    recipe: Recipe

    @model_validator(mode="after")
    def _payable(self) -> Plan:
        reward = self.reward_stroops
        if not 0 < self.contributions * reward <= self.budget_stroops:
            raise ValueError("the reward is more than 0, and the budget at least one reward for each contribution")
        if not pay.fits(reward):
            near = " or ".join(money.text(other) for other in _nearest(reward))
            raise ValueError(f"a reward of {self.reward} XLM is no price that the ledger can hold: make it {near}")
        return self

    @property
    def drawn(self) -> int | None:
        """How many validators are drawn; None: the committee is named."""
        return self.committee if isinstance(self.committee, int) else None

    @property
    def reward_stroops(self) -> Stroops:
        return money.stroops(self.reward)

    @property
    def budget_stroops(self) -> Stroops:
        return money.stroops(self.budget)

    def pledge(self, until: int) -> Pledge:
        """What a round locks, until this moment."""
        arbiter = Arbiter(account=self.arbiter.account, fee=money.stroops(self.arbiter.fee)) if self.arbiter else None
        return Pledge(amount=self.budget_stroops, reward=self.reward_stroops, until=until, arbiter=arbiter)


def _nearest(reward: Stroops) -> list[Stroops]:
    """The next smaller reward that is a price, and the next larger one, where there is one. A reward that is `n` times
    a divisor of 1.0 is one if `n` fits."""
    steps = [2**a * 5**b for a in range(8) for b in range(8)]
    below = max(min(reward // step, MOST_PRICE) * step for step in steps)
    above = [(reward // step + 1) * step for step in steps if reward // step < MOST_PRICE]
    return [below, min(above)] if above else [below]


def read(path: Path) -> Plan:
    """Raises ConfigError (exit 78): with the line where the file is not TOML, else PlanError."""
    document = toml.read(path)
    try:
        plan = Plan.model_validate(document.values)
    except ValidationError as error:
        raise PlanError(path=path, why=first_mistake(error)) from None
    if plan.root_set is None:
        return plan
    root_set = path.parent / plan.root_set
    if not root_set.is_file():
        raise PlanError(path=path, why=f"root_set ({root_set}) is not a file")
    return plan.model_copy(update={"root_set": root_set})
