"""An arbiter on a real localnet: nobody judged what cars handed in, they ask, it rules, and the money follows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stellar_sdk import ClaimClaimableBalance

from agent.core import pay
from agent.core.jobs.hearing import Answered, HearingState
from agent.core.ledger import BALANCE_V0
from agent.core.money import UNIT, XLM
from agent.market import pledge
from tests.disputes.court import ARBITRATION, Court
from tests.initiator.command import anybody, milepost
from tests.market.town import REWARD

pytestmark = pytest.mark.slow


def test_a_car_that_nobody_judged_asks_and_is_paid_and_the_rest_is_the_initiators(sitting: Court) -> None:
    town, credit = sitting.town, UNIT * 8 // 10
    car, entry = sitting.unjudged()
    before, locked = sitting.xlm(car.public_key), pledge.left(town.horizon, sitting.round)
    sitting.ask(car, entry)
    assert sitting.xlm(car.public_key) == before - ARBITRATION - 100
    sitting.turn()
    assert sitting.hearing(entry).state is HearingState.HEARD
    sitting.decide(entry, credit)
    sitting.turn()
    assert sitting.hearing(entry).state is HearingState.HEARD  # its window has not begun
    sitting.at(sitting.until)
    owner = sitting.xlm(town.initiator.public_key)
    sitting.turn(4)
    answered = sitting.hearing(entry).of(Answered)
    assert (answered.outcome, answered.credit) == ("settled", credit)
    due = pay.due(credit, REWARD)
    assert sitting.xlm(car.public_key) == before - 100 + due  # and its fee is back
    assert sitting.xlm(town.initiator.public_key) == owner + locked - due - ARBITRATION
    assert pledge.left(town.horizon, sitting.round) == 0
    (made,) = sitting.rulings()
    assert made.ruling.entries[0].credit == credit
    assert sitting.faults() == []


def test_an_audit_follows_the_pledge_into_the_arbiters_hands(sitting: Court, tmp_path: Path) -> None:
    """One that rules is as good as a committee; one that keeps what it claims is found out."""
    town, (car, entry) = sitting.town, sitting.unjudged()
    anyone = anybody(town, tmp_path)
    sitting.ask(car, entry)
    sitting.turn()
    sitting.decide(entry, UNIT)
    sitting.at(sitting.until)
    sitting.turn(4)
    audited = milepost(anyone, "audit", town.cid, "--json")
    assert (audited.returncode, json.loads(audited.stdout)["faults"]) == (0, []), audited.stderr


def test_an_audit_names_an_arbiter_that_keeps_what_it_claims(sitting: Court, tmp_path: Path) -> None:
    town = sitting.town
    (balance,) = pledge.of(sitting.round, town.horizon.stakes(sitting.key.public_key, XLM))
    sitting.at(sitting.until)
    town.apply([ClaimClaimableBalance(BALANCE_V0 + balance.id)], sitting.key)
    audited = milepost(anybody(town, tmp_path), "audit", town.cid, "--json")
    (why,) = json.loads(audited.stdout)["faults"]
    assert (audited.returncode, "takes from the pledge" in why) == (1, True)
