from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.content import importer
from agent.content.importer import Block, Layout
from agent.core.cid import Cid
from agent.errors import Unavailable
from tools.ipfs.node import Node
from tools.ipfs.stand_in import Server
from tools.npm import NoNpm


def _stream(size: int) -> bytes:
    pieces = (hashlib.sha256(b"unixfs-vec-1:" + k.to_bytes(8, "big")).digest() for k in range(size // 32 + 1))
    return b"".join(pieces)[:size]


@pytest.fixture(scope="session")
def stream() -> Callable[[int], bytes]:
    """The first bytes of a stream in which no two chunks are alike."""
    whole = _stream(3_000_000)
    return lambda size: whole[:size] if size <= len(whole) else _stream(size)


@pytest.fixture
def bundle(tmp_path: Path, stream: Callable[[int], bytes]) -> Path:
    """A folder as a vehicle uploads it: a document and some weights, five blocks and a root."""
    folder = tmp_path / "bundle"
    (folder / "sub").mkdir(parents=True)
    (folder / "contribution.json").write_bytes(b'{"protocol":1}')
    (folder / "update.safetensors").write_bytes(stream(700_000))
    (folder / "sub" / "empty").write_bytes(b"")
    return folder


class Memory:
    """A source of blocks that a test fills, honest or not."""

    def __init__(self, blocks: Iterable[Block] = ()) -> None:
        self.blocks = {block.cid.digest: block.to_bytes() for block in blocks}
        self.asked: list[Cid] = []

    def add(self, data: bytes, raw: bool = False) -> Cid:
        digest = hashlib.sha256(data).digest()
        self.blocks[digest] = data
        return Cid.v1(0x55, digest) if raw else Cid.v0(digest)

    def fetch(self, cid: Cid) -> bytes:
        self.asked.append(cid)
        if cid.digest not in self.blocks:
            raise Unavailable(what=f"The block {cid}")
        return self.blocks[cid.digest]


@pytest.fixture
def memory() -> Callable[..., Memory]:
    def fill(folder: Path | None = None, layout: Layout = importer.CIDV0) -> Memory:
        return Memory(importer.blocks(folder, layout) if folder else ())

    return fill


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A real IPFS node with an RPC and a gateway, shared by all tests."""
    try:
        with Node(tmp_path_factory.mktemp("js-ipfs")) as running:
            yield running
    except NoNpm as error:
        pytest.skip(str(error))


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """`serve(respond)` starts a server on loopback and returns its URL."""
    with ExitStack() as servers:
        yield lambda respond, tls=None: servers.enter_context(Server(respond, tls))
