"""Open offers."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..engine import Offer
from ..view import View
from .amount import coins, price_fields
from .answer import answer, link, origin
from .asset import asset_fields, parse_asset, read_asset
from .collection import Collection, Condition, view_of
from .ledgers import closed_at
from .page import number_key, whole
from .party import account_in_address, account_param
from .problem import Problem, bad_field


def offer_record(view: View, offer: Offer, base: str) -> dict[str, Any]:
    return {
        "_links": {
            "self": link(base, f"/offers/{offer.id}"),
            "offer_maker": link(base, f"/accounts/{offer.seller}"),
        },
        "id": str(offer.id),
        "paging_token": str(offer.id),
        "seller": offer.seller,
        "selling": asset_fields(str(offer.selling)),
        "buying": asset_fields(str(offer.buying)),
        "amount": coins(offer.amount),
        **price_fields(offer.n, offer.d),
        "last_modified_ledger": offer.last_modified,
        "last_modified_time": closed_at(view, offer.last_modified),
    }


def _row_record(view: View, row: Any, base: str) -> dict[str, Any]:
    found: Any = view.state.offer(row["id"])  # what the catalogue lists is there
    return offer_record(view, found, base)


OFFER = "Offer ID must be an integer higher than 0"

_SELECT = "SELECT id FROM offer"
_OFFERS = Collection(_SELECT, number_key("id"), _row_record, streams=False)
_ACCOUNT_OFFERS = Collection(_SELECT, number_key("id"), _row_record)


async def offers(request: Request) -> Response:
    where: list[Condition] = []
    if seller := account_param(request, "seller"):
        where.append(("seller = ?", [seller]))
    if account_param(request, "sponsor"):
        where.append(("0", ()))  # no offer on this ledger is sponsored
    for side in ("selling", "buying"):
        if asset := _asset(request, side):
            where.append((f"{side} = ?", [asset]))
    return await _OFFERS.respond(request, *where)


def _asset(request: Request, side: str) -> str | None:
    """`selling=CODE:ISSUER`, or the three fields `selling_asset_…`."""
    text = request.query_params.get(side)
    return parse_asset(text, side) if text else read_asset(request, f"{side}_")


async def account_offers(request: Request) -> Response:
    return await _ACCOUNT_OFFERS.respond(request, ("seller = ?", [account_in_address(request)]))


async def offer(request: Request) -> Response:
    view = view_of(request)
    found = view.state.offer(offer_in_address(request))
    if found is None:
        raise Problem("not_found")
    return answer(offer_record(view, found, origin(request)))


def offer_in_address(request: Request) -> int:
    try:
        return whole(request.path_params["offer"])
    except ValueError:
        raise bad_field("offer_id", OFFER) from None
