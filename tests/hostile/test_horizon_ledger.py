"""A real Horizon's habits: it forgets, its replicas are late, and what it says is not always what it means."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from stellar_sdk import (
    ClaimClaimableBalance,
    ClawbackClaimableBalance,
    ManageData,
)
from stellar_sdk import Payment as Pay
from stellar_sdk.operation import Operation

from agent import errors
from agent.compose import doctor
from agent.content.folder import FolderStore
from agent.core.cid import Cid
from agent.core.documents import SettledEntry, SettlementRecord
from agent.core.jobs import contribution
from agent.core.jobs.contribution import Accepted, Clawed, JobState, Silent, Verdict
from agent.core.jobs.fold import advance
from agent.core.ledger import BALANCE_V0
from agent.core.money import UNIT, text
from agent.errors import Malformed, Refused, Unavailable
from agent.host.doctor import Wrong
from agent.host.sections import Config
from agent.ledger import receipt
from agent.ledger.envelope import build, result_codes, sdk_asset, signed
from agent.ledger.horizon import HistoryTooShort, Horizon, LedgerUnavailable
from agent.ledger.submission import InLedger, Lapsed, Spent, look
from agent.market import bundle
from agent.market.bundle import Shelf
from agent.market.strikes import strikes
from agent.troubles import LedgerLate
from agent.vehicle.verdict import Events, Verdicts
from tests.ledger.between import GONE, MISSING, Between, between, changed, problem
from tests.ledger.stakes import Road
from tests.ledger.test_horizon import payment, somebody
from tests.market.town import BASE, Town, found
from tests.vehicle import trips
from tools.localnet.server import Localnet

# --- (w) one replica is late


def test_a_late_look_up_is_no_lapse(net: Localnet, front: Between, horizon: Horizon) -> None:
    """(w) The head comes from one replica, the look-up from another that is late: the entry is in a ledger, its last
    second is over, and it is not found. It is not given up: a second one would be a second stake for the same trip."""
    payer, payee = somebody(net), somebody(net)
    made = payment(horizon, payer, payee.public_key)
    front.late(r"^/transactions/\w+$", f"/transactions/{made.hash}")
    front.late(rf"^/accounts/{payer.public_key}$", f"/accounts/{payer.public_key}")
    assert look(horizon, made) is None
    net.close_ledger()
    net.close_ledger(advance=1000)
    assert look(horizon, made) is None  # the account, too, comes from before: nothing is known
    front.well()
    front.on(r"^/transactions/\w+$", MISSING)
    outcome = look(horizon, made)  # the account is of now and has used the number: only history is late
    assert isinstance(outcome, Spent)
    assert "history does not show by what" in outcome.why
    front.well()
    assert isinstance(look(horizon, made), InLedger)


def test_what_the_account_says_is_a_lapse(net: Localnet, front: Between, horizon: Horizon) -> None:
    """(w) A number that is not used up, as of a ledger after the last second, is proof: build a new one."""
    payer, payee = somebody(net), somebody(net)
    made = payment(horizon, payer, payee.public_key)
    net.close_ledger(advance=1000)
    assert isinstance(look(horizon, made), Lapsed)


def test_an_account_that_does_not_say_as_of_when_proves_nothing(
    net: Localnet, front: Between, horizon: Horizon
) -> None:
    """(w) A proxy that strips the header leaves the question open."""
    payer, payee = somebody(net), somebody(net)
    made = payment(horizon, payer, payee.public_key)
    net.close_ledger(advance=1000)
    front.on(r"^/accounts/", lambda said: (said[0], said[1], {}))
    assert look(horizon, made) is None


# --- (u) it forgets


def test_what_was_before_history_is_unknown_and_never_refused(net: Localnet, front: Between, horizon: Horizon) -> None:
    """(u) 410 before_history: the reader waits, and says how far back the server remembers."""
    payer, payee = somebody(net), somebody(net)
    for _ in range(3):
        horizon.hand_in(payment(horizon, payer, payee.public_key).envelope)
        net.close_ledger()
    head = horizon.head().sequence
    front.remembers(head)
    assert horizon.elder() == head
    assert [t.ledger for t in horizon.history(payer.public_key, newest_first=True, since=head)] == [head]
    for ask in (
        lambda: list(horizon.history(payer.public_key, newest_first=True, since=head - 2)),
        lambda: list(horizon.history(payer.public_key, after=str((head - 2) << 32))),
        lambda: list(horizon.offering(payer.public_key, 10, since=head - 1)),
        lambda: list(horizon.offering(payer.public_key, 10)),
        lambda: horizon.ledger(head - 1),
    ):
        with pytest.raises(HistoryTooShort, match=f"remembers from ledger {head} on") as caught:
            ask()
        assert caught.value.exit_code == errors.UNAVAILABLE
    front.on(r"^/accounts/\w+/transactions", GONE)
    with pytest.raises(HistoryTooShort):
        list(horizon.history(payer.public_key, newest_first=True))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429, 500, 503])
def test_whatever_an_http_server_says_refuses_nothing(
    net: Localnet, front: Between, horizon: Horizon, status: int
) -> None:
    """(u) A verdict must not hang on an HTTP status: each of them is "wait"."""
    key = somebody(net).public_key
    front.on(rf"^/accounts/{key}", problem(status, "some_kind", "Some Title"))
    for ask in (lambda: horizon.account(key), lambda: list(horizon.history(key))):
        with pytest.raises(Unavailable) as caught:
            ask()
        assert not isinstance(caught.value, Refused)


# --- (bb) a part of it does not know of another


def test_an_account_that_is_there_has_a_history(net: Localnet, front: Between, horizon: Horizon) -> None:
    """(bb) 404, in Horizon's own form, on the history of an account that exists: not "none"."""
    key = somebody(net).public_key
    front.on(r"^/accounts/\w+/transactions", MISSING)
    with pytest.raises(LedgerUnavailable, match="but none of its transactions"):
        list(horizon.history(key))
    with pytest.raises(LedgerUnavailable):
        horizon.page(key, newest_first=True, after="", size=10)
    front.remembers(net.close_ledger()["ledger"])
    front.on(r"^/accounts/\w+/transactions", MISSING)
    assert list(horizon.history(key)) == []  # it has not changed since history begins


def test_another_servers_404_is_none_of_horizons(net: Localnet, front: Between, horizon: Horizon) -> None:
    """(bb) A gateway's JSON with a title is not Horizon's word."""
    key = somebody(net).public_key
    body = b'{"title": "Not Found", "status": 404, "detail": "no route"}'
    front.on(rf"^/accounts/{key}", lambda _: (404, body, {"Content-Type": "application/problem+json"}))
    for ask in (lambda: horizon.account(key), lambda: list(horizon.history(key))):
        with pytest.raises(LedgerUnavailable, match="status 404"):
            ask()


# --- (aa) what it says cannot be read


def test_a_result_that_cannot_be_read_has_its_error(net: Localnet, front: Between, horizon: Horizon) -> None:
    """(aa) result_xdr AAA=: the submission waits; no error without a type leaves `look`, and no daemon ends."""
    payer, payee = somebody(net), somebody(net)
    made = payment(horizon, payer, payee.public_key)
    assert look(horizon, made) is None
    net.close_ledger()
    front.on(r"^/transactions/\w+$", changed(lambda found: {**found, "result_xdr": "AAA="}))
    with pytest.raises(Unavailable, match="a transaction result is malformed"):
        look(horizon, made)
    front.well()
    assert isinstance(look(horizon, made), InLedger)


@pytest.mark.parametrize("result", ["AAA=", "!", "////////////////", "AAAAAAAAAGT/////AAAA"])
def test_every_reader_of_results_says_what_is_wrong(result: str) -> None:
    """(aa) Codes and receipts alike."""
    for read in (result_codes, receipt.offer_ids, receipt.received, receipt.refused_payments):
        with pytest.raises(Malformed, match="a transaction result"):
            read(result)


def test_an_admission_error_that_cannot_be_read_is_still_one(net: Localnet, front: Between, horizon: Horizon) -> None:
    """(aa) What the queue says may be as broken."""
    payer, payee = somebody(net), somebody(net)
    made = payment(horizon, payer, payee.public_key)
    body = b'{"tx_status": "ERROR", "hash": "", "error_result_xdr": "AAA="}'
    front.on(r"^/transactions_async$", lambda _: (400, body, {}))
    with pytest.raises(Refused, match="UNKNOWN"):
        horizon.hand_in(made.envelope)


# --- strikes


@pytest.fixture
def road(net: Localnet) -> Road:
    return Road(net)


def test_strikes_that_history_does_not_reach_are_waited_for(road: Road, front: Between, horizon: Horizon) -> None:
    """(u) History begins after the window does: the count waits, where it turned an honest stake into a forfeited
    one with an HTTP sentence for a reason. Who has an archive asks it."""
    vehicle, begun_at = road.vehicle.public_key, road.now
    road.settle(road.one, road.stake(road.one))
    front.remembers(road.now)
    with pytest.raises(HistoryTooShort, match=rf"from ledger {road.now} on.*ledger {begun_at} on is needed") as caught:
        strikes(horizon, vehicle, road.dlc, begun_at, road.now)
    assert caught.value.exit_code == errors.UNAVAILABLE
    front.on(r"^/accounts/\w+/transactions", GONE)
    with pytest.raises(HistoryTooShort):
        strikes(horizon, vehicle, road.dlc, begun_at, road.now)
    horizon.archive = Horizon(road.net.url, road.net.passphrase)
    assert strikes(horizon, vehicle, road.dlc, begun_at, road.now + 1) == 1


def test_what_was_read_once_is_kept_when_history_forgets_it(road: Road, front: Between, horizon: Horizon) -> None:
    """(u) A vehicle that was counted before history went on is still counted."""
    vehicle, begun_at = road.vehicle.public_key, road.now
    road.settle(road.one, road.stake(road.one))
    assert strikes(horizon, vehicle, road.dlc, begun_at, road.now + 1) == 1
    road.apply([Pay(road.one.public_key, road.sdk_dlc, "1")], road.vehicle)
    assert strikes(horizon, vehicle, road.dlc, begun_at, road.now + 1) == 1
    front.remembers(road.now)
    assert strikes(horizon, vehicle, road.dlc, begun_at, road.now + 1) == 1


def test_a_late_history_is_not_counted_by(road: Road, front: Between, horizon: Horizon) -> None:
    """(w) A replica that has not come as far as the count goes says nothing about it."""
    front.late(r"^/$", "/")
    road.net.close_ledger()
    road.net.close_ledger()
    with pytest.raises(LedgerUnavailable, match="knows history up to ledger"):
        strikes(horizon, road.vehicle.public_key, road.dlc, 0, road.now + 1)


def test_an_operation_that_nobody_knows_is_passed_over(road: Road, front: Between, horizon: Horizon) -> None:
    """(v) An old transaction of the vehicle holds an operation that this program cannot read: the strikes are
    counted, those of that very transaction too, and nothing is rejected for it."""
    stake = road.stake(road.one, Pay(road.one.public_key, road.sdk_dlc, "1"))
    road.settle(road.one, stake, road.stake(road.one), back="9")
    road.settle(road.one, road.stake(road.one))

    def unknown(page: dict[str, Any]) -> dict[str, Any]:
        for record in page["_embedded"]["records"]:
            record["envelope_xdr"] = base64.b64encode(b"\0\0\0\2 an operation of protocol 40").decode()
        return page

    front.on(r"^/accounts/\w+/transactions", changed(unknown))
    assert strikes(horizon, road.vehicle.public_key, road.dlc, 0, road.now + 1) == 1


# --- (x) what became of a stake


@pytest.fixture(scope="module")
def town(net: Localnet, tmp_path_factory: pytest.TempPathFactory) -> Town:
    return found(net, tmp_path_factory.mktemp("town"), committee=1)


class Car:
    """One vehicle with an entry in a ledger, and what it is told by a Horizon that stands between."""

    def __init__(self, town: Town, front: Between) -> None:
        self.town, self.front, self.key = town, front, town.driver()
        self.contribution = Cid.v0(b"\x05" * 32)
        self.stake = town.enter(self.key, self.contribution)
        self.entered = town.horizon.head()
        self.horizon = Horizon(front.url, town.net.passphrase)
        self.verdicts = Verdicts(self.horizon, town.shelf, self.key.public_key)
        signed = trips.signed(stake_id=self.stake, take_back_at=self.take_back_at)
        self.job = trips.job(signed, contribution.Entered(self.entered.sequence), state=JobState.ENTERED)

    @property
    def take_back_at(self) -> int:
        return self.entered.closed_at + self.town.round.review_window

    def look(self) -> Events:
        return self.verdicts.of(self.job, self.town.round)

    def settle(self, outcome: str = "accepted", named: bool = True, credit: int = UNIT) -> None:
        """As the committee does: a record, the transaction, and the data entry that names the record."""
        town, accepted = self.town, outcome == "accepted"
        settled = SettledEntry(
            entry=self.stake,
            transaction="0" * 64,
            vehicle=self.key.public_key,
            contribution=str(self.contribution),
            outcome=outcome,
            reason="so they found",
            credit=credit if accepted else 0,
            stake=BASE,
            fee=town.round.stake.fee,
        )
        speaker = town.committee[0].public_key
        record = SettlementRecord(index=0, round=town.cid, entries=(settled,), agreements={}, speaker=speaker)
        cid = town.store.put(bundle.lay(town.folder / "record", {bundle.RECORD: record.to_bytes()}))
        operations: list[Operation] = [ClaimClaimableBalance(BALANCE_V0 + self.stake)]
        if outcome != "rejected":
            back = text(BASE - town.round.stake.fee)
            operations.append(Pay(self.key.public_key, sdk_asset(town.dlc), back))
        if accepted:
            operations.append(Pay(self.key.public_key, sdk_asset(town.round.credit_asset), text(credit)))
        if named:
            operations.append(ManageData("milepost/record", cid.digest))
        account = town.horizon.account(town.settlement)
        assert account is not None
        until = town.horizon.head().closed_at + 100
        made = signed(
            build(
                account.id,
                account.sequence,
                operations,
                passphrase=town.net.passphrase,
                fee=100,
                max_time=until,
                memo=cid.digest,
            ),
            town.committee[0],
        )
        town.horizon.hand_in(made.envelope)
        assert town.horizon.find(made.hash) is not None

    def forget(self) -> None:
        """History begins now: neither entry nor settlement is in it."""
        self.town.net.close_ledger()
        self.front.remembers(self.town.net.close_ledger()["ledger"])


@pytest.fixture
def car(town: Town) -> Iterator[Car]:
    with between(town.net.url) as front:
        made = Car(town, front)
        yield made
        made.horizon.close()


@pytest.mark.slow
@pytest.mark.parametrize("outcome", ["accepted", "idle", "rejected"])
@pytest.mark.parametrize("remembered", [True, False])
def test_a_verdict_is_heard_whatever_history_remembers(car: Car, outcome: str, remembered: bool) -> None:
    """(x) The settlement lies behind the horizon of history: the watch ends all the same, from the settlement
    account's data entry and the record that it names, and the pay is redeemed."""
    assert car.look() == []
    car.settle(outcome)
    if not remembered:
        car.forget()
    (found,) = car.look()
    assert isinstance(found, Verdict)
    assert (found.kind, found.reason) == (outcome, "so they found")
    assert found.credit == (UNIT if outcome == "accepted" else 0)
    assert found.returned == (0 if outcome == "rejected" else BASE - car.town.round.stake.fee)


def test_a_stake_that_the_operator_clawed_back_is_told(car: Car) -> None:
    """(x) The operator takes the stake: an outcome of its own says so, where the car waited for ever in silence."""
    car.town.apply([ClawbackClaimableBalance(BALANCE_V0 + car.stake)], car.town.operator)
    (found,) = car.look()
    assert isinstance(found, Clawed)
    assert "the operator clawed the stake back" in found.reason
    car.forget()
    (found,) = car.look()
    assert isinstance(found, Clawed)
    assert "no record of the committee names it" in found.reason
    assert advance(car.job, found).state is JobState.SETTLED


def test_a_history_that_is_only_late_is_waited_for(car: Car) -> None:
    """(x) The stake is gone, and history does not show by what although it ought to: no outcome is made up."""
    car.settle("accepted", named=False)
    car.front.on(r"^/claimable_balances/\w+/operations", changed(lambda p: {**p, "_embedded": {"records": []}}))
    with pytest.raises(Unavailable, match="does not say yet what became of a stake"):
        car.look()
    car.front.well()
    assert [type(event) for event in car.look()] == [Accepted]


@pytest.mark.parametrize("credit", [UNIT, 5 * UNIT // 2])
def test_records_that_nobody_has_end_in_what_the_account_holds(car: Car, credit: int) -> None:
    """(x) History forgot, and the record is not to be had: the car waits while the window lasts, and then goes by
    its own line of VLM. On a roll one entry may have earned more than 1.0."""
    car.settle("accepted", credit=credit)
    car.forget()
    nowhere = FolderStore(car.town.folder / "nowhere")
    car.verdicts = Verdicts(car.horizon, Shelf(car.town.folder / "no-shelf", nowhere), car.key.public_key)
    with pytest.raises(Unavailable):
        car.look()
    car.town.net.close_ledger(advance=car.town.round.review_window + 3600)
    (found,) = car.look()
    assert isinstance(found, Accepted)
    assert found.credit == credit
    assert "it is what this account was paid" in found.reason


@pytest.mark.slow
def test_who_waits_for_a_verdict_asks_one_question_a_look(car: Car) -> None:
    """(x) While the stake is there and its window cannot be over, a look is one request."""
    for _ in range(3):
        assert car.look() == []
    before = len(car.front.asked)
    for _ in range(5):
        car.town.net.close_ledger()
        assert car.look() == []
    assert car.front.asked[before:] == [f"/claimable_balances/00000000{car.stake}"] * 5
    car.town.net.close_ledger(advance=car.town.round.review_window + 3600)
    for _ in range(car.town.round.review_window // 10):
        if found := car.look():
            break
        car.town.net.close_ledger()
    assert [type(event) for event in found] == [Silent]


NEITHER = {"nothing": ["entered", "clawed"], "never": ["lapsed"]}


@pytest.mark.parametrize("becomes", ["waits", "settled", "nothing", "never"])
def test_an_entry_whose_number_is_used_up_is_looked_for_in_the_state(car: Car, becomes: str) -> None:
    """(w) History does not show what used the entry's number: the stake, or the record that settled it, says that it
    is in a ledger, and no second one is made. Where neither is there, it was clawed back or another transaction used
    the number: only a history that goes back to before it was signed can say which, and where none does the same
    work is not staked for again: that would be a copy, and forfeited."""
    spent = Spent("the number is used up", car.entered.sequence)
    if becomes == "settled":
        car.settle("accepted")
    if becomes in ("nothing", "never"):
        envelope = replace(trips.ENVELOPE, max_time=car.town.horizon.head().closed_at)
        car.job = trips.job(
            trips.signed(stake_id="0" * 64, take_back_at=car.take_back_at, envelope=envelope), state=JobState.SIGNED
        )
    if becomes != "never":
        car.forget()
    events = car.verdicts.entered(car.job, car.town.round, spent)
    kinds = [event.kind for event in events]
    assert kinds == {"waits": ["entered"], "settled": ["entered", "accepted"], **NEITHER}[becomes]
    if becomes == "waits":
        (bid,) = (o.id for o in car.horizon.offers(car.key.public_key))
        assert events[0].bids == (bid,)
    assert car.verdicts.entered(car.job, car.town.round, Spent("…", car.town.horizon.head().sequence + 1)) == []


# --- quiet, queues and how far it goes


def test_quiet_is_kept_when_it_is_asked_for(net: Localnet, front: Between, horizon: Horizon) -> None:
    """(section 2) 429 with Retry-After: nothing more is asked until it is over, whatever it is about."""
    key = somebody(net).public_key
    assert horizon.account(key) is not None
    clock = [1000.0]
    client = horizon._client
    assert client is not None
    client._clock = lambda: clock[0]
    for said, seconds in (("7", 7), ("999999999", 3600)):
        front.on(r"^/accounts/", problem(429, "rate_limit_exceeded", "Rate Limit Exceeded", Retry_After=said))
        with pytest.raises(LedgerUnavailable, match="status 429"):
            horizon.account(key)
        front.well()
        before = len(front.asked)
        clock[0] += seconds - 1
        with pytest.raises(LedgerUnavailable, match="asked for quiet, 1 s of it are left"):
            horizon.head()
        assert len(front.asked) == before
        clock[0] += 1
        assert horizon.account(key) is not None
    front.on(r"^/accounts/", problem(503, "busy", "Busy", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"))
    with pytest.raises(LedgerUnavailable, match="status 503"):
        horizon.account(key)
    front.on(r"^/accounts/", problem(503, "busy", "Busy", Retry_After="when it suits you"))
    with pytest.raises(LedgerUnavailable, match="status 503"):
        horizon.account(key)


@pytest.mark.slow
def test_what_is_looked_up_in_the_past_is_no_only_where_history_goes_back_so_far(
    net: Localnet, front: Between, horizon: Horizon
) -> None:
    """(z) An old settlement that is not shown: too short a history, and the archive has it."""
    payer, payee = somebody(net), somebody(net)
    made = payment(horizon, payer, payee.public_key)
    assert look(horizon, made) is None
    net.close_ledger()
    assert horizon.recall(made.hash) is not None
    assert horizon.recall("0" * 64) is None
    front.remembers(net.close_ledger()["ledger"])
    with pytest.raises(HistoryTooShort):
        horizon.recall(made.hash)
    horizon.archive = Horizon(net.url, net.passphrase)
    found = horizon.recall(made.hash)
    assert found is not None
    assert found.hash == made.hash
    assert horizon.recall("0" * 64) is None


@pytest.mark.slow
def test_the_doctor_says_how_far_back_it_goes_and_how_far_it_lags(net: Localnet, front: Between) -> None:
    """(section 2) What a vehicle has to live with is said before it hurts."""
    archived: dict[str, Any] = {}

    def finding() -> str:
        config = Config.model_validate({"ledger": {"horizon": front.url, "passphrase": net.passphrase, **archived}})
        return doctor._ledger(config)

    front.on(r"^/$", changed(lambda root: {**root, "history_elder_ledger": 2}))
    assert re.search(r"the right network. It remembers all and lags by 0\.", finding())
    front.on(r"^/$", changed(lambda root: {**root, "history_elder_ledger": 3}))
    with pytest.raises(Wrong, match=r"strikes are counted over 120960.* Name a Horizon that remembers more"):
        finding()
    archived["archive"] = net.url
    assert "It remembers from ledger 3 on" in finding()
    front.late(r"^/claimable_balances", "/claimable_balances/" + "0" * 72)
    for _ in range(13):
        net.close_ledger()
    with pytest.raises(LedgerLate, match="more than 12 ledgers behind each other"):
        finding()
    front.on(r"^/claimable_balances", lambda said: (said[0], said[1], {}))
    with pytest.raises(Wrong, match="does not say as of which ledger"):
        finding()
