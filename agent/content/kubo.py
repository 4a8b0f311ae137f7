"""A node with the `/api/v0` RPC (Kubo, js-ipfs, a cluster proxy), spoken to through `ipfshttpclient`.

The client is unmaintained: `connect()` refuses any daemon since 0.8, its answers are not bounded, and it
knows no bearer token, CA bundle or trailer. So `Client` is constructed directly and given a session that
does; everything that depends on the client stands in this file (docs/decisions/004-ipfshttpclient.md).
"""

from __future__ import annotations

import io
import ipaddress
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from agent.content import bounded_http
from agent.content.importer import Block
from agent.content.source import BlockMissing, checked
from agent.content.walker import MAX_BLOCK_BYTES
from agent.core import redact
from agent.core.cid import CODECS, DAG_PB, Cid
from agent.errors import Malformed
from agent.troubles import NotLetIn as NotLetIn

# The client's own changes to `requests` use an argument that urllib3 has withdrawn; nothing here needs them.
os.environ.setdefault("PY_IPFS_HTTP_CLIENT_PATCH_REQUESTS", "no")

import ipfshttpclient
from ipfshttpclient import multipart

_JSON_BYTES = 64 * 1024
_LOCAL_SECONDS = 3.0
"""How long a node may look for a block that it has or has not."""


class NodeError(bounded_http.Answered):
    """{what} answered {status}: {why}. The work waits and goes on when it can."""


class NotHere(NodeError):
    """{what} cannot do it with what it holds ({status}): {why}. The work waits and goes on when it can."""


class Kubo:
    """One RPC endpoint. Every call is one attempt and may be repeated without harm."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        ca_bundle: Path | None = None,
        timeout_seconds: float = bounded_http.TIMEOUT_SECONDS,
    ) -> None:
        """`url`: http(s)://host[:port][/base path], with or without `/api/v0`. `timeout_seconds`: silence after which
        the node counts as stalled; it may look for a block on its network for half as long."""
        self.url = url
        self._timeout_seconds = timeout_seconds
        self._quiet = bounded_http.Quiet()
        address, base = _address(url)
        self._client = ipfshttpclient.Client(address, base, timeout=bounded_http.timeouts(timeout_seconds))
        session = bounded_http.session(token, ca_bundle)
        session.hooks["response"].append(self._refuse)
        self._client._client._session = session

    def __repr__(self) -> str:
        return f"Kubo({redact.shown(self.url)!r})"

    def __str__(self) -> str:
        return f"the node {redact.shown(self.url)}"

    def close(self) -> None:
        self._client.close()

    def get(self, cid: Cid) -> bytes:
        """As `Source.get`."""
        try:
            data = self._call("block/get", self._within(0.5), cid, limit=MAX_BLOCK_BYTES)
        except NotHere as error:
            raise BlockMissing(what=f"The block {cid} ({error.facts.get('why')})") from error
        return checked(self, cid, data)

    def has(self, cid: Cid) -> bool:
        """Whether the node itself holds the block, by its own word."""
        try:
            options = {"offline": "true", "timeout": f"{min(_LOCAL_SECONDS, 0.5 * self._timeout_seconds)}s"}
            return bool(self._ask("block/stat", options, cid).get("Key"))
        except NotHere:
            return False

    def put(self, block: Block) -> None:
        """Give it a block. Raises BrokenOff when it calls the block by another name."""
        codec = CODECS[block.cid.codec]
        options = {"cid-codec": codec, "mhtype": "sha2-256"}
        if block.cid.codec != DAG_PB:
            # Nodes older than `cid-codec` go by `format`; newer ones take both for any codec but dag-pb.
            options |= {"format": codec, "version": "1"}
        body, headers = multipart.stream_files(io.BytesIO(block.to_bytes()))
        key = self._ask("block/put", options, data=body, headers=headers).get("Key")
        if not _same(key, block.cid):
            raise bounded_http.BrokenOff(what=self, why=f"it calls {block.cid} {str(key)[:80]}")

    def pin(self, cid: Cid) -> None:
        """Keep everything below `cid`. Raises NotHere when it does not have it all."""
        options = {"recursive": "true", "offline": "true"} | self._within(0.9)
        if not self._ask("pin/add", options, cid).get("Pins"):
            raise NotHere(what=self, status=200, why=f"it does not say that it pinned {cid}")

    def pinned(self, cid: Cid) -> bool:
        """Whether the node keeps everything below `cid`, by its own word."""
        try:
            return bool(self._ask("pin/ls", {"type": "recursive"}, cid).get("Keys"))
        except NotHere:
            return False

    def unpin(self, cid: Cid) -> None:
        """Keep it no longer than anything else. Raises NotHere when it was not pinned."""
        self._ask("pin/rm", {"recursive": "true"} | self._within(0.9), cid)

    def remove(self, cid: Cid) -> None:
        """Take one block away. Raises NotHere when something pinned holds it."""
        self._call("block/rm", {"force": "true"} | self._within(0.9), cid, limit=_JSON_BYTES)

    def addresses(self) -> list[str]:
        """The multiaddresses at which other nodes reach this one; a pinning service asks for them."""
        found = self._ask("id", {}).get("Addresses") or []
        return [address for address in found if isinstance(address, str)][:20]

    def _within(self, share: float) -> dict[str, str]:
        """Tells the node to give up before we do, so that it says so."""
        return {"timeout": f"{share * self._timeout_seconds:.1f}s"}

    def _ask(self, path: str, options: Mapping[str, str], cid: Cid | None = None, **send: Any) -> dict[str, Any]:
        answer = self._call(path, options, cid, limit=_JSON_BYTES, **send)
        try:
            found = json.loads(answer)
        except ValueError as error:
            raise bounded_http.BrokenOff(what=self, why=f"not JSON: {answer[:60]!r}") from error
        if not isinstance(found, dict):
            raise bounded_http.BrokenOff(what=self, why=f"not an object: {answer[:60]!r}")
        return found

    def _call(
        self,
        path: str,
        options: Mapping[str, str],
        cid: Cid | None,
        limit: int,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """One request. The client's public methods read an answer whole, whatever its length; `_request`
        does not."""
        self._quiet.keep(self)
        params = [*options.items(), *([("arg", str(cid))] if cid else [])]
        try:
            closables, _ = self._client._client._request(
                "POST", path, params, auth=None, data=data, headers=headers, timeout=None, chunk_size=1
            )
        except (ipfshttpclient.exceptions.Error, requests.RequestException, OSError) as error:
            raise bounded_http.away(self, error) from error
        try:
            return bounded_http.body(self, closables[0], limit)
        finally:
            closables[0].close()

    def _refuse(self, answer: requests.Response, **_: Any) -> None:
        """Runs before the client sees an answer: it would read an error of any length."""
        if answer.status_code == 200:
            return
        with answer:
            self._quiet.heard(answer)
            why = bounded_http.reason(self, answer)
        if answer.status_code in (401, 403):
            raise NotLetIn(what=self, status=answer.status_code, why=why)
        # A command that fails is 500 (404 in js-ipfs); the rest is a proxy in trouble and says nothing of blocks.
        error = NotHere if answer.status_code in (404, 500) else NodeError
        raise error(what=self, status=answer.status_code, why=why)


def _same(key: object, cid: Cid) -> bool:
    try:
        return Cid.parse(str(key)).names_same_block(cid)
    except Malformed:
        return False


def _address(url: str) -> tuple[str, str]:
    """The multiaddress and the base path of a URL, as the client wants them. Raises Malformed."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 5001)
    except ValueError as error:
        raise Malformed(what=f"the node {redact.shown(url)!r}", why=str(error)) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Malformed(what=f"the node {redact.shown(url)!r}", why="write http://host:5001 or https://host")
    try:
        kind = f"ip{ipaddress.ip_address(parts.hostname).version}"
    except ValueError:
        kind = "dns"
    base = parts.path.strip("/").removesuffix("api/v0").strip("/")
    return f"/{kind}/{parts.hostname}/tcp/{port}/{parts.scheme}", f"{base}/api/v0".lstrip("/")
