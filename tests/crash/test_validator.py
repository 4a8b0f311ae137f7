"""One validator of three cut off before and after every event of a review, every settlement it hands in and every
record it stores: the others go on, it comes back, and every entry is settled once and paid once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stellar_sdk import ClaimClaimableBalance, Keypair

from agent.content.folder import FolderStore
from agent.core import pay
from agent.core.jobs.fold import kind
from agent.core.jobs.review import TABLE, Gone
from agent.core.ledger import BALANCE_V0
from agent.initiator import pay_trail
from agent.ledger.horizon import Horizon
from agent.market.listing import publication
from agent.validator.book import ReviewBook
from tests.market.settling import balances, redeems
from tests.market.town import REVIEW_S, REWARD, Town, found
from tests.validator.committee import House
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow

DOORS: dict[str, tuple[type, str]] = {"settlement": (Horizon, "hand_in"), "record": (FolderStore, "put")}
EVENTS = [kind(event) for event in TABLE.kinds.values() if event is not Gone]


class PowerCut(BaseException):
    """The process is gone."""


@dataclass(frozen=True)
class Stage:
    """A town with two entries that nobody has looked at, with its ledger's files: every case plays on a copy."""

    town: Town
    folder: Path
    cars: tuple[Keypair, Keypair]
    entries: tuple[str, str]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("stage")
    with Localnet(state=folder / "ledger") as net:
        town = found(net, folder)
        cars = town.driver(), town.driver()
        first, second = (town.enter(car, town.contribution(car, town.better(0.2, n))) for n, car in enumerate(cars))
        return Stage(town, folder, cars, (first, second))


@pytest.fixture
def town(stage: Stage, tmp_path: Path) -> Iterator[Town]:
    shutil.copytree(stage.folder / "ledger", tmp_path / "ledger")
    with Localnet(state=tmp_path / "ledger") as net:
        yield stage.town.moved(net)


class Cut:
    """The first that comes by is cut off, once."""

    def __init__(self, written: bool) -> None:
        self.written, self.is_done = written, False

    def at(self, real: Callable[..., Any], is_it: Callable[..., bool] = lambda *args: True) -> Callable[..., Any]:
        def cut(*args: Any, **options: Any) -> Any:
            strikes = not self.is_done and is_it(*args)
            self.is_done |= strikes
            if strikes and not self.written:
                raise PowerCut
            made = real(*args, **options)
            if strikes:
                raise PowerCut
            return made

        return cut

    def at_event(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        record = self.at(ReviewBook.record, lambda _, entry, event, *__: event.kind == name)
        monkeypatch.setattr(ReviewBook, "record", record)


def goes_on(house: House, done: Callable[[], bool], turns: int = 80) -> None:
    """Who is cut off is started again, over what it wrote down."""
    for _ in range(turns):
        for account in list(house.validators):
            try:
                house.validators[account].turn()
            except PowerCut:
                house.restart(account)
        house.town.net.close_ledger()
        house.clock.passed += 5
        if done():
            return
    raise AssertionError(house.log)


def is_over(house: House, entries: tuple[str, ...]) -> bool:
    books = [validator.parts.book for validator in house.validators.values()]
    return all(book.seen >= {*entries} and not book.open for book in books)


@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [*EVENTS, *DOORS])
def test_cut_off_at_any_moment_every_entry_is_settled_once_and_paid_once(
    stage: Stage, town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str, written: bool
) -> None:
    cut = Cut(written)
    if at in DOORS:
        owner, name = DOORS[at]
        monkeypatch.setattr(owner, name, cut.at(getattr(owner, name)))
    else:
        cut.at_event(monkeypatch, at)
    house = House(town, tmp_path / "house")
    (locked,) = balances(town)
    goes_on(house, lambda: is_over(house, stage.entries))
    assert cut.is_done
    ends = [house.end(entry) for entry in stage.entries]
    assert [end.outcome for end in ends if end is not None] == ["accepted", "accepted"]
    credits = [end.credit for end in ends if end is not None]
    assert [len(town.horizon.touching(entry)) for entry in stage.entries] == [2, 2]
    (rest,) = balances(town)
    assert rest.amount == locked.amount - sum(pay.due(credit, REWARD) for credit in credits)
    for account in house.validators:
        assert house.reviews(account) == dict.fromkeys(stage.entries, "accepted")
    for car, credit in zip(stage.cars, credits, strict=True):
        assert redeems(town, car, credit, REWARD) >= credit * REWARD // 10_000_000 - 1
    made = publication(town.horizon, town.round, town.cid)
    assert made is not None
    assert list(pay_trail.faults(town.horizon, town.round, made)) == []
    house.close()


@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
def test_cut_off_as_it_sees_a_stake_taken_back_it_forgets_the_entry(
    stage: Stage, town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    """The committee found both and then was silent; the cars took back what is theirs."""
    house = House(town, tmp_path / "house")
    house.turn()
    assert all(len(validator.parts.book.open) == 2 for validator in house.validators.values())
    town.net.close_ledger(close_time=town.horizon.head().closed_at + REVIEW_S)
    for car, entry in zip(stage.cars, stage.entries, strict=True):
        town.apply([ClaimClaimableBalance(BALANCE_V0 + entry)], car)
    cut, before = Cut(written), balances(town)
    cut.at_event(monkeypatch, kind(Gone))
    goes_on(house, lambda: is_over(house, stage.entries))
    assert cut.is_done
    assert balances(town) == before
    for account in house.validators:
        assert house.reviews(account) == dict.fromkeys(stage.entries, "gone")
    house.close()
