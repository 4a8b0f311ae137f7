"""The vehicle's two transactions: the entry (bid and stake) and the closing (redeem, withdraw, take back).

PROTOCOL sections 5, 6 and 10. Both are atomic: a stake without its bid, or DLC bought for an entry that then fails,
cannot happen.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from stellar_sdk import (
    ChangeTrust,
    Claimant,
    ClaimClaimableBalance,
    ClaimPredicate,
    CreateClaimableBalance,
    ManageBuyOffer,
    PathPaymentStrictReceive,
    PathPaymentStrictSend,
)
from stellar_sdk.operation import Operation

from agent.core.documents import Round
from agent.core.ledger import BALANCE_V0, Account
from agent.core.money import UNIT, XLM, Asset, Stroops, text
from agent.ledger.envelope import sdk_asset, sdk_price

SLIPPAGE = Fraction(1, 50)
"""How far below the price that was chosen a redemption may end, and how far above it DLC may cost."""


def entry(round_: Round, vehicle: Account, stake: Stroops, dlc_price: Fraction, now: int) -> list[Operation]:
    """Trustline if it is missing · DLC if it is missing · the public bid · the stake.

    `now` is ledger time: the stake may be taken back once the review window after it is over. The stake is always
    the last operation (`ledger.envelope.stake_id` counts on it).
    """
    dlc = Asset.parse(round_.stake.asset)
    operations: list[Operation] = []
    if round_.credit_asset not in vehicle.lines:
        operations.append(ChangeTrust(sdk_asset(round_.credit_asset)))
    missing = stake + round_.stake.fee - vehicle.free(dlc)
    if missing > 0:
        most = -(-missing * dlc_price * (1 + SLIPPAGE) // 1)
        operations.append(
            PathPaymentStrictReceive(vehicle.id, sdk_asset(XLM), text(int(most)), sdk_asset(dlc), text(missing), [])
        )
    operations.append(
        ManageBuyOffer(
            selling=sdk_asset(dlc),
            buying=sdk_asset(round_.credit_asset),
            amount=text(UNIT),
            price=sdk_price(Fraction(round_.stake.fee, UNIT)),
        )
    )
    taken_back = ClaimPredicate.predicate_not(ClaimPredicate.predicate_before_absolute_time(now + round_.review_window))
    operations.append(
        CreateClaimableBalance(
            sdk_asset(dlc),
            text(stake),
            [Claimant(round_.settlement), Claimant(vehicle.id, taken_back)],
        )
    )
    return operations


def closing(
    round_: Round, vehicle: str, *, credit: Stroops, reward: Stroops, take_back: str | None, bids: Sequence[int]
) -> list[Operation]:
    """Take the stake back if nobody judged it · turn the credit into XLM · withdraw the bid. Empty: nothing to do."""
    operations: list[Operation] = []
    if take_back is not None:
        operations.append(ClaimClaimableBalance(BALANCE_V0 + take_back))
    if credit:
        expected = Fraction(credit * reward, UNIT) * (1 - SLIPPAGE)
        operations.append(
            PathPaymentStrictSend(
                destination=vehicle,
                send_asset=sdk_asset(round_.credit_asset),
                send_amount=text(credit),
                dest_asset=sdk_asset(XLM),
                dest_min=text(max(1, int(expected))),
                path=[sdk_asset(round_.model_asset)],
            )
        )
    for bid in bids:
        operations.append(
            ManageBuyOffer(
                selling=sdk_asset(Asset.parse(round_.stake.asset)),
                buying=sdk_asset(round_.credit_asset),
                amount="0",
                price=sdk_price(Fraction(1)),
                offer_id=bid,
            )
        )
    return operations
