"""`milepost book`: what stands between a credit and its pay, for anybody who can reach a Horizon."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from agent.cli.terminal import say

if TYPE_CHECKING:
    from agent.core.ledger import Offer
    from agent.market.books import Books, Named, OrderBook

TITLES = (
    ("credit", "what the committee gives for credit"),
    ("pay", "what is paid for it"),
    ("bids", "what cars promise with their entries"),
)


@click.command()
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@click.pass_obj
def book(config_path: str | None, model: str, as_json: bool) -> None:
    """The order books of MODEL (DLMname:ISSUER, as `milepost offers` shows it): DLM for VLM, XLM for DLM, DLC for VLM.

    Each line is an offer that gives so much for 1.0, the best first. Only the ledger is asked; the content store says
    which seller is the settlement account.
    """
    from pydantic import TypeAdapter, ValidationError

    from agent.compose.books import look
    from agent.core.fields import ModelName
    from agent.core.money import Asset
    from agent.host.config import load

    try:
        asset = Asset.parse(TypeAdapter(ModelName).validate_python(model))
    except ValidationError:
        raise click.BadParameter("a model is DLMname:ISSUER, as `milepost offers` shows it.") from None
    found, parties = look(load(config_path), asset)
    say(json.dumps(_facts(asset, found, parties)) if as_json else "\n".join(_lines(found, parties)))


def _facts(model: Any, found: Books, parties: Named) -> dict[str, Any]:
    return {
        "model": str(model),
        "initiator": parties.initiator,
        "settlement": parties.settlement,
        "locked": found.locked,
        "whole": found.is_whole,
        "books": {name: _book(getattr(found, name), parties) for name, _ in TITLES},
    }


def _book(each: OrderBook, parties: Named) -> dict[str, Any]:
    offers = [
        {
            "offer": offer.id,
            "seller": offer.seller,
            "who": parties.name(offer.seller),
            "amount": offer.amount,
            "each": str(each.each(offer)),
            "selling": str(offer.selling),
        }
        for offer in each.offers
    ]
    return {"gives": each.gives, "takes": each.takes, "offers": offers}


def _lines(found: Books, parties: Named) -> list[str]:
    from agent.core.money import text

    lines = []
    for name, title in TITLES:
        each: OrderBook = getattr(found, name)
        lines.append(f"{each.gives} for {each.takes}: {title}")
        lines += [_line(each, offer, parties) for offer in each.offers] or ["  nobody offers any"]
        if name == "pay" and found.locked is not None:
            lines.append(f"  {text(found.locked)} XLM more are locked for entries that are not judged yet")
    return lines if found.is_whole else [*lines, "There are more offers than were looked at; some may be missing."]


def _line(each: OrderBook, offer: Offer, parties: Named) -> str:
    from agent.core.money import UNIT, share, text
    from agent.core.plain import plain

    amount, one = text(offer.amount), text(share(UNIT, each.each(offer)))
    who = parties.name(offer.seller)
    return f"  {plain(offer.seller):<56}  {who:<10}  {amount:>20} {each.gives}, {one} for 1.0"
