"""A trustless gateway: single blocks (`?format=raw`) or a whole tree in one answer (`?format=car`).

Source: the IPFS trustless gateway specification. Nothing here trusts one: blocks are hashed, and a gateway
that does not know a format and answers with the plain file is told by its Content-Type.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import requests

from agent.content import bounded_http, car
from agent.content.importer import Block
from agent.content.source import BlockMissing, checked
from agent.content.walker import MAX_BLOCK_BYTES
from agent.core import redact
from agent.core.cid import Cid

_RAW, _CAR = "application/vnd.ipld.raw", "application/vnd.ipld.car"


class Gateway:
    """One gateway. Every call is one attempt."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        ca_bundle: Path | None = None,
        timeout_seconds: float = bounded_http.TIMEOUT_SECONDS,
    ) -> None:
        """`url`: http(s)://host[:port][/base path]; `/ipfs/<CID>` is added."""
        self.url = url.rstrip("/").removesuffix("/ipfs")
        self._session = bounded_http.session(token, ca_bundle)
        self._timeouts = bounded_http.timeouts(timeout_seconds)
        self._quiet = bounded_http.Quiet()

    def __repr__(self) -> str:
        return f"Gateway({redact.shown(self.url)!r})"

    def __str__(self) -> str:
        return f"the gateway {redact.shown(self.url)}"

    def close(self) -> None:
        self._session.close()

    def get(self, cid: Cid) -> bytes:
        """As `Source.get`."""
        with self._ask(cid, "raw", _RAW) as answer:
            return checked(self, cid, bounded_http.body(self, answer, MAX_BLOCK_BYTES))

    def tree(self, root: Cid, limit: int) -> Iterator[Block]:
        """Blocks below `root` as the gateway sends them, each checked, at most `limit` bytes in all.

        Raises Malformed, WrongBytes, BlockMissing or Unavailable, perhaps after some blocks.
        """
        with self._ask(root, "car", _CAR) as answer:
            kind = answer.headers.get("Content-Type", "nothing")
            if not kind.startswith(_CAR):
                raise bounded_http.BrokenOff(what=self, why=f"a CAR was asked for, {kind[:60]} came")
            yield from car.read(self, bounded_http.pieces(self, answer, limit))

    def _ask(self, cid: Cid, form: str, accept: str) -> requests.Response:
        self._quiet.keep(self)
        try:
            answer = self._session.get(
                f"{self.url}/ipfs/{cid}",
                params={"format": form},
                headers={"Accept": accept},
                timeout=self._timeouts,
                stream=True,
            )
        except (requests.RequestException, OSError) as error:
            raise bounded_http.away(self, error) from error
        if answer.status_code == 200:
            return answer
        with answer:
            self._quiet.heard(answer)
            if answer.status_code in (404, 410):
                raise BlockMissing(what=f"The block {cid}")
            raise bounded_http.Answered(what=self, status=answer.status_code, why=bounded_http.reason(self, answer))
