"""stellar_sdk's HTTP client without its retries and with a bound on every answer."""

from __future__ import annotations

from stellar_sdk.client.requests_client import RequestsClient
from stellar_sdk.client.response import Response


class BoundedClient(RequestsClient):
    """A second try is the caller's decision: an answer that was lost may have been a payment. So there is none here."""

    def __init__(self, timeout: float, answer_bytes: int) -> None:
        super().__init__(num_retries=0, request_timeout=timeout, post_timeout=timeout)  # type: ignore[arg-type]
        self._answer_bytes = answer_bytes
        self.latest = 0
        """Latest-Ledger of the last answer; 0 when it had none, as answers from history have."""

    def get(self, url: str, params: dict[str, str] | None = None, max_content_size: int | None = None) -> Response:
        self.latest = 0
        answer = super().get(url, params, max_content_size or self._answer_bytes)
        said = next((value for name, value in answer.headers.items() if name.lower() == "latest-ledger"), "")
        self.latest = int(said) if said.isdecimal() and len(said) <= 10 else 0
        return answer
