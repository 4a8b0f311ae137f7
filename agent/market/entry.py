"""The vehicle's two transactions: the entry (bid and stake) and the closing (redeem, withdraw, take back).

PROTOCOL sections 5, 6 and 10. Both are atomic: a stake without its bid, or DLC bought for an entry that then fails,
cannot happen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    Payment,
)
from stellar_sdk.operation import Operation

from agent.core.ids import AccountId
from agent.core.ledger import BALANCE_V0, BASE_RESERVE, Account, Way
from agent.core.money import UNIT, XLM, Asset, Stroops, text
from agent.core.round import Round
from agent.ledger.envelope import sdk_asset, sdk_price
from agent.market.payout import Redemption

SLIPPAGE = Fraction(1, 50)
"""How far above what was seen DLC may cost."""
ROUNDED: Stroops = 2
"""What a redemption may lose: it is rounded down where VLM become DLM, and where DLM become XLM."""


@dataclass(frozen=True, slots=True)
class EntryTerms:
    """What a closing needs of its round. It is written down with the entry: the initiator may take the round out of the
    store, and the stake must come back without it."""

    dlc: Asset
    model: Asset
    settlement: AccountId

    @classmethod
    def of(cls, round_: Round) -> EntryTerms:
        return cls(round_.stake_asset, round_.model_asset, round_.settlement)

    @property
    def credit_asset(self) -> Asset:
        return credit_asset(self.model)


def credit_asset(model: Asset) -> Asset:
    """The VLM of a DLM."""
    return Asset("VLM" + model.code.removeprefix("DLM"), model.issuer)


def missing(round_: Round, vehicle: Account, stake: Stroops) -> Stroops:
    """DLC that an entry takes and the vehicle does not have."""
    return max(0, stake + round_.stake.fee - vehicle.free(round_.stake_asset))


def reserve(credit: Asset, vehicle: Account) -> Stroops:
    """XLM that the ledger keeps for an entry: its bid, the stake with its two claimants, a line of VLM that is new."""
    return (3 + (credit not in vehicle.lines)) * BASE_RESERVE


def entry(round_: Round, vehicle: Account, stake: Stroops, buy: Way, now: int) -> list[Operation]:
    """Trustline if it is missing · DLC if it is missing · the public bid · the stake.

    `buy`: at most so much XLM for the missing DLC, and on which way. `now` is ledger time: the stake may be taken back
    once the review window after it is over. The stake is always the last operation (`ledger.envelope.stake_id` counts
    on it).
    """
    dlc = round_.stake_asset
    operations: list[Operation] = []
    if round_.credit_asset not in vehicle.lines:
        operations.append(ChangeTrust(sdk_asset(round_.credit_asset)))
    if lacks := missing(round_, vehicle, stake):
        operations.append(
            PathPaymentStrictReceive(
                destination=vehicle.id,
                send_asset=sdk_asset(XLM),
                send_max=text(buy.amount),
                dest_asset=sdk_asset(dlc),
                dest_amount=text(lacks),
                path=[sdk_asset(between) for between in buy.path],
            )
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


def most(cost: Stroops, refusals: int, budget: Stroops) -> Stroops:
    """XLM that an entry may spend on missing DLC where `cost` was seen: 2 % more, twice that for each entry that failed
    before, but never more than the owner allows. Who offers DLC and takes the offer back cannot keep an entry off."""
    above = cost * (1 + SLIPPAGE * (1 << refusals))
    return min(budget, -(-above.numerator // above.denominator))


def least(credit: Stroops, reward: Stroops) -> Stroops:
    """XLM below which a credit is not redeemed."""
    return max(1, credit * reward // UNIT - ROUNDED)


def closing(
    terms: EntryTerms,
    *,
    take_back: str | None = None,
    redemption: Redemption | None = None,
    bids: Sequence[int] = (),
) -> list[Operation]:
    """Take the stake back if nobody judged it · turn the credit into pay · withdraw the bid. Empty: nothing to do."""
    operations: list[Operation] = []
    if take_back is not None:
        operations.append(ClaimClaimableBalance(BALANCE_V0 + take_back))
    if redemption is not None:
        operations.append(
            PathPaymentStrictSend(
                destination=redemption.to,
                send_asset=sdk_asset(terms.credit_asset),
                send_amount=text(redemption.credit),
                dest_asset=sdk_asset(redemption.asset),
                dest_min=text(redemption.least),
                path=[sdk_asset(between) for between in redemption.path],
            )
        )
    for bid in bids:
        operations.append(
            ManageBuyOffer(
                selling=sdk_asset(terms.dlc),
                buying=sdk_asset(terms.credit_asset),
                amount="0",
                price=sdk_price(Fraction(1)),
                offer_id=bid,
            )
        )
    return operations


def sweep(to: str, amount: Stroops) -> list[Operation]:
    """XLM that the owner does not leave on the car."""
    return [Payment(destination=to, asset=sdk_asset(XLM), amount=text(amount))]
