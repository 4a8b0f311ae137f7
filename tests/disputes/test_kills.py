"""Killed before and after everything that an arbiter, or whoever asks, writes down, stores or hands in: it goes on,
each dispute is paid for once, and each entry once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stellar_sdk import Keypair

from agent.content.folder import FolderStore
from agent.core.ids import CidText
from agent.core.jobs.hearing import HearingState
from agent.core.money import UNIT
from agent.disputes.book import ArbiterBook, AskedBook
from agent.ledger.horizon import Horizon
from agent.market import pledge
from tests.disputes.court import ARBITRATION, Court, court
from tests.market.town import REWARD
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow


class PowerCut(BaseException):
    """The process is gone."""


@dataclass(frozen=True)
class Stage:
    """A car that nobody judged, with its ledger's files: every case plays on a copy."""

    court: Court
    folder: Path
    car: Keypair
    entry: str


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("stage")
    with Localnet(state=folder / "ledger") as net:
        made = court(net, folder)
        car, entry = made.unjudged()
        made.close()
        return Stage(made, folder, car, entry)


@pytest.fixture
def sitting(stage: Stage, tmp_path: Path) -> Iterator[Court]:
    shutil.copytree(stage.folder / "ledger", tmp_path / "ledger")
    with Localnet(state=tmp_path / "ledger") as net:
        made = Court(stage.court.town.moved(net), tmp_path / "court", stage.court.key)
        yield made
        made.close()


def cut(real: Callable[..., Any], after: bool, is_it: Callable[..., bool]) -> Callable[..., Any]:
    """The first call that is meant is cut off, once."""
    done = False

    def called(*args: Any, **options: Any) -> Any:
        nonlocal done
        strikes = not done and is_it(*args)
        done |= strikes
        if strikes and not after:
            raise PowerCut
        made = real(*args, **options)
        if strikes:
            raise PowerCut
        return made

    return called


WHEN = pytest.mark.parametrize("after", [False, True], ids=["before", "after"])


@WHEN
@pytest.mark.parametrize("step", ["signed", "paid", "hand_in", "put"])
def test_whoever_asks_pays_once(
    sitting: Court, stage: Stage, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    strike(monkeypatch, AskedBook, step, after)
    before = sitting.xlm(stage.car.public_key)
    with pytest.raises(PowerCut):
        sitting.ask(stage.car, stage.entry)
    sitting.ask(stage.car, stage.entry)
    assert sitting.xlm(stage.car.public_key) == before - ARBITRATION - 100
    sitting.turn()
    assert [each.state for each in sitting.hearings] == [HearingState.HEARD]


@WHEN
@pytest.mark.parametrize("step", ["received", "heard", "signed", "entered", "answered", "hand_in", "put"])
def test_an_arbiter_pays_once(
    sitting: Court, stage: Stage, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    sitting.ask(stage.car, stage.entry)
    town, before = sitting.town, sitting.xlm(stage.car.public_key)
    owner = sitting.xlm(town.initiator.public_key)
    sitting.decide(stage.entry, UNIT)
    strike(monkeypatch, ArbiterBook, step, after)
    cuts = 0
    for turn in range(10):
        if turn == 2:
            sitting.at(sitting.until)
        try:
            sitting.turn()
        except PowerCut:
            cuts += 1
            sitting.restart()
    assert cuts == 1
    assert sitting.hearing(stage.entry).state is HearingState.ANSWERED
    assert sitting.xlm(stage.car.public_key) == before + REWARD + ARBITRATION
    assert sitting.xlm(town.initiator.public_key) == owner + 1000 * UNIT - REWARD - ARBITRATION
    assert pledge.left(town.horizon, sitting.round) == 0
    assert len(sitting.rulings()) == 1
    assert sitting.arbiter.bench.book.ruling(CidText(town.cid)).is_over
    assert sitting.faults() == []


def strike(monkeypatch: pytest.MonkeyPatch, book: type, step: str, after: bool) -> None:
    doors: dict[str, tuple[type, str]] = {"hand_in": (Horizon, "hand_in"), "put": (FolderStore, "put")}
    owner, name = doors.get(step, (book, "record"))

    def is_it(*args: Any) -> bool:
        return step in doors or args[2].kind == step

    monkeypatch.setattr(owner, name, cut(getattr(owner, name), after, is_it))
