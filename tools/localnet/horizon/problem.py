"""Horizon's error documents (RFC 7807, `application/problem+json`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from .answer import body

_TYPES = "https://stellar.org/horizon-errors/"

# kind: (status, title, detail), in the protocol's own words; the last two are localnet's
_KINDS = {
    "bad_request": (400, "Bad Request", "The request you sent was invalid in some way."),
    "invalid_accounts_params": (
        400,
        "Invalid Accounts Parameters",
        "Exactly one filter is required. Please ensure that you are including a signer, sponsor, asset, or "
        "liquidity pool filter.",
    ),
    "invalid_order_book": (
        400,
        "Invalid Order Book Parameters",
        "The parameters that specify what order book to view are invalid in some way. Please ensure that your type "
        "parameters (selling_asset_type and buying_asset_type) are one the following valid values: native, "
        "credit_alphanum4, credit_alphanum12.  Also ensure that you have specified selling_asset_code and "
        "selling_asset_issuer if selling_asset_type is not 'native', as well as buying_asset_code and "
        "buying_asset_issuer if buying_asset_type is not 'native'",
    ),
    "transaction_failed": (
        400,
        "Transaction Failed",
        "The transaction failed when submitted to the stellar network. The `extras.result_codes` field on this "
        "response contains further details.  Descriptions of each code can be found at: "
        "https://developers.stellar.org/api/errors/http-status-codes/horizon-specific/transaction-failed/",
    ),
    "transaction_malformed": (
        400,
        "Transaction Malformed",
        "Horizon could not decode the transaction envelope in this request. A transaction should be an XDR "
        "TransactionEnvelope struct encoded using base64.  The envelope read from this request is echoed in the "
        "`extras.envelope_xdr` field of this response for your convenience.",
    ),
    "not_found": (
        404,
        "Resource Missing",
        "The resource at the url requested was not found.  This usually occurs for one of two reasons:  The url "
        "requested is not valid, or no data in our database could be found with the parameters provided.",
    ),
    "not_acceptable": (406, "An acceptable response content-type could not be provided for this request", ""),
    "before_history": (
        410,
        "Data Requested Is Before Recorded History",
        "This horizon instance is configured to only track a portion of the stellar network's latest history. This "
        "request is asking for results prior to the recorded history known to this horizon instance.",
    ),
    "unsupported_media_type": (
        415,
        "Unsupported Media Type",
        "The request has an unsupported content type. Presently, the only supported content type is "
        "application/x-www-form-urlencoded.",
    ),
    "rate_limit_exceeded": (
        429,
        "Rate Limit Exceeded",
        "The rate limit for the requesting IP address is over its alloted limit.  The allowed limit and requests "
        "left per time period are communicated to clients via the http response headers 'X-RateLimit-*' headers.",
    ),
    "server_error": (
        500,
        "Internal Server Error",
        "An error occurred while processing this request.  This is usually due to a bug within the server software.  "
        "Trying this request again may succeed if the bug is transient. Otherwise, please contact the system "
        "administrator.",
    ),
    "server_over_capacity": (
        503,
        "Server Over Capacity",
        "This horizon server is currently overloaded.  Please wait for several minutes before trying your request "
        "again.",
    ),
    "timeout": (
        504,
        "Timeout",
        "Your request timed out before completing.  Please try your request again. If you are submitting a "
        "transaction make sure you are sending exactly the same transaction (with the same sequence number).",
    ),
    "transaction_submission_timeout": (
        504,
        "Transaction Submission Timeout",
        "Your transaction submission request has timed out. This does not necessarily mean the submission has failed. "
        "Before resubmitting, please use the transaction hash provided in `extras.hash` to poll the GET /transactions "
        "endpoint for sometime and check if it was included in a ledger.",
    ),
    "method_not_allowed": (405, "Method Not Allowed", "This resource does not take this method."),
    "request_entity_too_large": (413, "Request Too Large", "The body of the request is larger than a form may be."),
}

# What `extras.reason` says of a field.
ACCOUNT = "Account ID must start with `G` and contain 56 alphanum characters"
AMOUNT = "Amount must be positive"
ASSET = 'Asset must be the string "native" or a string of the form "Code:IssuerAccountID" for issued assets.'
ASSET_CODE = "Asset code must be 1-12 alphanumeric characters"
ASSET_TYPE = "Asset type must be native, credit_alphanum4 or credit_alphanum12"
MISSING = "Missing parameter"
REQUIRED = "non zero value required"


@dataclass
class Problem(Exception):
    """A request that is answered with an error document; `kind` is one of Horizon's words.

    detail: where Horizon has another one than the kind's.
    """

    kind: str
    extras: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    detail: str = ""

    def document(self) -> dict[str, Any]:
        status, title, detail = _KINDS[self.kind]
        return {
            "type": _TYPES + self.kind,
            "title": title,
            "status": status,
            **({"detail": self.detail or detail} if self.detail or detail else {}),
            **({"extras": self.extras} if self.extras else {}),
        }

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
