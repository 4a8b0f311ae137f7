"""A round's accounts on the ledger: a round is only believed where nobody but two thirds of the committee can move what
is staked on it, and nobody can take away what it pays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.core.ledger import Flags, Line
from agent.core.money import UNIT, Asset
from agent.core.pay import LONGEST_TRIP_S, SPARE_S
from agent.market.publish import FACE
from agent.market.publish import INITIATOR as ENTRY
from agent.market.round_accounts import fair, issued, trusted
from tests.market.rounds import COMMITTEE, DLC, INITIATOR, ISSUER, SETTLEMENT, a_round, an_account, issues, settles

ROUND = a_round()
GOOD = settles(ROUND)
SIGNERS = "the settlement account's signers are not the committee"
THRESHOLDS = "the settlement account's thresholds are not two thirds of the committee"


def test_the_account_that_the_initiator_sets_up_is_trusted() -> None:
    assert trusted(GOOD, ROUND) == ""


@pytest.mark.parametrize(
    "signers",
    [
        {SETTLEMENT: 1, **dict.fromkeys(COMMITTEE, 1)},
        {INITIATOR: 1, **dict.fromkeys(COMMITTEE, 1)},
        dict.fromkeys(COMMITTEE[1:], 1),
        {**dict.fromkeys(COMMITTEE, 1), COMMITTEE[0]: 3},
        {**dict.fromkeys(COMMITTEE, 1), "T" + "A" * 55: 3},
        {INITIATOR: 1},
    ],
    ids=["its own key", "the initiator", "one is missing", "one weighs three", "a transaction in advance", "another's"],
)
def test_whoever_else_can_sign_could_claim_the_stakes(signers: dict[str, int]) -> None:
    assert trusted(replace(GOOD, signers=signers), ROUND) == SIGNERS


@pytest.mark.parametrize("thresholds", [(1, 3, 3), (3, 1, 3), (3, 3, 1), (2, 2, 2), (4, 4, 4), (0, 0, 0)])
def test_each_threshold_is_two_thirds(thresholds: tuple[int, int, int]) -> None:
    """Claiming a balance is of the low kind, paying of the medium, changing signers of the high one."""
    assert trusted(replace(GOOD, thresholds=thresholds), ROUND) == THRESHOLDS


@pytest.mark.parametrize("asset", [DLC, ROUND.model_asset, ROUND.credit_asset], ids=lambda a: a.code)
def test_what_it_cannot_hold_it_cannot_settle(asset: Asset) -> None:
    without = {a: line for a, line in GOOD.lines.items() if a != asset}
    frozen = {**GOOD.lines, asset: Line(UNIT, authorized=False)}
    for lines in (without, frozen):
        assert trusted(replace(GOOD, lines=lines), ROUND) == f"the settlement account cannot hold {asset.code}"


def test_pay_that_the_issuer_could_take_back_is_no_pay() -> None:
    """A line keeps what the issuer's flags were as it was opened."""
    lines = {**GOOD.lines, ROUND.credit_asset: Line(UNIT, clawback=True)}
    assert trusted(replace(GOOD, lines=lines), ROUND) == "the issuer may take back the settlement account's VLMroad"
    assert trusted(replace(GOOD, lines={**GOOD.lines, DLC: Line(UNIT, clawback=True)}), ROUND) == ""


def test_one_account_serves_one_model() -> None:
    lines = {**GOOD.lines, Asset("VLMother", INITIATOR): Line(UNIT)}
    assert trusted(replace(GOOD, lines=lines), ROUND) == "the settlement account is not this model's alone"


def test_an_account_that_is_on_no_ledger_settles_nothing() -> None:
    assert trusted(None, ROUND) == "the settlement account is not on the ledger"


def test_the_issuer_that_the_initiator_sets_up_is_trusted() -> None:
    assert issued(issues(ROUND), ROUND) == ""


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"signers": {ISSUER: 1}}, "the model's issuer is not locked: it could make DLM and VLM, or freeze them"),
        ({"signers": {ISSUER: 0, INITIATOR: 1}}, "the model's issuer is not locked: it could make DLM and VLM, or"),
        ({"data": {}}, "the model's issuer names another initiator"),
        ({"data": {ENTRY: SETTLEMENT.encode(), FACE: b"400000000"}}, "the model's issuer names another initiator"),
        ({"data": {ENTRY: INITIATOR.encode()}}, "the model's issuer names another reward"),
        ({"data": {ENTRY: INITIATOR.encode(), FACE: b"0400000000"}}, "the model's issuer names another reward"),
    ],
    ids=["its own key", "the initiator's key", "says nothing", "another's", "no reward", "written otherwise"],
)
def test_an_issuer_that_could_take_pay_away_or_says_otherwise_is_passed_over(other: dict[str, Any], why: str) -> None:
    assert issued(issues(ROUND, **other), ROUND).startswith(why)
    assert issued(None, ROUND) == "the model's issuer is not on the ledger"


def test_pay_is_locked_until_all_that_may_be_entered_is_judged() -> None:
    assert ROUND.pledge is not None
    least = ROUND.length + LONGEST_TRIP_S + 2 * (ROUND.review_window + SPARE_S)
    for until, why in ((least, ""), (least - 1, "its pay may be taken back before all that may be entered is judged")):
        round_ = a_round(pledge={**ROUND.pledge.model_dump(), "until": until})
        assert trusted(settles(round_), round_) == why


OLD = a_round(model=f"DLMroad:{INITIATOR}", pledge=None)
"""A round of an older version: its initiator issues DLM and VLM itself."""


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (Flags(), ""),
        (Flags(immutable=True), ""),
        (Flags(required=True), "the model's issuer picks who may hold VLMroad"),
        (Flags(revocable=True), "the model's issuer may take VLMroad away from who holds it"),
        (Flags(revocable=True, clawback=True), "the model's issuer may take VLMroad away from who holds it"),
    ],
    ids=["none", "none for ever", "required", "revocable", "clawback"],
)
def test_an_issuer_that_could_freeze_the_pay_is_passed_over(flags: Flags, why: str) -> None:
    issuer: Any = an_account(INITIATOR, flags=flags)
    assert fair(issuer, OLD) == why
    assert issued(issuer, OLD) == ""
    assert fair(replace(issuer, signers={INITIATOR: 0}), OLD) == ""


def test_an_issuer_that_is_gone_pays_nothing() -> None:
    assert fair(None, ROUND) == "the model's issuer is not on the ledger"
