"""The bench of hostile drives, with one drive of each kind: no trip invented, none lost, few metres wrong."""

from __future__ import annotations

import pytest

from tools.bench.odometry import KINDS, drive

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", KINDS)
def test_a_hostile_drive_is_what_it_was(name: str) -> None:
    found = drive(KINDS[name], seed=7)
    assert (found.trips > 0) == KINDS[name].trip
    assert found.error < 0.05
    if not KINDS[name].trip:
        assert found.counted_m < 50
