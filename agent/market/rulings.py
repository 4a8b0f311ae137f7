"""An arbiter's transaction: what is left of a pledge claimed, those it finds for paid, the rest its initiator's
(PROTOCOL, "Disputes"). Built by one function, which the arbiter signs and an audit holds the ledger against.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from stellar_sdk import Claimant, ClaimClaimableBalance, CreateClaimableBalance, Payment
from stellar_sdk.operation import Operation

from agent.core.cid import Cid
from agent.core.dispute import RuledEntry, Ruling, owed
from agent.core.ids import CidText, StakeId
from agent.core.ledger import BALANCE_V0, Transaction
from agent.core.money import XLM, Stroops, text
from agent.core.round import Round
from agent.errors import Malformed, Refused
from agent.ledger.envelope import Opened, balance_id, opened, own_amount, sdk_asset
from agent.ledger.horizon import Horizon
from agent.market import disputes, pledge
from agent.market.bundle import Shelf


@dataclass(frozen=True, slots=True)
class Made:
    """A ruling that is in a ledger."""

    ruling: Ruling
    cid: CidText
    transaction: Transaction


def operations(
    round_: Round, entries: Sequence[RuledEntry], balances: Sequence[StakeId], claimed: Stroops, *, as_balance: bool
) -> list[Operation]:
    """`claimed`: XLM of these balances together. `as_balance`: the rest waits for an initiator whose account may be
    gone at any moment, so that it holds up nobody's pay."""
    assert round_.pledge is not None  # noqa: S101
    xlm = sdk_asset(XLM)
    paid = {each.entry: owed(each, round_.pledge) for each in entries if each.outcome == "settled"}
    made: list[Operation] = [ClaimClaimableBalance(BALANCE_V0 + balance) for balance in balances]
    made += [Payment(each.vehicle, xlm, text(paid[each.entry])) for each in entries if each.entry in paid]
    if rest := claimed - sum(paid.values()):
        if as_balance:
            made.append(CreateClaimableBalance(xlm, text(rest), [Claimant(round_.initiator)]))
        else:
            made.append(Payment(round_.initiator, xlm, text(rest)))
    return made


def of(history: Horizon, shelf: Shelf, round_: Round, cid: CidText) -> Iterator[Made]:
    """Rulings on a round, newest first. Raises Unavailable."""
    for transaction, made in _claiming(history, round_):
        if made.memo is None:
            continue  # an audit says so, here and below
        name = Cid.v0(made.memo).text
        with suppress(Refused):
            ruling = shelf.ruling(name)
            if ruling.round == cid:
                yield Made(ruling, name, transaction)


def faults(horizon: Horizon, shelf: Shelf, round_: Round, cid: CidText) -> Iterator[str]:
    """Sentences about what the arbiter took from a round's pledge; none: each stroop went where its ruling says. Raises
    Unavailable."""
    history = horizon.archive or horizon
    for transaction, made in _claiming(history, round_):
        is_pay = any(_amount(history, round_, balance) for balance in claims(made))
        if is_pay and (why := fault(history, shelf, round_, cid, transaction)):
            yield why


def _claiming(history: Horizon, round_: Round) -> Iterator[tuple[Transaction, Opened]]:
    """The arbiter's own transactions that claim something, newest first. Raises Unavailable."""
    arbiter = round_.arbiter.account if round_.arbiter else None
    if arbiter is None:
        return
    for transaction in history.history(arbiter, newest_first=True, since=round_.ledger):
        if transaction.source != arbiter:
            continue
        with suppress(Malformed):  # operations of another kind, that no SDK can read
            made = opened(transaction.envelope, history.passphrase)
            if claims(made):
                yield transaction, made


def fault(history: Horizon, shelf: Shelf, round_: Round, cid: CidText, transaction: Transaction) -> str:
    """What is wrong with a transaction in which the arbiter took from a round's pledge, as a sentence, or ''. Raises
    Unavailable."""
    assert round_.arbiter is not None  # noqa: S101
    made, arbiter = opened(transaction.envelope, history.passphrase), round_.arbiter.account
    what = f"the arbiter's transaction {transaction.hash}"
    if made.memo is None:
        return f"{what} takes from the pledge, and names no ruling"
    try:
        ruling = shelf.ruling(Cid.v0(made.memo).text)
    except Refused as error:
        return f"{what} takes from the pledge, and names no ruling ({error})"
    if ruling.round != cid or ruling.arbiter != arbiter or not disputes.is_signed(ruling, arbiter):
        return f"{what} takes from the pledge, and names a ruling on something else, or of somebody else"
    balances = claims(made)
    claimed = sum(_amount(history, round_, balance) for balance in balances)
    if not any(_xdr(operations(round_, ruling.entries, balances, claimed, as_balance=b)) == _xdr(made.operations)
               for b in (False, True)):  # fmt: skip
        return f"{what} does not pay what its ruling finds"
    asked = [shelf.dispute(each) for each in ruling.disputes]
    paid = set[CidText]()
    for entry in ruling.entries:
        about = {each.kind: each for each in asked if each.entry == entry.entry}
        if not about:
            return f"{what} rules on {entry.entry}, which nobody disputed"
        if entry.fee and (entry.fee != round_.arbiter.fee or "settle" not in about):
            return f"{what} gives back a fee that was not paid"
        try:
            found = disputes.entry_of(history, shelf, round_, next(iter(about.values())), arbiter)
        except Refused as error:
            return f"{what} rules on what it may not: {error}"
        if found.vehicle != entry.vehicle:
            return f"{what} pays {entry.vehicle} for an entry of {found.vehicle}"
        if entry.credit and found.contribution in paid:
            return f"{what} pays for {found.contribution} twice"
        paid |= {found.contribution} if entry.credit else set()
    return ""


def claims(made: Opened) -> list[StakeId]:
    """The balances that a transaction claims."""
    claimed = [each for each in made.operations if isinstance(each, ClaimClaimableBalance)]
    return [StakeId(each.balance_id.removeprefix(BALANCE_V0)) for each in claimed]


def _amount(history: Horizon, round_: Round, balance: StakeId) -> Stroops:
    """XLM in a balance of the round's pledge; 0 where it is none. Raises Unavailable."""
    maker = next(iter(history.touching(balance)), None)
    if maker is None:
        history.remembers(round_.ledger)
        return 0
    made: Opened = opened(maker.envelope, history.passphrase)
    for index, each in enumerate(made.operations):
        if isinstance(each, CreateClaimableBalance) and balance_id(made.source, made.sequence, index) == balance:
            return own_amount(each.amount) if pledge.is_one(each, round_) else 0
    return 0


def _xdr(made: Sequence[Operation]) -> list[str]:
    return [each.to_xdr_object().body.to_xdr() for each in made]
