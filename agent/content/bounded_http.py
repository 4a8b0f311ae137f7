"""HTTP to parties that nobody trusts: answers bounded in size and time, and the trailers that report late
errors.

A node that fails half way through an answer has already said 200. It breaks off and writes why into the
trailer `X-Stream-Error`, which HTTP libraries throw away; here it is kept.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from agent.core import redact
from agent.core.plain import plain
from agent.errors import Unavailable
from agent.troubles import Answered as Answered
from agent.troubles import BrokenOff as BrokenOff
from agent.troubles import LeftAlone as LeftAlone
from agent.troubles import StoreNotTrusted, StoreSilent, distrusted

TIMEOUT_SECONDS = 60.0
"""Silence after which a party counts as stalled, unless its caller says otherwise."""
_CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 180.0
"""For one whole answer: 2 MiB at 100 kbit/s. A party that drips bytes is stalled as well."""
_PIECE_BYTES = 64 * 1024
_TRAILER_LINES = 32
_REASON_BYTES = 64 * 1024
BUSY = (429, 503)
LONGEST_QUIET_SECONDS = 3600.0
"""Nobody is left alone for longer, whatever Retry-After says."""


class Quiet:
    """What a party asks for with 429 or 503 and Retry-After (RFC 9110, 10.2.3): not to be asked until that is over."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._until = clock, 0.0

    def keep(self, what: object) -> None:
        """Raises LeftAlone until it is over."""
        if (left := self._until - self._clock()) > 0:
            raise LeftAlone(what=what, seconds=left)

    def heard(self, answer: requests.Response) -> None:
        if answer.status_code in BUSY:
            seconds = min(_seconds(answer.headers.get("Retry-After", "")), LONGEST_QUIET_SECONDS)
            self._until = self._clock() + seconds


class _Answer(http.client.HTTPResponse):
    """An HTTP answer that remembers its trailers."""

    def _read_and_discard_trailer(self) -> None:
        self.trailers: dict[str, str] = {}
        for _ in range(_TRAILER_LINES):
            line = self.fp.readline(_PIECE_BYTES)
            if line in (b"\r\n", b"\n", b""):
                return
            name, _, value = line.decode("latin-1").partition(":")
            self.trailers[name.strip().lower()] = value.strip()
        raise http.client.HTTPException("too many trailers")


class _Connection(urllib3.connection.HTTPConnection):
    response_class = _Answer


class _SecureConnection(urllib3.connection.HTTPSConnection):
    response_class = _Answer


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class TrailerAdapter(HTTPAdapter):
    """Makes a `requests` session keep trailers."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


def session(token: str | None, ca_bundle: Path | None) -> requests.Session:
    """A session with a bearer token and the certificates that it trusts, where given."""
    fresh = requests.Session()
    fresh.adapters.update({"http://": TrailerAdapter(), "https://": TrailerAdapter()})
    # What is configured counts, not what the environment says: it could name another CA or credentials.
    fresh.trust_env = False
    fresh.max_redirects = 3
    fresh.headers["Accept-Encoding"] = "identity"
    if token:
        fresh.headers["Authorization"] = f"Bearer {token}"
    if ca_bundle:
        fresh.verify = str(ca_bundle)
    return fresh


def away(what: object, error: Exception) -> Unavailable:
    """Why there was no answer."""
    if (why := distrusted(error)) is not None:
        return StoreNotTrusted(what=what, why=why)
    return StoreSilent(what=f"{what} ({type(error).__name__})")


def timeouts(silence_seconds: float) -> tuple[float, float]:
    """For connecting and for reading, as `requests` wants them."""
    return min(_CONNECT_SECONDS, silence_seconds), silence_seconds


def pieces(what: object, answer: requests.Response, limit: int) -> Iterator[bytes]:
    """The body in pieces. Raises BrokenOff above `limit` bytes, and when it stalls or ends in an error."""
    began, size = time.monotonic(), 0
    try:
        while piece := answer.raw.read(_PIECE_BYTES):
            size += len(piece)
            if size > limit:
                raise BrokenOff(what=what, why=f"it is longer than {limit} bytes")
            if time.monotonic() - began > ANSWER_SECONDS:
                raise BrokenOff(what=what, why=f"{size} bytes in {ANSWER_SECONDS:.0f} s")
            yield piece
    except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
        raise BrokenOff(what=what, why=str(error) or type(error).__name__) from error
    if why := getattr(answer.raw._fp, "trailers", {}).get("x-stream-error"):
        raise BrokenOff(what=what, why=why[:200])


def body(what: object, answer: requests.Response, limit: int) -> bytes:
    """The whole body, bounded like `pieces`."""
    return b"".join(pieces(what, answer, limit))


def reason(what: object, answer: requests.Response) -> str:
    """Why a party did not do what it was asked, in its own words on one line, and where it points to instead. Raises
    BrokenOff, as `body`."""
    text = body(what, answer, _REASON_BYTES).decode(errors="replace")
    with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
        text = str(json.loads(text)["Message"])
    words = plain(text).strip()[:200]
    if location := answer.headers.get("Location"):
        return f"it is at {redact.shown(location)} now, so give that address"
    return words or "it gave no reason"


def _seconds(retry_after: str) -> float:
    """Seconds or an HTTP date; what is neither asks for nothing."""
    if retry_after.isdecimal():
        return float(retry_after[:9])
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0
