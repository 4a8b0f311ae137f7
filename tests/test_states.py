"""The jobs' tables are drawn as they are, and who shows states shows these."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.core.jobs.contribution import JobState
from agent.core.jobs.diagram import TABLES
from agent.fleet.discovery import ENTITIES
from agent.fleet.page.dashboard import SHOWN
from tools.demo.play import STEPS
from tools.states import DATA, drawn

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("path", drawn(), ids=str)
def test_what_was_drawn_is_what_the_tables_say_now(path: Path) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == drawn()[path], "run `make states`"


def test_page_demo_and_home_assistant_know_every_state_of_a_job() -> None:
    states = json.loads((ROOT / DATA).read_text(encoding="utf-8"))["contribution"]["states"]
    assert list(states) == [state.value for state in JobState if state is not JobState.NONE]
    assert [name for name, owed in states.items() if owed is None] == ["closed", "passed"]
    assert [state.value for state in STEPS] == [name for name in states if name != "passed"]
    assert ENTITIES["job"].options["options"] == [state.value for state in JobState]


def test_no_envelope_is_among_what_the_page_shows_of_a_job() -> None:
    assert {"round", "credit", "paid", "shadow_worse", "stake"} <= set(SHOWN)
    assert not {"envelope", "hash", "sequence", "max_time"} & set(SHOWN)


def test_every_table_begins_somewhere_and_every_state_leads_to_an_end() -> None:
    for table in TABLES.values():
        assert any(table.is_end(state) for state in table.follows.values())
