"""The initiator's side of pledged pay: what a publication locks, brings and takes back."""

from __future__ import annotations

from stellar_sdk import ClaimClaimableBalance, Payment
from stellar_sdk.operation import Operation

from agent.core import pay
from agent.core.documents import Pledge, Round
from agent.core.ledger import BALANCE_V0, BASE_RESERVE
from agent.core.money import UNIT, XLM, Stroops, text
from agent.errors import Refused
from agent.initiator.plan import Plan
from agent.ledger.envelope import sdk_asset
from agent.ledger.horizon import Horizon
from agent.market import pledge, publish
from agent.market.publish import Sign

LEAST_SETTLEMENT_XLM: Stroops = 20 * UNIT
"""With fewer that the settlement account can spend, the next publication brings it so many more."""
MOST_BACK = 5
"""Earlier rounds' pledges that a publication takes back."""
SUBENTRIES = 4
"""Of an initiator, that a publication may add: the sign, its data entry, and a balance with two claimants."""


class TooLittle(Refused):
    """Publishing takes {needed} XLM, {pledge} of it the round's pay, and {free} are free. What is left of the pay of
    earlier rounds comes back with `milepost initiator reclaim`."""


def pledged(plan: Plan, document: Round, before: Pledge | None) -> Pledge:
    """What is locked for a round that is published now: until all that may be entered is judged, and for longer than
    for the round before."""
    until = max(pay.until(document), before.until + 1 if before is not None else 0)
    return Pledge(amount=plan.budget_stroops, reward=plan.reward_stroops, until=until)


def publication(horizon: Horizon, document: Round, sign: Sign, now: int) -> list[Operation]:
    """The sign, new or the standing one, and the round's pay locked; earlier pledges that are due come back, and the
    settlement account is brought what it lacks. Raises TooLittle, Unavailable."""
    assert document.pledge is not None  # noqa: S101
    reward, amount = document.pledge.reward, document.pledge.amount
    account, settlement = horizon.account(document.initiator), horizon.account(document.settlement)
    back = pledge.due_back(horizon, document.initiator, document.settlement, now)[:MOST_BACK]
    brings = LEAST_SETTLEMENT_XLM if settlement and settlement.free(XLM) < LEAST_SETTLEMENT_XLM else 0
    has = (account.free(XLM) if account else 0) + sum(each.amount for each in back)
    needed = amount + brings + SUBENTRIES * BASE_RESERVE + (0 if sign.offer else reward)
    if has < needed:
        raise TooLittle(needed=text(needed), pledge=text(amount), free=text(has))
    return [
        *(ClaimClaimableBalance(BALANCE_V0 + each.id) for each in back),
        *publish.offer(document.model_asset, reward, reward, sign),
        pledge.create(document, amount),
        *([Payment(document.settlement, sdk_asset(XLM), text(brings))] if brings else []),
    ]
