"""Admission: decided from facts alone, for what the vehicle signed and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stellar_sdk import Keypair

from agent.core.cid import Cid
from agent.core.documents import Contribution
from agent.core.ledger import Stake
from agent.core.money import UNIT, XLM
from agent.core.verdict import Verdict
from agent.errors import Malformed
from agent.validator.admission import Admitted, Bundle, Facts, NotYet, decide, newest_before
from agent.validator.entries import is_formed
from agent.validator.rounds import Served
from tests.validator.bench import BASE, DLC, INITIATOR, SETTLEMENT, WINDOW, Workbench, an_entry

CID = str(Cid.v0(b"\x01" * 32))
VEHICLE, STRANGER = Keypair.random().public_key, INITIATOR.public_key


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Served, ...]:
    """Three, published in the ledgers 10, 20 and 30."""
    bench = Workbench(tmp_path_factory.mktemp("bench"))
    for _ in range(2):
        bench.publish(bench.first())
    return tuple(bench.rounds)


def contribution(at: Served, **other: object) -> Contribution:
    facts = {
        "model": at.round.model,
        "base": at.cid,
        "vehicle": VEHICLE,
        "samples": 100,
        "steps": 10,
        "planned": 10,
        "encoding": "dense-fp32",
        "encoding_error": 0,
        "keys": {},
        "software": "test",
        "profile": "test",
    }
    return Contribution.model_validate({**facts, **other})


def facts(rounds: tuple[Served, ...], ledger: int = 25, **other: object) -> Facts:
    known = {served.cid: BASE for served in rounds}
    made = Facts(an_entry(VEHICLE, CID, ledger), rounds, known, contribution=contribution(rounds[1]))
    return replace(made, **other)  # type: ignore[arg-type]


def outcome(asked: Facts) -> tuple[str, str]:
    decision = decide(asked)
    assert isinstance(decision, Verdict), decision
    return decision.outcome, decision.reason


def test_an_honest_entry_is_measured_on_the_newest_round_before_it(rounds: tuple[Served, ...]) -> None:
    decision = decide(facts(rounds))
    assert isinstance(decision, Admitted)
    assert (decision.at, decision.joins) == (rounds[1], rounds[1])
    late = decide(facts(rounds, 35))
    assert isinstance(late, Admitted)
    assert late.joins == rounds[2]


def test_the_stake_is_looked_at_before_the_bundle_is_asked_for(rounds: tuple[Served, ...]) -> None:
    assert isinstance(decide(facts(rounds, contribution=None)), Bundle)
    due = {served.cid: 2 * BASE for served in rounds}
    assert outcome(facts(rounds, contribution=None, due=due)) == (
        "rejected",
        "the stake is 10.0000000 DLC, due are 20.0000000",
    )


def test_what_is_wrong_with_the_contributions_own_bytes_is_turned_down(rounds: tuple[Served, ...]) -> None:
    bad = Malformed(what="a contribution", why="it is none")
    assert outcome(facts(rounds, contribution=bad)) == ("rejected", str(bad))
    for other in ({"vehicle": STRANGER}, {"samples": 1}, {"encoding": "dense-fp16"}, {"model": f"DLMx:{STRANGER}"}):
        assert outcome(facts(rounds, contribution=contribution(rounds[1], **other)))[0] == "rejected"


def test_a_memo_that_is_no_hash_is_turned_down(rounds: tuple[Served, ...]) -> None:
    faulty = replace(an_entry(VEHICLE, ""), fault="the entry's memo is not a hash")
    assert "memo is not a hash" in outcome(facts(rounds, entry=faulty, contribution=None))[1]


def test_a_base_that_is_not_known_here_may_be_a_round_of_a_moment_ago(rounds: tuple[Served, ...]) -> None:
    elsewhere = contribution(rounds[1], base=CID)
    assert isinstance(decide(facts(rounds, contribution=elsewhere)), NotYet)
    assert outcome(facts(rounds, contribution=elsewhere, is_overdue=True))[0] == "idle"


def test_an_entry_is_not_measured_on_an_older_round_while_a_newer_one_cannot_be_had(rounds: tuple[Served, ...]) -> None:
    """Others have it, measure there, and get another figure."""
    assert isinstance(decide(facts(rounds, is_behind=True)), NotYet)
    assert isinstance(decide(facts(rounds, is_behind=True, is_overdue=True)), Admitted)


def test_a_base_grows_old_by_what_was_published_before_the_entry_not_before_its_review(
    rounds: tuple[Served, ...],
) -> None:
    oldest = contribution(rounds[0])
    assert isinstance(decide(facts(rounds, 25, contribution=oldest)), Admitted)
    assert outcome(facts(rounds, 35, contribution=oldest))[0] == "idle"


def test_a_second_entry_of_the_same_contribution_costs_the_fee_and_no_more(rounds: tuple[Served, ...]) -> None:
    assert outcome(facts(rounds, is_repeat=True, contribution=None))[0] == "idle"


def test_a_stake_below_what_its_own_round_asks_is_turned_down(rounds: tuple[Served, ...]) -> None:
    due = {served.cid: BASE for served in rounds} | {rounds[1].cid: BASE + 1}
    assert outcome(facts(rounds, due=due))[0] == "rejected"
    hasty = an_entry(VEHICLE, CID, 25, take_back_at=1000 + WINDOW // 2 - 1)
    assert "taken back" in outcome(facts(rounds, entry=hasty))[1]


@given(ledger=st.integers(0, 40), known=st.integers(1, 3))
def test_the_round_it_joins_does_not_depend_on_what_was_published_later(
    rounds: tuple[Served, ...], ledger: int, known: int
) -> None:
    before = [served for served in rounds if served.ledger < ledger]
    entry = an_entry(VEHICLE, CID, ledger)
    assert newest_before(entry, rounds) == (before[-1] if before else rounds[0])
    if before and known >= len(before):
        assert newest_before(entry, rounds[:known]) == before[-1]


@given(
    amount=st.integers(1, 3 * BASE),
    due=st.integers(BASE, 3 * BASE),
    base=st.sampled_from([0, 1, 2, None]),
    ledger=st.integers(11, 40),
    repeat=st.booleans(),
    overdue=st.booleans(),
    samples=st.integers(1, 10),
)
def test_nothing_but_its_own_signature_forfeits_a_stake(
    rounds: tuple[Served, ...],
    amount: int,
    due: int,
    base: int | None,
    ledger: int,
    repeat: bool,
    overdue: bool,
    samples: int,
) -> None:
    """A sound contribution with a sufficient stake is never rejected, whatever rounds are published meanwhile."""
    made = contribution(rounds[0] if base is None else rounds[base], samples=samples)
    made = made if base is not None else made.model_copy(update={"base": CID})
    asked = Facts(
        an_entry(VEHICLE, CID, ledger, amount=amount),
        rounds,
        {served.cid: due for served in rounds},
        repeat,
        made,
        overdue,
    )
    decision = decide(asked)
    if isinstance(decision, Verdict) and decision.outcome == "rejected":
        assert amount < due or samples < rounds[0].round.recipe.minimum_samples
    if isinstance(decision, Admitted):
        assert amount >= due and samples >= rounds[0].round.recipe.minimum_samples
    assert not (isinstance(decision, Verdict) and decision.outcome == "accepted")


# --- what is an entry at all


def a_stake(**other: object) -> Stake:
    claimants = (SETTLEMENT.public_key, VEHICLE)
    return replace(Stake("00" * 32, DLC, BASE, VEHICLE, claimants, claimants[:1], 5), **other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [
        {"amount": BASE - 1},
        {"asset": XLM},
        {"claimants": (SETTLEMENT.public_key, VEHICLE, STRANGER)},
        {"claimants": (SETTLEMENT.public_key,)},
        {"claimants": (VEHICLE, STRANGER)},
        {"at_once": (SETTLEMENT.public_key, VEHICLE)},
        {"at_once": ()},
        {"at_once": (VEHICLE,)},
    ],
)
def test_a_balance_of_another_form_is_no_entry(rounds: tuple[Served, ...], other: dict[str, object]) -> None:
    known = [served.round for served in rounds]
    assert is_formed(a_stake(), SETTLEMENT.public_key, known)
    assert is_formed(a_stake(amount=100 * UNIT), SETTLEMENT.public_key, known)
    assert not is_formed(a_stake(**other), SETTLEMENT.public_key, known)


def test_admission_asks_nobody() -> None:
    """By construction: its file knows no ledger, no store and no disk."""
    source = Path(decide.__code__.co_filename).read_text()
    assert not any(word in source for word in ("horizon", "shelf", "Path", "open(", "except"))
