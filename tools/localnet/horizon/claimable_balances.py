"""Claimable balances that wait for a claimant."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..engine import ClaimableBalance
from ..view import View
from .address import BALANCE_V0
from .amount import coins
from .answer import answer, link, origin
from .asset import parse_asset
from .collection import Collection, Condition, view_of
from .ledgers import closed_at
from .page import Key, whole
from .party import account_param, balance_in_address
from .predicate import entry_predicate
from .problem import Problem


def balance_record(view: View, balance: ClaimableBalance, base: str) -> dict[str, Any]:
    name = BALANCE_V0 + balance.id
    path = f"/claimable_balances/{name}"
    return {
        "_links": {
            "self": link(base, path),
            "transactions": link(base, f"{path}/transactions", True),
            "operations": link(base, f"{path}/operations", True),
        },
        "id": name,
        "asset": str(balance.asset),
        "amount": coins(balance.amount),
        "sponsor": balance.sponsor,
        "last_modified_ledger": balance.last_modified,
        "last_modified_time": closed_at(view, balance.last_modified),
        "claimants": [
            {"destination": one.destination, "predicate": entry_predicate(one.predicate)} for one in balance.claimants
        ],
        "flags": {"clawback_enabled": balance.clawback_enabled},
        "paging_token": f"{balance.last_modified}-{name}",
    }


def _row_record(view: View, row: Any, base: str) -> dict[str, Any]:
    found: Any = view.state.claimable_balance(row["id"])  # what the catalogue lists is there
    return balance_record(view, found, base)


def _read_token(text: str) -> tuple[int, str]:
    ledger, dash, name = text.partition("-")
    if not dash or not name.startswith(BALANCE_V0):
        raise ValueError(text)
    return whole(ledger), name.removeprefix(BALANCE_V0)


# Driven by the claimant's own index (a CROSS JOIN keeps its order): a committee asks for this at every close.
_SELECT_OF_CLAIMANT = "SELECT balance.id FROM claimant AS taken CROSS JOIN balance ON balance.id = taken.balance"
_WRONG = "The first part should be a number higher than 0 and the second part should be a valid claimable balance ID"
_OF_CLAIMANT = Collection(
    _SELECT_OF_CLAIMANT, Key(("taken.modified", "taken.balance"), _read_token, _WRONG), _row_record, streams=False
)
_BALANCES = Collection(
    "SELECT id FROM balance", Key(("modified", "id"), _read_token, _WRONG), _row_record, streams=False
)


async def claimable_balances(request: Request) -> Response:
    where: list[Condition] = []
    if asset := request.query_params.get("asset"):
        where.append(("asset = ?", [parse_asset(asset, "asset")]))
    if sponsor := account_param(request, "sponsor"):
        where.append(("sponsor = ?", [sponsor]))
    if claimant := account_param(request, "claimant"):
        return await _OF_CLAIMANT.respond(request, ("taken.claimant = ?", [claimant]), *where)
    return await _BALANCES.respond(request, *where)


async def claimable_balance(request: Request) -> Response:
    view = view_of(request)
    found = view.state.claimable_balance(balance_in_address(request))
    if found is None:
        raise Problem("not_found")
    return answer(balance_record(view, found, origin(request)))
