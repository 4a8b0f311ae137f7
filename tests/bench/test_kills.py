"""The bench of kills: what it says, and that it can fail."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import OK
from tools.bench.kills.command import Figures

WRONG = (
    "pledges_twice",
    "pledges_lost",
    "stakes_twice",
    "stakes_lost",
    "unpaid",
    "paid_twice",
    "unaccounted_stroops",
    "hung",
)


@pytest.mark.slow
def test_the_last_line_is_one_object_and_nothing_is_lost_in_one_world() -> None:
    command = [sys.executable, "-m", "tools.bench", "kills", "--kills", "1", "--seed", "77", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == OK, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert [found[name] for name in WRONG] == [0] * len(WRONG)
    assert found["kills"] == sum(found["at"].values()) > 0
    assert (found["worlds"], found["rounds"], found["pledges"]) == (1, 3, 6)
    assert found["accepted"] == found["entries"] == 6


@pytest.mark.parametrize("name", WRONG)
def test_whatever_is_lost_or_double_fails_it(name: str) -> None:
    assert Figures(kills=1000).is_clean
    assert not Figures(kills=1000, **{name: 1}).is_clean
