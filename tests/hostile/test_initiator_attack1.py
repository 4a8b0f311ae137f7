"""An initiator once more: rounds that are dated back, and rounds made so that honest work is turned down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agent.core.cid import Cid
from agent.core.documents import Round
from agent.core.money import UNIT
from agent.learn import weights
from agent.market import bundle, publish
from tests.market.town import Numbers, Town, found
from tests.validator.committee import House
from tools.localnet.server import Localnet


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with Localnet() as net:
        yield found(net, tmp_path / "town")


@pytest.fixture
def house(town: Town, tmp_path: Path) -> Iterator[House]:
    made = House(town, tmp_path / "house")
    yield made
    made.close()


def publishes(town: Town, ledger: int, values: Numbers, **twists: object) -> str:
    """The town's initiator puts its next round on the ledger now, and dates it as it likes."""
    folder = town.shelf.get(town.cid, bundle.ROUND_LIMITS)
    document = Round.model_validate(
        {**town.round.model_dump(), "number": 1, "previous": town.cid, "figure": None, "ledger": ledger, **twists}
    )
    files: dict[str, bytes | Path] = {
        bundle.GRAPH: folder / bundle.GRAPH,
        bundle.WEIGHTS: weights.dump(values),
        bundle.ROUND: document.to_bytes(),
    }
    cid: Cid = town.store.put(bundle.lay(town.folder / "next", files))
    sign = publish.Sign(str(cid), town.listed.offer.id, ledger)
    town.apply(publish.offer(document.model_asset, 100 * UNIT, 40 * UNIT, sign), town.initiator, memo=cid.digest)
    return str(cid)


@pytest.mark.slow
@pytest.mark.parametrize("is_here_before", [True, False])
def test_a_round_that_is_dated_back_makes_nobodys_update_a_copy_of_it(
    town: Town, house: House, is_here_before: bool
) -> None:
    """(l) The initiator reads an update that was entered, publishes it as its own next round, and dates that before
    the entry: then the honest update was "the step to a round published since", its stake gone."""
    if is_here_before:
        house.turn()
    driver, delta = town.driver(), town.better(0.2, 4)
    dated = town.horizon.head().sequence
    town.net.close_ledger()
    entry = town.enter(driver, town.contribution(driver, delta))
    step = {name: value + np.float32(0.5) * delta[name] for name, value in town.base.items()}
    late = publishes(town, dated, step)
    if is_here_before:
        house.settle(entry)
        assert house.end(entry).outcome == "accepted"
    else:  # the initiator's account names nothing that could be served: the stake goes back
        house.turn(6)
        assert house.end(entry) is None
    assert all(late not in v.parts.rounds.served for v in house.validators.values())
    assert "was published later" in str(next(iter(house.validators.values())).parts.rounds.troubles)
