"""A round that its initiator made by hand: what the product's press would refuse to publish."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stellar_sdk import AuthorizationFlag, Keypair, ManageSellOffer, SetOptions
from stellar_sdk.operation import Operation

from agent.core import pay
from agent.core.cid import Cid
from agent.core.ids import AccountId, CidText
from agent.core.money import UNIT, XLM, text
from agent.core.round import GlobalSet, Pledge, Round
from agent.ledger.envelope import sdk_asset, sdk_price
from agent.ledger.keys import account_of
from agent.market import bundle, pledge, publish, sealed
from tools.chaos.town import Town

REWARD, BUDGET = 60 * UNIT, 600 * UNIT
"""More than the honest ones offer."""


@dataclass(frozen=True)
class Trap:
    cid: CidText
    round: Round
    settlement: AccountId
    own: Keypair
    """The settlement account's own key, which an honest initiator forgets."""
    issuer: Keypair
    """The issuer's, likewise."""


def lay(
    town: Town,
    twist: Callable[[Round], Round] = lambda made: made,
    *,
    setup: Callable[[list[Operation]], list[Operation]] = list,
    graph: Callable[[bytes], bytes] = bytes,
    committee: Sequence[AccountId] | None = None,
) -> Trap:
    """A new model of the hostile initiator, on offer. `setup`: what becomes of the settlement account's set-up;
    `twist`: of the round; `graph`: of its network."""
    ground, house = town.ground, town.hostile_house
    name = f"t{ground.dice.randrange(10**6)}"
    own, issuer, key = ground.key(), ground.key(), house.key
    parties = publish.Parties(name, house.account, account_of(issuer), account_of(own))
    dlm = parties.dlm
    model_cid, model = town.round_of(house)
    members = tuple(committee or model.committee)
    honest = [m for m in members if m in {account_of(judge) for judge in town.judges}]
    ground.apply(setup(publish.set_up(parties, ground.dlc, honest, REWARD, 50 * UNIT)), key, issuer, own)
    ground.allow(account_of(own))
    purpose = bundle.test_set_purpose(str(dlm))
    ciphertext, keys = sealed.seal(house.test_set.read_bytes(), purpose, honest)
    home = ground.folder / "traps" / name
    tests = ground.store.put(bundle.lay(home / "tests", {bundle.TEST_SET: ciphertext}))
    plain = model.model_copy(
        update={
            "model": str(dlm),
            "initiator": house.account,
            "number": 0,
            "ledger": ground.exchange.head + 4,
            "published_at": ground.now,
            "previous": None,
            "lineage": (),
            "settlement": account_of(own),
            "committee": members,
            "global_set": GlobalSet.model_construct(cid=tests.text, keys=keys),
        }
    )
    locked = Pledge(amount=BUDGET, reward=REWARD, until=pay.until(plain))
    made = twist(plain.model_copy(update={"pledge": locked}))
    folder = town.shelf.get(model_cid, bundle.ROUND_LIMITS)
    files: dict[str, Any] = {
        bundle.WEIGHTS: folder / bundle.WEIGHTS,
        bundle.GRAPH: graph((folder / bundle.GRAPH).read_bytes()),
    }
    cid = ground.store.put(bundle.lay(home / "round", {bundle.ROUND: made.to_bytes(), **files})).text
    offer(town, made, cid)
    return Trap(cid, made, made.settlement, own, issuer)


def offer(town: Town, made: Round, cid: CidText) -> None:
    """On the book."""
    operations = [
        *publish.offer(made.model_asset, REWARD, REWARD, publish.Sign(cid, 0, made.ledger)),
        *([pledge.create(made, made.pledge.amount)] if made.pledge is not None else []),
    ]
    town.ground.apply(operations, town.hostile_house.key, memo=Cid.parse(cid).digest)


def take_up(town: Town, trap: Trap) -> None:
    """Off the book again, if nobody honest fell into it: else its vehicles may still be paid."""
    if any(trap.settlement in stake.claimants for stake in town.books.of(town.honest)):
        return
    key = town.hostile_house.key
    for standing in town.ground.line.offers(account_of(key)):
        if standing.buying == trap.round.model_asset:
            gone = ManageSellOffer(
                sdk_asset(XLM), sdk_asset(standing.buying), text(0), sdk_price(standing.price), offer_id=standing.id
            )
            town.ground.apply([gone], key)


def open_door(operations: list[Operation]) -> list[Operation]:
    """The account keeps its own key, alone."""
    return [operation for operation in operations if not isinstance(operation, SetOptions)]


def open_issuer(operations: list[Operation]) -> list[Operation]:
    """The issuer keeps its key, and may take lines away."""
    locks = next(each for each in operations if isinstance(each, SetOptions) and each.master_weight == 0)
    flags = AuthorizationFlag.AUTHORIZATION_REVOCABLE
    opens = SetOptions(set_flags=flags, source=locks.source)
    return [opens if each is locks else each for each in operations]


def low_threshold(operations: list[Operation]) -> list[Operation]:
    """Claiming a balance is a low-threshold operation: one member can."""
    *others, last = operations
    assert isinstance(last, SetOptions)  # noqa: S101
    last.low_threshold = 1
    return [*others, last]
