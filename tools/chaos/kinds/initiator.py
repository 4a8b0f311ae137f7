"""The hostile initiator. Vehicles and validators follow it like the others, and it pays best."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

from stellar_sdk import (
    AuthorizationFlag,
    ClaimClaimableBalance,
    ManageSellOffer,
    Payment,
    SetOptions,
    SetTrustLineFlags,
    TrustLineFlags,
)
from stellar_sdk.operation import Operation

from agent.core.cid import Cid
from agent.core.ids import AccountId
from agent.core.ledger import BALANCE_V0
from agent.core.money import UNIT, XLM, text
from agent.core.round import Lineage, Round
from agent.ledger.envelope import sdk_asset, sdk_price
from agent.ledger.keys import account_of
from agent.market import pledge, publish
from tools.chaos import trap
from tools.chaos.books import Stake
from tools.chaos.ground import Foiled
from tools.chaos.kinds.kind import Act, Cast, Course, Kind, best_pay, ledgers
from tools.chaos.town import Town

BAIT = 16
"""Ledgers for which a trap is watched."""


def fake_settlement(town: Town, cast: Cast) -> Course:
    """The honest committee, and a settlement account of the initiator's own: stakes are claimed as they come."""
    laid = trap.lay(town, setup=trap.open_door)
    cast.add(laid.own)
    for _ in range(BAIT):
        for stake in _open_stakes(town, laid.settlement):
            town.ground.apply([ClaimClaimableBalance(BALANCE_V0 + stake.id)], laid.own)
        yield
    trap.take_up(town, laid)


def low_threshold(town: Town, cast: Cast) -> Course:
    """One member of the committee claims stakes alone: claiming is a low-threshold operation."""
    laid = trap.lay(town, setup=trap.low_threshold)
    for _ in range(BAIT):
        for stake in _open_stakes(town, laid.settlement):
            claim = ClaimClaimableBalance(BALANCE_V0 + stake.id, source=laid.settlement)
            town.ground.apply([claim], town.hostile_house.key, town.liars[0])
        yield
    trap.take_up(town, laid)


def _open_stakes(town: Town, settlement: AccountId) -> list[Stake]:
    """What others put down for it. The pay that the initiator locked is its own, and no profit."""
    found = [stake for stake in town.books.stakes.values() if settlement in stake.claimants and not stake.ended_by]
    return [stake for stake in found if stake.asset == town.ground.dlc]


def _bait(twist: Callable[[Round], Round] = lambda made: made, **setup: Any) -> Act:
    def act(town: Town, cast: Cast) -> Course:
        laid = trap.lay(town, twist, **setup)
        yield from ledgers(BAIT)
        trap.take_up(town, laid)

    return act


def _changed(**changes: Any) -> Callable[[Round], Round]:
    return lambda made: made.model_copy(update=changes)


def _dear(made: Round) -> Round:
    """The fee eats the pay: base 50, fee 49.9."""
    stake = made.stake.model_copy(update={"base": 50 * UNIT, "fee": 499 * UNIT // 10})
    return made.model_copy(update={"stake": stake})


def _bad_member(made: Round) -> Round:
    """An address whose checksum is wrong."""
    last = made.committee[-1]
    wrong = last[:-1] + ("A" if last[-1] != "A" else "B")
    return made.model_copy(update={"committee": (*made.committee[:-1], wrong)})


def _of_tomorrow(exported: bytes) -> bytes:
    """A file format that no onnxruntime reads yet."""
    import onnx

    made = onnx.load_from_string(exported)
    made.ir_version = 99
    return bytes(made.SerializeToString())


def borrowed_settlement(town: Town, cast: Cast) -> Course:
    """A round that says it follows another initiator's, is settled where that is, and was made by one friend alone: the
    whole purse would be the friend's."""
    house = town.houses[0]
    friend = cast.straw()
    cast.fair = lambda: best_pay(town, cast)
    cid, _ = town.round_of(house)
    memo = town.ground.store.put(town.contribution(friend, cid, town.numbers(cid, 77)))
    entry = town.enter(friend, cid, memo)
    for _ in range(60):
        if town.books.stakes[entry].ended_by:
            break
        yield
    stake = town.books.stakes[entry]
    if not stake.credit:
        raise Foiled(why="the friend's work was not accepted")
    newest, round_ = town.round_of(house)
    settled_by = town.ground.line.touching(entry)[-1].hash
    part = Lineage(cid=memo.text, vehicle=account_of(friend), weight=Decimal(1), settlement=settled_by)
    laid = trap.lay(
        town,
        _changed(settlement=house.settlement, number=round_.number + 1, previous=newest, lineage=(part,)),
    )
    yield from ledgers(BAIT)
    trap.take_up(town, laid)


def frozen_purse(town: Town, cast: Cast) -> Course:
    """A round number of a thousand million on another's settlement account: no sharing would ever begin again."""
    house = town.houses[1]
    newest, round_ = town.round_of(house)
    laid = trap.lay(
        town,
        _changed(settlement=house.settlement, number=10**9, previous=newest),
        committee=round_.committee,
    )
    yield from ledgers(BAIT)
    trap.take_up(town, laid)


def frozen_line(town: Town, cast: Cast) -> Course:
    """The initiator tries what an issuer could: to take the VLM line of every car that has entered, and the settlement
    account's lines, away, and to make DLM enough to empty what stands on offer for it."""
    house = town.hostile_house
    issuer = house.dlm.issuer
    clear = TrustLineFlags.AUTHORIZED_FLAG
    tries: list[Operation] = [
        SetOptions(set_flags=AuthorizationFlag.AUTHORIZATION_REVOCABLE, source=issuer),
        SetTrustLineFlags(house.settlement, sdk_asset(house.dlm), clear_flags=clear, source=issuer),
        SetTrustLineFlags(house.settlement, sdk_asset(house.vlm), clear_flags=clear, source=issuer),
        Payment(house.account, sdk_asset(house.dlm), "1000000", source=issuer),
    ]
    tried: set[str] = set()
    for _ in range(BAIT):
        for stake in town.books.of(town.honest):
            if house.settlement in stake.claimants and not stake.ended_by and stake.maker not in tried:
                tried.add(stake.maker)
                tries.append(SetTrustLineFlags(stake.maker, sdk_asset(house.vlm), clear_flags=clear, source=issuer))
        for operation in tries:
            with suppress(Foiled):
                town.ground.apply([operation], house.key)
        tries = []
        yield


def withdrawn_offer(town: Town, cast: Cast) -> Course:
    """Off the book for a while, after the work was done, and on it again at a hundredth of the reward; then it asks for
    the pay back that it locked."""
    house = town.hostile_house
    dlm = house.dlm
    cid, round_ = town.round_of(house)
    for standing in town.ground.line.offers(house.account):
        if standing.buying == dlm:
            gone = ManageSellOffer(
                sdk_asset(XLM), sdk_asset(dlm), text(0), sdk_price(standing.price), offer_id=standing.id
            )
            town.ground.apply([gone], house.key)
    for balance in pledge.of(round_, town.ground.line.stakes(house.settlement, XLM)):
        with suppress(Foiled):
            town.ground.apply([ClaimClaimableBalance(BALANCE_V0 + balance.id)], house.key)
    yield from ledgers(20)
    sign = publish.Sign(cid, 0, town.shelf.round(cid).ledger)
    again = publish.offer(dlm, house.plan.reward_stroops, house.plan.reward_stroops // 100, sign)
    town.ground.apply(again, house.key, memo=Cid.parse(cid).digest)


KINDS = (
    Kind("fake settlement", "initiator", "a settlement account of its own under the honest committee", fake_settlement),
    Kind("low threshold", "initiator", "one member can claim stakes alone", low_threshold),
    Kind("borrowed settlement", "initiator", "names another's settlement account and round", borrowed_settlement),
    Kind("frozen purse", "initiator", "a round number of a thousand million on another's account", frozen_purse),
    Kind("frozen line", "initiator", "tries to clear lines, and to make DLM, in its issuer's name", frozen_line),
    Kind("endless review", "initiator", "a review window of 10^12 seconds", _bait(_changed(review_window=10**12))),
    Kind("overflowing review", "initiator", "a review window of 2^63 seconds", _bait(_changed(review_window=2**63))),
    Kind("dear fee", "initiator", "a fee that eats the pay", _bait(_dear)),
    Kind("bad member", "initiator", "a committee member whose address has a wrong checksum", _bait(_bad_member)),
    Kind("graph of tomorrow", "initiator", "a network in a file format nobody reads", _bait(graph=_of_tomorrow)),
    Kind("withdrawn offer", "initiator", "takes its sign off the book, and asks for the pay back", withdrawn_offer),
)
