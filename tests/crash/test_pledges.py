"""An initiator cut off while it closes a round, adds to its pay or takes pay back, before and after every event and
every envelope: it goes on, and nothing is locked twice, paid twice or lost."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agent.core import pay
from agent.core.ids import CidText
from agent.core.jobs import addition
from agent.core.jobs import round as rounds
from agent.core.jobs.fold import kind
from agent.core.jobs.round import RoundState
from agent.core.money import UNIT, XLM, Stroops
from agent.errors import TryAgain
from agent.initiator import paying, submitting
from agent.initiator.audit import audit
from agent.initiator.book import PLEDGE, RoundBook, round_id
from agent.initiator.fusing import close
from agent.initiator.publishing import Publisher
from tests.market.settling import balances
from tests.market.town import REWARD, Prompt, Town, found, publisher_of
from tests.validator.committee import House
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow

LOCKED, ADDED = 1000 * UNIT, 400 * UNIT
SETBACKS = (rounds.Lapsed, rounds.Refused)
HANDED_IN = "handed in"
"""No event: the envelope leaves."""
CLOSING = [
    *((round_id(1), kind(event)) for event in rounds.TABLE.kinds.values() if event not in (*SETBACKS, rounds.Closed)),
    (round_id(0), kind(rounds.Closed)),
    ("round", HANDED_IN),
]
ADDING = [(f"{PLEDGE}1", kind(addition.Signed)), (f"{PLEDGE}1", kind(addition.Locked)), ("pledge", HANDED_IN)]


class PowerCut(BaseException):
    """The process is gone."""


@dataclass(frozen=True)
class Stage:
    """Round 0 is open and one car was accepted. Every case plays on a copy of the ledger and of all files."""

    town: Town
    folder: Path
    paid: Stroops


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("stage")
    with Localnet(state=folder / "ledger") as net:
        town = found(net, folder / "town", committee=1)
        car = town.driver()
        entry = town.enter(car, town.contribution(car, town.better(0.2, 1)))
        house = House(town, folder / "house")
        house.settle(entry)
        end = house.end(entry)
        house.close()
        assert end is not None
        return Stage(town, folder, pay.due(end.credit, REWARD))


@pytest.fixture
def town(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    monkeypatch.setattr(submitting, "POLL_S", 0.0)
    for part in ("ledger", "town"):
        shutil.copytree(stage.folder / part, tmp_path / part)
    with Localnet(state=tmp_path / "ledger") as net:
        yield replace(stage.town, net=net, folder=tmp_path / "town")


def cut_off(town: Town, work: Callable[[Publisher], object], job: str, at: str, written: bool) -> None:
    """The work, until the power goes on one side of this."""

    def watched(real: Callable[..., Any], is_it: Callable[..., bool]) -> Callable[..., Any]:
        def cut(*args: Any) -> Any:
            if not is_it(*args):
                return real(*args)
            if written:
                real(*args)
            raise PowerCut

        return cut

    publisher = publisher_of(town)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(PowerCut):
        if at == HANDED_IN:
            patch.setattr(Prompt, "hand_in", watched(Prompt.hand_in, lambda *_: True))
        else:
            record = watched(RoundBook.record, lambda _, of, event, at_: (of, event.kind) == (job, at))
            patch.setattr(RoundBook, "record", record)
        work(publisher)
    publisher.book.journal.close()


def whole(town: Town, *cids: CidText) -> None:
    """Each round's pay is followed to its last stroop."""
    for cid in cids:
        assert audit(town.horizon, town.shelf, cid).faults == ()


@pytest.mark.parametrize(("job", "at"), CLOSING, ids=lambda part: part)
@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
def test_cut_off_while_it_closes_a_round_the_next_one_is_published_and_its_pay_locked_once(
    town: Town, stage: Stage, job: str, at: str, written: bool
) -> None:
    cut_off(town, lambda publisher: close(publisher, now=True), job, at, written)
    again = publisher_of(town)
    with contextlib.suppress(TryAgain):  # where round 1 is open already, it is not due
        close(again, now=True)
    first, second = again.book.rounds
    assert again.book.open_round == second
    again.book.journal.close()
    assert [each.amount for each in balances(town)] == [LOCKED - stage.paid]
    assert [each.amount for each in balances(town, town.shelf.round(second.cid))] == [LOCKED]
    whole(town, first.cid, second.cid)


@pytest.mark.parametrize(("job", "at"), ADDING, ids=lambda part: part)
@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
def test_cut_off_while_it_adds_to_the_pay_it_is_added_once(
    town: Town, stage: Stage, job: str, at: str, written: bool
) -> None:
    """Who asks again looks first whether it is there."""

    def add(publisher: Publisher) -> None:
        paying.add(publisher, CidText(town.cid), town.round, ADDED)

    cut_off(town, add, job, at, written)
    again = publisher_of(town)
    if not any(each.state is RoundState.OPEN for each in again.book.additions):
        add(again)
    again.book.journal.close()
    assert [each.amount for each in balances(town)] == [LOCKED - stage.paid, ADDED]
    whole(town, CidText(town.cid))


@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
def test_cut_off_while_it_takes_pay_back_it_has_all_of_it_once(town: Town, stage: Stage, written: bool) -> None:
    assert town.round.pledge is not None
    town.net.close_ledger(close_time=town.round.pledge.until)
    before = lumens(town)
    cut_off(town, paying.reclaim, "", HANDED_IN, written)
    again = publisher_of(town)
    assert paying.reclaim(again) == (0 if written else LOCKED - stage.paid)
    assert paying.reclaim(again) == 0
    again.book.journal.close()
    assert lumens(town) == before + LOCKED - stage.paid - 100  # one claim, at the base fee
    assert balances(town) == []
    whole(town, CidText(town.cid))


def lumens(town: Town) -> Stroops:
    account = town.horizon.account(town.initiator.public_key)
    assert account is not None
    return account.lines[XLM].balance
