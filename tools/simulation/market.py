"""The simulated fleet's market on localnet: parties, accounts, one round. Everything is signed and submitted
as in life; only what takes one ledger each on a real network is spread over many source accounts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from stellar_sdk import ChangeTrust, CreateAccount, Keypair, MuxedAccount
from stellar_sdk.operation import Operation

from agent.content.folder import FolderStore
from agent.core import pay
from agent.core.ids import AccountId, CidText
from agent.core.money import UNIT, Asset, text
from agent.core.round import Architecture, Figure, GlobalSet, Input, Pledge, Recipe, Round, StakeSchedule, Task
from agent.errors import MilepostError
from agent.learn import weights
from agent.ledger.envelope import Signed, build, sdk_asset, signed
from agent.ledger.horizon import Horizon
from agent.ledger.keys import account_of
from agent.ledger.submission import InLedger, look
from agent.market import bundle, pledge, publish

VALIDATORS = 3
OPERATIONS, SIGNATURES = 100, 20
"""Bounds of one transaction."""
REWARD, STAKE, FEE = 2 * UNIT, 5 * UNIT, UNIT // 10
DLC_PRICE = Fraction(1, 2)
PATIENCE_S = 120.0
FIRST_WEIGHTS = {"weight": np.ones(64, dtype=np.float32)}


class NotEntered(MilepostError):
    """The simulation's transaction was not taken by the ledger: {why}"""


@dataclass(frozen=True)
class Market:
    """Who is who, and the round that everybody works on."""

    horizon: Callable[[], Horizon]
    """One for each thread."""
    store: FolderStore
    operator: Keypair
    initiator: Keypair
    settlement: AccountId
    committee: tuple[Keypair, ...]
    dlc: Asset
    round: Round
    cid: CidText


class Submitter:
    """Builds, signs and sees transactions into ledgers, many at a time."""

    def __init__(self, horizon: Callable[[], Horizon], pool: ThreadPoolExecutor) -> None:
        self.horizon, self._pool = horizon, pool

    def enter(self, *made: Signed) -> None:
        """All of them, or NotEntered."""
        waiting, until = list(made), time.monotonic() + PATIENCE_S
        while waiting:
            if time.monotonic() > until:
                raise NotEntered(why=f"{len(waiting)} were not in a ledger after {PATIENCE_S:g} s")
            outcomes = list(self._pool.map(lambda one: look(self.horizon(), one), waiting))
            for outcome in outcomes:
                if outcome is not None and not isinstance(outcome, InLedger):
                    raise NotEntered(why=str(outcome))
            waiting = [one for one, outcome in zip(waiting, outcomes, strict=True) if outcome is None]
            if waiting:
                time.sleep(0.5)

    def transaction(self, operations: Sequence[Operation], *keys: Keypair, memo: bytes | None = None) -> Signed:
        """Under the next sequence number of the first key's account."""
        horizon = self.horizon()
        account, head = horizon.account(account_of(keys[0])), horizon.head()
        if account is None:
            raise NotEntered(why=f"{account_of(keys[0])} is not on the ledger")
        envelope = build(
            account.id,
            account.sequence,
            operations,
            passphrase=horizon.passphrase,
            fee=1000,
            max_time=head.closed_at + 240,
            memo=memo,
        )
        return signed(envelope, *keys)

    def transactions(self, parts: Iterable[tuple[Sequence[Operation], Sequence[Keypair]]]) -> list[Signed]:
        return list(self._pool.map(lambda part: self.transaction(part[0], *part[1]), parts))


def open_market(submitter: Submitter, root: Keypair, store: FolderStore, folder: Path, vehicles: int) -> Market:
    """Operator, initiator, settlement account and round 0, with enough of everything for `vehicles`
    contributions."""
    operator, initiator, issuer, own = (Keypair.random() for _ in range(4))
    committee = tuple(Keypair.random() for _ in range(VALIDATORS))
    budget = REWARD * (vehicles + 10)
    submitter.enter(
        submitter.transaction(
            [
                CreateAccount(account_of(operator), "1000"),
                CreateAccount(account_of(initiator), text(budget + 10_000 * UNIT)),
                *(CreateAccount(account_of(key), "100") for key in committee),
            ],
            root,
        )
    )
    dlc = Asset("DLC", account_of(operator))
    parties = publish.Parties("sim", account_of(initiator), account_of(issuer), account_of(own))
    validators = [account_of(key) for key in committee]
    setup = publish.set_up(parties, dlc, validators, REWARD, 100 * UNIT)
    on_sale = STAKE * 3 * (vehicles + 10)
    submitter.enter(
        submitter.transaction(publish.operator_account(dlc, on_sale, DLC_PRICE), operator),
        submitter.transaction(setup, initiator, issuer, own),
    )
    submitter.enter(submitter.transaction(publish.authorise(dlc, [account_of(own)]), operator))
    head = submitter.horizon().head()
    round_ = _round(parties, str(dlc), validators).model_copy(
        update={"ledger": head.sequence, "published_at": head.closed_at}
    )
    round_ = round_.model_copy(update={"pledge": Pledge(amount=budget, reward=REWARD, until=pay.until(round_))})
    home = bundle.lay(
        folder / "round-0", {bundle.ROUND: round_.to_bytes(), bundle.WEIGHTS: weights.dump(FIRST_WEIGHTS)}
    )
    cid = store.put(home)
    offered = [
        *publish.offer(parties.dlm, REWARD, REWARD, publish.Sign(cid.text, 0, round_.ledger)),
        pledge.create(round_, budget),
    ]
    submitter.enter(submitter.transaction(offered, initiator, memo=cid.digest))
    return Market(submitter.horizon, store, operator, initiator, account_of(own), committee, dlc, round_, cid.text)


def enrol(submitter: Submitter, market: Market, root: Keypair, keys: Sequence[Keypair]) -> None:
    """Accounts, DLC trustlines, and the compliance desk's yes, for every vehicle."""
    heads = keys[::OPERATIONS]
    for part in _parts(heads, OPERATIONS):
        starting = text(40 * OPERATIONS * UNIT)
        submitter.enter(submitter.transaction([CreateAccount(account_of(key), starting) for key in part], root))
    crews = [part for part in _parts(keys, OPERATIONS) if len(part) > 1]
    submitter.enter(
        *submitter.transactions(([CreateAccount(account_of(k), "40") for k in p[1:]], p[:1]) for p in crews)
    )
    asset = sdk_asset(market.dlc)
    small = list(_parts(keys, SIGNATURES))
    submitter.enter(*submitter.transactions(([ChangeTrust(asset, source=account_of(k)) for k in p], p) for p in small))
    whole = list(_parts(keys, OPERATIONS))
    submitter.enter(*submitter.transactions((_as_operator(market, p), [p[0], market.operator]) for p in whole))


def _as_operator(market: Market, keys: Sequence[Keypair]) -> list[Operation]:
    """The operator's operations in somebody else's transaction, so that many fit into one ledger."""
    operations = publish.authorise(market.dlc, [account_of(key) for key in keys])
    for operation in operations:
        operation.source = MuxedAccount(account_of(market.operator))
    return operations


def _parts(items: Sequence[Any], size: int) -> Iterable[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _round(parties: publish.Parties, dlc: str, committee: Sequence[AccountId]) -> Round:
    """A round whose network is 64 numbers: nothing here is learnt."""
    return Round(
        model=str(parties.dlm),
        initiator=parties.initiator,
        number=0,
        task=Task(kind="steering"),
        architecture=Architecture(name="pilotnet"),
        input=Input(height=66, width=200),
        recipe=Recipe(steps=100, batch=32, learning_rate=Decimal("0.001"), minimum_samples=10),
        stake=StakeSchedule(asset=dlc, base=STAKE, fee=FEE),
        settlement=parties.settlement,
        committee=tuple(committee),
        contributions=10,
        review_window=86_400,
        length=86_400,
        gain_reference=Decimal("0.01"),
        global_set=GlobalSet(cid=CidText("Qm" + "1" * 44), keys={}),
        figure=Figure(name="rmse", unit="deg", better="lower", value=Decimal("9.81"), samples=500),
    )
