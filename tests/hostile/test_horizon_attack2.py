"""Answers of a Horizon that no reader expects."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from agent.content.folder import FolderStore
from agent.core.plain import plain
from agent.ledger.horizon import Horizon, LedgerUnavailable
from agent.market.bundle import Shelf
from agent.validator import chain
from agent.validator.chain import Chain
from tests.ledger.between import Between, changed
from tests.ledger.test_horizon import payment, somebody
from tools.localnet.server import Localnet

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "9" * 5000, '"' + "9" * 5000 + '"'])
def test_a_number_that_is_none_is_waited_for(front: Between, horizon: Horizon, number: str) -> None:
    """(aa) Infinity for a ledger's number was an OverflowError, and the vehicle's daemon ended."""

    def twisted(root: Any) -> Any:
        return {**root, "history_elder_ledger": "HERE", "sequence": "HERE"}

    def answer(said: tuple[int, bytes, dict[str, str]]) -> tuple[int, bytes, dict[str, str]]:
        status, body, headers = changed(twisted)(said)
        return status, body.replace(b'"HERE"', number.encode()), headers

    front.on(r"^/($|ledgers/)", answer)
    for ask in (horizon.reach, horizon.head, lambda: horizon.ledger(2)):
        with pytest.raises(LedgerUnavailable):
            ask()


def test_an_answer_to_what_was_handed_in_has_a_bound(net: Localnet, front: Between, horizon: Horizon) -> None:
    """(aa) The answer to a submission was unpacked whole, a gigabyte if it pleased."""
    payer, payee = somebody(net), somebody(net)
    made = payment(horizon, payer, payee.public_key)
    bomb = gzip.compress(json.dumps({"tx_status": "PENDING", "more": " " * (9 << 20)}).encode())
    front.on(r"^/transactions_async", lambda _: (201, bomb, {**JSON, "content-encoding": "gzip"}))
    with pytest.raises(LedgerUnavailable, match="ContentSizeLimit"):
        horizon.hand_in(made.envelope)


def test_a_horizons_own_words_move_no_cursor(front: Between, horizon: Horizon) -> None:
    """(nn) What a server says of its troubles stands in ours."""
    said = json.dumps({"title": "\x1b[2J", "status": 500, "detail": "\x1b]0;gone\x07\u202egnp"})
    front.on(r"^/", lambda _: (500, said.encode(), JSON))
    with pytest.raises(LedgerUnavailable) as caught:
        horizon.bid(100)
    assert plain(str(caught.value)) == str(caught.value)


@pytest.mark.slow
def test_what_is_secret_in_a_horizons_address_stands_in_no_sentence(net: Localnet) -> None:
    """(mm) A provider's token in the path, a password before the host."""
    horizon = Horizon("http://me:hunter2@127.0.0.1:9/v1/hunter2token", net.passphrase, timeout=1)
    with pytest.raises(LedgerUnavailable) as caught:
        horizon.bid(100)
    assert "hunter2" not in f"{caught.value}{horizon!r}"
    assert "http://127.0.0.1:9" in str(caught.value)


@pytest.mark.slow
def test_payments_without_end_to_a_settlement_account_are_not_all_read(
    net: Localnet, front: Between, horizon: Horizon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """(r) 100,000 payments of one stroop cost 1 XLM; every validator read them all, again in each turn in which one
    page was missing. What is newer is read on later, what is older stays unknown."""
    monkeypatch.setattr(chain, "MOST_READ", 50)
    stranger, settlement = somebody(net), somebody(net)
    end = Chain(horizon, Shelf(tmp_path / "shelf", FolderStore(tmp_path / "content")), settlement.public_key)

    def looks() -> int:
        """Pages of its history that a look asks for."""
        account, before = horizon.account(settlement.public_key), len(front.asked)
        assert account is not None
        end.failures(account, 2)
        return sum("/transactions" in path for path in front.asked[before:])

    def pays(times: int) -> None:
        for _ in range(times):
            horizon.hand_in(payment(horizon, stranger, settlement.public_key).envelope)
            net.close_ledger()

    pays(60)
    assert (looks(), looks()) == (1, 0)
    pays(60)
    horizon.hand_in(payment(horizon, settlement, stranger.public_key).envelope)
    net.close_ledger()
    assert [looks() for _ in range(5)] == [1, 1, 0, 0, 0]
