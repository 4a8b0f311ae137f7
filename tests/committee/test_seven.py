"""Seven validators on a real localnet, two of them hostile; three are changed in mid-round, and each that is honest
crashes once, at whatever event."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from stellar_sdk import ChangeTrust

from agent.core.documents import Vote
from agent.ledger.envelope import sdk_asset
from agent.validator.daemon import Validator
from tests.committee.palace import Palace
from tests.market.town import FEE
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow

EVENTS = 25
"""Of a validator's, among which it crashes."""


class PowerCut(BaseException):
    """Nothing catches it."""


def crashes(validator: Validator, at: int) -> None:
    """As it has written down its event number `at`."""
    log, left = validator.parts.log, [at]
    event = log.event

    def told(*words: Any, **facts: Any) -> None:
        event(*words, **facts)
        left[0] -= 1
        if left[0] == 0:
            raise PowerCut

    log.event = told  # type: ignore[method-assign]


def says_two_things(palace: Palace, number: int) -> None:
    """It votes `rejected` first, and then as it judged; and it signs nothing."""
    key = palace.town.committee[number]
    settling = palace.house.validators[key.public_key].parts.settling
    said, committee = settling._committee.say_vote, settling._committee

    def both(settlement: str, vote: Vote) -> None:
        other = vote.model_copy(update={"outcome": "rejected", "credit": 0, "signature": ""})
        signature = base64.b64encode(key.sign(other.to_bytes())).decode()
        said(settlement, other.model_copy(update={"signature": signature}))
        said(settlement, vote)

    committee.say_vote = both  # type: ignore[method-assign]
    committee.say_signature = lambda *_: None  # type: ignore[method-assign]


MOST_TURNS = 240
"""Whose turn it is to speak is drawn: two of seven never make theirs, and each costs several ledgers."""


def settled(palace: Palace, *entries: str) -> list[str]:
    """What became of them, once it did."""
    until(palace, lambda: all(palace.house.end(entry) for entry in entries))
    return [end.outcome for entry in entries if (end := palace.house.end(entry))]


def until(palace: Palace, true: Callable[[], bool]) -> None:
    """Whoever loses power starts again over what it wrote down."""
    house = palace.house
    for _ in range(MOST_TURNS):
        if true():
            return
        for account, validator in list(house.validators.items()):
            try:
                validator.turn()
            except PowerCut:
                house.restart(account)
        palace.town.net.close_ledger()
        house.clock.passed += 5
    raise AssertionError(f"it did not come about: {house.log}")


@pytest.mark.parametrize("seed", range(2))
def test_two_of_seven_hostile_three_changed_in_mid_round_and_everyone_crashes_once(tmp_path: Path, seed: int) -> None:
    dice = Random(seed)
    with Localnet() as net:
        palace = Palace(net, tmp_path, committee=7, others=3)
        town, house = palace.town, palace.house
        for key in town.committee:
            town.apply([ChangeTrust(sdk_asset(town.dlc))], key)
            town.allow(key.public_key)
        house.stop(palace.accounts(0)[0])  # silent, for good
        says_two_things(palace, 1)
        for number in range(2, 10):
            crashes(house.validators[palace.accounts(number)[0]], dice.randint(1, EVENTS))
        first = [palace.enter(1), palace.enter(2)]
        assert settled(palace, *first) == ["accepted", "accepted"], house.log
        open_ = palace.enter(3)
        town.cid = palace.close(0, 1, 2, 3, 7, 8, 9)
        assert settled(palace, open_) == ["accepted"], house.log
        until(palace, lambda: palace.numbers() == {0, 1, 2, 3, 7, 8, 9})
        second = [palace.enter(5), palace.enter(6)]
        assert settled(palace, *second) == ["accepted", "accepted"], house.log
        fees = sum(entry.fee for record in palace.records() for entry in record.entries)
        paid = sum(wage.amount for record in palace.records() for wage in record.paid or ())
        owed = palace.records()[-1].wages
        assert fees == 5 * FEE == paid + (sum(owed.due.values()) if owed is not None else 0)
        house.close()
