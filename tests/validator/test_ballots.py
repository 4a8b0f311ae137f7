"""Votes: the same judgement is the same vote, and nobody votes in another's name."""

from __future__ import annotations

from math import inf, nan

import pytest
from stellar_sdk import Keypair

from agent.core.documents import Vote
from agent.core.jobs.review import Found, Judged, Review, ReviewState
from agent.core.money import UNIT
from agent.core.verdict import Verdict
from agent.errors import Malformed
from agent.validator.ballots import check, vote
from agent.validator.measurement import Judgement, brief
from tests.core.chamber import a_review, entered

ANN, BEN, EVE = Keypair.random(), Keypair.random(), Keypair.random()
COMMITTEE = (ANN.public_key, BEN.public_key)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
CID, ENTRY = "Qm" + "1" * 44, "ab" * 32


def judged(verdict: Verdict, figure: float | None = 0.25, contribution: str = CID) -> Review:
    found = entered(a_review(1), contribution=contribution).entry
    said = brief(Judgement(verdict, figure), CID)
    return Review(ENTRY, ReviewState.JUDGED, {Found: found, Judged: said})


def respelt(signature: str) -> str:
    """The same 64 bytes in base64 that nobody writes: four bits of the last digit mean nothing."""
    last = ALPHABET.index(signature[-3])
    return signature[:-3] + ALPHABET[last | 1] + "=="


GOOD = judged(Verdict("accepted", UNIT, "falls"))


def test_the_same_judgement_is_the_same_vote_to_the_byte() -> None:
    assert vote(GOOD, ANN).to_bytes() == vote(GOOD, ANN).to_bytes()
    assert Vote.parse(vote(GOOD, ANN).to_bytes()) == vote(GOOD, ANN)


@pytest.mark.parametrize("loss", [inf, nan, 0.0, 1e-300, 99_999_999.9, 1e12, 1e300, None])
def test_any_loss_can_be_voted_on(loss: float | None) -> None:
    check(vote(judged(Verdict("rejected", 0, "rises"), loss), ANN), COMMITTEE)


def test_an_entry_whose_memo_is_no_hash_can_be_voted_on() -> None:
    cast = vote(judged(Verdict("rejected", 0, "the entry's memo is not a hash"), None, ""), ANN)
    check(Vote.parse(cast.to_bytes()), COMMITTEE)


@pytest.mark.parametrize(
    "forged",
    [
        vote(GOOD, EVE),
        vote(GOOD, EVE).model_copy(update={"validator": ANN.public_key}),
        vote(GOOD, ANN).model_copy(update={"credit": 1}),
        vote(GOOD, ANN).model_copy(update={"reason": "because"}),
        vote(GOOD, ANN).model_copy(update={"signature": ""}),
        vote(GOOD, ANN).model_copy(update={"signature": "AAAA"}),
        vote(GOOD, ANN).model_copy(update={"signature": respelt(vote(GOOD, ANN).signature)}),
        vote(judged(Verdict("accepted", 0, "x")), ANN),
        vote(judged(Verdict("rejected", 5, "x")), ANN),
        vote(judged(Verdict("accepted", 5, "x"), None), ANN),
    ],
)
def test_what_is_not_a_members_own_vote_is_not_taken(forged: Vote) -> None:
    with pytest.raises(Malformed, match="a vote"):
        check(forged, COMMITTEE)
