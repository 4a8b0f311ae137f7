"""A round that is not what its lineage says is served by nobody, named by everybody, and its pay stays locked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agent.core.money import XLM
from agent.fleet import topics
from agent.fleet.loopback import LoopbackLink
from agent.fleet.page.dashboard import Dashboard
from agent.initiator import fusing
from agent.learn import weights
from agent.market import attested, pledge
from tests.committee.palace import Palace
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow


@pytest.fixture
def palace(tmp_path: Path) -> Iterator[Palace]:
    with Localnet() as net:
        made = Palace(net, tmp_path, others=0)
        yield made
        made.house.close()


def falsified(palace: Palace) -> str:
    """The initiator publishes other weights than its lineage gives."""
    palace.house.settle(palace.enter(1), palace.enter(2))
    dump = weights.dump
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fusing.weights, "dump", lambda values: dump({n: v + np.float32(1e-6) for n, v in values.items()}))
        return palace.close()


def test_a_false_round_is_served_by_nobody_and_named_by_status_mqtt_and_page(palace: Palace) -> None:
    ears, page = LoopbackLink(palace.house.broker, topics.whole_fleet()), Dashboard()
    cid = falsified(palace)
    palace.house.turn(30)
    for number in range(3):
        assert palace.serves(number) == {palace.town.cid}
        assert "weights.safetensors is not what its lineage gives" in palace.troubles(number)
    said = [message for message in ears.receive() if "/false/" in message.topic]
    assert {json.loads(message.payload)["round"] for message in said} == {cid}
    for message in said:
        page.take(message, 0.0)
    assert set(page.rounds.get(cid).false) == set(palace.accounts(0, 1, 2))
    assert palace.records()[-1].attested != cid


def test_who_worked_on_it_gets_its_whole_stake_back_and_its_pay_is_its_initiators_only_later(palace: Palace) -> None:
    town = palace.town
    town.cid = cid = falsified(palace)
    palace.house.turn(30)
    entry = palace.enter(3)
    palace.house.turn(20, advance=60)
    assert palace.house.end(entry) is None
    assert town.horizon.stake(entry) is not None
    round_ = town.shelf.round(cid)
    assert round_.pledge is not None
    (balance,) = pledge.of(round_, town.horizon.stakes(town.settlement, XLM))
    assert balance.amount == round_.pledge.amount
    assert balance.not_before == {round_.initiator: round_.pledge.until}


def test_nobody_follows_a_round_that_no_committee_attested(palace: Palace) -> None:
    palace.house.settle(palace.enter(1), palace.enter(2))
    palace.town.cid = first = palace.close()
    palace.house.turn(6)
    assert palace.records()[-1].attested == first
    palace.house.settle(palace.enter(3), palace.enter(4))
    second = palace.close()
    town, round_ = palace.town, palace.town.shelf.round(second)
    assert attested.lacking(town.horizon.account(town.settlement), town.shelf, second, round_) == ""
    palace.house.turn(6)
    assert attested.lacking(town.horizon.account(town.settlement), town.shelf, second, round_) == ""
    assert attested.lacking(town.horizon.account(town.settlement), town.shelf, first, town.shelf.round(first)) == ""
    third = round_.model_copy(update={"number": 3, "previous": town.round.global_set.cid})
    why = attested.lacking(town.horizon.account(town.settlement), town.shelf, "nowhere", third)
    assert why == "its committee has not attested round 2, which it follows from"
