"""A remote pinning service asked to keep a bundle (IPFS Pinning Service API 1.0)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from agent.content import bounded_http
from agent.core import redact
from agent.core.cid import Cid
from agent.errors import Unavailable

_ANSWER_BYTES = 256 * 1024
_ALIVE = ("queued", "pinning", "pinned")


class PinningService:
    """One service. Asking twice is harmless: a pin that is queued or done is left alone."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        ca_bundle: Path | None = None,
        timeout_seconds: float = bounded_http.TIMEOUT_SECONDS,
    ) -> None:
        self.url = url.rstrip("/")
        self._session = bounded_http.session(token, ca_bundle)
        self._timeouts = bounded_http.timeouts(timeout_seconds)
        self._quiet = bounded_http.Quiet()

    def __str__(self) -> str:
        return f"the pinning service {redact.shown(self.url)}"

    def __repr__(self) -> str:
        return f"PinningService({redact.shown(self.url)!r})"

    def close(self) -> None:
        self._session.close()

    def ask(self, cid: Cid, origins: Sequence[str]) -> str:
        """Ask for a pin, from the nodes at `origins` (multiaddresses). Returns `queued`, `pinning` or
        `pinned`.

        Raises Unavailable, also when the service has given the pin up.
        """
        known = self._call("GET", params={"cid": str(cid), "status": ",".join(_ALIVE)})
        found = known.get("results") or [
            self._call("POST", json={"cid": str(cid), "name": str(cid), "origins": list(origins)})
        ]
        status = found[0].get("status") if isinstance(found, list) and isinstance(found[0], dict) else None
        if status not in _ALIVE:
            raise Unavailable(what=f"{self} (it says {str(status)[:40]} of {cid})")
        return str(status)

    def _call(self, method: str, **send: Any) -> Mapping[str, Any]:
        self._quiet.keep(self)
        try:
            answer = self._session.request(
                method,
                f"{self.url}/pins",
                timeout=self._timeouts,
                stream=True,
                allow_redirects=False,
                **send,
            )
        except (requests.RequestException, OSError) as error:
            raise bounded_http.away(self, error) from error
        with answer:
            if answer.status_code not in (200, 202):
                self._quiet.heard(answer)
                raise bounded_http.Answered(what=self, status=answer.status_code, why=bounded_http.reason(self, answer))
            text = bounded_http.body(self, answer, _ANSWER_BYTES)
        try:
            found = json.loads(text)
        except ValueError as error:
            raise bounded_http.BrokenOff(what=self, why="not JSON") from error
        return found if isinstance(found, dict) else {}
