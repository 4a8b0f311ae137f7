"""Gateways and CARs: read from, and not believed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.content import bounded_http, car, importer, open_store
from agent.content.gateway import Gateway
from agent.content.importer import Block
from agent.content.source import BlockMissing, WrongBytes
from agent.core.cid import Cid
from agent.errors import Malformed, MilepostError, Unavailable
from agent.ports import BundleLimits
from tools.ipfs.stand_in import Answer, Request

pytestmark = pytest.mark.slow

CAR = {"Content-Type": "application/vnd.ipld.car; version=1"}


class FakeGateway:
    """Serves blocks, and trees as told; counts what it was asked for."""

    def __init__(self, memory: Any, tree: Callable[[], Answer] | None = None) -> None:
        self.memory = memory
        self.tree = tree
        self.asked: list[str] = []

    def respond(self, request: Request) -> Answer:
        assert request.headers["accept"].startswith("application/vnd.ipld.")
        self.asked.append(request.query["format"])
        if request.query["format"] == "car":
            return self.tree() if self.tree else Answer(status=400)
        data = self.memory.blocks.get(Cid.parse(request.path.removeprefix("/ipfs/")).digest)
        return Answer(data, headers={"Content-Type": "application/vnd.ipld.raw"}) if data else Answer(status=404)


def _car(root: Cid, blocks: Iterable[Block]) -> Answer:
    return Answer(b"".join(car.write(root, blocks)), headers=CAR)


@pytest.fixture
def fetch(serve: Callable[..., str], tmp_path: Path) -> Callable[..., Path]:
    """Fetch a CID through gateways, without ever waiting."""

    def through(cid: Cid, *gateways: FakeGateway, into: str = "into") -> Path:
        urls = [f"gateway:{serve(gateway.respond)}" for gateway in gateways]
        store = open_store(urls, tmp_path / "state", sleep=lambda seconds: None)
        try:
            store.get(cid, tmp_path / into, BundleLimits())
        finally:
            store.close()
        return tmp_path / into

    return through


def _same(one: Path, other: Path) -> bool:
    def files(folder: Path) -> dict[Path, bytes]:
        return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    return files(one) == files(other)


def test_a_bundle_comes_block_by_block(bundle: Path, memory: Callable[..., Any], fetch: Callable[..., Path]) -> None:
    gateway = FakeGateway(memory(bundle))
    assert _same(fetch(importer.root(bundle), gateway), bundle)
    assert gateway.asked == ["car"] + ["raw"] * len(gateway.memory.blocks)


def test_a_bundle_comes_as_one_car(bundle: Path, memory: Callable[..., Any], fetch: Callable[..., Path]) -> None:
    root = importer.root(bundle)
    blocks = list(importer.blocks(bundle))
    gateway = FakeGateway(memory(bundle), lambda: _car(root, reversed(blocks)))
    assert _same(fetch(root, gateway), bundle)
    assert gateway.asked == ["car"]


def test_the_roots_in_a_car_are_not_believed_and_unrequested_blocks_are_dropped(
    bundle: Path, memory: Callable[..., Any], fetch: Callable[..., Path], tmp_path: Path
) -> None:
    evil = Block(Cid.parse("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"), (b"\n\x02\x08\x01",))
    root = importer.root(bundle)
    gateway = FakeGateway(memory(bundle), lambda: _car(evil.cid, [evil, *reversed(list(importer.blocks(bundle)))]))
    assert _same(fetch(root, gateway), bundle)
    assert list((tmp_path / "state" / "partial").iterdir()) == []


def test_a_gateway_that_answers_with_the_plain_file_is_told_by_its_content_type(
    bundle: Path, memory: Callable[..., Any], fetch: Callable[..., Path], serve: Callable[..., str]
) -> None:
    plain = Answer(b"hello", headers={"Content-Type": "application/octet-stream"})
    lazy = Gateway(serve(lambda request: plain))
    with pytest.raises(bounded_http.BrokenOff, match="a CAR was asked for, application/octet-stream came"):
        list(lazy.tree(importer.root(bundle), 1000))
    lazy.close()
    gateway = FakeGateway(memory(bundle), lambda: plain)
    assert _same(fetch(importer.root(bundle), gateway), bundle)


@pytest.mark.timeout(900)
def test_the_gateway_of_a_real_node_that_knows_no_formats_does_no_harm(node: Any, bundle: Path, tmp_path: Path) -> None:
    """js-ipfs answers every format with the plain file."""
    up = open_store([node.api], tmp_path / "up")
    root = up.put(bundle)
    gateway = Gateway(node.gateway)
    with pytest.raises(Unavailable, match=r"a CAR was asked for|it answered"):
        list(gateway.tree(root, 1 << 20))
    with pytest.raises(Unavailable, match=r"are not that block|it answered"):
        gateway.get(root)
    gateway.close()
    up.close()


def test_a_corrupted_car_is_left_and_the_blocks_are_asked_for_one_by_one(
    bundle: Path, memory: Callable[..., Any], fetch: Callable[..., Path]
) -> None:
    root = importer.root(bundle)
    blocks = list(reversed(list(importer.blocks(bundle))))
    blocks[2] = Block(blocks[2].cid, (b"corrupted",))
    gateway = FakeGateway(memory(bundle), lambda: _car(root, blocks))
    assert _same(fetch(root, gateway), bundle)
    assert gateway.asked.count("raw") == len(gateway.memory.blocks) - 2


def test_a_car_that_breaks_off_with_an_error_trailer_gives_what_came(
    bundle: Path, memory: Callable[..., Any], fetch: Callable[..., Path]
) -> None:
    root = importer.root(bundle)
    whole = b"".join(car.write(root, reversed(list(importer.blocks(bundle)))))
    half = Answer([whole[: len(whole) // 2]], headers=CAR, trailers={"X-Stream-Error": "lost the rest"})
    gateway = FakeGateway(memory(bundle), lambda: half)
    assert _same(fetch(root, gateway), bundle)
    assert 0 < gateway.asked.count("raw") < len(gateway.memory.blocks)


def test_an_endless_car_is_left_once_it_is_longer_than_the_limits_allow(
    bundle: Path, memory: Callable[..., Any], serve: Callable[..., str]
) -> None:
    root = importer.root(bundle)
    junk = Block(importer.last(importer.blocks(bundle / "update.safetensors")).cid, ())

    def endless() -> Iterator[bytes]:
        (first, *_) = importer.blocks(bundle / "update.safetensors")
        yield from car.write(root, [])
        while True:
            yield from list(car.write(root, [first]))[1:]

    gateway = Gateway(serve(lambda request: Answer(endless(), headers=CAR)))
    with pytest.raises(bounded_http.BrokenOff, match="longer than 2000000 bytes"):
        list(gateway.tree(junk.cid, 2_000_000))
    gateway.close()


def test_a_second_gateway_gives_what_the_first_has_not(
    bundle: Path, memory: Callable[..., Any], fetch: Callable[..., Path]
) -> None:
    good, empty = FakeGateway(memory(bundle)), FakeGateway(memory())
    liar = FakeGateway(memory(bundle))
    liar.memory.blocks = dict.fromkeys(liar.memory.blocks, b"wrong")
    assert _same(fetch(importer.root(bundle), empty, liar, good), bundle)
    assert len(empty.asked) + len(liar.asked) < len(good.asked), "the good one is asked first from then on"


def test_a_block_that_nobody_has_is_missing_and_a_gateway_in_trouble_is_unavailable(
    serve: Callable[..., str],
) -> None:
    for status, error in ((404, BlockMissing), (410, BlockMissing), (429, Unavailable), (503, Unavailable)):
        gateway = Gateway(serve(lambda request, status=status: Answer(status=status)))
        with pytest.raises(error):
            gateway.get(Cid.v0(bytes(32)))
        gateway.close()


def test_a_gateway_that_refuses_is_quoted(serve: Callable[..., str]) -> None:
    refusing = serve(lambda request: Answer(b"blocked in\nyour country", status=451))
    with pytest.raises(bounded_http.Answered, match="answered 451: blocked in your country"):
        Gateway(refusing).get(Cid.v0(bytes(32)))


def test_a_gateway_that_says_when_to_come_back_is_not_asked_before(serve: Callable[..., str]) -> None:
    asked: list[str] = []

    def busy(request: Request) -> Answer:
        asked.append(request.path)
        return Answer(b"slow down", status=429, headers={"Retry-After": "120"})

    gateway = Gateway(serve(busy))
    with pytest.raises(bounded_http.Answered, match="answered 429: slow down"):
        gateway.get(Cid.v0(bytes(32)))
    with pytest.raises(bounded_http.LeftAlone, match=r"left alone for 1\d\d s more"):
        gateway.get(Cid.v0(bytes(32)))
    assert len(asked) == 1
    gateway.close()


# --- CAR ----------------------------------------------------------------------------------------------------


@given(cut=st.integers(1, 50), sizes=st.lists(st.integers(0, 200), max_size=5))
def test_a_car_reads_back_however_its_bytes_are_cut(cut: int, sizes: list[int]) -> None:
    blocks = [importer._leaf(bytes([n]) * size, importer.CIDV0, keep=True)[0] for n, size in enumerate(sizes)]
    root = Cid.v0(bytes(32))
    data = b"".join(car.write(root, blocks))
    pieces = (data[at : at + cut] for at in range(0, len(data), cut))
    read = [(block.cid, block.to_bytes()) for block in car.read("test", pieces)]
    assert read == [(block.cid, block.to_bytes()) for block in blocks]


@given(st.binary(max_size=200))
def test_no_bytes_after_a_header_do_more_harm_than_an_error(data: bytes) -> None:
    header = b"".join(car.write(Cid.v0(bytes(32)), []))
    with suppress(MilepostError):
        assert not list(car.read("test", [header, data])) or data


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "cut short"),
        (b"\x0a\xa1gversion\x02", "not of version 1"),
        (b"\x0a\xa1gversion\x01\xff\xff\xff\x7f", "a part of it claims"),
        (b"\x0a\xa1gversion\x01\x40\x01", "cut short"),
        (b"\xff" * 11, "cut short or too long"),
    ],
)
def test_a_car_that_is_none_is_malformed(data: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        list(car.read("test", [data]))


def test_a_block_in_a_car_is_hashed() -> None:
    bad = Block(Cid.v0(bytes(32)), (b"anything",))
    with pytest.raises(WrongBytes, match=r"^test gave 8 bytes"):
        list(car.read("test", car.write(bad.cid, [bad])))
