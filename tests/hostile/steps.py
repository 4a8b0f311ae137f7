"""A car's steps, one by one, without a daemon: their context, and its job as the journal would fold it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stellar_sdk import ClaimClaimableBalance, Keypair, ManageSellOffer, Payment, Price

from agent.compose.vehicle import preferences, resources
from agent.core import pay
from agent.core.cid import Cid
from agent.core.experience import Deed
from agent.core.ids import CidText
from agent.core.jobs.contribution import Arrived, Fetched, Job, Opened, Step, Stored
from agent.core.jobs.fold import advance, fold
from agent.core.ledger import BALANCE_V0
from agent.core.money import UNIT, XLM, Stroops, text
from agent.host.config import load
from agent.ledger.envelope import build, sdk_asset, signed
from agent.market import bundle, pledge
from agent.vehicle import steps
from agent.vehicle.builder import ContributionBuilder
from agent.vehicle.context import StepContext
from tests.market.town import REWARD, Town
from tests.vehicle import trips
from tests.vehicle.test_offers import Car
from tools.demo.hostile import NoiseTrainer


def a_context(
    town: Town, key: Keypair, folder: Path, deeds: Sequence[Deed] = (), jobs: Sequence[Job] = (), **tables: Any
) -> StepContext:
    folder.mkdir(parents=True, exist_ok=True)
    config = load(Car(town, key, folder).config(**tables))
    shelf = bundle.Shelf(folder / "bundles", town.store)
    builder = ContributionBuilder(resources(config), shelf, NoiseTrainer(), key, folder / "jobs")
    return StepContext(preferences(config), town.horizon, shelf, key, builder, lambda: deeds, open_jobs=lambda: jobs)


def do(a_context: StepContext, job: Job, *owed: Step) -> Job:
    for step in owed:
        job = fold(job, steps.do(a_context, job, step))
    return job


def stored(a_context: StepContext, name: str = "trip-000001", steps: int = 10) -> Job:
    """A job that chose as the daemon does, whose contribution is made and stored."""
    job = do(a_context, advance(Job(name), Opened(1000)), Step.CHOOSE)
    made = CidText(str(Cid.v0(name.encode().ljust(32, b"\0"))))
    return fold(job, [Fetched(), Arrived(), trips.trained(steps), Stored(made)])


def entered(a_context: StepContext, name: str = "trip-000001") -> Job:
    """The same, and its entry is in a ledger."""
    return do(a_context, stored(a_context, name), Step.SIGN, Step.SUBMIT, Step.SUBMIT)


def accept(town: Town, job: Job, vehicle: str, credit: Stroops = UNIT, pays: bool = True) -> None:
    """What the committee does with it. `pays`: from what is locked for the round."""
    dlc, round_ = sdk_asset(town.dlc), town.round
    dlm, vlm = sdk_asset(round_.model_asset), sdk_asset(round_.credit_asset)
    account = town.horizon.account(town.settlement)
    assert account is not None
    operations = [
        ClaimClaimableBalance(BALANCE_V0 + job.entry.stake_id),
        Payment(vehicle, dlc, text(job.stake - job.fee)),
        Payment(vehicle, vlm, text(credit)),
        ManageSellOffer(dlm, vlm, text(10 * UNIT), Price(1, 1)),
    ]
    if pays:
        (locked,) = pledge.of(round_, town.horizon.stakes(round_.settlement, XLM))
        due = pay.due(credit, REWARD)
        operations += [
            ClaimClaimableBalance(BALANCE_V0 + locked.id),
            pledge.create(round_, locked.amount - due),
            ManageSellOffer(sdk_asset(XLM), dlm, text(due), Price(1, REWARD // UNIT)),
        ]
    until = town.horizon.head().closed_at + 120
    made = build(
        account.id, account.sequence, operations, passphrase=town.net.passphrase, fee=1000, max_time=until, memo=None
    )
    town.horizon.hand_in(signed(made, *town.committee).envelope)


def leave(town: Town, key: Keypair, free: Stroops) -> None:
    """All but so many XLM above its reserve leave the account."""
    account = town.horizon.account(key.public_key)
    assert account is not None
    away = account.free(XLM) - free - 100
    operation = Payment(town.operator.public_key, sdk_asset(XLM), text(away))
    until = town.horizon.head().closed_at + 120
    made = build(
        account.id, account.sequence, [operation], passphrase=town.net.passphrase, fee=100, max_time=until, memo=None
    )
    town.horizon.hand_in(signed(made, key).envelope)


def free(town: Town, key: Keypair) -> Stroops:
    account = town.horizon.account(key.public_key)
    assert account is not None
    return account.free(XLM)
