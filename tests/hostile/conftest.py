"""A town for each file and a committee for each test, as the validators' own tests have them; and a Horizon with
somebody between it and its client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.ledger.horizon import Horizon
from tests.ledger.between import Between, between
from tests.validator.conftest import house, town
from tools.localnet.server import Localnet

__all__ = ["house", "town"]


@pytest.fixture
def front(net: Localnet) -> Iterator[Between]:
    with between(net.url) as made:
        yield made


@pytest.fixture
def horizon(net: Localnet, front: Between) -> Iterator[Horizon]:
    made = Horizon(front.url, net.passphrase)
    yield made
    made.close()
