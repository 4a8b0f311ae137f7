from __future__ import annotations

import hashlib
import http.server
import json
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent.content import importer
from agent.content.importer import Block, Layout
from agent.core.cid import Cid
from agent.errors import Unavailable
from tools.ipfs.install import NoNpm
from tools.ipfs.node import Node


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
    """A real IPFS node with an RPC and a gateway."""
    try:
        with Node(tmp_path_factory.mktemp("js-ipfs")) as running:
            yield running
    except NoNpm as error:
        pytest.skip(str(error))


# --- a server that does what a test wants -----------------------------------------------------------------------


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def file(self) -> bytes:
        """The file in a multipart body."""
        return self.body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]


@dataclass
class Answer:
    body: bytes | Iterable[bytes] = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    trailers: dict[str, str] | None = None
    """Given: the answer is chunked and ends with these."""
    cut_off: bool = False
    """Close the connection before the end."""


def as_json(value: Any, status: int = 200) -> Answer:
    return Answer(json.dumps(value).encode(), status)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    respond: Callable[[Request], Answer]

    def _serve(self) -> None:
        parts = urllib.parse.urlsplit(self.path)
        request = Request(
            self.command,
            parts.path,
            dict(urllib.parse.parse_qsl(parts.query)),
            {name.lower(): value for name, value in self.headers.items()},
            self._body(),
        )
        answer = type(self).respond(request)
        with suppress(OSError):
            self._send(answer)

    do_GET = do_POST = _serve

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if isinstance(answer.body, bytes) and answer.trailers is None:
            self.send_header("Content-Length", str(len(answer.body) + answer.cut_off))
            self.end_headers()
            self.wfile.write(answer.body)
        else:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in [answer.body] if isinstance(answer.body, bytes) else answer.body:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            if not answer.cut_off:
                trailers = "".join(f"{name}: {value}\r\n" for name, value in (answer.trailers or {}).items())
                self.wfile.write(f"0\r\n{trailers}\r\n".encode())
        self.close_connection = answer.cut_off

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """`serve(respond)` starts a server on loopback and returns its URL."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(respond: Callable[[Request], Answer], context: Any = None) -> str:
        handler = type("Handler", (_Handler,), {"respond": staticmethod(respond)})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class FakeNode:
    """An RPC node that counts what it is sent and can be told to misbehave."""

    def __init__(self) -> None:
        self.blocks: dict[bytes, bytes] = {}
        self.sent: list[bytes] = []
        self.pins: set[str] = set()
        self.lose_answers = 0
        """So many blocks are stored, but the answer never arrives."""
        self.down_after: int | None = None
        """After so many blocks every answer is an error."""

    def respond(self, request: Request) -> Answer:
        call = request.path.partition("/api/v0/")[2]
        if self.down_after is not None and len(self.sent) >= self.down_after:
            return Answer(status=502)
        cid = Cid.parse(request.query["arg"]) if "arg" in request.query else None
        if call == "block/put":
            return self._put(request)
        if call == "pin/add":
            self.pins.add(str(cid))
            return as_json({"Pins": [str(cid)]})
        if call == "pin/ls":
            return as_json({"Keys": {str(cid): {}}}) if str(cid) in self.pins else as_json({"Message": "not pinned"}, 500)
        if call == "id":
            return as_json({"ID": "12D3", "Addresses": ["/ip4/127.0.0.1/tcp/4001/p2p/12D3"]})
        if cid is None or cid.digest not in self.blocks:
            return as_json({"Message": "block was not found locally"}, 500)
        data = self.blocks[cid.digest]
        return as_json({"Key": str(cid), "Size": len(data)}) if call == "block/stat" else Answer(data)

    def _put(self, request: Request) -> Answer:
        data = request.file
        self.sent.append(data)
        cid = Cid.v1({"raw": 0x55, "dag-pb": 0x70}[request.query["cid-codec"]], hashlib.sha256(data).digest())
        self.blocks[cid.digest] = data
        if self.lose_answers:
            self.lose_answers -= 1
            return Answer(b"{", cut_off=True)
        return as_json({"Key": str(cid), "Size": len(data)})


@pytest.fixture
def fake_node() -> FakeNode:
    return FakeNode()
