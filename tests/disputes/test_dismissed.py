"""What no arbiter rules on: whoever asks is told so before it pays, and who pays all the same has lost its fee."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stellar_sdk import Claimant, ClaimPredicate, CreateClaimableBalance, Keypair

from agent.core.dispute import Dispute
from agent.core.documents import Vote
from agent.core.ids import CidText, StakeId
from agent.core.jobs.hearing import Dismissed, HearingState
from agent.core.money import UNIT, XLM, text
from agent.disputes.asking import NothingToWin
from agent.errors import Refused
from agent.ledger import keys
from agent.ledger.envelope import sdk_asset, stake_id
from agent.market import disputes
from agent.market.disputes import StillStands
from tests.disputes.court import ARBITRATION, Court, court
from tests.market.settling import applied, drawn_up, not_before
from tests.market.town import BASE, REVIEW_S
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sitting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Court]:
    with Localnet() as net:
        made = court(net, tmp_path_factory.mktemp("court"))
        yield made
        made.close()


def asks(sitting: Court, by: Keypair, entry: str, **other: object) -> Dispute:
    values = {"kind": "settle", "round": sitting.town.cid, "entry": entry, "by": by.public_key, "reason": "silence"}
    return Dispute.model_validate({**values, **other})


def dismissal(sitting: Court, payment: str) -> str:
    """Why the arbiter does not hear what was paid for, which costs the fee."""
    sitting.turn()
    job = sitting.arbiter.bench.book.job(payment)
    assert job.state is HearingState.DISMISSED
    return job.of(Dismissed).reason


def refused(sitting: Court, by: Keypair, entry: str, votes: tuple[Vote, ...] = ()) -> str:
    """Why whoever asks is told not to; nothing was paid."""
    before = sitting.xlm(by.public_key)
    with pytest.raises(Refused) as told:
        sitting.ask(by, entry, votes=votes)
    assert sitting.xlm(by.public_key) == before
    return str(told.value)


def test_an_entry_whose_stake_stands_may_still_be_judged(sitting: Court) -> None:
    town, car = sitting.town, sitting.town.driver()
    entry = town.enter(car, town.contribution(car, town.better()))
    with pytest.raises(StillStands):
        sitting.ask(car, entry)
    assert "its stake stands" in dismissal(sitting, sitting.pay(car, asks(sitting, car, entry)))


def test_what_the_committee_judged_is_judged(sitting: Court) -> None:
    town, car = sitting.town, sitting.town.driver()
    made = drawn_up(town, [(car, UNIT)], town.contribution(car, town.better()))
    stakes = town.horizon.stakes(town.settlement, town.dlc)
    (entry,) = [each.id for each in stakes if each.sponsor == car.public_key]
    assert applied(town, made) == ""
    assert "rules on what nobody judged" in refused(sitting, car, entry)
    assert "rules on what nobody judged" in dismissal(sitting, sitting.pay(car, asks(sitting, car, entry)))


def test_nobody_asks_for_another_and_an_initiator_for_no_settlement(sitting: Court) -> None:
    town, (car, entry) = sitting.town, sitting.unjudged()
    stranger = town.driver()
    assert f"a settle is for {car.public_key} to ask for" in refused(sitting, stranger, entry)
    assert "to ask for" in dismissal(sitting, sitting.pay(stranger, asks(sitting, stranger, entry)))
    assert "paid for what" in dismissal(sitting, sitting.pay(stranger, asks(sitting, car, entry)))
    by_initiator = asks(sitting, town.initiator, entry)
    assert "to ask for" in dismissal(sitting, sitting.pay(town.initiator, by_initiator))
    by_car = asks(sitting, car, entry, kind="refund")
    assert "a refund is for" in dismissal(sitting, sitting.pay(car, by_car))


@pytest.mark.parametrize("trick", ["its own alone", "too soon its own", "too small", "XLM", "with a third"])
def test_a_stake_that_the_committee_could_not_judge_is_no_entry(sitting: Court, trick: str) -> None:
    town, car = sitting.town, sitting.town.driver()
    now = town.horizon.head().closed_at
    soon = now + 30 if trick == "too soon its own" else now + REVIEW_S
    claimants = [Claimant(town.settlement), Claimant(car.public_key, not_before(soon))]
    if trick == "its own alone":
        claimants = [Claimant(car.public_key, ClaimPredicate.predicate_unconditional())]
    if trick == "with a third":
        claimants.append(Claimant(town.operator.public_key))
    asset = XLM if trick == "XLM" else town.dlc
    amount = text(BASE - 1 if trick == "too small" else BASE)
    operation = CreateClaimableBalance(sdk_asset(asset), amount, claimants)
    made = town.apply([operation], car, memo=town.contribution(car, town.better()).digest)
    entry = stake_id(made.envelope, town.net.passphrase, 0)
    assert "not put down as an entry" in refused(sitting, car, entry)
    assert "not put down as an entry" in dismissal(sitting, sitting.pay(car, asks(sitting, car, entry)))


def test_a_stake_that_never_was_a_memo_that_is_nothing_and_a_fee_too_small(sitting: Court) -> None:
    town, (car, entry) = sitting.town, sitting.unjudged()
    assert "no such stake" in refused(sitting, car, "ab" * 32)
    assert "no such stake" in dismissal(sitting, sitting.pay(car, asks(sitting, car, "ab" * 32)))
    assert "of 5.0000000 XLM" in dismissal(sitting, sitting.pay(car, asks(sitting, car, entry), ARBITRATION - 1))
    known = len(sitting.hearings)
    sitting.pay(car, asks(sitting, car, entry), UNIT - 1)  # below what the arbiter looks at
    sitting.turn()
    assert len(sitting.hearings) == known
    payment = sitting.pay(car, bytes(32))  # a bundle that nobody has
    sitting.turn()
    assert sitting.arbiter.bench.book.job(payment).state is HearingState.RECEIVED
    wrong = town.store.put(_folder(sitting, b"{}"))
    assert "malformed" in dismissal(sitting, sitting.pay(car, wrong.digest))


def _folder(sitting: Court, content: bytes) -> Path:
    folder = sitting.folder / "wrong"
    folder.mkdir(exist_ok=True)
    (folder / "dispute.json").write_bytes(content)
    return folder


def test_evidence_is_signed_by_the_committee_and_about_the_entry(sitting: Court) -> None:
    town, (car, entry) = sitting.town, sitting.unjudged()
    member = town.committee[0]
    made = disputes.entry_of(
        town.horizon, sitting.arbiter.bench.shelf, sitting.round, asks(sitting, car, entry), sitting.key.public_key
    )

    def vote(key: Keypair, **other: object) -> Vote:
        values = {
            "round": town.cid, "entry": entry, "contribution": made.contribution, "validator": key.public_key,
            "outcome": "idle", "reason": "", "credit": 0, **other,
        }  # fmt: skip
        unsigned = Vote.model_validate(values)
        return unsigned.model_copy(update={"signature": keys.signature(key, unsigned.to_bytes())})

    assert "no member" in refused(sitting, car, entry, (vote(Keypair.random()),))
    forged = vote(member).model_copy(update={"credit": 5})
    assert "no member" in refused(sitting, car, entry, (forged,))
    assert "another entry" in refused(sitting, car, entry, (vote(member, entry="cd" * 32),))
    assert "two votes of one" in refused(sitting, car, entry, (vote(member), vote(member)))
    sitting.ask(car, entry, votes=(vote(member),))
    sitting.turn()
    assert sitting.hearing(entry).state is HearingState.HEARD


def test_what_is_asked_twice_is_paid_for_once_or_lost(sitting: Court) -> None:
    car, entry = sitting.unjudged()
    before = sitting.xlm(car.public_key)
    sitting.ask(car, entry)
    sitting.ask(car, entry, "once more, louder")
    assert sitting.xlm(car.public_key) == before - ARBITRATION - 100
    again = asks(sitting, car, entry, reason="by another program")
    assert "asked before" in dismissal(sitting, sitting.pay(car, again))


def test_work_of_another_or_that_the_arbiter_cannot_read_is_nothing_to_rule_on(sitting: Court) -> None:
    town, car, other = sitting.town, sitting.town.driver(), sitting.town.driver()
    stolen = town.contribution(other, town.better())
    blind = town.contribution(
        car, town.better(), lambda boxes: {k: v for k, v in boxes.items() if k != sitting.key.public_key}
    )
    for contribution, why in ((stolen, "another vehicle's"), (blind, "not sealed to the arbiter")):
        _, entry = sitting.unjudged(car, contribution)
        assert why in refused(sitting, car, entry)
        assert why in dismissal(sitting, sitting.pay(car, asks(sitting, car, entry)))


def test_a_round_that_was_never_published_or_has_another_arbiter(sitting: Court) -> None:
    town, (car, entry) = sitting.town, sitting.unjudged()
    own = sitting.round
    rich = own.model_copy(update={"contributions": 1, "collect": 1})
    forged = town.store.put(_round(sitting, rich.to_bytes()))
    payment = sitting.pay(car, asks(sitting, car, entry, round=forged.text))
    assert "never published" in dismissal(sitting, payment)
    assert sitting.round.pledge is not None
    stranger = sitting.round.pledge.model_copy(update={"arbiter": None})
    other = town.store.put(_round(sitting, own.model_copy(update={"pledge": stranger}).to_bytes()))
    payment = sitting.pay(car, asks(sitting, car, entry, round=other.text))
    assert "no arbiter" in dismissal(sitting, payment)


def _round(sitting: Court, content: bytes) -> Path:
    folder = sitting.folder / "round"
    folder.mkdir(exist_ok=True)
    (folder / "round.json").write_bytes(content)
    return folder


def test_who_comes_late_is_not_heard(tmp_path: Path) -> None:
    with Localnet() as net:
        sitting = court(net, tmp_path)
        car, entry = sitting.unjudged()
        sitting.at(sitting.until - 60)
        with pytest.raises(NothingToWin, match="hears what is asked before"):
            sitting.ask(car, entry)
        sitting.at(sitting.until)
        assert "came later" in dismissal(sitting, sitting.pay(car, asks(sitting, car, entry)))
        sitting.close()


def test_an_entry_that_would_not_have_been_paid_is_not_paid_now(tmp_path: Path) -> None:
    with Localnet() as net:
        sitting = court(net, tmp_path)
        sitting.at(sitting.until - REVIEW_S - 290)
        car, entry = sitting.unjudged()
        with pytest.raises(Refused, match="not locked for as long as a review takes"):
            sitting.asker(car).ask(CidText(sitting.town.cid), StakeId(entry), "late")
        sitting.close()
