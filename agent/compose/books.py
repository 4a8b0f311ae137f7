"""A model's books and who is who on them, for anybody who can reach a Horizon."""

from __future__ import annotations

import tempfile
from pathlib import Path

from agent.compose.doors import horizon, store
from agent.core import address
from agent.core.money import Asset
from agent.errors import Refused, Unavailable
from agent.host.sections import Config
from agent.ledger.horizon import Horizon
from agent.market.books import Books, Parties, books
from agent.market.bundle import Shelf
from agent.market.publish import INITIATOR, Sign, data_name


class NoSuchModel(Refused):
    """The model {model} is not on the ledger: nobody holds the account of its issuer."""


def look(config: Config, model: Asset) -> tuple[Books, Parties]:
    """Raises NoSuchModel, Unavailable. Without a content store the settlement account is one of many."""
    ledger = horizon(config)
    if ledger.account(model.issuer) is None:
        raise NoSuchModel(model=model)
    parties, dlc = _parties(config, ledger, model)
    operator = config.market.operator
    return books(ledger, model, dlc or (Asset("DLC", operator) if operator else None)), parties


def _parties(config: Config, ledger: Horizon, model: Asset) -> tuple[Parties, Asset | None]:
    """... and the DLC that the newest round is staked with, as far as it is to be had."""
    issuer = ledger.account(model.issuer)
    written = issuer.data.get(INITIATOR, b"").decode("ascii", "replace") if issuer else ""
    try:
        initiator = address.account(written or model.issuer)
    except ValueError:
        return Parties(), None
    account = ledger.account(initiator)
    sign = Sign.read(account.data.get(data_name(model), b"")) if account else None
    if sign is None:
        return Parties(initiator), None
    with tempfile.TemporaryDirectory(prefix="milepost-") as scratch:
        try:
            round_ = Shelf(Path(scratch), store(config)).round(sign.cid)
        except (Refused, Unavailable):
            return Parties(initiator), None
    if round_.model_asset != model:
        return Parties(initiator), None
    return Parties(initiator, round_.settlement), round_.stake_asset
