"""Accounts as they stand."""

from __future__ import annotations

import base64
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..engine import Account, DataEntry, TrustLine
from ..view import View
from .amount import coins
from .answer import answer, link, origin
from .asset import NATIVE, asset_fields, parse_asset
from .collection import Collection, view_of
from .ledgers import closed_at
from .page import text_key
from .party import account_in_address, account_param
from .problem import Problem, bad_field
from .stream import stream_object, wants_stream

_NOUNS = ("transactions", "operations", "payments", "effects", "offers", "trades")
_FLAGS = {"auth_required": 1, "auth_revocable": 2, "auth_immutable": 4, "auth_clawback_enabled": 8}
_SIGNER_TYPES = {
    "G": "ed25519_public_key",
    "T": "preauth_tx",
    "X": "sha256_hash",
    "P": "ed25519_signed_payload",
}
_FILTERS = ("signer", "sponsor", "asset", "liquidity_pool")


def account_record(view: View, account: Account, base: str) -> dict[str, Any]:
    path = f"/accounts/{account.account}"
    owned = view.state.owned_by(account.account)
    lines = [one for one in owned if isinstance(one, TrustLine)]
    data = [one for one in owned if isinstance(one, DataEntry)]
    links = {noun: link(base, f"{path}/{noun}", True) for noun in _NOUNS}
    used: dict[str, Any] = {}
    if account.sequence_ledger:
        used = {"sequence_ledger": account.sequence_ledger, "sequence_time": str(account.sequence_time)}
    inflation = {"inflation_destination": account.inflation_destination} if account.inflation_destination else {}
    master, low, medium, high = account.thresholds
    return {
        "_links": {
            "self": link(base, path),
            **links,
            "data": {"href": f"{base}{path}/data/{{key}}", "templated": True},
        },
        "id": account.account,
        "account_id": account.account,
        "sequence": str(account.sequence),
        **used,
        "subentry_count": account.subentries,
        **inflation,
        **({"home_domain": account.home_domain} if account.home_domain else {}),
        "last_modified_ledger": account.last_modified,
        "last_modified_time": closed_at(view, account.last_modified),
        "thresholds": {"low_threshold": low, "med_threshold": medium, "high_threshold": high},
        "flags": {name: bool(account.flags & bit) for name, bit in _FLAGS.items()},
        "balances": [
            *(_line_balance(line) for line in sorted(lines, key=_line_order)),
            _native_balance(account),
        ],
        "signers": [_signer(one.key, one.weight) for one in account.signers] + [_signer(account.account, master)],
        "data": {one.name: base64.b64encode(one.value).decode() for one in sorted(data, key=lambda d: d.name)},
        "num_sponsoring": account.num_sponsoring,
        "num_sponsored": account.num_sponsored,
        "paging_token": account.account,
    }


def _line_order(line: TrustLine) -> tuple[str, str]:
    return line.asset.code, line.asset.issuer


def _line_balance(line: TrustLine) -> dict[str, Any]:
    return {
        "balance": coins(line.balance),
        "limit": coins(line.limit),
        "buying_liabilities": coins(line.buying_liabilities),
        "selling_liabilities": coins(line.selling_liabilities),
        "last_modified_ledger": line.last_modified,
        "is_authorized": bool(line.flags & 1),
        "is_authorized_to_maintain_liabilities": bool(line.flags & 3),
        **({"is_clawback_enabled": True} if line.flags & 4 else {}),
        **asset_fields(str(line.asset)),
    }


def _native_balance(account: Account) -> dict[str, Any]:
    return {
        "balance": coins(account.balance),
        "buying_liabilities": coins(account.buying_liabilities),
        "selling_liabilities": coins(account.selling_liabilities),
        "asset_type": NATIVE,
    }


def _signer(key: str, weight: int) -> dict[str, Any]:
    return {"weight": weight, "key": key, "type": _SIGNER_TYPES[key[0]]}


def _row_record(view: View, row: Any, base: str) -> dict[str, Any]:
    found: Any = view.state.account(row["account"])  # what the catalogue lists is there
    return account_record(view, found, base)


_BY_SIGNER = Collection("SELECT account FROM signer", text_key("account"), _row_record, streams=False)
_BY_ASSET = Collection("SELECT account FROM line", text_key("account"), _row_record, streams=False)


async def accounts(request: Request) -> Response:
    """Exactly one filter. Localnet has no sponsored accounts and no pools: those pages are empty."""
    signer = account_param(request, "signer")
    account_param(request, "sponsor")
    if request.query_params.get("asset"):
        asset = parse_asset(request.query_params["asset"], "asset")
        if asset == NATIVE:
            raise bad_field("asset", "you can't filter by asset: native")
    given = [name for name in _FILTERS if request.query_params.get(name)]
    if len(given) != 1:
        raise Problem("invalid_accounts_params")
    if given[0] == "asset":
        return await _BY_ASSET.respond(request, ("asset = ?", [asset]))
    if given[0] == "signer":
        return await _BY_SIGNER.respond(request, ("signer = ?", [signer]))
    return await _BY_SIGNER.respond(request, ("0", ()))


async def account(request: Request) -> Response:
    view, name, base = view_of(request), account_in_address(request), origin(request)

    def read() -> dict[str, Any]:
        found = view.state.account(name)
        if found is None:
            raise Problem("not_found")
        return account_record(view, found, base)

    return stream_object(request, view, read) if wants_stream(request) else answer(read())


async def account_data(request: Request) -> Response:
    view, name = view_of(request), request.path_params["name"]
    owner = account_in_address(request)

    def read() -> dict[str, Any]:
        found = view.state.data(owner, name)
        if found is None:
            raise Problem("not_found")
        return {"value": base64.b64encode(found.value).decode()}

    if wants_stream(request):
        return stream_object(request, view, read)
    document = read()
    if "application/octet-stream" in request.headers.get("accept", ""):
        return Response(base64.b64decode(document["value"]), media_type="application/octet-stream")
    return answer(document)
