"""stellar_sdk's HTTP client without its retries, with a bound on every answer, and quiet when it is told to be."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

from requests import RequestException
from stellar_sdk.client.requests_client import RequestsClient
from stellar_sdk.client.response import Response
from stellar_sdk.exceptions import BaseRequestError, ConnectionError

BUSY = (429, 503)
LONGEST_QUIET_S = 3600.0
"""What a server may ask for at most."""


class Hushed(BaseRequestError):
    """The server asked for quiet, and it is not over."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class BoundedClient(RequestsClient):
    """A second try is the caller's decision: an answer that was lost may have been a payment. So there is none here.

    After a 429 or 503 with Retry-After nothing is asked at all until that time is over: Hushed is raised instead.
    """

    def __init__(self, timeout: float, answer_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(num_retries=0, request_timeout=timeout, post_timeout=timeout)  # type: ignore[arg-type]
        self._answer_bytes, self._clock = answer_bytes, clock
        self._quiet_until = 0.0
        self.latest = 0
        """Latest-Ledger of the last answer; 0 when it had none, as answers from history have."""
        self.newest = self.late = 0
        """The newest ledger that any answer told of, and how far the last one about state was behind it."""

    def get(self, url: str, params: dict[str, str] | None = None, max_content_size: int | None = None) -> Response:
        self._keep_quiet()
        return self._heard(super().get(url, params, max_content_size or self._answer_bytes))

    def post(self, url: str, data: dict[str, str] | None = None, json_data: dict[str, Any] | None = None) -> Response:
        """The SDK's own takes an answer of any size."""
        self._keep_quiet()
        try:
            answer = self._session.post(url, data=data, json=json_data, timeout=self.post_timeout, stream=True)
            said = self._read_with_limit(answer, self._answer_bytes)
        except RequestException as error:
            raise ConnectionError(error) from error
        return self._heard(Response(answer.status_code, said, dict(answer.headers), answer.url))

    def _keep_quiet(self) -> None:
        self.latest = 0
        left = self._quiet_until - self._clock()
        if left > 0:
            raise Hushed(left)

    def _heard(self, answer: Response) -> Response:
        said = {name.lower(): value for name, value in answer.headers.items()}
        latest = said.get("latest-ledger", "")
        self.latest = int(latest) if latest.isdecimal() and len(latest) <= 10 else 0
        if self.latest:
            self.late = max(0, self.newest - self.latest)
            self.newest = max(self.newest, self.latest)
        if answer.status_code in BUSY and "retry-after" in said:
            self._quiet_until = self._clock() + min(_seconds(said["retry-after"]), LONGEST_QUIET_S)
        return answer


def _seconds(retry_after: str) -> float:
    """Seconds or an HTTP date (RFC 9110, 10.2.3); what is neither asks for nothing."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return 0.0
