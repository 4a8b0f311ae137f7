"""Where the money goes: a liar's fee, a pledge that runs short, who left the ledger, an arbiter that says nothing."""

from __future__ import annotations

import pytest
from stellar_sdk import AccountMerge, ChangeTrust, ClaimClaimableBalance, Keypair, ManageBuyOffer, Payment
from stellar_sdk.operation import Operation

from agent.core import dispute, pay
from agent.core.ids import CidText
from agent.core.jobs.hearing import Answered, HearingState, Missed, Received
from agent.core.jobs.ruling import RulingState
from agent.core.ledger import BALANCE_V0
from agent.core.money import UNIT, XLM, Stroops, text
from agent.disputes.book import CURSOR
from agent.initiator import paying
from agent.ledger import keys
from agent.ledger.envelope import sdk_asset
from agent.market import disputes, pledge, rulings
from tests.disputes.court import ARBITRATION, Court
from tests.market.town import REWARD, publisher_of

pytestmark = pytest.mark.slow


def answered(sitting: Court, entry: str) -> Answered:
    return sitting.hearing(entry).of(Answered)


def rules(sitting: Court) -> None:
    sitting.at(sitting.until)
    sitting.turn(4)


def test_a_dispute_costs_the_liar_its_fee_and_the_initiator_gets_everything(sitting: Court) -> None:
    town, (car, entry) = sitting.town, sitting.unjudged()
    locked = pledge.left(town.horizon, sitting.round)
    sitting.ask(car, entry)
    before = sitting.xlm(car.public_key), sitting.xlm(town.initiator.public_key), sitting.xlm(sitting.key.public_key)
    sitting.turn()
    sitting.decide(entry, 0, "noise")
    rules(sitting)
    assert (answered(sitting, entry).outcome, answered(sitting, entry).reason) == ("refunded", "noise")
    after = sitting.xlm(car.public_key), sitting.xlm(town.initiator.public_key), sitting.xlm(sitting.key.public_key)
    assert after == (before[0], before[1] + locked, before[2] - 200)  # the arbiter keeps the fee, less the ledger's
    assert sitting.faults() == []


def test_an_initiator_asks_for_a_refund_and_has_its_money_before_its_own_time(sitting: Court) -> None:
    town, (car, entry) = sitting.town, sitting.unjudged()
    sitting.ask(town.initiator, entry, "it was trained on nothing")
    sitting.ask(car, entry)
    sitting.turn()
    assert [each.state for each in sitting.hearings] == [HearingState.HEARD] * 2
    sitting.decide(entry, 0, "it was")
    rules(sitting)
    assert [each.state for each in sitting.hearings] == [HearingState.ANSWERED] * 2
    assert pledge.left(town.horizon, sitting.round) == 0
    (made,) = sitting.rulings()
    assert len(made.ruling.disputes) == 2


def test_pay_goes_by_the_ledgers_order_until_it_is_used_up_and_one_contribution_is_paid_once(sitting: Court) -> None:
    town, car = sitting.town, sitting.town.driver()
    same = town.contribution(car, town.better())
    found = sitting.all_unjudged([(car, same), (car, same), (None, None), (None, None), (None, None)])
    for key, entry in found:
        sitting.ask(key, entry)
    sitting.turn()
    for _, entry in found:
        sitting.decide(entry, 10 * UNIT)  # 400 XLM and the fee each; 1000 are locked
    rules(sitting)
    said = [(answered(sitting, entry).outcome, answered(sitting, entry).reason) for _, entry in found]
    assert [outcome for outcome, _ in said] == ["settled", "refunded", "settled", "refunded", "refunded"]
    assert said[1][1] == dispute.TWICE
    assert said[3][1] == said[4][1] == pay.USED_UP
    assert sitting.faults() == []


def test_what_was_added_and_what_a_settlement_left_is_claimed_too(sitting: Court) -> None:
    town, (car, entry) = sitting.town, sitting.unjudged()
    publisher = publisher_of(town, arbiter={"account": sitting.key.public_key, "fee": text(ARBITRATION)})
    paying.add(publisher, CidText(town.cid), sitting.round, 300 * UNIT)
    publisher.book.journal.close()
    sitting.ask(car, entry)
    sitting.turn()
    sitting.decide(entry, UNIT)
    owner = sitting.xlm(town.initiator.public_key)
    rules(sitting)
    assert sitting.xlm(town.initiator.public_key) == owner + 1300 * UNIT - REWARD - ARBITRATION
    assert sitting.faults() == []


def test_an_arbiter_that_decides_nothing_moves_nothing_and_the_initiator_reclaims(sitting: Court) -> None:
    town, (car, entry) = sitting.town, sitting.unjudged()
    sitting.ask(car, entry)
    sitting.turn()
    rules(sitting)
    sitting.at(dispute.last_call(sitting.round))
    sitting.turn(4)
    assert sitting.hearing(entry).state is HearingState.HEARD
    asker = sitting.asker(car)
    assert asker.answer(asker.book.jobs[0]).word == "in the window"
    sitting.at(sitting.round.back_at)
    sitting.turn(2)
    assert "did not decide" in sitting.hearing(entry).of(Missed).reason
    assert asker.answer(asker.book.jobs[0]).word == "silent"
    asker.book.journal.close()
    publisher = publisher_of(town)
    assert paying.reclaim(publisher) == 1000 * UNIT
    publisher.book.journal.close()


def test_an_arbiter_that_was_away_rules_when_it_is_back_and_not_after_its_window(sitting: Court) -> None:
    car, entry = sitting.unjudged()
    sitting.ask(car, entry)
    sitting.at(sitting.until + 100)
    sitting.restart()
    sitting.turn()
    sitting.decide(entry, UNIT)
    sitting.at(sitting.round.back_at)
    sitting.turn(4)
    assert sitting.hearing(entry).state is HearingState.MISSED
    assert sitting.rulings() == []


def test_what_is_not_decided_as_the_window_ends_is_refunded_and_keeps_nobody_waiting(sitting: Court) -> None:
    (first, entry), (second, other) = sitting.all_unjudged([(None, None), (None, None)])
    sitting.ask(first, entry)
    sitting.ask(second, other)
    sitting.turn()
    sitting.decide(entry, UNIT)
    rules(sitting)
    assert sitting.rulings() == []
    sitting.at(dispute.last_call(sitting.round))
    sitting.turn(4)
    assert answered(sitting, entry).outcome == "settled"
    assert answered(sitting, other).reason == dispute.UNDECIDED


def test_a_car_that_leaves_the_ledger_as_it_is_paid_holds_up_nobody(sitting: Court) -> None:
    (first, entry), (leaver, other) = sitting.all_unjudged([(None, None), (None, None)])
    for key, each in ((first, entry), (leaver, other)):
        sitting.ask(key, each)
    sitting.turn()
    for each in (entry, other):
        sitting.decide(each, UNIT)
    sitting.at(sitting.until)
    before = sitting.xlm(first.public_key)
    sitting.turn()  # drawn and signed
    assert sitting.arbiter.bench.book.ruling(CidText(sitting.town.cid)).state is RulingState.SIGNED
    leaves(sitting, leaver)
    sitting.turn(6)
    assert sitting.xlm(first.public_key) == before + REWARD + ARBITRATION
    assert answered(sitting, other).reason == dispute.GONE
    assert sitting.faults() == []


def leaves(sitting: Court, key: Keypair) -> None:
    """Everything it has goes elsewhere, and its account."""
    town = sitting.town
    account = town.horizon.account(key.public_key)
    assert account is not None
    operations: list[Operation] = []
    for offer in town.horizon.offers(account.id):
        operations.append(
            ManageBuyOffer(sdk_asset(offer.selling), sdk_asset(offer.buying), "0", "1", offer_id=offer.id)
        )
    for asset, line in account.lines.items():
        if asset != XLM:
            if line.balance:
                operations.append(Payment(town.operator.public_key, sdk_asset(asset), text(line.balance)))
            operations.append(ChangeTrust(sdk_asset(asset), "0"))
    operations.append(AccountMerge(town.operator.public_key))
    town.apply(operations, key)


def test_a_dispute_that_nobody_has_delays_a_ruling_and_keeps_nobody_from_being_paid(sitting: Court) -> None:
    """Its fee is lost. An honest one of the same moment may still be on its way: so the arbiter waits while it can."""
    (car, entry), liar = sitting.unjudged(), sitting.town.driver()
    sitting.ask(car, entry)
    for number in range(6):
        sitting.pay(liar, bytes([number]) * 32)
    sitting.turn(3)
    sitting.decide(entry, UNIT)
    rules(sitting)
    assert sitting.rulings() == []
    sitting.at(dispute.last_call(sitting.round))
    sitting.turn(4)
    assert answered(sitting, entry).outcome == "settled"
    sitting.at(sitting.town.horizon.head().closed_at + 86_400)
    for _ in range(6):
        sitting.turn()
        for _ in range(5):
            sitting.town.net.close_ledger()
    assert [each.state for each in sitting.hearings].count(HearingState.DISMISSED) == 6


def test_what_strangers_send_is_read_once(sitting: Court) -> None:
    town, (car, entry) = sitting.town, sitting.unjudged()
    sitting.ask(car, entry)
    for _ in range(3):
        town.apply([Payment(sitting.key.public_key, sdk_asset(XLM), "0.0000001")], town.operator)
    sitting.turn()
    newest = next(iter(town.horizon.history(sitting.key.public_key, newest_first=True)))
    assert sitting.arbiter.bench.book.journal.note(CURSOR) == newest.cursor
    sitting.restart()
    sitting.turn()
    assert [each.state for each in sitting.hearings] == [HearingState.HEARD]


# --- an arbiter that does otherwise


def takes(sitting: Court, made: list[Operation], memo: bytes | None) -> list[str]:
    """What an audit says of an arbiter that takes the pledge with these operations after the claim."""
    (balance,) = pledge.of(sitting.round, sitting.town.horizon.stakes(sitting.key.public_key, XLM))
    sitting.at(sitting.until)
    sitting.town.apply([ClaimClaimableBalance(BALANCE_V0 + balance.id), *made], sitting.key, memo=memo)
    return sitting.faults()


def test_an_arbiter_that_keeps_the_pledge_is_found_out(sitting: Court) -> None:
    (why,) = takes(sitting, [], None)
    assert "names no ruling" in why


@pytest.mark.parametrize("off", [-1, 1])
def test_an_arbiter_that_pays_otherwise_than_it_finds_is_found_out(sitting: Court, off: Stroops) -> None:
    town, (car, entry) = sitting.town, sitting.unjudged()
    sitting.ask(car, entry)
    sitting.turn()
    heard = sitting.hearing(entry)
    found = dispute.RuledEntry(
        entry=entry, vehicle=car.public_key, outcome="settled", credit=UNIT, fee=ARBITRATION, reason=""
    )
    names = (heard.of(Received).dispute,)
    unsigned = dispute.Ruling(round=town.cid, disputes=names, entries=(found,), arbiter=sitting.key.public_key)
    ruling = unsigned.model_copy(update={"signature": keys.signature(sitting.key, unsigned.to_bytes())})
    owed = REWARD + ARBITRATION + off
    xlm = sdk_asset(XLM)
    made: list[Operation] = [
        Payment(car.public_key, xlm, text(owed)),
        Payment(town.initiator.public_key, xlm, text(1000 * UNIT - owed)),
    ]
    (why,) = takes(sitting, made, disputes.pin(ruling, town.store).digest)
    assert "does not pay what its ruling finds" in why


def test_an_arbiter_rules_on_nothing_that_nobody_disputed(sitting: Court) -> None:
    town, (car, entry) = sitting.town, sitting.unjudged()
    _, other = sitting.unjudged()
    sitting.ask(car, entry)
    sitting.turn()
    names = (sitting.hearing(entry).of(Received).dispute,)
    found = dispute.RuledEntry(
        entry=other, vehicle=car.public_key, outcome="settled", credit=UNIT, fee=0, reason="a friend"
    )
    unsigned = dispute.Ruling(round=town.cid, disputes=names, entries=(found,), arbiter=sitting.key.public_key)
    ruling = unsigned.model_copy(update={"signature": keys.signature(sitting.key, unsigned.to_bytes())})
    (balance,) = pledge.of(sitting.round, town.horizon.stakes(sitting.key.public_key, XLM))
    made = rulings.operations(sitting.round, ruling.entries, [], 1000 * UNIT, as_balance=False)
    assert balance.amount == 1000 * UNIT
    (why,) = takes(sitting, made, disputes.pin(ruling, town.store).digest)
    assert "which nobody disputed" in why
