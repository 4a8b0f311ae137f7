"""What this server is and how far its ledger has come."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from tools.localnet.horizon.answer import answer, link, origin
from tools.localnet.horizon.collection import view_of
from tools.localnet.horizon.moment import moment
from tools.localnet.horizon.page import page_document, read_page
from tools.localnet.horizon.problem import Problem

_VERSION = "localnet"
_NOUNS = (
    "assets",
    "claimable_balances",
    "effects",
    "ledgers",
    "offers",
    "operations",
    "payments",
    "transactions",
)


async def root(request: Request) -> Response:
    view, base = view_of(request), origin(request)
    header = view.header
    return answer(
        {
            "_links": {
                "self": link(base, "/"),
                "account": {"href": f"{base}/accounts/{{account_id}}", "templated": True},
                "fee_stats": link(base, "/fee_stats"),
                "friendbot": {"href": f"{base}/friendbot{{?addr}}", "templated": True},
                **{noun: link(base, f"/{noun}", True) for noun in _NOUNS},
            },
            "horizon_version": _VERSION,
            "core_version": _VERSION,
            "ingest_latest_ledger": header.ledger_seq,
            "history_latest_ledger": header.ledger_seq,
            "history_latest_ledger_closed_at": moment(header.close_time),
            "history_elder_ledger": view.elder,
            "core_latest_ledger": view.node.header.ledger_seq,
            "network_passphrase": view.passphrase,
            "current_protocol_version": header.protocol,
            "supported_protocol_version": view.rules.protocol,
            "core_supported_protocol_version": view.rules.protocol,
        }
    )


async def health(_request: Request) -> Response:
    return answer({"database_connected": True, "core_up": True, "core_synced": True})


async def liquidity_pools(request: Request) -> Response:
    """Localnet has no pools: every page is empty."""
    return answer(page_document(request, read_page(request), []))


async def not_found(_request: Request) -> Response:
    raise Problem("not_found")
