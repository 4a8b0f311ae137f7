"""Vehicles that try to be paid for nothing, to keep what they forfeited, or to stop the committee."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from stellar_sdk import (
    Claimant,
    ClaimPredicate,
    CreateClaimableBalance,
    FeeBumpTransactionEnvelope,
    Keypair,
    Server,
    TransactionBuilder,
)

from agent.content.folder import FolderStore
from agent.core.cid import Cid
from agent.core.ledger import Way
from agent.core.money import UNIT
from agent.ledger.envelope import build, sdk_asset, stake_id
from agent.ledger.horizon import Horizon
from agent.market import bundle, entry
from agent.ports import BundleLimits
from agent.validator.porter import HANDS, Porter
from tests.market.town import BASE, REVIEW_S, Numbers, Town
from tests.validator.committee import House


def honest(town: Town, seed: int) -> str:
    driver = town.driver()
    return town.enter(driver, town.contribution(driver, town.better(seed=seed)))


def staked(
    town: Town, vehicle: Keypair, claimants: list[Claimant], amount: str = "10", delta: Numbers | None = None
) -> str:
    """A balance for the settlement account that is not in an entry's form."""
    memo = town.contribution(vehicle, delta or town.better()).digest
    made = town.apply([CreateClaimableBalance(sdk_asset(town.dlc), amount, claimants)], vehicle, memo=memo)
    return stake_id(made.envelope, town.net.passphrase, 0)


def not_before(moment: int) -> ClaimPredicate:
    return ClaimPredicate.predicate_not(ClaimPredicate.predicate_before_absolute_time(moment))


def bumped(town: Town, vehicle: Keypair, stake: int) -> str:
    """The vehicle's entry, its fee paid by another account; the stake's id."""
    payer, account = town.initiator, town.horizon.account(vehicle.public_key)
    assert account is not None
    now = town.horizon.head().closed_at
    operations = entry.entry(town.round, account, stake, Way(0), now)
    memo = town.contribution(vehicle, town.better(seed=70)).digest
    bounds = {"fee": 100, "max_time": now + 120, "memo": memo}
    inner = build(account.id, account.sequence, operations, passphrase=town.net.passphrase, **bounds)
    inner.sign(vehicle)
    outer: FeeBumpTransactionEnvelope = TransactionBuilder.build_fee_bump_transaction(
        payer.public_key, 200, inner, town.net.passphrase
    )
    outer.sign(payer)
    with Server(town.net.url) as server:
        server.submit_transaction_async(outer)
    town.net.close_ledger()
    return stake_id(outer.to_xdr(), town.net.passphrase, len(operations) - 1)


@pytest.mark.slow
def test_an_entry_in_a_fee_bump_is_an_entry_and_a_stroop_in_one_is_nothing(town: Town, house: House) -> None:
    """(i) An entry wrapped in a fee bump is paid like any other; a stake of one stroop in one ends nobody."""
    dust, wrapped = bumped(town, town.driver(), 1), bumped(town, town.driver(), BASE)
    assert {dust, wrapped} <= {stake.id for stake in town.horizon.stakes(town.settlement)}
    house.settle(wrapped)
    assert house.end(wrapped).outcome == "accepted"
    for key in town.committee:
        house.restart(key.public_key)
    house.turn(2)
    good = honest(town, 71)
    house.settle(good)
    assert all(dust not in house.reviews(key.public_key) for key in town.committee)


@pytest.mark.slow
def test_a_stake_with_a_third_claimant_or_another_predicate_is_no_entry(town: Town, house: House) -> None:
    """(j) Claimants are the settlement account at once and the vehicle not before a moment. Anything else is not
    judged, not paid, and in nobody's settlement."""
    now, harm = town.horizon.head().closed_at, {n: -2 * v for n, v in town.better(seed=3).items()}
    ours, later = Claimant(town.settlement), now + REVIEW_S
    drivers = [town.driver() for _ in range(5)]

    def back(driver: Keypair, predicate: ClaimPredicate) -> list[Claimant]:
        return [ours, Claimant(driver.public_key, predicate)]

    both = ClaimPredicate.predicate_and(not_before(later), not_before(later))
    forms = [
        [*back(drivers[0], not_before(later)), Claimant(Keypair.random().public_key)],
        back(drivers[1], ClaimPredicate.predicate_unconditional()),
        back(drivers[2], both),
        back(drivers[3], not_before(now + 5)),
        [ours, Claimant(Keypair.random().public_key, not_before(later))],
    ]
    tricks = [staked(town, d, claimants, delta=harm) for d, claimants in zip(drivers, forms, strict=True)]
    good = honest(town, 72)
    house.settle(good)
    assert house.end(good).outcome == "accepted"
    for key in town.committee:
        assert not set(tricks) & house.reviews(key.public_key).keys()


class Withheld:
    """Bundles that their author keeps back. `reveal` puts one where everybody finds it."""

    def __init__(self, town: Town) -> None:
        self._content, self._aside = town.folder / "content", town.folder / "aside"
        self._town = town

    def contribution(self, owner: Keypair, delta: Numbers) -> Cid:
        before = {path.name for path in self._content.iterdir()}
        cid = self._town.contribution(owner, delta)
        folder = self._aside / str(cid)
        folder.mkdir(parents=True)
        for path in [p for p in self._content.iterdir() if p.name not in before]:
            path.rename(folder / path.name)
        return cid

    def reveal(self, cid: Cid) -> None:
        for path in (self._aside / str(cid)).iterdir():
            shutil.move(path, self._content / path.name)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["four vehicles", "one vehicle"])
def test_one_update_entered_four_times_is_paid_once_whatever_is_revealed_first(
    town: Town, house: House, how: str
) -> None:
    """(k) The same update, sealed anew by each of four vehicles or entered four times by one, bundles last first."""
    withheld, delta = Withheld(town), town.better(seed=73 if how == "one vehicle" else 74)
    drivers = [town.driver() for _ in range(4)] if how == "four vehicles" else [town.driver()] * 4
    cids = [withheld.contribution(d, delta) for d in (drivers if how == "four vehicles" else drivers[:1])]
    entries = [town.enter(d, cid) for d, cid in zip(drivers, cids * (4 // len(cids)), strict=True)]
    house.turn(3)
    for cid in reversed(cids):
        withheld.reveal(cid)
        house.turn(1, advance=20)
        house.turn(2)
    house.settle(*entries, turns=80)
    outcomes = [house.end(entry_id).outcome for entry_id in entries]
    assert outcomes.count("accepted") == 1, outcomes
    assert sum(house.end(entry_id).credit for entry_id in entries) <= UNIT


@pytest.mark.slow
def test_a_bundle_that_is_kept_back_holds_others_up_for_a_quarter_of_the_window(town: Town, house: House) -> None:
    """(k) An earlier entry whose bundle never comes is waited for, and not for long; it is paid nothing."""
    driver = town.driver()
    never = town.enter(driver, Withheld(town).contribution(driver, town.better(seed=75)))
    good = honest(town, 76)
    house.turn(5)
    assert house.end(good) is None
    house.turn(1, advance=REVIEW_S // 4)
    house.settle(good)
    assert house.end(good).outcome == "accepted"
    assert house.end(never) is None


class Hoarse:
    """A store whose answers never come."""

    def __init__(self) -> None:
        import threading

        self.asked: list[str] = []
        self.go_on = threading.Event()

    def get(self, cid: Cid, into: Path, limits: BundleLimits) -> None:
        self.asked.append(str(cid))
        self.go_on.wait(60)

    def put(self, folder: Path) -> Cid:
        raise NotImplementedError

    def has(self, cid: Cid) -> bool:
        return False


def test_thirty_bundles_that_nobody_has_do_not_hold_the_loop_up(tmp_path: Path) -> None:
    """(m) They are asked for beside the loop, a few at a time; the loop goes on at once."""
    store = Hoarse()
    porter = Porter(store, tmp_path, patience_s=0.0)
    cids = [str(Cid.v0(bytes([n]) * 32)) for n in range(30)]
    for cid in cids:
        porter.send(cid, BundleLimits())
    porter.wait()
    assert not porter.has_a_hand_free
    assert sum(porter.asked(cid) for cid in cids) == HANDS
    store.go_on.set()


@pytest.mark.slow
def test_thirty_entries_without_a_bundle_starve_nobody(town: Town, house: House) -> None:
    """(m) An honest entry that came before them is settled as ever, one that comes after them within the window."""
    first, driver = honest(town, 77), town.driver()
    lost = [town.enter(driver, Cid.v0(bytes([200 + n]) * 32)) for n in range(9)]
    last = honest(town, 78)
    house.settle(first)
    house.turn(1, advance=REVIEW_S // 4)
    house.settle(last)
    assert (house.end(first).outcome, house.end(last).outcome) == ("accepted", "accepted")
    assert all(house.end(entry_id) is None for entry_id in lost)


class Counting(FolderStore):
    """Remembers what it was asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.asked: list[str] = []

    def get(self, cid: Cid, into: Path, limits: BundleLimits) -> None:
        self.asked.append(str(cid))
        super().get(cid, into, limits)


@pytest.mark.slow
def test_no_byte_is_fetched_for_a_stake_that_is_too_small_and_no_more_than_a_round_can_need(
    town: Town, house: House
) -> None:
    """(n) 16 MB for one stroop are not asked for; with a full stake they are refused at their first block."""
    poor, rich = town.driver(), town.driver()
    large = {bundle.CONTRIBUTION: b"{}", bundle.UPDATE: bytes(16 << 20)}
    unpaid = town.store.put(bundle.lay(town.folder / "large", large))
    paid = town.store.put(bundle.lay(town.folder / "large", {**large, bundle.UPDATE: b"\x01" * (16 << 20)}))
    validator = house.validators[town.committee[0].public_key]
    counting = Counting(town.folder / "content")
    validator.parts.reviewing._porter._store = counting
    town.enter(poor, unpaid, 1)
    entry_id = town.enter(rich, paid)
    house.settle(entry_id)
    assert house.end(entry_id).outcome == "rejected"
    assert "its files have more than" in house.end(entry_id).reason or "it claims" in house.end(entry_id).reason
    assert (counting.asked.count(str(unpaid)), counting.asked.count(str(paid))) == (0, 1)
    kept = validator.parts.state_dir / "bundles"
    assert not (kept / str(unpaid)).exists() and not (kept / str(paid)).exists()


@pytest.mark.slow
def test_a_pause_is_remembered_over_a_restart(town: Town, house: House) -> None:
    """(n) What could not be had is not asked for anew with each start."""
    driver, account = town.driver(), town.committee[0].public_key
    lost = town.enter(driver, Cid.v0(b"\xee" * 32))
    house.turn(8)
    before = house.validators[account].parts.book.journal.note("pauses")
    assert lost in before
    house.restart(account)
    house.validators[account].turn()
    assert lost in house.validators[account].parts.book.journal.note("pauses")


@pytest.mark.slow
def test_other_peoples_balances_cost_a_validator_no_request(town: Town, house: House) -> None:
    """(t) Strangers' balances are left out by the question itself, and dust in DLC by a look at the answer."""
    horizon = Horizon(town.net.url, town.net.passphrase)
    stranger = Keypair.random()
    town.net.fund(stranger.public_key)
    claimants = [Claimant(town.settlement), Claimant(stranger.public_key, not_before(2_000_000_000))]
    from stellar_sdk import Asset as SdkAsset

    for _ in range(3):
        town.apply([CreateClaimableBalance(SdkAsset.native(), "0.0000001", claimants)] * 50, stranger)
    assert len(list(horizon.stakes(town.settlement))) >= 150
    assert all(stake.asset == town.dlc for stake in horizon.stakes(town.settlement, town.dlc))
    good = honest(town, 79)
    house.settle(good)
    assert house.end(good).outcome == "accepted"
