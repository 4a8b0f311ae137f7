"""What a minority of a committee, or a member of another one, cannot do to the others."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from stellar_sdk import ClaimClaimableBalance, Keypair, ManageData

from agent.content.folder import FolderStore
from agent.core import moves
from agent.core.ballots import EARLY
from agent.core.documents import Vote
from agent.core.jobs.review import Review
from agent.core.ledger import BALANCE_V0, Head
from agent.errors import Malformed
from agent.fleet import topics
from agent.fleet.loopback import LoopbackBroker, LoopbackLink
from agent.host.logs import Log
from agent.journal import Journal
from agent.ledger.envelope import build
from agent.ledger.horizon import Horizon
from agent.market.bundle import Shelf
from agent.ports import Message
from agent.validator import transactions
from agent.validator.ballots import vote
from agent.validator.book import ReviewBook
from agent.validator.committee import EVERYTHING, Committee, Proposal
from agent.validator.rounds import Rounds, Served
from agent.validator.settling import Settling
from tests.core.chamber import Chamber, a_review, a_vote, entered, judged, named
from tests.core.test_documents import a_round

US, ANN, BEN, EVE = (Keypair.from_raw_ed25519_seed(bytes([n]) * 32) for n in (1, 2, 3, 9))
ONE, OTHER = (Keypair.from_raw_ed25519_seed(bytes([n]) * 32).public_key for n in (21, 22))
HEAD = Head(100, 500, "00" * 32)
PASSPHRASE = "a ledger that nobody can reach"


class Seat:
    """One validator's settling, with a ledger and a store that cannot be reached, and two settlement accounts."""

    def __init__(self, folder: Path) -> None:
        broker, keys = LoopbackBroker(), (US, ANN, BEN)
        self.link = LoopbackLink(broker, (EVERYTHING,))
        self.strange = LoopbackLink(broker)
        self.others = Committee(self.strange, "somebody")
        self.ears = Committee(LoopbackLink(broker, (EVERYTHING,)), "nobody")
        self.log = io.StringIO()
        horizon = Horizon("http://127.0.0.1:9", PASSPHRASE, timeout=0.2)
        shelf = Shelf(folder / "shelf", FolderStore(folder / "content"))
        self.book = ReviewBook(Journal(folder / "reviews.sqlite"))
        self.rounds = Rounds(horizon, shelf, (), US)
        for account in (ONE, OTHER):
            round_ = a_round(settlement=account, committee=tuple(key.public_key for key in keys))
            self.rounds.served[named(account)] = Served(named(account), round_, 0)
        words, log = Committee(self.link, US.public_key), Log("debug", self.log, journald=False)
        self.settling = Settling(horizon, shelf, US, words, self.book, self.rounds, log)
        self.settling._office.belonging |= {named(ONE), named(OTHER)}

    def judges(self, account: str, number: int) -> Review:
        """An idle verdict without a measurement, so that there is nothing to be kept and no roll to be known."""
        made = a_review(number, outcome="idle", cid=named(account))
        self.book.record(made.id, entered(made, settlement=account).entry, 0.0)
        return self.book.record(made.id, judged(made, reason="stays", figure=None).verdict, 0.0)

    def votes(self, account: str) -> dict[str, Vote]:
        """Validator → its vote, as they are held."""
        held = self.settling._states[account].state.votes
        return {v.validator: v for entry in held.values() for v in entry.values()}


@pytest.fixture
def seat(tmp_path: Path) -> Seat:
    return Seat(tmp_path)


def test_a_member_of_another_committee_votes_for_nothing(seat: Seat) -> None:
    """(o) It is a member of a committee whose round we serve too, on another settlement account."""
    review = seat.judges(ONE, 1)
    strange = named("a round of another committee")
    seat.rounds.served[strange] = Served(strange, a_round(settlement=OTHER, committee=(EVE.public_key,)), 0)
    seat.settling._office.belonging.add(strange)
    seat.settling.speak(HEAD)
    cast = vote(judged(review, outcome="rejected", credit=0, round=strange), EVE)
    for account in (ONE, OTHER):
        seat.others.say_vote(account, cast)
    seat.settling.hear()
    seat.settling.speak(HEAD)
    assert seat.votes(ONE).keys() == {US.public_key}
    assert not any("passed over" in trouble for trouble in seat.settling.troubles)


def test_votes_on_entries_that_do_not_exist_are_not_kept(seat: Seat) -> None:
    """(p)"""
    made = a_review(1, cid=named(ONE))
    made = judged(made, outcome="idle", credit=0, reason="")
    for number in range(500):
        seat.others.say_vote(ONE, vote(replace(made, id=f"{number:064x}"), ANN))
        if number % 100 == 99:
            seat.settling.hear()
    state = seat.settling._states[ONE].state
    assert not state.votes
    assert sum(map(len, state.early.values())) == EARLY


def test_who_varies_only_its_reason_keeps_no_entry_open_and_is_shown() -> None:
    """(q)"""
    chamber = Chamber(4)
    liar, review = chamber.members[2], a_review(1)
    chamber.lies = {liar: "other reason"}
    chamber.enters(review)
    for number, member in enumerate(chamber.members):
        chamber.tell(member, moves.Heard(a_vote(review, liar, reason=f"as I tell member {number}")))
    chamber.settle(ticks=6)
    assert chamber.ends == {review.id: ("accepted", review.verdict.credit)}
    assert liar in chamber.states[chamber.members[0]].two_faced


def test_who_says_two_things_about_an_entry_is_named_in_the_status(seat: Seat) -> None:
    """(q) What `validator status` shows."""
    review = seat.judges(ONE, 1)
    seat.settling.speak(HEAD)
    for reason in ("one thing", "another"):
        seat.others.say_vote(ONE, vote(judged(review, reason=reason), ANN))
    seat.settling.hear()
    seat.settling.speak(HEAD)
    assert f"{ANN.public_key} says two different things about the entry {review.id[:16]}." in seat.settling.troubles
    assert seat.votes(ONE)[ANN.public_key].reason == "one thing"


def test_a_member_without_an_address_kills_nobody(seat: Seat) -> None:
    """(g) Its checksum is wrong: whatever is proposed, nobody can be asked for its signature."""
    dud = ANN.public_key[:-1] + ("A" if ANN.public_key[-1] != "A" else "B")
    operations = [ClaimClaimableBalance(BALANCE_V0 + "ab" * 32), ManageData("milepost/record", bytes(32))]
    envelope = build(ONE, 1, operations, passphrase=PASSPHRASE, fee=1000, max_time=600, memo=bytes(32))
    envelope.sign(EVE)
    with pytest.raises(Malformed, match="nobody on the committee"):
        transactions.proposed(envelope.to_xdr(), PASSPHRASE, ONE, [dud, BEN.public_key])
    envelope.sign(BEN)
    read = transactions.proposed(envelope.to_xdr(), PASSPHRASE, ONE, [dud, BEN.public_key])
    assert (read.signers, read.stakes, read.fee) == ({BEN.public_key}, ("ab" * 32,), 1000)


def test_a_fault_in_one_accounts_business_does_not_stop_anothers(seat: Seat) -> None:
    """Whatever it is, it is counted and passed over."""
    seat.judges(ONE, 1)
    second = seat.judges(OTHER, 2)
    seat.settling.speak(HEAD)
    broken = seat.settling._states[ONE]
    broken.state = replace(broken.state, votes=None)  # type: ignore[arg-type]
    for turn in range(3):
        seat.settling.speak(replace(HEAD, closed_at=HEAD.closed_at + 10 * turn))
    heard = filter(None, map(Committee.read, seat.ears.receive()))
    said = [v.entry for account, v in heard if account == OTHER and isinstance(v, Vote)]
    assert said.count(second.id) >= 3
    assert any("was passed over: AttributeError" in t and "(3 times.)" in t for t in seat.settling.troubles)


def test_a_message_that_nobody_foresaw_is_counted_and_passed_over(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    def unforeseen(*_: object) -> None:
        raise OverflowError("a date in the year 292,277,026,597")

    seat.settling.speak(HEAD)
    with monkeypatch.context() as patch:
        patch.setattr(transactions, "proposed", unforeseen)
        for _ in range(2):
            seat.others.say_proposal(ONE, Proposal("AAAA"))
        seat.settling.hear()
    assert "2 messages (proposal) were passed over." in seat.settling.troubles
    seat.settling.hear()


def test_in_an_idle_market_the_ledger_is_asked_nothing(seat: Seat) -> None:
    """Nor is a store: each could not be reached, and would be a trouble."""
    for _ in range(3):
        seat.settling.hear()
        seat.settling.speak(HEAD)
    assert seat.settling.troubles == []
    assert seat.settling.halted == []


@pytest.mark.parametrize("reason", ["\\ud800", "\\u001b[2J", "x" * 300])
def test_what_cannot_even_be_read_stops_no_other_message(seat: Seat, reason: str) -> None:
    """Half a surrogate pair has no bytes to be signed."""
    review = seat.judges(ONE, 1)
    seat.settling.speak(HEAD)
    good = vote(review, ANN)
    bad = good.to_bytes().replace(b'"reason":"stays"', f'"reason":"{reason}"'.encode())
    assert bad != good.to_bytes()
    seat.strange.publish(Message(f"{topics.market(ONE)}/vote/x", bad))
    seat.others.say_vote(ONE, good)
    seat.settling.hear()
    assert seat.votes(ONE)[ANN.public_key] == good
