from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.disputes.court import Court, court
from tools.localnet.server import Localnet


@pytest.fixture
def sitting(tmp_path: Path) -> Iterator[Court]:
    with Localnet() as net:
        made = court(net, tmp_path)
        yield made
        made.close()
