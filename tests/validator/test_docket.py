"""The docket: what a validator wrote down, byte for byte as ever, and what it knows of entries after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.core.ids import TxHash
from agent.core.jobs.fold import owed
from agent.core.jobs.review import Gone, Review, ReviewState, ReviewStep, Settled
from agent.journal import Journal
from agent.validator.book import ReviewBook
from tests.core.chamber import STAKE, STRANGER, a_review, entered, judged

ONE, TWO, THREE = (entered(a_review(number), take_back_at=3600) for number in (1, 2, 3))
CLAIMED = TxHash("cd" * 32)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "reviews.sqlite")
    yield made
    made.close()


@pytest.fixture
def review_book(journal: Journal) -> ReviewBook:
    """One is found, Two is judged, Three is settled."""
    made = ReviewBook(journal)
    for review in (ONE, TWO, THREE):
        made.record(review.id, review.entry, 0.0)
    for review in (TWO, THREE):
        made.record(review.id, review.verdict, 0.0)
    made.record(THREE.id, Settled("accepted", 5, 9, CLAIMED), 0.0)
    return made


def test_what_is_written_down_is_what_earlier_versions_wrote(journal: Journal) -> None:
    review_book = ReviewBook(journal)
    review_book.record(ONE.id, ONE.entry, 0.0)
    review_book.record(ONE.id, judged(ONE, outcome="rejected", credit=0, figure=None).verdict, 0.0)
    review_book.record(ONE.id, Gone(), 0.0)
    review_book.record(TWO.id, TWO.entry, 0.0)
    review_book.record(TWO.id, Settled("idle", 0, 9, CLAIMED), 0.0)
    found, said, gone, _, settled = (row.data for row in journal.events())
    assert found == {
        "settlement": STRANGER,
        "vehicle": ONE.entry.vehicle,
        "transaction": ONE.entry.transaction,
        "ledger": 1,
        "entered_at": 5,
        "contribution": ONE.entry.contribution,
        "stake": STAKE,
        "take_back_at": 3600,
        "fault": "",
    }
    round_ = ONE.verdict.round
    assert said == {"round": round_, "outcome": "rejected", "credit": 0, "reason": "measured", "figure": None}
    assert gone == {"outcome": "gone"}
    assert settled == {"outcome": "idle", "credit": 0, "returned": 9, "settlement_transaction": CLAIMED}


def test_an_entry_that_an_older_validator_found_is_read(journal: Journal) -> None:
    """It did not write down from when on the stake may be taken back."""
    signed = {"transaction": "ab" * 32, "ledger": 1, "entered_at": 5, "contribution": "", "fault": "memo"}
    journal.append(ONE.id, "found", {**signed, "vehicle": "G1", "stake": STAKE, "settlement": STRANGER}, 0.0)
    found = ReviewBook(journal).open[ONE.id].entry
    assert (found.vehicle, found.take_back_at, found.fault) == ("G1", None, "memo")


def test_a_review_is_owed_a_verdict_and_then_its_settlement(review_book: ReviewBook) -> None:
    assert {entry: owed(review) for entry, review in review_book.open.items()} == {
        ONE.id: ReviewStep.JUDGE,
        TWO.id: ReviewStep.SETTLE,
    }
    assert review_book.judged(TWO.verdict.round) == [review_book.open[TWO.id]]
    assert review_book.judged("another round") == []


def test_a_review_knows_what_our_verdict_is_and_how_it_ended(review_book: ReviewBook) -> None:
    assert review_book.open[ONE.id].outcome is None
    assert review_book.open[TWO.id].outcome == "accepted"
    ended = review_book.record(TWO.id, Settled("rejected", 0, 0, CLAIMED), 0.0)
    assert (ended.state, ended.outcome) == (ReviewState.SETTLED, "rejected")


def test_of_what_is_over_it_is_known_that_it_was_seen_and_how_it_ended(
    review_book: ReviewBook, journal: Journal
) -> None:
    review_book.record(ONE.id, Gone(), 0.0)
    for book in (review_book, ReviewBook(journal)):
        assert book.seen == {ONE.id, TWO.id, THREE.id}
        assert book.open.keys() == {TWO.id}
        assert dict(book.ended) == {"gone": 1, "accepted": 1}


def test_a_contribution_is_entered_once_by_a_vehicle_unless_it_was_turned_down(
    review_book: ReviewBook, journal: Journal
) -> None:
    def again(review: Review, book: ReviewBook) -> bool:
        return book.was_entered("another", review.entry.vehicle, review.entry.contribution)

    for book in (review_book, ReviewBook(journal)):
        assert [again(review, book) for review in (ONE, TWO, THREE)] == [False, True, True]
        assert not book.was_entered(TWO.id, TWO.entry.vehicle, TWO.entry.contribution)  # it is the entry itself
        assert not book.was_entered("another", ONE.entry.vehicle, THREE.entry.contribution)
        assert not book.was_entered("another", TWO.entry.vehicle, "")
    review_book.record(TWO.id, Settled("rejected", 0, 0, CLAIMED), 0.0)
    assert not again(TWO, review_book)
