"""Getting a transaction into a ledger: once, whatever the network loses, and only a ledger's word counts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import count

import pytest
from stellar_sdk import Keypair

from agent.errors import Refused, Unavailable
from agent.ledger.horizon import Horizon
from agent.ledger.submission import InLedger, Lapsed, Refusal, Spent, look
from tests.ledger.test_horizon import payment, somebody
from tools.localnet.server import Localnet


@pytest.fixture
def horizon(net: Localnet) -> Iterator[Horizon]:
    made = Horizon(net.url, net.passphrase)
    yield made
    made.close()


def sequence(horizon: Horizon, key: Keypair) -> int:
    account = horizon.account(key.public_key)
    assert account is not None
    return account.sequence


def test_nothing_is_known_until_a_ledger_holds_it(net: Localnet, horizon: Horizon) -> None:
    payer, payee = somebody(net), somebody(net)
    made = payment(horizon, payer, payee.public_key)
    assert look(horizon, made) is None
    assert look(horizon, made) is None
    closed = net.close_ledger()
    outcome = look(horizon, made)
    assert isinstance(outcome, InLedger)
    assert outcome.ledger == closed["ledger"]
    net.close_ledger(advance=1000)
    assert look(horizon, made) == outcome


def test_a_transaction_that_a_ledger_holds_as_failed_is_refused_for_good(net: Localnet, horizon: Horizon) -> None:
    payer, payee = somebody(net), somebody(net)
    made = payment(horizon, payer, payee.public_key, "99999")
    assert look(horizon, made) is None
    net.close_ledger()
    outcome = look(horizon, made)
    assert isinstance(outcome, Refusal)
    assert "PAYMENT_UNDERFUNDED" in outcome.codes
    assert sequence(horizon, payer) == made.sequence
    assert look(horizon, made) == outcome


def test_a_transaction_that_no_ledger_took_in_time_can_never_apply(net: Localnet, horizon: Horizon) -> None:
    payer, payee = somebody(net), somebody(net)
    made = payment(horizon, payer, payee.public_key, seconds=60)
    assert look(horizon, made) is None
    net.close_ledger(advance=1000)
    assert isinstance(look(horizon, made), Lapsed)
    net.close_ledger()
    assert isinstance(look(horizon, made), Lapsed)
    assert sequence(horizon, payer) < made.sequence


def test_what_is_about_to_expire_is_neither_entered_nor_given_up(net: Localnet, horizon: Horizon) -> None:
    payer, payee = somebody(net), somebody(net)
    made = payment(horizon, payer, payee.public_key, seconds=1)
    assert look(horizon, made) is None


def test_a_transaction_that_cannot_be_admitted_is_told_and_still_not_given_up(net: Localnet, horizon: Horizon) -> None:
    payer, payee = somebody(net), somebody(net)
    first, second = payment(horizon, payer, payee.public_key), payment(horizon, payer, payee.public_key, "2")
    assert look(horizon, first) is None
    net.close_ledger()
    assert isinstance(look(horizon, first), InLedger)
    with pytest.raises(Refused, match="TX_BAD_SEQ"):
        look(horizon, second)
    net.close_ledger(advance=1000)
    assert isinstance(look(horizon, second), Spent)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["lose-answer=0.5", "lose-request=0.5", "lose-request=0.3,lose-answer=0.3,429=0.2"])
def test_a_network_that_loses_things_pays_once(fault: str) -> None:
    with Localnet(fault=f"{fault},seed=3") as net:
        horizon = Horizon(net.url, net.passphrase)
        payer, payee = Keypair.random(), Keypair.random()
        for each in (payer, payee):
            while _insist(lambda each=each: horizon.account(each.public_key)) is None:
                with contextlib.suppress(OSError):
                    net.fund(each.public_key)
        made = _insist(lambda: payment(horizon, payer, payee.public_key, "5"))
        outcome = None
        turns = count()
        while outcome is None:
            try:
                outcome = look(horizon, made)
            except Unavailable as error:
                if "asked for quiet" in str(error):
                    continue
            if next(turns) % 3 == 2:
                net.close_ledger()
        assert isinstance(outcome, InLedger)
        account = _insist(lambda: horizon.account(payee.public_key))
        assert sum(line.balance for line in account.lines.values()) == 10_005 * 10_000_000
        horizon.close()


def _insist(call):
    while True:
        try:
            return call()
        except Unavailable:
            continue
