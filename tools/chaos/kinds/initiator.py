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
    PathPaymentStrictSend,
    Payment,
    SetOptions,
    SetTrustLineFlags,
    TrustLineFlags,
)
from stellar_sdk.operation import Operation

from agent.core.cid import Cid
from agent.core.ids import AccountId
from agent.core.ledger import BALANCE_V0
from agent.core.money import UNIT, XLM, Asset, text
from agent.core.round import Lineage, Round
from agent.ledger.envelope import sdk_asset, sdk_price
from agent.ledger.keys import account_of
from agent.market import listing, pledge, publish
from tools.chaos import trap
from tools.chaos.books import Stake
from tools.chaos.ground import Foiled
from tools.chaos.house import House
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


def _frozen(lines: Callable[[Town, set[AccountId]], list[tuple[AccountId, Asset]]]) -> Act:
    """In its issuer's name: first it would have to be able to, then it takes each of these lines away. `lines` is told
    who was tried before."""

    def act(town: Town, cast: Cast) -> Course:
        issuer, tried = town.hostile_house.dlm.issuer, set[AccountId]()
        done = _try(town, SetOptions(set_flags=AuthorizationFlag.AUTHORIZATION_REVOCABLE, source=issuer))
        for _ in range(BAIT):
            for account, asset in lines(town, tried):
                clear = TrustLineFlags.AUTHORIZED_FLAG
                done |= _try(town, SetTrustLineFlags(account, sdk_asset(asset), clear_flags=clear, source=issuer))
                tried.add(account)
            yield
        if not done:
            raise Foiled(why="nobody signs for the issuer")

    return act


def _of_cars(town: Town, tried: set[AccountId]) -> list[tuple[AccountId, Asset]]:
    """The VLM line of every car that has entered."""
    house = town.hostile_house
    entered = [stake for stake in town.books.of(town.honest) if house.settlement in stake.claimants]
    return [(AccountId(maker), house.vlm) for maker in sorted({stake.maker for stake in entered} - tried)]


def _of_settlement(asset: Callable[[House], Asset]) -> Callable[[Town, set[AccountId]], list[tuple[AccountId, Asset]]]:
    def lines(town: Town, tried: set[AccountId]) -> list[tuple[AccountId, Asset]]:
        house = town.hostile_house
        return [] if house.settlement in tried else [(house.settlement, asset(house))]

    return lines


def minted_dlm(town: Town, cast: Cast) -> Course:
    """As its issuer it would make DLM enough to empty whatever XLM stand on offer for it, again and again."""
    house = town.hostile_house
    dlm, done = sdk_asset(house.dlm), False
    for _ in range(BAIT):
        standing = [offer for offer in town.ground.line.offers(house.settlement) if offer.selling == XLM]
        if standing:
            done |= _try(town, Payment(house.account, dlm, "1000000", source=house.dlm.issuer))
            done |= _try(town, PathPaymentStrictSend(house.account, dlm, "1000", sdk_asset(XLM), text(1), []))
        yield
    if not done:
        raise Foiled(why="nobody signs for the issuer")


def _try(town: Town, operation: Operation) -> bool:
    """Signed with the hostile initiator's key. Whether the ledger took it."""
    try:
        town.ground.apply([operation], town.hostile_house.key)
    except Foiled:
        return False
    return True


def withdrawn_offer(town: Town, cast: Cast) -> Course:
    """Off the book for a while, after the work was done; then it asks for the pay back that it locked."""
    house = town.hostile_house
    _, round_ = town.round_of(house)
    _sign_at(town, 0)
    for balance in pledge.of(round_, town.ground.line.stakes(house.settlement, XLM)):
        _try(town, ClaimClaimableBalance(BALANCE_V0 + balance.id))
    yield from ledgers(20)
    _back_on_the_book(town)


def repriced_offer(town: Town, cast: Cast) -> Course:
    """On the book at a hundredth of the reward, after the work was done."""
    _sign_at(town, 100)
    yield from ledgers(20)
    _sign_at(town, 0)
    _back_on_the_book(town)


def _sign_at(town: Town, share: int) -> None:
    """The hostile initiator's sign at so small a share of its price; 0: no sign."""
    house = town.hostile_house
    for standing in town.ground.line.offers(house.account):
        if standing.buying == house.dlm:
            amount, price = (text(standing.amount), standing.price * share) if share else (text(0), standing.price)
            xlm, dlm = sdk_asset(XLM), sdk_asset(house.dlm)
            _try(town, ManageSellOffer(xlm, dlm, amount, sdk_price(price), offer_id=standing.id))


def _back_on_the_book(town: Town) -> None:
    """With the round that it names by now: a later one may have been published meanwhile."""
    house = town.hostile_house
    account = town.ground.line.account(house.account)
    if account is None or (sign := listing.signs(account).get(house.dlm.code)) is None:
        return
    reward = house.plan.reward_stroops
    again = publish.offer(house.dlm, reward, reward, publish.Sign(sign.cid, 0, sign.ledger))
    town.ground.apply(again, house.key, memo=Cid.parse(sign.cid).digest)


def open_issuer(town: Town, cast: Cast) -> Course:
    """A model as it was before pay was locked: who issues it has a key, and takes lines away as cars enter."""
    laid = trap.lay(town, setup=trap.open_issuer)
    for _ in range(BAIT):
        for stake in _open_stakes(town, laid.settlement):
            vlm, clear = sdk_asset(laid.round.credit_asset), TrustLineFlags.AUTHORIZED_FLAG
            with suppress(Foiled):
                taken = SetTrustLineFlags(stake.maker, vlm, clear_flags=clear, source=laid.round.issuer)
                town.ground.apply([taken], town.hostile_house.key, laid.issuer)
        yield
    trap.take_up(town, laid)


KINDS = (
    Kind("fake settlement", "initiator", "a settlement account of its own under the honest committee", fake_settlement),
    Kind("low threshold", "initiator", "one member can claim stakes alone", low_threshold),
    Kind("borrowed settlement", "initiator", "names another's settlement account and round", borrowed_settlement),
    Kind("frozen purse", "initiator", "a round number of a thousand million on another's account", frozen_purse),
    Kind("frozen car", "initiator", "would take cars' VLM lines away in its issuer's name", _frozen(_of_cars)),
    Kind("frozen DLM", "initiator", "the settlement account's line of DLM", _frozen(_of_settlement(lambda h: h.dlm))),
    Kind("frozen VLM", "initiator", "the settlement account's line of VLM", _frozen(_of_settlement(lambda h: h.vlm))),
    Kind("minted DLM", "initiator", "would make DLM and empty the pay that stands on offer", minted_dlm),
    Kind("open issuer", "initiator", "a model whose issuer has a key", open_issuer),
    Kind("endless review", "initiator", "a review window of 10^12 seconds", _bait(_changed(review_window=10**12))),
    Kind("overflowing review", "initiator", "a review window of 2^63 seconds", _bait(_changed(review_window=2**63))),
    Kind("dear fee", "initiator", "a fee that eats the pay", _bait(_dear)),
    Kind("bad member", "initiator", "a committee member whose address has a wrong checksum", _bait(_bad_member)),
    Kind("graph of tomorrow", "initiator", "a network in a file format nobody reads", _bait(graph=_of_tomorrow)),
    Kind("withdrawn offer", "initiator", "takes its sign off the book, and asks for the pay back", withdrawn_offer),
    Kind("repriced offer", "initiator", "puts its sign at a hundredth of the reward", repriced_offer),
)
