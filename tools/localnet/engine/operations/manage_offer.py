"""ManageSellOffer, ManageBuyOffer and CreatePassiveSellOffer (RULES 5), which differ in how they put a wish.

A buy offer is stored as the sell offer it amounts to: its price turned over. Here the taker sells *sheep* and
buys *wheat*, as in exchange.py, and (n, d) is always the price of the offer that may be stored: wheat for
each sheep.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from struct import pack
from typing import Any, NamedTuple

from stellar_sdk import xdr

from .. import liabilities
from ..assets import NATIVE, Asset, asset_from_xdr
from ..crossing import Claim, End, cross
from ..entries import MAX, PASSIVE, Offer
from ..envelope import Operation
from ..exchange import Rounding, adjusted_amount
from ..holdings import can_buy, can_sell, is_authorized, move
from ..liabilities import Liabilities, liabilities_of
from ..packing import INT64, asset_bytes, claims_bytes, offer_bytes
from ..refusal import Inconsistent, OperationRefused, Refused
from ..reserves import claim_subentry, release_subentry
from ..step import Step

CREATED, UPDATED, DELETED = (pack(">i", effect) for effect in range(3))


class Codes(NamedTuple):
    malformed: IntEnum
    sell_no_trust: IntEnum
    buy_no_trust: IntEnum
    sell_not_authorized: IntEnum
    buy_not_authorized: IntEnum
    line_full: IntEnum
    underfunded: IntEnum
    cross_self: IntEnum
    not_found: IntEnum
    low_reserve: IntEnum


def _codes(prefix: str, enum: Any) -> Codes:
    return Codes(*(enum[f"{prefix}_{name.upper()}"] for name in Codes._fields))


SELL = _codes("MANAGE_SELL_OFFER", xdr.ManageSellOfferResultCode)
BUY = _codes("MANAGE_BUY_OFFER", xdr.ManageBuyOfferResultCode)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the three operations ask for, in one form."""

    sheep: Asset
    wheat: Asset
    n: int
    d: int
    amount: int
    """Of sheep to sell; for a buy offer, of wheat to buy."""
    offer_id: int
    buys: bool
    passive: bool

    @property
    def deletes(self) -> bool:
        return self.amount == 0

    def liabilities(self) -> Liabilities:
        if self.buys:
            return liabilities_of(self.n, self.d, MAX, max_receive=self.amount)
        return liabilities_of(self.n, self.d, self.amount)

    def bound(self, sheep: int, wheat: int, sheep_sent: int = 0, wheat_received: int = 0) -> tuple[int, int]:
        """What can be sold and bought, held to what is still wished for."""
        if self.buys:
            return sheep, min(wheat, self.amount - wheat_received)
        return min(sheep, self.amount - sheep_sent), wheat


def sell_wish(body: xdr.ManageSellOfferOp) -> Wish:
    return _wish(body, body.price.n.int32, body.price.d.int32, body.amount.int64, body.offer_id.int64)


def passive_wish(body: xdr.CreatePassiveSellOfferOp) -> Wish:
    return _wish(body, body.price.n.int32, body.price.d.int32, body.amount.int64, 0, passive=True)


def buy_wish(body: xdr.ManageBuyOfferOp) -> Wish:
    price = body.price
    return _wish(body, price.d.int32, price.n.int32, body.buy_amount.int64, body.offer_id.int64, buys=True)


def _wish(body: Any, n: int, d: int, amount: int, offer_id: int, *, buys: bool = False, passive: bool = False) -> Wish:
    sheep, wheat = asset_from_xdr(body.selling), asset_from_xdr(body.buying)
    return Wish(sheep, wheat, n, d, amount, offer_id, buys, passive)


def check_sell(operation: Operation) -> None:
    _well_formed(sell_wish(operation.body), SELL)


def check_buy(operation: Operation) -> None:
    _well_formed(buy_wish(operation.body), BUY)


def check_passive(operation: Operation) -> None:
    _well_formed(passive_wish(operation.body), SELL)


def _well_formed(wish: Wish, codes: Codes) -> None:
    assets = wish.sheep.valid and wish.wheat.valid and wish.sheep != wish.wheat
    numbers = wish.amount >= 0 and wish.n > 0 and wish.d > 0 and wish.offer_id >= 0
    if not assets or not numbers or (wish.offer_id == 0 and wish.deletes):
        raise Refused(codes.malformed)


def apply_sell(step: Step) -> bytes:
    return _apply(step, sell_wish(step.body), SELL)


def apply_buy(step: Step) -> bytes:
    return _apply(step, buy_wish(step.body), BUY)


def apply_passive(step: Step) -> bytes:
    return _apply(step, passive_wish(step.body), SELL)


def _apply(step: Step, wish: Wish, codes: Codes) -> bytes:
    state = step.state
    if not wish.deletes:
        _check_lines(step, wish, codes)
    old = _take_off_the_book(step, wish, codes)
    if wish.deletes:
        release_subentry(state, step.source)
        return claims_bytes([]) + DELETED
    amount, claims = _trade(step, wish, codes, passive=old.passive if old else wish.passive)
    if amount == 0:
        release_subentry(state, step.source)
        return claims_bytes(claims) + DELETED
    offer = _stored(step, wish, old, amount)
    return claims_bytes(claims) + (UPDATED if old else CREATED) + offer_bytes(offer)


def _check_lines(step: Step, wish: Wish, codes: Codes) -> None:
    for asset, no_trust, not_authorized in (
        (wish.sheep, codes.sell_no_trust, codes.sell_not_authorized),
        (wish.wheat, codes.buy_no_trust, codes.buy_not_authorized),
    ):
        if asset == NATIVE or asset.issuer == step.source:
            continue
        line = step.state.trust_line(step.source, asset)
        if line is None:
            raise Refused(no_trust)
        if asset is wish.sheep and line.balance == 0:
            raise Refused(codes.underfunded)
        if not is_authorized(line):
            raise Refused(not_authorized)


def _take_off_the_book(step: Step, wish: Wish, codes: Codes) -> Offer | None:
    """The offer to be changed, off the book but for its sub-entry; a new one's sub-entry is reserved."""
    if wish.offer_id == 0:
        claim_subentry(step.state, step.source, codes.low_reserve)
        return None
    old = step.state.offer(wish.offer_id)
    if old is None or old.seller != step.source:
        raise Refused(codes.not_found)
    liabilities.release(step.state, old)
    step.state.remove(old)
    return old


def _trade(step: Step, wish: Wish, codes: Codes, *, passive: bool) -> tuple[int, list[Claim]]:
    """Cross the book; return the amount of sheep that is left to offer, and what was crossed."""
    state, source = step.state, step.source
    promised = wish.liabilities()
    room, funds = can_buy(state, source, wish.wheat), can_sell(state, source, wish.sheep)
    if room < promised.buying:
        raise Refused(codes.line_full)
    if funds < promised.selling:
        raise Refused(codes.underfunded)
    max_sheep, max_wheat = wish.bound(funds, room)
    if max_wheat == 0:
        raise Refused(codes.line_full)

    def stop(offer: Offer) -> End | None:
        theirs, ours = offer.n * wish.n, offer.d * wish.d
        if theirs > ours or (passive and theirs == ours):
            return End.BAD_PRICE
        return End.CROSS_SELF if offer.seller == source else None

    walk = cross(state, wish.sheep, max_sheep, wish.wheat, max_wheat, Rounding.NORMAL, stop)
    if walk.end is End.CROSS_SELF:
        raise Refused(codes.cross_self)
    if walk.end is End.TOO_MANY:
        raise OperationRefused(xdr.OperationResultCode.opEXCEEDED_WORK_LIMIT)
    if not move(state, source, wish.wheat, walk.wheat_received):
        raise Inconsistent(f"{source} cannot take the {walk.wheat_received} that it bought.")
    if not move(state, source, wish.sheep, -walk.sheep_sent):
        raise Inconsistent(f"{source} cannot give the {walk.sheep_sent} that it sold.")
    if walk.end is End.OK:
        return 0, walk.claims
    funds, room = can_sell(state, source, wish.sheep), can_buy(state, source, wish.wheat)
    sheep, wheat = wish.bound(funds, room, walk.sheep_sent, walk.wheat_received)
    return adjusted_amount(wish.n, wish.d, sheep, wheat), walk.claims


def _stored(step: Step, wish: Wish, old: Offer | None, amount: int) -> Offer:
    state = step.state
    if old is None:
        offer_id = state.header.id_pool + 1
        state.put(replace(state.header, id_pool=offer_id))
    else:
        offer_id = old.id
    flags = old.flags if old else PASSIVE * wish.passive
    offer = Offer(offer_id, step.source, wish.sheep, wish.wheat, amount, wish.n, wish.d, flags)
    state.put(offer)
    liabilities.acquire(state, offer)
    return offer


NOTHING_OFFERED = claims_bytes([]) + CREATED + bytes(36) + INT64(0) + 2 * asset_bytes(NATIVE) + INT64(0) + bytes(16)
"""The result of an offer that was not judged, in a transaction refused for another reason."""
