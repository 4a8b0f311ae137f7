"""The demo's parties: keys, configuration files, and their standing on the ledger.

The operator is a person's desk, not a daemon: it is played here, with its own key, through the same ledger client.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from agent.core.ids import AccountId
from agent.core.money import UNIT, Asset
from agent.errors import MilepostError
from agent.ledger import keys
from agent.ledger.envelope import build, sdk_asset, signed
from agent.ledger.horizon import Horizon
from agent.ledger.keys import account_of
from agent.ledger.submission import InLedger, look
from agent.market import publish

if TYPE_CHECKING:
    from stellar_sdk import Keypair
    from stellar_sdk.operation import Operation

DLC_PRICE = Fraction(1, 2)
"""XLM for one DLC."""
DLC_ON_SALE = 100_000 * UNIT


class NotEntered(MilepostError):
    """The transaction of {who} did not get into a ledger: {why}"""


@dataclass(frozen=True)
class Party:
    name: str
    role: str
    folder: Path

    @property
    def key_file(self) -> Path:
        return self.folder / "stellar-key"

    @property
    def config(self) -> Path:
        return self.folder / "milepost.toml"

    @property
    def keypair(self) -> Keypair:
        return keys.load(self.key_file)

    @property
    def account(self) -> AccountId:
        return account_of(self.keypair)


def party(folder: Path, name: str, role: str) -> Party:
    """With a fresh key."""
    made = Party(name, role, folder / name)
    made.folder.mkdir(parents=True, exist_ok=True)
    keys.generate(made.key_file)
    return made


def fund(horizon: Horizon, parties: Sequence[Party]) -> None:
    """Friendbot, as on the test network."""
    for each in parties:
        requests.get(f"{horizon.url}/friendbot", {"addr": each.account}, timeout=30).raise_for_status()


def submit(horizon: Horizon, operations: list[Operation], *signers: Party) -> None:
    """Sign and see it into a ledger. Nothing is written down: if the demo dies, its ledger is gone too."""
    source = signers[0]
    account, head = horizon.account(source.account), horizon.head()
    if account is None:
        raise NotEntered(who=source.name, why="its account is not on the ledger")
    envelope = build(
        account.id,
        account.sequence,
        operations,
        passphrase=horizon.passphrase,
        fee=1000,
        max_time=head.closed_at + 120,
        memo=None,  # account set-up: there is no document behind it
    )
    made = signed(envelope, *(party.keypair for party in signers))
    until = time.monotonic() + 60
    while time.monotonic() < until:
        outcome = look(horizon, made)
        if isinstance(outcome, InLedger):
            return
        if outcome is not None:
            raise NotEntered(who=source.name, why=str(outcome))
        time.sleep(0.2)
    raise NotEntered(who=source.name, why="no ledger took it within a minute")


def open_market(horizon: Horizon, operator: Party) -> Asset:
    """The operator's DLC: authorisation required, revocable, with clawback, for sale for XLM."""
    dlc = Asset("DLC", operator.account)
    submit(horizon, publish.operator_account(dlc, DLC_ON_SALE, DLC_PRICE), operator)
    return dlc


def trust(horizon: Horizon, dlc: Asset, parties: Sequence[Party]) -> None:
    """Each party asks to hold DLC: one transaction, each signs for itself."""
    from stellar_sdk import ChangeTrust

    operations: list[Operation] = [ChangeTrust(sdk_asset(dlc), source=p.account) for p in parties]
    submit(horizon, operations, *parties)


def authorise(horizon: Horizon, operator: Party, dlc: Asset, accounts: Sequence[AccountId]) -> None:
    """The compliance desk's yes."""
    submit(horizon, publish.authorise(dlc, accounts), operator)


def write_config(each: Party, tables: dict[str, dict[str, Any]]) -> None:
    """milepost.toml, as a person would write it."""
    lines = []
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items()), ""]
    each.config.write_text("\n".join(lines))
