"""Payment, PathPaymentStrictReceive and PathPaymentStrictSend (RULES 6).

A payment is a strict-receive path payment without a path. Strict receive credits the destination first and
walks the path backwards; strict send debits the source first and walks it forwards.
"""

from __future__ import annotations

from enum import IntEnum
from itertools import pairwise
from struct import pack
from typing import Any, NamedTuple

from stellar_sdk import xdr

from ..assets import NATIVE, Asset, asset_from_xdr, muxed_from_xdr
from ..crossing import MAX_OFFERS_CROSSED, Claim, End, Walk, cross
from ..entries import MAX, Offer
from ..envelope import Operation
from ..exchange import Rounding
from ..holdings import is_authorized, move_credit, move_lumens
from ..packing import INT64, account_bytes, asset_bytes, claims_bytes
from ..refusal import OperationRefused, Refused
from ..reserves import owner
from ..step import Step


class Codes(NamedTuple):
    """The same refusals under the names of each of the three operations."""

    malformed: IntEnum
    underfunded: IntEnum
    source_no_trust: IntEnum
    source_not_authorized: IntEnum
    no_destination: IntEnum
    no_trust: IntEnum
    not_authorized: IntEnum
    line_full: IntEnum


_SHARED = (
    "MALFORMED",
    "UNDERFUNDED",
    "SRC_NO_TRUST",
    "SRC_NOT_AUTHORIZED",
    "NO_DESTINATION",
    "NO_TRUST",
    "NOT_AUTHORIZED",
    "LINE_FULL",
)


def _codes(prefix: str, enum: Any) -> Codes:
    return Codes(*(enum[f"{prefix}_{name}"] for name in _SHARED))


PAYMENT = _codes("PAYMENT", xdr.PaymentResultCode)
STRICT_RECEIVE = _codes("PATH_PAYMENT_STRICT_RECEIVE", xdr.PathPaymentStrictReceiveResultCode)
STRICT_SEND = _codes("PATH_PAYMENT_STRICT_SEND", xdr.PathPaymentStrictSendResultCode)


def check_payment(operation: Operation) -> None:
    body = operation.body
    _well_formed(PAYMENT, [body.amount.int64], [body.asset])


def check_strict_receive(operation: Operation) -> None:
    body = operation.body
    amounts = [body.dest_amount.int64, body.send_max.int64]
    _well_formed(STRICT_RECEIVE, amounts, [body.send_asset, body.dest_asset, *body.path])


def check_strict_send(operation: Operation) -> None:
    body = operation.body
    amounts = [body.send_amount.int64, body.dest_min.int64]
    _well_formed(STRICT_SEND, amounts, [body.send_asset, body.dest_asset, *body.path])


def _well_formed(codes: Codes, amounts: list[int], assets: list[xdr.Asset]) -> None:
    if any(amount <= 0 for amount in amounts) or not all(asset_from_xdr(asset).valid for asset in assets):
        raise Refused(codes.malformed)


def apply_payment(step: Step) -> bytes:
    destination = muxed_from_xdr(step.body.destination)
    asset = asset_from_xdr(step.body.asset)
    amount = step.body.amount.int64
    if asset == NATIVE and destination == step.source:
        return b""
    _find_destination(step, PAYMENT, destination, [asset])
    _credit(step, PAYMENT, destination, asset, amount)
    _debit(step, PAYMENT, asset, amount)
    return b""


def apply_strict_receive(step: Step) -> bytes:
    body = step.body
    destination, amount = muxed_from_xdr(body.destination), body.dest_amount.int64
    assets = [asset_from_xdr(asset) for asset in (body.send_asset, *body.path, body.dest_asset)]
    _find_destination(step, STRICT_RECEIVE, destination, assets)
    _credit(step, STRICT_RECEIVE, destination, assets[-1], amount)
    claims: list[Claim] = []
    needed = amount
    for wheat, sheep in pairwise(reversed(assets)):
        if wheat == sheep:
            continue
        hop = _hop(step, sheep, MAX, wheat, needed, Rounding.STRICT_RECEIVE, len(claims))
        if hop.end is not End.OK or hop.wheat_received != needed:
            raise Refused(_walk_code(STRICT_RECEIVE, hop.end))
        claims = hop.claims + claims
        needed = hop.sheep_sent
    if needed > body.send_max.int64:
        raise Refused(xdr.PathPaymentStrictReceiveResultCode.PATH_PAYMENT_STRICT_RECEIVE_OVER_SENDMAX)
    _debit(step, STRICT_RECEIVE, assets[0], needed)
    return _paid(claims, destination, assets[-1], amount)


def apply_strict_send(step: Step) -> bytes:
    body = step.body
    destination, amount = muxed_from_xdr(body.destination), body.send_amount.int64
    assets = [asset_from_xdr(asset) for asset in (body.send_asset, *body.path, body.dest_asset)]
    _find_destination(step, STRICT_SEND, destination, assets)
    _debit(step, STRICT_SEND, assets[0], amount)
    claims: list[Claim] = []
    for sheep, wheat in pairwise(assets):
        if wheat == sheep:
            continue
        hop = _hop(step, sheep, amount, wheat, MAX, Rounding.STRICT_SEND, len(claims))
        if hop.end is not End.OK or hop.sheep_sent != amount:
            raise Refused(_walk_code(STRICT_SEND, hop.end))
        claims += hop.claims
        amount = hop.wheat_received
    if amount < body.dest_min.int64:
        raise Refused(xdr.PathPaymentStrictSendResultCode.PATH_PAYMENT_STRICT_SEND_UNDER_DESTMIN)
    _credit(step, STRICT_SEND, destination, assets[-1], amount)
    return _paid(claims, destination, assets[-1], amount)


def _find_destination(step: Step, codes: Codes, destination: str, assets: list[Asset]) -> None:
    """The destination must exist, unless its own asset goes straight back to it."""
    straight_home = assets[-1].issuer == destination and assets in ([assets[0]], [assets[0], assets[0]])
    if not straight_home and step.state.account(destination) is None:
        raise Refused(codes.no_destination)


def _hop(
    step: Step, sheep: Asset, max_sheep: int, wheat: Asset, max_wheat: int, rounding: Rounding, crossed: int
) -> Walk:
    def stop(offer: Offer) -> End | None:
        return End.CROSS_SELF if offer.seller == step.source else None

    hop = cross(step.state, sheep, max_sheep, wheat, max_wheat, rounding, stop, MAX_OFFERS_CROSSED - crossed)
    if hop.end is End.TOO_MANY:
        raise OperationRefused(xdr.OperationResultCode.opEXCEEDED_WORK_LIMIT)
    return hop


def _walk_code(codes: Codes, end: End) -> IntEnum:
    kind = type(codes.malformed)
    prefix = codes.malformed.name.removesuffix("MALFORMED")
    return kind[prefix + ("OFFER_CROSS_SELF" if end is End.CROSS_SELF else "TOO_FEW_OFFERS")]


def _credit(step: Step, codes: Codes, destination: str, asset: Asset, amount: int) -> None:
    state = step.state
    if asset.issuer == destination:
        return
    if asset == NATIVE:
        if not move_lumens(state, owner(state, destination), amount):
            raise Refused(codes.line_full)
        return
    line = state.trust_line(destination, asset)
    if line is None:
        raise Refused(codes.no_trust)
    if not is_authorized(line):
        raise Refused(codes.not_authorized)
    if not move_credit(state, line, amount):
        raise Refused(codes.line_full)


def _debit(step: Step, codes: Codes, asset: Asset, amount: int) -> None:
    state, source = step.state, step.source
    if asset.issuer == source:
        return
    if asset == NATIVE:
        if not move_lumens(state, step.source_account(), -amount):
            raise Refused(codes.underfunded)
        return
    line = state.trust_line(source, asset)
    if line is None:
        raise Refused(codes.source_no_trust)
    if not is_authorized(line):
        raise Refused(codes.source_not_authorized)
    if not move_credit(state, line, -amount):
        raise Refused(codes.underfunded)


def _paid(claims: list[Claim], destination: str, asset: Asset, amount: int) -> bytes:
    return claims_bytes(claims) + account_bytes(destination) + asset_bytes(asset) + INT64(amount)


NOTHING_PAID = pack(">I", 0) + bytes(36) + asset_bytes(NATIVE) + INT64(0)
"""The result of a path payment that was not judged, in a transaction refused for another reason."""
