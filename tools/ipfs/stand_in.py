"""HTTP servers on loopback that answer as told: nodes and gateways as bad as a test needs them."""

from __future__ import annotations

import hashlib
import http.server
import json
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from agent.core.cid import DAG_PB, RAW, Cid


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


class Server:
    """`with Server(respond) as url:` answers every request with `respond(request)`."""

    def __init__(self, respond: Callable[[Request], Answer], tls: ssl.SSLContext | None = None) -> None:
        handler = type("Handler", (_Handler,), {"respond": staticmethod(respond)})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self.url

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class StandIn:
    """An RPC node that counts what it is sent and can be told to misbehave."""

    def __init__(self) -> None:
        self.blocks: dict[bytes, bytes] = {}
        self.sent: list[bytes] = []
        self.pins: set[str] = set()
        self.lose_answers = 0
        """So many blocks are stored, but the answer never arrives."""
        self.down_after: int | None = None
        """After so many blocks every answer is an error."""
        self.refuse_pins = 0
        """So many pins fail for want of blocks."""

    def respond(self, request: Request) -> Answer:
        call = request.path.partition("/api/v0/")[2]
        if self.down_after is not None and len(self.sent) >= self.down_after:
            return Answer(status=502)
        cid = Cid.parse(request.query["arg"]) if "arg" in request.query else None
        if call == "block/put":
            return self._put(request)
        if call == "pin/add" and self.refuse_pins:
            self.refuse_pins -= 1
            return as_json({"Message": "block was not found locally"}, 500)
        if call == "pin/add":
            self.pins.add(str(cid))
            return as_json({"Pins": [str(cid)]})
        if call == "pin/ls":
            return (
                as_json({"Keys": {str(cid): {}}}) if str(cid) in self.pins else as_json({"Message": "not pinned"}, 500)
            )
        if call == "id":
            return as_json({"ID": "12D3", "Addresses": ["/ip4/127.0.0.1/tcp/4001/p2p/12D3"]})
        if cid is None or cid.digest not in self.blocks:
            return as_json({"Message": "block was not found locally"}, 500)
        data = self.blocks[cid.digest]
        return as_json({"Key": str(cid), "Size": len(data)}) if call == "block/stat" else Answer(data)

    def _put(self, request: Request) -> Answer:
        data = request.file
        self.sent.append(data)
        cid = Cid.v1({"raw": RAW, "dag-pb": DAG_PB}[request.query["cid-codec"]], hashlib.sha256(data).digest())
        self.blocks[cid.digest] = data
        if self.lose_answers:
            self.lose_answers -= 1
            return Answer(b"{", cut_off=True)
        return as_json({"Key": str(cid), "Size": len(data)})
