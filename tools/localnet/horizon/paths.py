"""Paths that a path payment may take, strict in what is sent or in what is received."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..engine import NATIVE, Asset, LedgerState, TrustLine
from ..path_finding import Way, ways_receiving, ways_sending
from .amount import coins, stroops
from .answer import answer
from .asset import asset_fields, parse_assets, require_asset
from .collection import view_of
from .party import account_param
from .problem import AMOUNT, REQUIRED, Problem, bad_field

_MAX_ASSETS = 15


async def strict_send_paths(request: Request) -> Response:
    state = view_of(request).state
    source = Asset.parse(require_asset(request, "source_"))
    amount = _amount(request, "source_amount")
    wanted = _assets(request, state, "destination_account", "destination_assets")
    ways = ways_sending(state, source, amount)
    return _answer(_record(way.assets, amount, way.amount) for asset, way in sorted(ways.items()) if asset in wanted)


async def strict_receive_paths(request: Request) -> Response:
    state = view_of(request).state
    destination = Asset.parse(require_asset(request, "destination_"))
    amount = _amount(request, "destination_amount")
    wanted = _assets(request, state, "source_account", "source_assets")
    payer = account_param(request, "source_account")
    ways = ways_receiving(state, destination, amount)
    return _answer(
        _record(way.assets[::-1], way.amount, amount)
        for asset, way in sorted(ways.items())
        if asset in wanted and (payer is None or _can_pay(state, payer, asset, way))
    )


def _answer(records: Any) -> Response:
    return answer({"_embedded": {"records": list(records)}})


def _record(assets: tuple[Asset, ...], sent: int, received: int) -> dict[str, Any]:
    source, *between, destination = assets if len(assets) > 1 else assets * 2
    return {
        **asset_fields(str(source), "source_"),
        "source_amount": coins(sent),
        **asset_fields(str(destination), "destination_"),
        "destination_amount": coins(received),
        "path": [asset_fields(str(asset)) for asset in between],
    }


def _amount(request: Request, name: str) -> int:
    try:
        return stroops(request.query_params.get(name, ""))
    except ValueError:
        raise bad_field(name, AMOUNT if request.query_params.get(name) else REQUIRED) from None


def _assets(request: Request, state: LedgerState, account_name: str, assets_name: str) -> set[Asset]:
    """The assets of the other end: those an account holds, or a list. Exactly one of the two."""
    account, listed = account_param(request, account_name), request.query_params.get(assets_name)
    if (account is None) == (not listed):
        side = account_name.partition("_")[0]
        raise Problem(
            "bad_request",
            detail=f"The request requires either a list of {side} assets or a {side} account. "
            "Both fields cannot be present.",
        )
    if account is None:
        found = parse_assets(listed or "", assets_name)
        if len(found) > _MAX_ASSETS:
            raise bad_field(assets_name, f"list of assets exceeds maximum length of {_MAX_ASSETS}")
        return {Asset.parse(asset) for asset in found}
    if state.account(account) is None:
        return set()
    return {NATIVE} | {line.asset for line in state.owned_by(account) if isinstance(line, TrustLine)}


def _can_pay(state: LedgerState, account: str, asset: Asset, way: Way) -> bool:
    """Whether the account holds enough; an issuer has as much of its own asset as it likes."""
    if asset == NATIVE:
        holder = state.account(account)
        return holder is not None and holder.balance >= way.amount
    line = state.trust_line(account, asset)
    return asset.issuer == account or (line is not None and line.balance >= way.amount)
