"""A real Horizon's habits: it forgets, its replicas are late, and what it says is not always what it means."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from stellar_sdk import Payment as Pay

from agent import errors
from agent.errors import Malformed, Refused, Unavailable
from agent.ledger import receipt
from agent.ledger.envelope import result_codes
from agent.ledger.horizon import HistoryTooShort, Horizon, LedgerUnavailable
from agent.ledger.submission import Entered, Lapsed, Spent, look
from agent.market.strikes import strikes
from tests.ledger.between import GONE, MISSING, Between, between, changed, problem
from tests.ledger.stakes import Road
from tests.ledger.test_horizon import payment, somebody
from tools.localnet.server import Localnet


@pytest.fixture(scope="module")
def net() -> Iterator[Localnet]:
    with Localnet() as made:
        yield made


@pytest.fixture
def front(net: Localnet) -> Iterator[Between]:
    with between(net.url) as made:
        yield made


@pytest.fixture
def horizon(net: Localnet, front: Between) -> Iterator[Horizon]:
    made = Horizon(front.url, net.passphrase)
    yield made
    made.close()


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
    assert isinstance(look(horizon, made), Entered)


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
    assert isinstance(look(horizon, made), Entered)


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
