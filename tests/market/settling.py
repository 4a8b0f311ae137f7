"""What a committee, a car and an initiator do about pay, by hand and on the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from stellar_sdk import ClaimPredicate, Keypair, TransactionEnvelope
from stellar_sdk.operation import Operation

from agent.core.cid import Cid
from agent.core.documents import SettledEntry, SettlementRecord
from agent.core.ledger import Stake
from agent.core.money import XLM, Stroops
from agent.core.round import Round
from agent.errors import Refused
from agent.ledger.envelope import result_code, signed
from agent.ledger.keys import account_of
from agent.market import entry, pledge
from agent.market.payout import Redemption
from agent.validator import transactions
from tests.market.town import BASE, FEE, Town


def balances(town: Town, round_: Round | None = None) -> list[Stake]:
    round_ = round_ or town.round
    return pledge.of(round_, town.horizon.stakes(round_.settlement, XLM))


def refusal(town: Town, operation: Operation, *keys: Keypair) -> str:
    """The ledger's code for one operation that these keys sign."""
    made = town.signed([operation], *keys)
    try:
        town.horizon.hand_in(made.envelope)
    except Refused as error:
        return str(error)
    held = town.horizon.find(made.hash)
    assert held is not None
    return "" if held.successful else result_code(held.result)


def redeems(town: Town, car: Keypair, credit: Stroops, reward: Stroops) -> Stroops:
    """XLM that a closing brings; it asks for no less than two stroops below what is due."""
    round_ = town.round
    way = town.horizon.proceeds(round_.credit_asset, credit, XLM)
    assert way is not None
    terms = entry.EntryTerms.of(round_)
    pays = Redemption(account_of(car), credit, XLM, entry.least(credit, reward), way.path)
    closing = entry.closing(terms, redemption=pays)
    before = town.horizon.account(car.public_key)
    town.apply(closing, car)
    after = town.horizon.account(car.public_key)
    assert before is not None
    assert after is not None
    return after.lines[XLM].balance - before.lines[XLM].balance + 1000


def settles(town: Town, credits: Sequence[tuple[Keypair, Stroops]]) -> str:
    """The committee settles these as accepted, by hand. The transaction's code; '' where it applied."""
    return applied(town, drawn_up(town, credits))


def drawn_up(town: Town, credits: Sequence[tuple[Keypair, Stroops]], cid: Cid | None = None) -> str:
    """The transaction of a record that accepts what these cars enter now. `cid`: of all their contributions."""
    round_, made = town.round, list[SettledEntry]()
    for number, (car, credit) in enumerate(credits):
        contribution = cid or Cid.v0(bytes([number]) * 32)
        facts = {"transaction": "00" * 32, "vehicle": car.public_key, "contribution": str(contribution)}
        verdict = {"outcome": "accepted", "reason": "", "credit": credit, "stake": BASE, "fee": FEE}
        made.append(SettledEntry(entry=town.enter(car, contribution), **facts, **verdict))
    speaker = town.committee[0].public_key
    record = SettlementRecord(index=0, round=town.cid, entries=tuple(made), agreements={}, speaker=speaker)
    account, offers = town.horizon.account(round_.settlement), town.horizon.offers(round_.settlement)
    assert account is not None
    until, name, pays = town.horizon.head().closed_at + 240, Cid.v0(b"\x05" * 32), balances(town)[0]
    return transactions.envelope(record, name, round_, account, offers, town.net.passphrase, until, pays=pays)


def applied(town: Town, made: str) -> str:
    whole = signed(TransactionEnvelope.from_xdr(made, town.net.passphrase), *town.committee[:2])
    town.horizon.hand_in(whole.envelope)
    held = town.horizon.find(whole.hash)
    assert held is not None
    return "" if held.successful else result_code(held.result)


def not_before(moment: int) -> ClaimPredicate:
    return ClaimPredicate.predicate_not(ClaimPredicate.predicate_before_absolute_time(moment))
