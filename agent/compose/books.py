"""A model's books and who is who on them, for anybody who can reach a Horizon."""

from __future__ import annotations

import tempfile
from pathlib import Path

from agent.compose.doors import horizon, store
from agent.core import address
from agent.core.ids import AccountId
from agent.core.money import Asset
from agent.core.round import Round
from agent.errors import Refused, Unavailable
from agent.host.sections import Config
from agent.ledger.horizon import Horizon
from agent.market.books import Books, Named, books
from agent.market.bundle import Shelf
from agent.market.listing import signs
from agent.market.publish import INITIATOR


class NoSuchModel(Refused):
    """The model {model} is not on the ledger: nobody holds the account of its issuer."""


def look(config: Config, model: Asset) -> tuple[Books, Named]:
    """Raises NoSuchModel, Unavailable. Without a content store the settlement account is one of many."""
    ledger = horizon(config)
    if ledger.account(model.issuer) is None:
        raise NoSuchModel(model=model)
    initiator, round_ = _newest(config, ledger, model)
    operator = config.market.operator
    found = books(ledger, model, round_, Asset("DLC", operator) if operator else None)
    return found, Named(initiator, round_.settlement if round_ else None)


def _newest(config: Config, ledger: Horizon, model: Asset) -> tuple[AccountId | None, Round | None]:
    """The model's initiator and its newest round, as far as they are to be had."""
    issuer = ledger.account(model.issuer)
    written = issuer.data.get(INITIATOR, b"").decode("ascii", "replace") if issuer else ""
    try:
        initiator = address.account(written or model.issuer)
    except ValueError:
        return None, None
    account = ledger.account(initiator)
    sign = signs(account).get(model.code) if account else None
    if sign is None:
        return initiator, None
    with tempfile.TemporaryDirectory(prefix="milepost-") as scratch:
        try:
            round_ = Shelf(Path(scratch), store(config)).round(sign.cid)
        except (Refused, Unavailable):
            return initiator, None
    return initiator, round_ if round_.model_asset == model else None
