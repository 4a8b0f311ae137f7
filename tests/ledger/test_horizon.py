"""Horizon: typed facts from a real ledger, and a sentence for whatever else answers on that address."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from stellar_sdk import Asset as SdkAsset
from stellar_sdk import ChangeTrust, Keypair, ManageSellOffer, Payment, Price

from agent import errors
from agent.core.ledger import BASE_RESERVE, Way
from agent.core.money import UNIT, XLM, Asset, stroops
from agent.errors import Refused, Unavailable
from agent.ledger.envelope import Signed, build, signed
from agent.ledger.horizon import Horizon, LedgerUnavailable, WrongNetwork
from tools.localnet.server import Localnet


@pytest.fixture
def horizon(net: Localnet) -> Iterator[Horizon]:
    made = Horizon(net.url, net.passphrase)
    yield made
    made.close()


def somebody(net: Localnet) -> Keypair:
    key = Keypair.random()
    net.fund(key.public_key)
    return key


def payment(horizon: Horizon, payer: Keypair, payee: str, amount: str = "1", *, seconds: int = 100) -> Signed:
    account = horizon.account(payer.public_key)
    assert account is not None
    envelope = build(
        account.id,
        account.sequence,
        [Payment(payee, SdkAsset.native(), amount)],
        passphrase=horizon.passphrase,
        fee=100,
        max_time=horizon.head().closed_at + seconds,
        memo=b"\x07" * 32,
    )
    return signed(envelope, payer)


def test_an_account_is_read_with_its_lines_and_what_it_can_spend(net: Localnet, horizon: Horizon) -> None:
    issuer, holder = somebody(net), somebody(net)
    gold = SdkAsset("GOLD", issuer.public_key)
    account = horizon.account(holder.public_key)
    assert account is not None
    operations = [ChangeTrust(gold), ManageSellOffer(SdkAsset.native(), gold, "40", Price(1, 2))]
    envelope = build(
        account.id,
        account.sequence,
        operations,
        passphrase=net.passphrase,
        fee=100,
        max_time=horizon.head().closed_at + 60,
        memo=None,
    )
    made = signed(envelope, holder)
    horizon.hand_in(made.envelope)
    net.close_ledger()
    after = horizon.account(holder.public_key)
    assert after is not None
    assert after.sequence == made.sequence
    assert after.lines[Asset("GOLD", issuer.public_key)].balance == 0
    assert after.free(XLM) == 10_000 * UNIT - 200 - 40 * UNIT - 4 * BASE_RESERVE
    (offer,) = horizon.offers(holder.public_key)
    assert (offer.selling, offer.amount, offer.price) == (XLM, 40 * UNIT, Fraction(1, 2))
    own = Asset("GOLD", issuer.public_key)
    assert horizon.cost(XLM, 40 * UNIT, own) == Way(20 * UNIT)
    assert horizon.proceeds(own, 20 * UNIT, XLM) == Way(40 * UNIT)
    assert horizon.cost(XLM, 41 * UNIT, own) is None
    assert horizon.proceeds(XLM, UNIT, own) is None


def test_what_is_not_on_the_ledger_is_none(horizon: Horizon) -> None:
    assert horizon.account(Keypair.random().public_key) is None
    assert horizon.find("0" * 64) is None
    assert horizon.stake("0" * 64) is None
    assert horizon.touching("0" * 64) == []
    assert list(horizon.history(Keypair.random().public_key)) == []
    assert horizon.offers(Keypair.random().public_key) == []


def test_the_head_is_the_newest_ledger(net: Localnet, horizon: Horizon) -> None:
    before = horizon.head()
    closed = net.close_ledger(advance=1000)
    assert horizon.head().sequence == closed["ledger"] == before.sequence + 1
    assert horizon.head().closed_at == closed["close_time"] > before.closed_at + 900
    assert horizon.ledger(before.sequence) == before


def test_a_long_history_is_read_page_by_page(net: Localnet, horizon: Horizon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.ledger.horizon.TRANSACTIONS_PAGE", 2)
    payer, payee = somebody(net), somebody(net)
    hashes = []
    for _ in range(5):
        made = payment(horizon, payer, payee.public_key)
        horizon.hand_in(made.envelope)
        net.close_ledger()
        hashes.append(made.hash)
    oldest_first = [t.hash for t in horizon.history(payer.public_key) if t.source == payer.public_key]
    assert oldest_first == hashes
    newest_first = list(horizon.history(payer.public_key, newest_first=True))
    assert [t.hash for t in newest_first if t.source == payer.public_key] == hashes[::-1]
    later = [t.hash for t in horizon.history(payer.public_key, after=newest_first[2].cursor)]
    assert later == hashes[3:]


def test_another_network_is_noticed_before_anything_is_signed(net: Localnet) -> None:
    other = Horizon(net.url, "Public Global Stellar Network ; September 2015")
    with pytest.raises(WrongNetwork, match=r"serves the network 'Milepost Test ; 2026'.*Nothing was signed") as caught:
        other.check_network()
    assert caught.value.exit_code == errors.BAD_CONFIG
    Horizon(net.url, net.passphrase).check_network()


def test_a_question_that_horizon_finds_wrong_is_told_in_its_words(horizon: Horizon) -> None:
    with pytest.raises(LedgerUnavailable, match="status 400: The request you sent was invalid"):
        horizon.account("nobody")


def test_a_server_that_is_away_is_unavailable(net: Localnet) -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as taken:
        port = taken.server_address[1]
    away = Horizon(f"http://127.0.0.1:{port}", net.passphrase)
    with pytest.raises(LedgerUnavailable, match=r"cannot be reached.*Nothing is lost") as caught:
        away.head()
    assert caught.value.exit_code == errors.UNAVAILABLE


# --- a server that lies

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def liar(answer: Answer) -> Iterator[Horizon]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        horizon = Horizon(f"http://127.0.0.1:{server.server_port}", "Milepost Test ; 2026", timeout=2)
        try:
            yield horizon
        finally:
            horizon.close()
            server.shutdown()
            thread.join()


def says(body: bytes, status: int = 200, kind: str = "application/hal+json") -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def talks_for_ever(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    try:
        while True:
            request.wfile.write(b" " * 65536)
    except OSError:
        pass


def hangs_up(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(b"{")


def problem(status: int, title: str) -> bytes:
    return json.dumps({"type": "about:blank", "title": title, "status": status, "detail": "so it is"}).encode()


LIES = {
    "a page of a hotel's wireless": says(b"<html><title>Welcome</title></html>", kind="text/html"),
    "a proxy's error page": says(b"<html>502 Bad Gateway</html>", 502, "text/html"),
    "an internal error": says(problem(500, "Internal Server Error"), 500),
    "too many requests": says(problem(429, "Rate Limit Exceeded"), 429),
    "a gateway's timeout": says(problem(504, "Timeout"), 504),
    "an empty answer": says(b""),
    "JSON of another kind": says(b'{"hello": "world"}'),
    "a list": says(b"[]"),
    "a null": says(b"null"),
    "no records": says(b'{"_embedded": {"records": []}}'),
    "records of another kind": says(b'{"_embedded": {"records": [{"sequence": "many", "closed_at": 7}]}}'),
    "JSON made to hurt": says(b"[" * 100_000),
    "not UTF-8": says(b"\xff\xfe{}"),
    "an endless answer": talks_for_ever,
    "half an answer": hangs_up,
    "a proxy that finds nothing": says(b"<html>404</html>", 404, "text/html"),
    "a gateway that finds nothing": says(b'{"message": "no route"}', 404, "application/json"),
    "a forbidding page": says(b"<html>403</html>", 403, "text/html"),
}


@pytest.mark.parametrize("lie", LIES)
def test_whatever_else_answers_is_a_sentence_and_the_work_waits(lie: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.ledger.connection.ANSWER_BYTES", 1 << 20)
    account = Keypair.random().public_key
    with liar(LIES[lie]) as horizon:
        questions: list[Callable[[], object]] = [
            horizon.head,
            horizon.check_network,
            lambda: horizon.account(account),
            lambda: horizon.offers(account),
            lambda: list(horizon.history(account)),
            lambda: horizon.find("0" * 64),
            lambda: horizon.cost(XLM, 1, Asset("GOLD", account)),
            lambda: horizon.proceeds(XLM, 1, Asset("GOLD", account)),
            lambda: horizon.bid(1000),
        ]
        for ask in questions:
            try:
                found = ask()
            except Unavailable as error:
                assert horizon.url in str(error)
                assert "Nothing is lost" in str(error)
            else:
                assert lie == "no records"
                assert not found


def test_a_balance_that_is_no_amount_is_not_believed() -> None:
    record = {
        "account_id": "G",
        "sequence": "1",
        "balances": [{"asset_type": "native", "balance": "-5"}],
        "signers": [],
        "thresholds": {"low_threshold": 0, "med_threshold": 0, "high_threshold": 0},
        "flags": dict.fromkeys(("auth_required", "auth_revocable", "auth_immutable", "auth_clawback_enabled"), False),
        "subentry_count": 0,
    }
    with liar(says(json.dumps(record).encode())) as horizon, pytest.raises((Unavailable, Refused), match="5"):
        horizon.account("G" + "A" * 55)
    assert stroops("5") == 5 * UNIT
