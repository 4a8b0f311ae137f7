from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tools.localnet.server import Localnet

# No test hangs on a clock.
settings.register_profile("milepost", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("milepost")

# Thousands of tests and their libraries stay in memory: looking through all of them less often saves a tenth.
gc.set_threshold(20_000, 20, 100)

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def ledger() -> Iterator[Localnet]:
    """One for all files: to start one takes as long as thirty tests."""
    with Localnet() as made:
        yield made


@pytest.fixture(scope="module")
def net(ledger: Localnet) -> Localnet:
    """A ledger for who brings accounts of their own. Its clock is set to its time: ledgers that close faster than once
    a second run ahead of it."""
    ledger.close_ledger(close_time=ledger.close_ledger()["close_time"] + 1)
    return ledger


@pytest.fixture(scope="session")
def shared() -> Path:
    """The recorded drives and conformance vectors that lie beside a working checkout."""
    if not SHARED.is_dir():
        pytest.skip("the recorded data is not beside this checkout (../shared)")
    return SHARED
