"""The RPC adapter: what it adds to the client, against a real node and against ones that misbehave."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from agent.content import bounded_http, car, importer
from agent.content.importer import GOOD_LINK, Block
from agent.content.kubo import Kubo, NodeError, NotLetIn
from agent.content.source import BlockMissing, WrongBytes
from agent.core.cid import RAW, Cid
from agent.errors import Malformed, Unavailable
from tools.ipfs.stand_in import Answer, Request

pytestmark = pytest.mark.slow

Serve = Callable[..., str]


@pytest.fixture
def connect() -> Iterator[Callable[..., Kubo]]:
    made: list[Kubo] = []

    def make(*args: Any, **kwargs: Any) -> Kubo:
        made.append(Kubo(*args, **kwargs))
        return made[-1]

    yield make
    for kubo in made:
        kubo.close()


# --- a real node --------------------------------------------------------------------------------------------


@pytest.mark.timeout(900)
@pytest.mark.parametrize("layout", [importer.CIDV0, GOOD_LINK])
def test_a_real_node_keeps_blocks_of_both_codecs_under_their_names(
    node: Any, connect: Callable[..., Kubo], bundle: Path, layout: importer.Layout
) -> None:
    kubo = connect(node.api, timeout_seconds=2)
    (bundle / "mine").write_text(str(bundle))  # the node is shared: nobody else pins this
    for block in importer.blocks(bundle, layout):
        kubo.put(block)
        assert kubo.get(block.cid) == block.to_bytes()
        assert kubo.has(block.cid)
    assert not kubo.pinned(block.cid)
    kubo.pin(block.cid)
    assert kubo.pinned(block.cid)


@pytest.mark.timeout(900)
def test_a_real_node_says_what_it_has_not(node: Any, connect: Callable[..., Kubo]) -> None:
    kubo = connect(node.api, timeout_seconds=2)
    with pytest.raises(BlockMissing, match="timed out"):
        kubo.get(Cid.v0(bytes(32)))
    assert not kubo.pinned(Cid.v0(bytes(32)))


@pytest.mark.timeout(900)
def test_a_real_node_that_took_in_a_corrupted_car_is_not_believed(
    node: Any, connect: Callable[..., Kubo], stream: Callable[[int], bytes]
) -> None:
    """js-ipfs imports a CAR without hashing it, and serves the wrong bytes under the right CID ever after."""
    cid = Cid.v1(RAW, hashlib.sha256(b"the truth").digest())
    corrupted = b"".join(car.write(cid, [Block(cid, (b"not at all",))]))
    taken = requests.post(
        f"{node.api}/api/v0/dag/import",
        files={"file": ("bundle.car", corrupted, "application/vnd.ipld.car")},
        timeout=30,
    )
    taken.raise_for_status()
    with pytest.raises(WrongBytes, match="gave 10 bytes"):
        connect(node.api, timeout_seconds=4).get(cid)


# --- nodes that misbehave -----------------------------------------------------------------------------------


BLOCK = Block(
    Cid.v1(0x55, bytes.fromhex("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")), (b"hello",)
)


def test_wrong_bytes_under_the_right_name_are_dropped(serve: Serve, connect: Callable[..., Kubo]) -> None:
    kubo = connect(serve(lambda request: Answer(body=b"hell0")))
    with pytest.raises(WrongBytes, match="are not that block"):
        kubo.get(BLOCK.cid)


def test_an_error_that_comes_after_status_200_is_read_from_the_trailer(
    serve: Serve, connect: Callable[..., Kubo]
) -> None:
    kubo = connect(serve(lambda r: Answer(body=[b"hel"], trailers={"X-Stream-Error": "disk on fire"})))
    with pytest.raises(bounded_http.BrokenOff, match="disk on fire"):
        kubo.get(BLOCK.cid)


@pytest.mark.parametrize("body", [b"hel", [b"hel"]])
def test_a_body_that_ends_early_is_asked_for_again_later(serve: Serve, connect: Callable[..., Kubo], body: Any) -> None:
    kubo = connect(serve(lambda request: Answer(body=body, cut_off=True)))
    with pytest.raises(bounded_http.BrokenOff):
        kubo.get(BLOCK.cid)


def _endless() -> Iterator[bytes]:
    while True:
        yield bytes(65536)


@pytest.mark.parametrize("status", [200, 500])
def test_an_endless_answer_is_left_after_one_block(serve: Serve, connect: Callable[..., Kubo], status: int) -> None:
    kubo = connect(serve(lambda request: Answer(body=_endless(), trailers={}, status=status)))
    with pytest.raises(bounded_http.BrokenOff, match="longer than"):
        kubo.get(BLOCK.cid)


def test_a_node_that_stalls_is_given_up(serve: Serve, connect: Callable[..., Kubo]) -> None:
    over = threading.Event()

    def stall(request: Request) -> Answer:
        over.wait(20)
        return Answer()

    kubo = connect(serve(stall), timeout_seconds=0.1)
    with pytest.raises(Unavailable, match="Timeout"):
        kubo.get(BLOCK.cid)
    over.set()


def test_a_node_that_drips_is_given_up(
    serve: Serve, connect: Callable[..., Kubo], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_http, "ANSWER_SECONDS", 0.0)
    kubo = connect(serve(lambda request: Answer(body=[b"h"] * 5, trailers={})))
    with pytest.raises(bounded_http.BrokenOff, match="in 0 s"):
        kubo.get(BLOCK.cid)


def test_a_node_that_stores_a_block_under_another_name_has_not_stored_it(
    serve: Serve, connect: Callable[..., Kubo]
) -> None:
    for key in ("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn", "nonsense", ""):
        kubo = connect(serve(lambda request, key=key: Answer(body=b'{"Key":"%s"}' % key.encode())))
        with pytest.raises(bounded_http.BrokenOff, match="it calls"):
            kubo.put(BLOCK)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'"x"'])
def test_an_answer_that_is_no_object_cannot_be_used(serve: Serve, connect: Callable[..., Kubo], body: bytes) -> None:
    with pytest.raises(bounded_http.BrokenOff, match="not"):
        connect(serve(lambda request: Answer(body=body))).pin(BLOCK.cid)


def test_a_pin_without_a_confirmation_is_no_pin(serve: Serve, connect: Callable[..., Kubo]) -> None:
    with pytest.raises(NodeError, match="does not say that it pinned"):
        connect(serve(lambda request: Answer(body=b'{"Progress":3}'))).pin(BLOCK.cid)


def test_a_node_that_is_away_is_a_sentence(connect: Callable[..., Kubo]) -> None:
    with pytest.raises(Unavailable, match=r"^the node http://127\.0\.0\.1:1 \(ConnectionError\) cannot be reached"):
        connect("http://127.0.0.1:1").get(BLOCK.cid)


# --- what the client lacks ----------------------------------------------------------------------------------


def test_the_codec_is_always_named(serve: Serve, connect: Callable[..., Kubo]) -> None:
    queries: list[dict[str, str]] = []

    def record(request: Request) -> Answer:
        queries.append(request.query)
        return Answer(body=b'{"Key":"%s"}' % str(asked.cid).encode())

    kubo = connect(serve(record))
    for asked in (BLOCK, Block(Cid.parse("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"), (b"\n\x02\x08\x01",))):
        kubo.put(asked)
    assert queries == [
        {"cid-codec": "raw", "mhtype": "sha2-256", "format": "raw", "version": "1"},
        {"cid-codec": "dag-pb", "mhtype": "sha2-256"},
    ]


def test_a_token_and_a_base_path_reach_the_node(serve: Serve, connect: Callable[..., Kubo]) -> None:
    def check(request: Request) -> Answer:
        if request.headers.get("authorization") != "Bearer secret":
            return Answer(status=401)
        return Answer(body=b"hello" if request.path == "/fleet/api/v0/block/get" else b"")

    url = serve(check)
    for base in ("/fleet", "/fleet/", "/fleet/api/v0"):
        assert connect(url + base, token="secret").get(BLOCK.cid) == b"hello"
    with pytest.raises(NotLetIn, match=r"\(401\).*check the token") as refused:
        connect(url).get(BLOCK.cid)
    assert refused.value.exit_code == 77


def test_the_certificates_that_are_given_are_the_ones_that_count(
    serve: Serve, connect: Callable[..., Kubo], tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(tmp_path / "ca.pem"))
    url = serve(lambda request: Answer(body=b"hello"), context)
    assert connect(url, ca_bundle=tmp_path / "ca.pem").get(BLOCK.cid) == b"hello"
    with pytest.raises(Unavailable, match="ConnectionError"):
        connect(url).get(BLOCK.cid)


def _certificate(path: Path) -> Path:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "node")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize("url", ["ftp://node", "http://", "http://node:port", "node:5001"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(Malformed):
        Kubo(url)


def test_a_node_that_refuses_is_quoted(serve: Serve, connect: Callable[..., Kubo]) -> None:
    kubo = connect(serve(lambda request: Answer(b"403 - Forbidden: this host is not in the allow list", status=403)))
    with pytest.raises(NotLetIn, match="not in the allow list"):
        kubo.get(Cid.v0(bytes(32)))


def test_a_node_that_moved_says_where_to(serve: Serve, connect: Callable[..., Kubo]) -> None:
    elsewhere = {"Location": "https://ada:secret@ipfs.example/api/v0/block/put?key=secret"}
    kubo = connect(serve(lambda request: Answer(status=302, headers=elsewhere)))
    with pytest.raises(NodeError, match=r"302: it is at https://ipfs\.example/… now") as refused:
        kubo.get(Cid.v0(bytes(32)))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("wish", ["60", "Wed, 01 Jan 2098 00:00:00 GMT"])
def test_a_node_that_says_when_to_come_back_is_not_asked_before(
    serve: Serve, connect: Callable[..., Kubo], wish: str
) -> None:
    asked: list[str] = []

    def busy(request: Request) -> Answer:
        asked.append(request.path)
        return Answer(b"", status=503, headers={"Retry-After": wish})

    kubo = connect(serve(busy))
    with pytest.raises(NodeError, match="503: it gave no reason"):
        kubo.get(Cid.v0(bytes(32)))
    with pytest.raises(bounded_http.LeftAlone):
        kubo.pin(Cid.v0(bytes(32)))
    assert len(asked) == 1
