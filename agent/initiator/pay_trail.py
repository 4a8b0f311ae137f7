"""A round's pay, followed on the ledger from its publication to the last stroop: what an audit says of it.

A balance of the pledge is claimed once: by a settlement, which puts exactly what was earned on offer and locks the rest
again; by the round's arbiter, of which `market.rulings` says whether it paid what its ruling finds; or by its
initiator, whom the ledger lets no sooner than its moment. A balance that is neither there nor claimed, a claim that
settles nothing, a settlement that pays less than it takes or credits, and VLM for which nothing stands on offer any
more are each a fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stellar_sdk import ClaimClaimableBalance, CreateClaimableBalance, ManageSellOffer
from stellar_sdk.operation import Operation

from agent.core import pay
from agent.core.ids import AccountId, StakeId
from agent.core.ledger import BALANCE_V0, Transaction
from agent.core.money import UNIT, XLM, Stroops, text
from agent.core.round import Round
from agent.errors import Malformed
from agent.ledger.envelope import Opened, balance_id, opened, own_amount, own_asset, own_price
from agent.ledger.horizon import Horizon
from agent.market import pledge, settlement
from agent.market.publish import ISSUED

DUST: Stroops = 1000
"""Less than what is owed, that rounding of many redemptions may leave on offer."""
LOOKS = 3
"""For a moment in which account and offers are of one ledger."""
MOST_OFFERS = 10_000


@dataclass(frozen=True, slots=True)
class Paid:
    """What a settlement did about the pay."""

    taken: Stroops
    """XLM that it took out of the pledge for good: the balance it claimed, less what it locked again."""
    rest: StakeId | None
    """Id of the balance with the rest, if there is one."""
    offered: Stroops
    """XLM that it put on offer for DLM at the round's reward."""
    earned: Stroops
    """XLM that what it accepted is due."""


def faults(horizon: Horizon, round_: Round, published: Transaction) -> Iterator[str]:
    """Sentences about a round that has a pledge; none: each stroop is where it belongs, as far as the ledger remembers.
    Raises Unavailable."""
    assert round_.pledge is not None  # noqa: S101
    history, locked = horizon.archive or horizon, 0
    for transaction in _of_initiator(history, round_, published):
        for index, operation in enumerate(_operations(transaction, horizon)):
            if isinstance(operation, CreateClaimableBalance) and pledge.is_one(operation, round_):
                amount = own_amount(operation.amount)
                locked += amount if transaction.hash == published.hash else 0
                balance = balance_id(transaction.source, transaction.sequence, index)
                yield from _followed(horizon, round_, balance, amount)
    if locked < round_.pledge.amount:
        yield f"its publication locks {text(locked)} XLM as its pay, and it says {text(round_.pledge.amount)}"
    yield from _owed(horizon, round_)


def _of_initiator(history: Horizon, round_: Round, published: Transaction) -> Iterator[Transaction]:
    """The initiator's own transactions, from the publication until the pledge is its own again: it may have added to
    it. Raises Unavailable."""
    assert round_.pledge is not None  # noqa: S101
    yield published
    for transaction in history.history(round_.initiator, after=published.cursor or str(published.ledger << 32)):
        if transaction.closed_at >= round_.back_at:
            return
        if transaction.source == round_.initiator and transaction.hash != published.hash:
            yield transaction


def _followed(horizon: Horizon, round_: Round, balance: StakeId, amount: Stroops) -> Iterator[str]:
    """One balance of the pledge, through all settlements, to where its last stroop is."""
    following: StakeId | None = balance
    while following is not None and horizon.stake(following) is None:
        taking = _taking(horizon, round_, following)
        if taking is None:
            yield f"{text(amount)} XLM of its pay are neither locked any more nor claimed by anybody: {following}"
            return
        transaction, by = taking
        if by == round_.initiator:
            return  # the ledger let it no sooner than its moment
        if round_.arbiter is not None and by == transaction.source == round_.arbiter.account:
            return  # in its window; what it did with it is another question
        if transaction.source != round_.settlement:
            yield f"{by} takes {text(amount)} XLM of its pay with {transaction.hash}, which settles nothing"
            return
        paid = settled(opened(transaction.envelope, horizon.passphrase), round_, amount)
        if not paid.taken == paid.offered == paid.earned:
            took, offered, earned = (text(amount) for amount in (paid.taken, paid.offered, paid.earned))
            yield (
                f"the settlement {transaction.hash} takes {took} XLM, puts {offered} on offer, and {earned} were earned"
            )
        following, amount = paid.rest, amount - paid.taken


def _taking(horizon: Horizon, round_: Round, balance: StakeId) -> tuple[Transaction, AccountId] | None:
    """The transaction that claimed a balance, and the account that did. Raises Unavailable."""
    claim = BALANCE_V0 + balance
    for history in filter(None, (horizon.archive, horizon)):
        for transaction in history.touching(balance):
            for made in _operations(transaction, horizon):
                if isinstance(made, ClaimClaimableBalance) and made.balance_id == claim:
                    return transaction, AccountId(made.source.account_id) if made.source else transaction.source
    (horizon.archive or horizon).remembers(round_.ledger)
    return None


def _operations(transaction: Transaction, horizon: Horizon) -> Sequence[Operation]:
    """None where one of them is nothing that a round's pay has to do with, and no SDK can read it."""
    try:
        return opened(transaction.envelope, horizon.passphrase).operations
    except Malformed:
        return ()


def _owed(horizon: Horizon, round_: Round) -> Iterator[str]:
    """What was earned and is not redeemed yet must stand on offer for it: that of all the model's rounds, as its VLM
    are one asset. Raises Unavailable."""
    assert round_.pledge is not None  # noqa: S101
    for _ in range(LOOKS):
        before = horizon.account(round_.settlement)
        offers = list(horizon.wanting(round_.model_asset, MOST_OFFERS))
        account = horizon.account(round_.settlement)
        if account is None or account != before:
            continue  # a car redeems, or a committee settles, meanwhile
        held = [account.lines.get(asset) for asset in (round_.credit_asset, round_.model_asset)]
        out = sum(ISSUED - (line.balance if line else 0) for line in held)
        owed = out * round_.pledge.reward // UNIT
        mine = [each for each in offers if (each.seller, each.selling) == (round_.settlement, XLM)]
        offered = sum(each.amount for each in mine if each.price * round_.pledge.reward <= UNIT)
        if offered < owed - DUST:
            yield f"{text(owed)} XLM are owed for VLM that was earned, and {text(offered)} stand on offer for it"
        return


def settled(made: Opened, round_: Round, amount: Stroops) -> Paid:
    """What a settlement that claims a balance of so much did."""
    assert round_.pledge is not None  # noqa: S101
    rest, left, offered = None, 0, 0
    for index, operation in enumerate(made.operations):
        if isinstance(operation, CreateClaimableBalance) and pledge.is_one(operation, round_):
            rest, left = balance_id(made.source, made.sequence, index), own_amount(operation.amount)
        if isinstance(operation, ManageSellOffer) and own_asset(operation.selling) == XLM:
            is_fair = own_price(operation.price) * round_.pledge.reward == UNIT and operation.offer_id == 0
            is_for_it = own_asset(operation.buying) == round_.model_asset
            offered += own_amount(operation.amount) if is_fair and is_for_it else 0
    credits = [each.credit for each in settlement.read(made, round_.settlement).values()]
    return Paid(amount - left, rest, offered, sum(pay.due(credit, round_.pledge.reward) for credit in credits))
