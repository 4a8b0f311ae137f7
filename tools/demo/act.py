"""An act of the demo: while the cars' work is under review the initiator does all it can to keep its money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stellar_sdk import ClaimClaimableBalance, ManageSellOffer, Payment

from agent.core.jobs.contribution import Closed, Job, JobState
from agent.core.ledger import BALANCE_V0
from agent.core.money import XLM, Stroops, text
from agent.core.round import Round
from agent.errors import MilepostError
from agent.ledger.envelope import sdk_asset, sdk_price
from agent.market import entry, pledge
from tools.demo import parties, report
from tools.demo.stage import Stage

if TYPE_CHECKING:
    from stellar_sdk.operation import Operation

IN_THE_LEDGER = (JobState.ENTERED, JobState.SETTLED, JobState.CLOSING, JobState.CLOSED)

Acts = list[dict[str, str]]


def is_time(scene: Stage, trip: int) -> bool:
    """Whether all cars' entries are in the ledger: nothing has to be found on the book any more."""
    found = [report.jobs(vehicle)[trip:] for vehicle in scene.vehicles]
    return all(jobs and jobs[0].state in IN_THE_LEDGER for jobs in found)


def betray(scene: Stage, round_: Round) -> Acts:
    """Its sign off the book; DLM out of nothing; the pay back that it locked."""
    horizon, dlm, acts = scene.horizon, sdk_asset(round_.model_asset), Acts()
    tries: list[tuple[str, list[Operation]]] = [
        (
            "the initiator takes its sign off the book",
            [
                ManageSellOffer(sdk_asset(XLM), dlm, "0", sdk_price(sign.price), offer_id=sign.id)
                for sign in horizon.offers(scene.initiator.account)
                if sign.buying == round_.model_asset
            ],
        ),
        (
            "it makes 1,000,000 DLM to empty the XLM on offer",
            [Payment(scene.initiator.account, dlm, "1000000", source=round_.issuer)],
        ),
        (
            "it claims the pay that it locked",
            [
                ClaimClaimableBalance(BALANCE_V0 + balance.id)
                for balance in pledge.of(round_, horizon.stakes(round_.settlement, XLM))
            ],
        ),
    ]
    for name, operations in tries:
        try:
            parties.submit(horizon, operations, scene.initiator)
            acts.append({"name": name, "outcome": "done"})
        except MilepostError as error:
            acts.append({"name": name, "outcome": f"refused: {error}"})
    return acts


def paid(jobs: list[Job]) -> dict[str, str]:
    """What the honest cars of the round got for it."""
    earned = [job for job in jobs if job.outcome == "accepted"]
    amount: Stroops = sum(closed.paid for job in earned if (closed := job.newest(Closed)))
    short = [job for job in earned if not job.newest(Closed) or job.of(Closed).paid < due(job)]
    outcome = f"{len(earned) - len(short)} of {len(earned)} paid, {text(amount)} XLM"
    return {"name": "the accepted cars are paid", "outcome": outcome}


def due(job: Job) -> Stroops:
    """XLM that a closing brings at least."""
    return entry.least(job.credit, job.reward)


def faults(acts: list[dict[str, Any]]) -> list[str]:
    """What is not as it should be, in sentences."""
    found = {act["name"]: str(act["outcome"]) for act in acts}
    wrong = [f"{name}: {said}" for name, said in found.items() if name.startswith("it ") and said == "done"]
    last = found.get("the accepted cars are paid", "0 of 0")
    count = last.split(" paid")[0].split(" of ")
    if not found or count[0] != count[1] or count[0] == "0":
        wrong.append(f"after its initiator tried to take pay away, {last} were paid")
    return wrong
