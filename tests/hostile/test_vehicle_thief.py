"""A thief has the car computer, and so its key: what lies on the car is gone, its account is not, and the owner takes
home what the thief did not get to."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from stellar_sdk import (
    AccountMerge,
    ChangeTrust,
    Keypair,
    ManageData,
    Payment,
    SetOptions,
    Signer,
    TransactionEnvelope,
)
from stellar_sdk.operation import Operation

from agent.compose import account
from agent.core.jobs.contribution import JobState
from agent.core.money import UNIT, XLM, text
from agent.errors import MilepostError, Refused
from agent.host.config import load
from agent.journal import Journal
from agent.ledger.envelope import result_code, sdk_asset, signed
from agent.ledger.horizon import Horizon
from agent.ledger.keys import account_of
from agent.market import entry
from agent.market.ownership import NotOnLedger, NotShared, SharingPending, owner_of, share
from agent.vehicle.book import JOURNAL, JobBook
from tests.hostile.steps import entered
from tests.market.town import DLC_EACH, REVIEW_S, Prompt, Town, found
from tests.vehicle import trips
from tests.vehicle.owners import Home, closed
from tests.vehicle.test_offers import milepost
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def town(net: Localnet, tmp_path_factory: pytest.TempPathFactory) -> Town:
    return found(net, tmp_path_factory.mktemp("town"), committee=1)


@pytest.fixture
def home(town: Town, tmp_path: Path) -> Home:
    return Home(town, tmp_path)


def shares(home: Home, owner: Keypair | None = None, key: Keypair | None = None) -> bool:
    town = home.town
    return share(town.horizon, key or home.car, account_of(owner or home.owner), 10_000, town.net.close_ledger)


def tried(home: Home, *operations: Operation, by: Keypair | None = None) -> str:
    """What the ledger says to a transaction of the car that one key, its own or another, has signed."""
    town = home.town
    made = TransactionEnvelope.from_xdr(town.signed(operations, home.car).envelope, town.net.passphrase)
    made.signatures = []
    sent = signed(made, by or home.car)
    try:
        town.horizon.hand_in(sent.envelope)
    except Refused as error:
        return str(error)
    found = town.horizon.find(sent.hash)
    assert found is not None
    return result_code(found.result)


def test_a_thief_with_the_cars_key_has_neither_the_account_nor_a_way_to_keep_the_owner_out(home: Home) -> None:
    assert shares(home)
    thief, owner = Keypair.random().public_key, home.owner.public_key
    for operation in (
        AccountMerge(home.bank.public_key),
        SetOptions(signer=Signer.ed25519_public_key(thief, 2)),
        SetOptions(signer=Signer.ed25519_public_key(owner, 0)),
        SetOptions(high_threshold=1),
        SetOptions(master_weight=2),
    ):
        assert "opBAD_AUTH" in tried(home, operation)


def test_the_owner_shuts_the_thief_out_and_takes_dlc_and_xlm_home(home: Home) -> None:
    """Also a stake that is out: it comes back to an account that the thief cannot use."""
    town = home.town
    context = home.context()
    job = entered(context)
    shares(home)
    assert tried(home, SetOptions(master_weight=0), by=home.owner) == "TX_SUCCESS"
    assert "BAD_AUTH" in tried(home, Payment(home.bank.public_key, sdk_asset(XLM), "1"))
    town.net.close_ledger(advance=2 * REVIEW_S)
    home.trusts(town.dlc)
    town.allow(home.owner.public_key)
    (bid,) = town.horizon.offers(home.car.public_key)
    lines = (sdk_asset(town.dlc), sdk_asset(town.round.credit_asset))
    home_with_it = [
        *entry.closing(context.terms(job), take_back=job.entry.stake_id, bids=[bid.id]),
        Payment(home.owner.public_key, lines[0], text(DLC_EACH)),
        *(ChangeTrust(line, "0") for line in lines),
        AccountMerge(home.owner.public_key),
    ]
    before = home.held(home.owner)
    assert tried(home, *home_with_it, by=home.owner) == "TX_SUCCESS"
    assert home.held(home.owner, town.dlc) == DLC_EACH
    assert town.horizon.account(home.car.public_key) is None
    assert home.held(home.owner) > before + 9_999 * UNIT


def test_a_car_that_is_shared_trains_and_is_paid_as_before(home: Home) -> None:
    shares(home)
    context, job = home.accepted(keep="5")
    assert closed(context, job).state is JobState.CLOSED
    assert context.owner == home.owner.public_key
    assert home.held(home.car) <= 5 * UNIT  # all that a thief finds


def test_sharing_again_changes_nothing(home: Home) -> None:
    assert (shares(home), shares(home)) == (True, False)
    assert owner_of(home.account(home.car)) == home.owner.public_key


def test_sharing_that_was_cut_off_is_done_once(home: Home) -> None:
    """The plug is pulled when the transaction has left: whoever asks again finds it done, or does the same."""
    town = home.town
    late = Horizon(town.net.url, town.net.passphrase)  # its ledgers do not close by themselves

    def pulled() -> None:
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            share(late, home.car, account_of(home.owner), 10_000, pulled)
    assert shares(home)
    assert not shares(home)
    signers = home.account(home.car).signers
    assert signers == {home.car.public_key: 1, home.owner.public_key: 2}


def test_what_would_leave_the_car_without_an_owner_is_refused(home: Home) -> None:
    town, other = home.town, Keypair.random()
    town.net.fund(other.public_key)
    with pytest.raises(NotOnLedger):
        shares(home, key=Keypair.random())
    with pytest.raises(NotShared, match="the car's own account"):
        shares(home, home.car)
    town.apply([ManageData("config.memo_required", "1")], other)
    with pytest.raises(NotShared, match="a custodian's"):
        shares(home, other)
    town.apply([SetOptions(master_weight=0)], other)
    with pytest.raises(NotShared, match="signs for nothing"):
        shares(home, other)
    shares(home)
    with pytest.raises(NotShared, match=f"{home.owner.public_key} signs for it already"):
        shares(home, home.bank)
    assert tried(home, SetOptions(master_weight=0), by=home.owner) == "TX_SUCCESS"
    with pytest.raises(NotShared, match="its owner has taken that over"):
        shares(home)


def test_an_account_that_its_key_cannot_change_or_that_is_too_poor_is_told(home: Home) -> None:
    town = home.town
    before = home.account(home.car).free(XLM)
    town.apply([Payment(home.bank.public_key, sdk_asset(XLM), text(before - 4_000_000))], home.car)
    with pytest.raises(NotShared, match=r"takes 0\.5000000 XLM of reserve, and 0\.3999\d+ are free"):
        shares(home)
    town.apply([Payment(home.car.public_key, sdk_asset(XLM), "10")], home.bank)
    town.apply([SetOptions(high_threshold=2)], home.car)
    with pytest.raises(NotShared, match="the car's key alone cannot change"):
        shares(home)


def test_a_signer_that_somebody_added_half_is_made_whole(home: Home) -> None:
    owner = home.owner.public_key
    home.town.apply([SetOptions(signer=Signer.ed25519_public_key(owner, 1))], home.car)
    assert owner_of(home.account(home.car)) is None
    assert shares(home)
    assert owner_of(home.account(home.car)) == owner


def test_a_transaction_of_the_daemon_that_comes_first_costs_nothing_but_another_try(home: Home) -> None:
    """It was signed between the look and the ledger: the same sequence number, and one of the two applies."""
    town = home.town
    first = town.signed([ManageData("other", b"1")], home.car)

    class Busy(Prompt):
        def hand_in(self, envelope: str) -> None:
            town.horizon.hand_in(first.envelope)
            super().hand_in(envelope)

    busy = Busy(town.net)
    with pytest.raises(SharingPending, match="is not shared with"):
        share(busy, home.car, account_of(home.owner), 10_000, lambda: town.net.close_ledger(advance=200) and None)
    assert owner_of(home.account(home.car)) is None
    assert shares(home)


def test_the_verb_the_doctor_and_the_status_say_it(home: Home) -> None:
    def verb(*more: str) -> subprocess.CompletedProcess[str]:
        home.context()
        return milepost(home.folder / "car" / "milepost.toml", "keys", "share", *more)

    wrong = verb("--owner", "MABC")
    assert (wrong.returncode, "an M… address has no key" in wrong.stderr) == (2, True)
    assert "Whoever has this key has the account" in said(home)
    other = Signer.ed25519_public_key(home.bank.public_key, 1)
    home.town.apply([SetOptions(signer=other)], home.car)
    assert f"{home.bank.public_key} can sign for {home.car.public_key}, and not as" in said(home)
    home.town.apply([SetOptions(signer=Signer.ed25519_public_key(home.bank.public_key, 0))], home.car)
    shares(home)
    again = verb("--owner", home.owner.public_key, "--json")
    assert json.loads(again.stdout) == {"account": home.car.public_key, "owner": home.owner.public_key, "new": False}
    assert said(home) == f"{home.owner.public_key} has the last word on who signs for {home.car.public_key}."
    tried(home, SetOptions(master_weight=0), by=home.owner)
    assert "its owner has taken it over" in said(home)


def test_nothing_is_shared_while_a_transaction_of_a_trip_is_on_its_way(home: Home) -> None:
    home.context()
    (home.folder / "car" / "state").mkdir(exist_ok=True)
    book = JobBook(Journal(home.folder / "car" / "state" / JOURNAL))
    *before, _ = trips.way()
    for event in before:
        book.record("trip-000001", event, 0.0)
    book.journal.close()
    told = milepost(home.folder / "car" / "milepost.toml", "keys", "share", "--owner", home.owner.public_key)
    assert (told.returncode, "a transaction of trip-000001 is on its way" in told.stderr) == (75, True)
    assert owner_of(home.account(home.car)) is None


def test_the_verb_waits_until_a_ledger_says_so(tmp_path: Path) -> None:
    car, owner = Keypair.random(), Keypair.random().public_key
    (tmp_path / "key").write_text(car.secret)
    (tmp_path / "key").chmod(0o600)
    with Localnet(close_every="0.2s") as net:
        net.fund(car.public_key)
        config = tmp_path / "milepost.toml"
        config.write_text(
            f"[agent]\nstate_dir = '{tmp_path}'\nkey_file = '{tmp_path}/key'\n"
            f"[ledger]\nhorizon = '{net.url}'\npassphrase = '{net.passphrase}'\n"
        )
        told = [milepost(config, "keys", "share", "--owner", owner) for _ in range(2)]
    assert [each.stdout for each in told] == [
        f"{car.public_key} is {word} shared with {owner}.\n" for word in ("now", "already")
    ]


def said(home: Home) -> str:
    home.context()
    try:
        return account.owner(load(home.folder / "car" / "milepost.toml"))
    except MilepostError as error:
        return str(error)
