"""The chaos run: what it knows, that it can fail, and that a town under attack comes to no harm."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from tools.chaos.__main__ import chaos
from tools.chaos.kinds.kind import Cast, Course, Kind, ledgers
from tools.chaos.kinds.table import KINDS
from tools.chaos.play import play
from tools.chaos.town import Town

LEDGERS = 36
KEYS = [
    "seed", "honest_entries", "honest_stakes_lost", "honest_unpaid", "doubled", "strikes_on_honest",
    "purse_lost_stroops", "daemons_died", "untyped", "stalled_entries", "hostile_profit_xlm", "kinds",
]  # fmt: skip


def test_at_least_twenty_kinds_of_trouble_are_told_apart() -> None:
    names = [kind.name for kind in KINDS]
    assert len(set(names)) == len(names) >= 20
    parties = {"initiator", "vehicle", "validator", "stranger", "operator", "horizon", "own fault"}
    assert {kind.party for kind in KINDS} == parties
    assert all(kind.does for kind in KINDS)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_a_town_under_attack_loses_nothing_that_is_honest(seed: int) -> None:
    """Bounded by ledgers: the same on a slow machine."""
    said: list[str] = []
    report, playing = play(seed, ledgers=LEDGERS, say=said.append)
    assert playing.mistakes == []
    assert report.faults == [], "\n".join(said)
    assert report.honest_entries > 5
    assert sum(kind["fired"] for kind in report.kinds.values()) > 5


@pytest.mark.slow
def test_one_seed_is_one_run() -> None:
    """What a run found can be found again: the same documents by the same accounts in the same ledgers."""
    (first, once), (second, again) = (play(5, ledgers=8) for _ in range(2))
    assert once.town.books.memos == again.town.books.memos
    assert first == second


def theft(town: Town, cast: Cast) -> Course:
    """A thief who has a car's key: no software stops that, and the books must show it."""
    from stellar_sdk import Payment

    from agent.core.money import UNIT, text
    from agent.ledger.envelope import sdk_asset

    thief = cast.straw()
    robbed = town.cars[0].key
    yield from ledgers(2)
    town.ground.apply([Payment(thief.public_key, sdk_asset(town.ground.dlc), text(100 * UNIT))], robbed)


@pytest.mark.slow
def test_the_books_show_a_theft() -> None:
    report, _ = play(1, ledgers=6, kinds=[Kind("theft", "stranger", "takes a car's DLC with its key", theft)])
    assert report.kinds["theft"]["profit_xlm"] > 0
    assert any("theft earned" in fault for fault in report.faults)


@pytest.mark.slow
def test_the_last_line_is_one_object_with_these_keys() -> None:
    done = CliRunner().invoke(chaos, ["--ledgers", "3", "--seed", "2", "--only", "silent validator", "--json"])
    last = json.loads(done.output.splitlines()[-1])
    assert list(last) == KEYS
    assert done.exit_code == 0, done.output
    assert set(last["kinds"]) == {"silent validator"}


def test_a_kind_that_is_not_known_is_named() -> None:
    done = CliRunner().invoke(chaos, ["--only", "good weather"])
    assert done.exit_code == 2
    assert "good weather" in done.output
