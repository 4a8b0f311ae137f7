"""A round's pay, followed on the ledger from its publication to the last stroop: what an audit says of it.

A balance of the pledge is claimed once: by a settlement, which puts exactly what was earned on offer and locks the rest
again; by the round's arbiter, which pays what its ruling finds (`market.rulings`); or by its initiator, whom the ledger
lets no sooner than its moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stellar_sdk import ClaimClaimableBalance, CreateClaimableBalance, ManageSellOffer

from agent.core import pay
from agent.core.ids import StakeId, TxHash
from agent.core.ledger import BALANCE_V0, Transaction
from agent.core.money import UNIT, XLM, Stroops, text
from agent.core.round import Round
from agent.ledger.envelope import Opened, balance_id, opened, own_amount, own_asset, own_price
from agent.ledger.horizon import Horizon
from agent.market import pledge, settlement


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


def faults(history: Horizon, round_: Round, published: Transaction) -> Iterator[str]:
    """Sentences about a round that has a pledge; none: each stroop is where it belongs, as far as the ledger remembers.
    Raises Unavailable."""
    assert round_.pledge is not None  # noqa: S101
    locked = 0
    for balance, amount in _locked(history, round_, published):
        locked += amount
        for taking, paid in _followed(history, round_, balance, amount):
            if paid is not None and not paid.taken == paid.offered == paid.earned:
                took, offered, earned = (text(amount) for amount in (paid.taken, paid.offered, paid.earned))
                did = f"takes {took} XLM, puts {offered} on offer, and {earned} were earned"
                yield f"the settlement {taking.hash} {did}"
    if locked < round_.pledge.amount:
        yield f"its publication locks {text(locked)} XLM as its pay, and it says {text(round_.pledge.amount)}"


def arbitrated(history: Horizon, round_: Round, published: Transaction) -> Mapping[TxHash, Transaction]:
    """The transactions in which the round's arbiter took from its pledge. Raises Unavailable."""
    found = {}
    for balance, amount in _locked(history, round_, published):
        for taking, _ in _followed(history, round_, balance, amount):
            if round_.arbiter is not None and taking.source == round_.arbiter.account:
                found[taking.hash] = taking
    return found


def _locked(history: Horizon, round_: Round, published: Transaction) -> Iterator[tuple[StakeId, Stroops]]:
    """What the publication locks for the round."""
    made = opened(published.envelope, history.passphrase)
    for index, operation in enumerate(made.operations):
        if isinstance(operation, CreateClaimableBalance) and pledge.is_one(operation, round_):
            yield balance_id(made.source, made.sequence, index), own_amount(operation.amount)


def _followed(
    history: Horizon, round_: Round, balance: StakeId, amount: Stroops
) -> Iterator[tuple[Transaction, Paid | None]]:
    """Who took from a balance, and from what was left of it, in turn; what a settlement did with it. None: it was its
    initiator or the arbiter, and nothing of it is left. Ends where it is still there."""
    following: StakeId | None = balance
    while following is not None:
        taking = next((t for t in history.touching(following) if _claims(t, following, history)), None)
        if taking is None:
            return
        if taking.source != round_.settlement:
            yield taking, None
            return
        paid = settled(opened(taking.envelope, history.passphrase), round_, amount)
        yield taking, paid
        following, amount = paid.rest, amount - paid.taken


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


def _claims(transaction: Transaction, balance: StakeId, history: Horizon) -> bool:
    claim = BALANCE_V0 + balance
    made = opened(transaction.envelope, history.passphrase)
    return any(isinstance(each, ClaimClaimableBalance) and each.balance_id == claim for each in made.operations)
