"""A real Horizon's habits again, by a localnet that has them: one that forgets, is late, is crowded, and holds what
nobody can read. Nothing stands between the client and the ledger here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import requests
from stellar_sdk import Keypair

from agent import errors
from agent.errors import Refused, Unavailable
from agent.ledger.horizon import HistoryTooShort, Horizon, LedgerUnavailable
from agent.ledger.submission import InLedger, Lapsed, Spent, look
from tests.ledger.test_horizon import payment, somebody
from tools.localnet.foreign import KINDS, Kind
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow


@pytest.fixture
def open_at() -> Iterator[Callable[[str, Localnet], Horizon]]:
    with ExitStack() as opened:

        def at(url: str, net: Localnet) -> Horizon:
            made = Horizon(url, net.passphrase)
            opened.callback(made.close)
            return made

        yield at


@pytest.fixture
def net() -> Iterator[Localnet]:
    with Localnet(replica=0) as made:
        yield made


@pytest.fixture
def horizon(net: Localnet, open_at: Callable[[str, Localnet], Horizon]) -> Horizon:
    return open_at(net.url, net)


@pytest.fixture
def late(net: Localnet, open_at: Callable[[str, Localnet], Horizon]) -> Horizon:
    return open_at(net.replica_url, net)


def pay(net: Localnet, horizon: Horizon, payer: Keypair, payee: Keypair) -> int:
    """One payment in a ledger of its own; returns the ledger."""
    horizon.hand_in(payment(horizon, payer, payee.public_key).envelope)
    ledger: int = net.close_ledger()["ledger"]
    return ledger


# --- it forgets


def test_what_is_forgotten_is_unknown(net: Localnet, horizon: Horizon) -> None:
    """(u) A ledger is gone, a page ends early without a word: whoever needs more is told how far back it goes."""
    payer, payee = somebody(net), somebody(net)
    ledgers = [pay(net, horizon, payer, payee) for _ in range(4)]
    elder = net.forget(keep=2)
    assert requests.get(f"{net.url}/ledgers/{elder - 1}").status_code == 410
    assert (horizon.elder(), elder) == (ledgers[2], ledgers[2])
    assert [t.ledger for t in horizon.history(payer.public_key, newest_first=True, since=elder)] == ledgers[:1:-1]
    for ask in (
        lambda: horizon.ledger(elder - 1),
        lambda: list(horizon.history(payer.public_key, newest_first=True, since=elder - 1)),
        lambda: list(horizon.history(payer.public_key, after=str(elder - 2 << 32))),
        lambda: list(horizon.offering(payer.public_key, 10)),
    ):
        with pytest.raises(HistoryTooShort, match=f"remembers from ledger {elder} on") as caught:
            ask()
        assert caught.value.exit_code == errors.UNAVAILABLE
        assert not isinstance(caught.value, Refused)


def test_a_payment_that_history_forgot_is_not_made_again(net: Localnet, horizon: Horizon) -> None:
    """(w) Its hash is found by nobody any more and its last second is over; the account's own number tells that it
    was used."""
    payer, payee = somebody(net), somebody(net)
    made = payment(horizon, payer, payee.public_key)
    horizon.hand_in(made.envelope)
    net.close_ledger()
    assert isinstance(look(horizon, made), InLedger)
    net.close_ledger(advance=1000)
    net.forget(keep=1)
    assert horizon.find(made.hash) is None
    assert isinstance(look(horizon, made), Spent)


def test_an_account_whose_history_is_all_forgotten_has_none_of_late(net: Localnet, horizon: Horizon) -> None:
    """(bb) Horizon answers 404 for it, although the account is there."""
    key = somebody(net).public_key
    net.close_ledger()
    net.forget(keep=1)
    assert requests.get(f"{net.url}/accounts/{key}/transactions").status_code == 404
    assert horizon.account(key) is not None
    assert list(horizon.history(key)) == []


def test_an_account_that_changed_has_a_history(net: Localnet, horizon: Horizon) -> None:
    """(bb) A part of Horizon that was just set up says 404 for an account that has paid in a ledger it remembers."""
    key = somebody(net).public_key
    net.fault("404=1,only=/transactions")
    with pytest.raises(LedgerUnavailable, match="but none of its transactions"):
        list(horizon.history(key))


# --- one address is late


def test_a_late_address_gives_nothing_up(net: Localnet, horizon: Horizon, late: Horizon) -> None:
    """(w) The head is read at one address and the rest at another that is late: the entry stands in a ledger, its last
    second is over, and neither it nor its number is seen there."""
    payer, payee = somebody(net), somebody(net)
    made = payment(horizon, payer, payee.public_key)
    net.lag(5)
    late.hand_in(made.envelope)  # what is posted to the late one is in the next ledger
    net.close_ledger()
    net.close_ledger(advance=1000)
    assert isinstance(look(horizon, made), InLedger)
    late.head = horizon.head  # type: ignore[method-assign]  # as behind one name
    assert look(late, made) is None
    net.lag(0)
    assert isinstance(look(late, made), InLedger)


def test_a_state_answer_says_of_which_ledger_it_is(net: Localnet, horizon: Horizon, late: Horizon) -> None:
    """(w) That is what a reader can hold against the head of another address."""
    key = somebody(net).public_key
    net.lag(3)
    for _ in range(3):
        head = net.close_ledger()["ledger"]
    assert horizon.account(key) is not None and late.account(key) is not None
    assert (horizon.latest, late.latest) == (head, head - 3)


# --- it is crowded


def test_a_bid_that_is_too_low_waits_and_then_lapses(net: Localnet, horizon: Horizon) -> None:
    """(qq) The queue takes it, no ledger does, and nobody says so: it is given up only when its time is over."""
    payer, payee = somebody(net), somebody(net)
    made = payment(horizon, payer, payee.public_key)
    net.surge(bid=5000)
    for _ in range(6):
        horizon.hand_in(made.envelope)
        net.close_ledger()
        assert look(horizon, made) is None
    assert requests.get(f"{net.url}/fee_stats").json()["fee_charged"]["p50"] == "5000"
    net.close_ledger(advance=1000)
    assert isinstance(look(horizon, made), Lapsed)


def test_a_bid_that_is_refused_for_its_size_says_so(net: Localnet, horizon: Horizon) -> None:
    """(qq) The queue is full of better ones: the log has the code, and the envelope may still be tried again."""
    payer, payee = somebody(net), somebody(net)
    made = payment(horizon, payer, payee.public_key)
    net.surge(bid=5000, door=True)
    with pytest.raises(Refused, match="INSUFFICIENT_FEE"):
        horizon.hand_in(made.envelope)
    net.surge(bid=0)
    for _ in range(10):  # as long as the queue does not look at it again
        horizon.hand_in(made.envelope)
        net.close_ledger()
    horizon.hand_in(made.envelope)
    net.close_ledger()
    assert isinstance(look(horizon, made), InLedger)


# --- it holds what nobody can read


@pytest.mark.parametrize("kind", KINDS)
def test_a_strangers_operation_is_read_over(net: Localnet, horizon: Horizon, kind: Kind) -> None:
    """(v) Anybody can put one into anybody's history; what came before and after it is read as ever."""
    payer, payee = somebody(net), somebody(net)
    before = pay(net, horizon, payer, payee)
    net.foreign(payer.public_key, kind)
    net.close_ledger()
    after = pay(net, horizon, payer, payee)
    ledgers = [made.ledger for made in horizon.history(payer.public_key)]
    assert ledgers[-3:] == [before, before + 1, after]


def test_results_of_three_bytes_are_waited_over(net: Localnet, horizon: Horizon) -> None:
    """(aa) The submission has its error and its answer later."""
    payer, payee = somebody(net), somebody(net)
    made = payment(horizon, payer, payee.public_key)
    horizon.hand_in(made.envelope)
    net.close_ledger()
    net.fault("garble=1")
    with pytest.raises(Unavailable):
        look(horizon, made)
    net.fault()
    assert isinstance(look(horizon, made), InLedger)
