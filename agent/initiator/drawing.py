"""Drawing a model's committee from its operator's registry: announced, and drawn by the ledger that holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from agent.core import draw as draws
from agent.core.ids import AccountId
from agent.core.jobs import draw as jobs
from agent.core.jobs import round as rounds
from agent.core.jobs.draw import DrawJob
from agent.core.jobs.fold import Event
from agent.core.jobs.round import RoundStep
from agent.core.money import Asset
from agent.core.registry import SEQUENCE_BITS, Member, Registry
from agent.errors import Refused
from agent.initiator.submitting import Submitter
from agent.ledger.horizon import Horizon
from agent.ledger.keys import account_of
from agent.market import registry as registries
from agent.market.publish import WITHIN

if TYPE_CHECKING:
    from agent.initiator.plan import Plan

NOTHING: Mapping[AccountId, int] = {}
"""What a new model's entries have brought."""


class TooFew(Refused):
    """The plan draws {wanted} validators for {kind}, and {found} are enrolled with {dlc} for two weeks to come. Draw
    fewer, or name a committee. Nothing was paid for."""


def registry(
    horizon: Horizon, initiator: AccountId, plan: Plan, brought: Mapping[AccountId, int] = NOTHING
) -> Registry:
    """Who could be drawn now. `brought`: samples by validator. Raises TooFew, Unavailable."""
    head, dlc, size = horizon.head(), Asset.parse(plan.stake.asset), plan.drawn or 1
    found = registries.standing(registries.bonds(horizon, dlc), plan.task.kind, head)
    if len(found) < size:
        raise TooFew(wanted=size, kind=plan.task.kind, found=len(found), dlc=dlc)
    members = tuple(
        Member(account=account, bond=bond.id, samples=brought.get(account, 0)) for account, bond in found.items()
    )
    return Registry(initiator=initiator, dlc=str(dlc), ledger=head.sequence, size=size, members=members)


def draw(submitter: Submitter, plan: Plan, job_id: str, brought: Mapping[AccountId, int] = NOTHING) -> DrawJob:
    """Announce the registry as it is, if that was not done yet, and see whom its ledger draws. There is no second draw:
    who asks again gets the same. Raises TooFew, Unavailable."""
    horizon = submitter.horizon

    def sign(job: DrawJob) -> None:
        from stellar_sdk import Keypair

        own, made = Keypair.random(), registry(horizon, submitter.account, plan, brought)
        operations = registries.announce(made, account_of(own))
        envelope = submitter.signed(operations, None, own, max_ledger=made.ledger + WITHIN)
        submitter.record(job.id, jobs.Signed(envelope, account_of(own), made.to_bytes().decode()))

    def submit(job: DrawJob) -> None:
        said = job.of(jobs.Signed)

        def drawn_in(ledger: int) -> Event:
            made = Registry.parse(said.registry.encode())
            seed = registries.seed(horizon, ledger).hash
            return jobs.Drawn(ledger, draws.drawn(made.members, seed, made.size))

        def by_state(why: str) -> Event:
            there = horizon.account(said.announcement)
            return rounds.Lapsed(why) if there is None else drawn_in(there.sequence >> SEQUENCE_BITS)

        submitter.follow(job.id, said.envelope, lambda found: drawn_in(found.ledger), by_state)

    def job() -> DrawJob:
        found = submitter.book.job(job_id)
        assert isinstance(found, DrawJob)  # noqa: S101  (by its id)
        return found

    made = submitter.done(job, {RoundStep.SIGN: sign, RoundStep.SUBMIT: submit})
    submitter.say(f"committee: drawn by ledger {made.draw.ledger}: {', '.join(made.committee)}")
    return made
