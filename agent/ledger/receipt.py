"""What a transaction's result XDR says happened."""

from __future__ import annotations

from stellar_sdk import xdr

from agent.core.money import Stroops
from agent.errors import Malformed


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


def received(result: str) -> Stroops:
    """What the strict-send path payments in a transaction delivered, together. Raises Malformed."""
    return sum(
        operation.path_payment_strict_send_result.success.last.amount.int64
        for _, operation in _operations(result)
        if operation.path_payment_strict_send_result is not None
        and operation.path_payment_strict_send_result.success is not None
    )


def _operations(result: str) -> list[tuple[int, xdr.OperationResultTr]]:
    try:
        body = xdr.TransactionResult.from_xdr(result).result
    except Exception as error:
        raise Malformed(what="a transaction result", why=f"{type(error).__name__}: {str(error)[:120]}") from None
    if body.inner_result_pair is not None:
        return [(i, r.tr) for i, r in enumerate(body.inner_result_pair.result.result.results or []) if r.tr is not None]
    return [(i, r.tr) for i, r in enumerate(body.results or []) if r.tr is not None]
