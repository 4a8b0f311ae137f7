"""Horizon's error documents (RFC 7807, `application/problem+json`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from tools.localnet.horizon.answer import body

_TYPES = "https://stellar.org/horizon-errors/"

# kind: (status, title, detail)
_KINDS = {
    "bad_request": (400, "Bad Request", "The request you sent was invalid in some way."),
    "invalid_accounts_params": (400, "Invalid Accounts Parameters", "Exactly one filter is required."),
    "invalid_order_book": (
        400,
        "Invalid Order Book Parameters",
        "The pair of assets is missing or wrong.",
    ),
    "transaction_failed": (
        400,
        "Transaction Failed",
        "The transaction failed when submitted to the ledger. `extras.result_codes` says why.",
    ),
    "transaction_malformed": (
        400,
        "Transaction Malformed",
        "The field `tx` is no TransactionEnvelope in base64 XDR. `extras.envelope_xdr` repeats what came in.",
    ),
    "not_found": (404, "Resource Missing", "Nothing is stored under this address with these parameters."),
    "before_history": (
        410,
        "Data Requested Is Before Recorded History",
        "This horizon instance is configured to only track a portion of the stellar network's latest history. "
        "This request is asking for results prior to the recorded history known to this horizon instance.",
    ),
    "method_not_allowed": (405, "Method Not Allowed", "This resource does not take this method."),
    "not_acceptable": (406, "Not Acceptable", "This resource cannot be streamed."),
    "request_entity_too_large": (
        413,
        "Request Too Large",
        "The body of the request is larger than a form may be.",
    ),
    "unsupported_media_type": (
        415,
        "Unsupported Media Type",
        "Send the form as application/x-www-form-urlencoded or multipart/form-data.",
    ),
    "rate_limit_exceeded": (
        429,
        "Rate Limit Exceeded",
        "Too many requests. Wait as long as Retry-After says.",
    ),
    "server_error": (500, "Internal Server Error", "Localnet failed to answer. Its log holds the reason."),
    "server_over_capacity": (503, "Server Over Capacity", "Too many streams are open on this ledger."),
    "timeout": (504, "Timeout", "The answer took too long."),
    "transaction_submission_timeout": (
        504,
        "Transaction Submission Timeout",
        "No ledger with this transaction closed in time. It may still apply: look it up by its hash, or send "
        "the same envelope again.",
    ),
}


@dataclass
class Problem(Exception):
    """A request that is answered with an error document; `kind` is one of Horizon's words."""

    kind: str
    extras: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        status, title, detail = _KINDS[self.kind]
        document: dict[str, Any] = {
            "type": _TYPES + self.kind,
            "title": title,
            "status": status,
            "detail": detail,
        }
        return {**document, "extras": self.extras} if self.extras else document

    def response(self) -> Response:
        return Response(
            body(self.document()),
            status_code=_KINDS[self.kind][0],
            headers=self.headers,
            media_type="application/problem+json; charset=utf-8",
        )


def bad_field(name: str, reason: str) -> Problem:
    """400 for one parameter: Horizon names it and says why."""
    return Problem("bad_request", {"invalid_field": name, "reason": reason})
