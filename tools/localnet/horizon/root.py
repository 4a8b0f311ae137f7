"""What this server is and how far its ledger has come."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from .answer import answer, origin
from .collection import view_of
from .moment import moment
from .page import page_document, read_page
from .problem import Problem

_VERSION = "localnet"
_PAIR = "&".join(
    f"{side}_asset_{part}={{{side}_asset_{part}}}"
    for side in ("base", "counter")
    for part in ("type", "code", "issuer")
)
# what a client may follow from here, as URI templates
_LINKS = {
    "account": "/accounts/{account_id}",
    "accounts": "/accounts{?signer,sponsor,asset,liquidity_pool,cursor,limit,order}",
    "account_transactions": "/accounts/{account_id}/transactions{?cursor,limit,order}",
    "claimable_balances": "/claimable_balances{?asset,sponsor,claimant,cursor,limit,order}",
    "assets": "/assets{?asset_code,asset_issuer,cursor,limit,order}",
    "effects": "/effects{?cursor,limit,order}",
    "fee_stats": "/fee_stats",
    "friendbot": "/friendbot{?addr}",
    "ledger": "/ledgers/{sequence}",
    "ledgers": "/ledgers{?cursor,limit,order}",
    "liquidity_pools": "/liquidity_pools{?reserves,account,cursor,limit,order}",
    "offer": "/offers/{offer_id}",
    "offers": "/offers{?selling,buying,seller,sponsor,cursor,limit,order}",
    "operation": "/operations/{id}",
    "operations": "/operations{?cursor,limit,order,include_failed}",
    "order_book": "/order_book{?selling_asset_type,selling_asset_code,selling_asset_issuer,"
    "buying_asset_type,buying_asset_code,buying_asset_issuer,limit}",
    "payments": "/payments{?cursor,limit,order,include_failed}",
    "self": "/",
    "strict_receive_paths": "/paths/strict-receive{?source_assets,source_account,destination_account,"
    "destination_asset_type,destination_asset_issuer,destination_asset_code,destination_amount}",
    "strict_send_paths": "/paths/strict-send{?destination_account,destination_assets,source_asset_type,"
    "source_asset_issuer,source_asset_code,source_amount}",
    "trade_aggregations": f"/trade_aggregations?{_PAIR}",
    "trades": f"/trades?{_PAIR}",
    "transaction": "/transactions/{hash}",
    "transactions": "/transactions{?cursor,limit,order}",
}


async def root(request: Request) -> Response:
    view, base = view_of(request), origin(request)
    header = view.header
    return answer(
        {
            "_links": {name: _link(base, path) for name, path in _LINKS.items()},
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


def _link(base: str, path: str) -> dict[str, Any]:
    return {"href": base + path, "templated": True} if "{" in path else {"href": base + path}


async def health(_request: Request) -> Response:
    return answer({"database_connected": True, "core_up": True, "core_synced": True})


async def liquidity_pools(request: Request) -> Response:
    """Localnet has no pools: every page is empty."""
    return answer(page_document(request, read_page(request), []))


async def not_found(_request: Request) -> Response:
    raise Problem("not_found")
