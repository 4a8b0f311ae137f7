"""What a transaction's result XDR says about offers."""

from __future__ import annotations

from stellar_sdk import xdr

from agent.errors import Malformed


def offer_ids(result: str) -> dict[int, int]:
    """Operation index → id of the offer that the operation left on the book. Raises Malformed."""
    try:
        body = xdr.TransactionResult.from_xdr(result).result
        if body.inner_result_pair is not None:
            body = body.inner_result_pair.result.result
        left = {}
        for index, operation in enumerate(body.results or []):
            if operation.tr is None:
                continue
            managed = operation.tr.manage_sell_offer_result or operation.tr.manage_buy_offer_result
            if managed is not None and managed.success is not None and managed.success.offer.offer is not None:
                left[index] = managed.success.offer.offer.offer_id.int64
        return left
    except Exception as error:  # noqa: BLE001 - the SDK's decoders raise whatever they trip over
        raise Malformed(what="a transaction result", why=f"{type(error).__name__}: {str(error)[:120]}") from None
