"""A market whose validators are enrolled in its operator's registry."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from stellar_sdk import ChangeTrust, Keypair, Payment

from agent.core.money import UNIT, text
from agent.ledger.envelope import sdk_asset
from agent.market import publish
from agent.market.enrolment import Registrar
from tests.market.town import DLC_PRICE, ROADS, Town, publisher_of
from tools.localnet.server import Localnet


def hall(net: Localnet, folder: Path, validators: int) -> Town:
    """An operator, an initiator with money, and so many validators with DLC: nobody is enrolled."""
    town = Town(net, folder, tuple(Keypair.random() for _ in range(validators)), lesson=ROADS)
    net.fund(*(k.public_key for k in (town.operator, town.initiator, *town.committee)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # stellar_sdk warns of what its own reader does with flags
        town.apply(publish.operator_account(town.dlc, 10_000 * UNIT, DLC_PRICE), town.operator)
    for key in town.committee:
        holds_dlc(town, key)
    return town


def holds_dlc(town: Town, key: Keypair, amount: int = 500 * UNIT) -> None:
    town.apply([ChangeTrust(sdk_asset(town.dlc))], key)
    town.allow(key.public_key)
    town.apply([Payment(key.public_key, sdk_asset(town.dlc), text(amount))], town.operator)


def registrar(town: Town, key: Keypair, budget: int = 0) -> Registrar:
    def wait() -> None:
        town.net.close_ledger()

    return Registrar(horizon=town.horizon, key=key, dlc=town.dlc, max_fee=1000, budget=budget, wait=wait)


def enrolled(town: Town, *kinds: str) -> None:
    """Everybody is."""
    for key in town.committee:
        registrar(town, key).enrol(100 * UNIT, 90, 500, kinds or ("steering",))


def published(town: Town, drawn: int = 3, **plan: Any) -> Town:
    """Round 0, by a drawn committee, which is the town's from then on."""
    publisher = publisher_of(town, **{"committee": drawn, **plan})
    town.settlement = publisher.set_up()
    town.allow(town.settlement)
    town.cid = publisher.first(*town.lesson.network(town.folder)).cid
    publisher.book.journal.close()
    by_account = {key.public_key: key for key in town.committee}
    town.committee = tuple(by_account[account] for account in town.round.committee)
    return town
