from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.market.town import REVIEW_S, Town, found
from tests.validator.committee import House
from tools.localnet.server import Localnet


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Localnet() as net:
        yield found(net, tmp_path_factory.mktemp("town"))


@pytest.fixture
def house(town: Town, tmp_path: Path) -> Iterator[House]:
    made = House(town, tmp_path)
    yield made
    made.close()
    town.net.close_ledger(advance=REVIEW_S)  # what a test left open holds nobody up in the next one
