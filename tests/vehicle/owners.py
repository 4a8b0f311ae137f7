"""An owner with an account, a car of theirs whose work was accepted, and a bank that sells USD."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stellar_sdk import ChangeTrust, Keypair, ManageSellOffer, Price, SetTrustLineFlags
from stellar_sdk import TrustLineFlags as Flag

from agent.core.jobs.contribution import Job, Step
from agent.core.ledger import Account
from agent.core.money import XLM, Asset, Stroops
from agent.ledger.envelope import sdk_asset
from agent.vehicle.context import StepContext
from tests.hostile.steps import a_context, accept, do, entered
from tests.market.town import Town

RATE = 4
"""XLM for one USD."""


@dataclass
class Home:
    town: Town
    folder: Path
    owner: Keypair = field(default_factory=Keypair.random)
    bank: Keypair = field(default_factory=Keypair.random)

    def __post_init__(self) -> None:
        self.town.net.fund(self.owner.public_key, self.bank.public_key)
        self.car = self.town.driver()

    @property
    def usd(self) -> Asset:
        return Asset("USD", self.bank.public_key)

    def sells_usd(self) -> None:
        """The bank's book, with both sides: one USD for 4 XLM, and 3.9 XLM for one."""
        usd, xlm = sdk_asset(self.usd), sdk_asset(XLM)
        offers = [
            ManageSellOffer(usd, xlm, "1000", Price(RATE, 1)),
            ManageSellOffer(xlm, usd, "1000", Price(10, 39)),
        ]
        self.town.apply(offers, self.bank)

    def closes_its_book(self) -> None:
        for offer in self.town.horizon.offers(self.bank.public_key):
            gone = ManageSellOffer(sdk_asset(offer.selling), sdk_asset(offer.buying), "0", Price(1, 1), offer.id)
            self.town.apply([gone], self.bank)

    def trusts(self, asset: Asset, limit: str | None = None) -> None:
        """The owner takes it from now on."""
        self.town.apply([ChangeTrust(sdk_asset(asset), limit)], self.owner)

    def lets_hold(self, *, freely: bool) -> None:
        """What the bank allows the owner's line of USD."""
        flag = Flag.AUTHORIZED_FLAG
        change = {"set_flags" if freely else "clear_flags": flag}
        self.town.apply([SetTrustLineFlags(self.owner.public_key, sdk_asset(self.usd), **change)], self.bank)

    def context(self, **market: Any) -> StepContext:
        """The car's, that pays its owner."""
        town = self.town
        usual = {
            "initiators": [town.initiator.public_key],
            "operator": town.operator.public_key,
            "payout": self.owner.public_key,
        }
        made = {key: value for key, value in {**usual, **market}.items() if value is not None}
        return a_context(town, self.car, self.folder / "car", market=made)

    def accepted(self, **market: Any) -> tuple[StepContext, Job]:
        """A job whose pay is to be fetched."""
        context = self.context(**market)
        job = entered(context)
        accept(self.town, job, self.car.public_key)
        return context, do(context, job, Step.WATCH)

    def account(self, key: Keypair) -> Account:
        found = self.town.horizon.account(key.public_key)
        assert found is not None
        return found

    def held(self, key: Keypair, asset: Asset = XLM) -> Stroops:
        return self.account(key).lines[asset].balance


def closed(context: StepContext, job: Job) -> Job:
    """A closing was signed and handed in, and what became of it is known."""
    return do(context, job, Step.CLOSE, Step.COLLECT, Step.COLLECT)
