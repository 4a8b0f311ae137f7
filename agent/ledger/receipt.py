"""What a transaction's result XDR says happened."""

from __future__ import annotations

from dataclasses import dataclass

import stellar_sdk
from stellar_sdk import StrKey, xdr

from agent.core.ids import AccountId
from agent.core.money import Asset, Stroops
from agent.errors import Malformed
from agent.ledger.envelope import own_asset


def offer_ids(result: str) -> dict[int, int]:
    """Operation index → id of the offer that the operation left on the book. Raises Malformed."""
    left = {}
    for index, operation in _operations(result):
        managed = operation.manage_sell_offer_result or operation.manage_buy_offer_result
        if managed is not None and managed.success is not None and managed.success.offer.offer is not None:
            left[index] = managed.success.offer.offer.offer_id.int64
    return left


def refused_payments(result: str) -> dict[int, str]:
    """Operation index → code (PAYMENT_NO_TRUST), for the payments that a transaction failed by. Raises Malformed."""
    codes = {
        index: str(operation.payment_result.code.name)
        for index, operation in _operations(result)
        if operation.payment_result is not None
    }
    return {index: code for index, code in codes.items() if code != "PAYMENT_SUCCESS"}


def refused_claims(result: str) -> dict[int, str]:
    """Operation index → code, for the claims of balances that a transaction failed by. Raises Malformed."""
    codes = {
        index: str(operation.claim_claimable_balance_result.code.name)
        for index, operation in _operations(result)
        if operation.claim_claimable_balance_result is not None
    }
    return {index: code for index, code in codes.items() if code != "CLAIM_CLAIMABLE_BALANCE_SUCCESS"}


@dataclass(frozen=True, slots=True)
class Received:
    """What a strict-send path payment came to."""

    xlm: Stroops
    """XLM that were bought on the way, or that arrived."""
    to: AccountId
    """The account that holds what arrived."""
    asset: Asset
    amount: Stroops
    """Stroops of `asset`."""


def received(result: str) -> Received | None:
    """What the strict-send path payment in a transaction delivered; None where there is none. Raises Malformed."""
    for _, operation in _operations(result):
        payment = operation.path_payment_strict_send_result
        if payment is not None and payment.success is not None:
            last = payment.success.last
            asset, amount = own_asset(stellar_sdk.Asset.from_xdr_object(last.asset)), last.amount.int64
            xlm = amount if asset.is_native else sum(_xlm_sold(each) for each in payment.success.offers)
            key = last.destination.account_id.ed25519
            assert key is not None  # noqa: S101  (an account has no other kind of key)
            return Received(xlm, AccountId(StrKey.encode_ed25519_public_key(key.uint256)), asset, amount)
    return None


def _xlm_sold(claimed: xdr.ClaimAtom) -> Stroops:
    """XLM that whoever was crossed gave."""
    atom = claimed.v0 or claimed.order_book or claimed.liquidity_pool
    assert atom is not None  # noqa: S101  (the union has no other arm)
    return atom.amount_sold.int64 if atom.asset_sold.type is xdr.AssetType.ASSET_TYPE_NATIVE else 0


def _operations(result: str) -> list[tuple[int, xdr.OperationResultTr]]:
    try:
        body = xdr.TransactionResult.from_xdr(result).result
    except Exception as error:
        raise Malformed(what="a transaction result", why=f"{type(error).__name__}: {str(error)[:120]}") from None
    if body.inner_result_pair is not None:
        return [(i, r.tr) for i, r in enumerate(body.inner_result_pair.result.result.results or []) if r.tr is not None]
    return [(i, r.tr) for i, r in enumerate(body.results or []) if r.tr is not None]
