"""The register: what an initiator wrote down, byte for byte as ever, and what is owed and may be begun after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.core.ids import AccountId, CidText, TxHash
from agent.core.jobs import round as rounds
from agent.core.jobs import settlement as accounts
from agent.core.jobs.fold import Event, NotInTable, owed
from agent.core.jobs.round import RoundState, RoundStep
from agent.core.ledger import Signed
from agent.errors import Refused
from agent.initiator.book import SETTLEMENT, RoundBook
from agent.journal import Journal

FIRST, NEXT, FUSED = CidText("Qm1"), CidText("Qm2"), CidText("Qm3")
ACCOUNT = AccountId("G1")
ENVELOPE = Signed("AAAA", TxHash("ab" * 32), 7, 120)
AS_JSON = {"envelope": "AAAA", "hash": "ab" * 32, "sequence": 7, "max_time": 120}

PLANNED, STORED = rounds.Planned(0), rounds.Stored("0.25", ())
SIGNED = rounds.Signed(ENVELOPE, FIRST, 15)
ANNOUNCED, PUBLISHED = rounds.Announced(12, 5, 60), rounds.Published()
LAPSED, REFUSED = rounds.Lapsed("too late"), rounds.Refused("tx_bad_seq")

ROUND: list[tuple[Event, dict[str, Any]]] = [
    (PLANNED, {"number": 0}),
    (STORED, {"figure": "0.25", "fused": []}),
    (SIGNED, {**AS_JSON, "cid": FIRST, "open_after": 15}),
    (LAPSED, {"why": "too late"}),
    (SIGNED, {**AS_JSON, "cid": FIRST, "open_after": 15}),
    (REFUSED, {"codes": "tx_bad_seq"}),
    (SIGNED, {**AS_JSON, "cid": FIRST, "open_after": 15}),
    (ANNOUNCED, {"ledger": 12, "offer": 5, "closed_at": 60}),
    (PUBLISHED, {}),
    (rounds.Closed(NEXT), {"next": NEXT}),
]
SETTING_UP: list[tuple[Event, dict[str, Any]]] = [
    (accounts.Planned(), {}),
    (accounts.Stored(), {}),
    (accounts.Signed(ENVELOPE, ACCOUNT), {**AS_JSON, "settlement": ACCOUNT}),
    (accounts.Published(9, 0, 45), {"ledger": 9, "offer": 0, "closed_at": 45}),
]
UNTIL_OPEN = (PLANNED, STORED, SIGNED, ANNOUNCED, PUBLISHED)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "rounds.sqlite")
    yield made
    made.close()


def after(journal: Journal, *events: Event, job_id: str = "round-0") -> RoundBook:
    book = RoundBook(journal)
    for event in events:
        book.record(job_id, event, 0.0)
    return book


@pytest.mark.parametrize(("job_id", "events"), [("round-0", ROUND), (SETTLEMENT, SETTING_UP)])
def test_what_is_written_down_is_what_earlier_versions_wrote(
    journal: Journal, job_id: str, events: list[tuple[Event, dict[str, Any]]]
) -> None:
    book = after(journal, *(event for event, _ in events), job_id=job_id)
    assert [row.data for row in journal.events()] == [data for _, data in events]
    assert RoundBook(journal).jobs == book.jobs


def test_a_restored_round_says_so_and_a_publication_found_by_what_it_left_says_no_time(journal: Journal) -> None:
    after(journal, rounds.Planned(2, FIRST), rounds.Stored(None, (FUSED,)), SIGNED, rounds.Announced(12, 5))
    written = [row.data for row in journal.events()]
    assert written[:2] == [{"number": 2, "restores": FIRST}, {"figure": None, "fused": [FUSED]}]
    assert written[3] == {"ledger": 12, "offer": 5}


def test_a_round_that_an_older_agent_published_is_read(journal: Journal) -> None:
    """It stored the bundle before the offer was set, and announced nothing."""
    for kind, data in (
        ("planned", {"number": 0}),
        ("stored", {"cid": FIRST, "figure": "0.25", "fused": []}),
        ("signed", AS_JSON),
        ("published", {"ledger": 12, "offer": 5}),
    ):
        journal.append("round-0", kind, data, 0.0)
    job = RoundBook(journal).round(0)
    assert (job.state, job.cid, job.number) == (RoundState.OPEN, FIRST, 0)
    assert job.publication == rounds.Announced(12, 5)


def test_a_round_is_owed_one_step_after_the_other_until_it_is_open(journal: Journal) -> None:
    book = RoundBook(journal)
    steps = [owed(book.round(0))]
    for event in (*UNTIL_OPEN, rounds.Closed(NEXT)):
        book.record("round-0", event, 0.0)
        steps.append(owed(book.round(0)))
    assert steps == [RoundStep.LAY, RoundStep.LAY, RoundStep.SIGN, RoundStep.SUBMIT, RoundStep.REVEAL, None, None]


def test_a_round_is_announced_before_it_is_published(journal: Journal) -> None:
    """(l) And a crash between any two events finds the round where it was."""
    for number, wrong in enumerate(((PLANNED, SIGNED), (PLANNED, STORED, PUBLISHED), (PLANNED, STORED, ANNOUNCED))):
        with pytest.raises(NotInTable):
            after(journal, *wrong, job_id=f"round-{number}")


def test_a_closed_round_is_kept(journal: Journal) -> None:
    book = after(journal, *UNTIL_OPEN, rounds.Closed(NEXT))
    assert [job.state for job in book.rounds] == [RoundState.CLOSED]
    with pytest.raises(NotInTable):
        book.record("round-0", PLANNED, 0.0)


def test_nothing_follows_before_a_round_is_open(journal: Journal) -> None:
    book = RoundBook(journal)
    for event in (*UNTIL_OPEN[:-1], None):
        with pytest.raises(Refused, match="no round is open: run `milepost initiator publish`"):
            book.following("closing a round")
        if event is not None:
            book.record("round-0", event, 0.0)
    book.record("round-0", PUBLISHED, 0.0)
    assert book.following("closing a round") == book.following("restoring", NEXT) == 1


@pytest.mark.parametrize("restores", [None, FIRST])
def test_what_is_on_its_way_is_finished_before_anything_else(journal: Journal, restores: CidText | None) -> None:
    book = after(journal, *UNTIL_OPEN)
    other, command = (FIRST, "close") if restores is None else (None, f"restore {FIRST}")
    for event in (rounds.Planned(1, restores), STORED, SIGNED, ANNOUNCED):
        book.record("round-1", event, 0.0)
        assert book.following("going on", restores) == 1
        for wrong in (other, NEXT):
            with pytest.raises(Refused, match=f"round 1 is on its way: run `milepost initiator {command}` first"):
                book.following("something else", wrong)


def test_restoring_what_is_restored_already_begins_nothing_and_closing_it_does(journal: Journal) -> None:
    book = after(journal, *UNTIL_OPEN)
    for event in (rounds.Planned(1, FIRST), *UNTIL_OPEN[1:]):
        book.record("round-1", event, 0.0)
    assert book.following("restoring", FIRST) == 1
    assert book.following("restoring", NEXT) == book.following("closing") == 2


def test_the_settlement_account_is_known_once_it_is_on_the_ledger(journal: Journal) -> None:
    book = RoundBook(journal)
    for event, _ in SETTING_UP:
        assert book.settlement is None
        book.record(SETTLEMENT, event, 0.0)
    assert book.settlement == ACCOUNT
    assert owed(book.account) is None
