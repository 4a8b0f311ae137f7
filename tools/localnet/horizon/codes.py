"""Names of result codes as Horizon writes them in `extras.result_codes`.

Horizon's rule is "op_" and the enum member without its type's prefix. What breaks the rule is in the
tables below: old spellings that clients have come to depend on, so they stay.
"""

from __future__ import annotations

from typing import Any

from stellar_sdk import xdr

# Members of the transaction's and the operation's own enums whose word is not their lower-cased name.
_TRANSACTION = {
    "txNO_ACCOUNT": "tx_no_source_account",
    "txBAD_MIN_SEQ_AGE_OR_GAP": "tx_bad_minseq_age_or_gap",
}
_OPERATION = {"opNO_ACCOUNT": "op_no_source_account"}

# Inner codes: by enum type, the members (without their prefix) that break the rule.
_OFFER = {
    "BUY_NOT_AUTHORIZED": "buy_not_authorized",
    "BUY_NO_ISSUER": "buy_no_issuer",
    "SELL_NOT_AUTHORIZED": "sell_not_authorized",
    "NOT_FOUND": "op_offer_not_found",
}
_INNER = {
    "ACCOUNT_MERGE": {"SEQNUM_TOO_FAR": "op_seq_num_too_far"},
    "ALLOW_TRUST": {"NO_TRUST_LINE": "op_no_trust", "TRUST_NOT_REQUIRED": "op_not_required"},
    "CHANGE_TRUST": {"NOT_AUTH_MAINTAIN_LIABILITIES": "op_not_aut_maintain_liabilities"},
    "CLAWBACK_CLAIMABLE_BALANCE": {"NOT_ISSUER": "op_no_issuer"},
    "CREATE_ACCOUNT": {"ALREADY_EXIST": "op_already_exists"},
    "EXTEND_FOOTPRINT_TTL": {
        "INSUFFICIENT_REFUNDABLE_FEE": "insufficient_refundable_fee",
        "RESOURCE_LIMIT_EXCEEDED": "resource_limit_exceeded",
    },
    "INVOKE_HOST_FUNCTION": {
        "ENTRY_ARCHIVED": "entry_archived",
        "INSUFFICIENT_REFUNDABLE_FEE": "insufficient_refundable_fee",
        "RESOURCE_LIMIT_EXCEEDED": "resource_limit_exceeded",
        "TRAPPED": "function_trapped",
    },
    "MANAGE_BUY_OFFER": _OFFER,
    "MANAGE_SELL_OFFER": _OFFER,
    "MANAGE_DATA": {"INVALID_NAME": "op_data_invalid_name", "NAME_NOT_FOUND": "op_data_name_not_found"},
    "PATH_PAYMENT_STRICT_RECEIVE": {
        "OFFER_CROSS_SELF": "op_cross_self",
        "OVER_SENDMAX": "op_over_source_max",
    },
    "PATH_PAYMENT_STRICT_SEND": {"OFFER_CROSS_SELF": "op_cross_self", "UNDER_DESTMIN": "op_under_dest_min"},
    "RESTORE_FOOTPRINT": {
        "INSUFFICIENT_REFUNDABLE_FEE": "insufficient_refundable_fee",
        "RESOURCE_LIMIT_EXCEEDED": "resource_limit_exceeded",
    },
    "SET_TRUST_LINE_FLAGS": {"NO_TRUST_LINE": "op_no_trust"},
}


# The one arm of the result union that is not named after its operation.
_ARMS = {"BUMP_SEQUENCE": "bump_seq_result"}


def transaction_word(code: xdr.TransactionResultCode) -> str:
    """`txBAD_SEQ` -> "tx_bad_seq"."""
    return _TRANSACTION.get(code.name, "tx_" + code.name.removeprefix("tx").lower())


def operation_word(code: xdr.OperationResultCode) -> str:
    """`opBAD_AUTH` -> "op_bad_auth"."""
    return _OPERATION.get(code.name, "op_" + code.name.removeprefix("op").lower())


def inner_word(kind: str, member: str) -> str:
    """`("PAYMENT", "PAYMENT_NO_TRUST")` -> "op_no_trust"; `kind` is the operation type's enum name."""
    suffix = member.removeprefix(f"{kind}_")
    return _INNER.get(kind, {}).get(suffix, "op_" + suffix.lower())


def inner_result(result: Any) -> Any:
    """The arm of the union that holds this operation's own result, such as a `PaymentResult`."""
    return getattr(result.tr, _ARMS.get(result.tr.type.name) or result.tr.type.name.lower() + "_result")


def result_word(result: xdr.OperationResult) -> str:
    """The word for one operation's result, whichever level of the union it stopped at."""
    if result.tr is None:
        return operation_word(result.code)
    return inner_word(result.tr.type.name, inner_result(result).code.name)


def operation_results(result: xdr.TransactionResult) -> list[xdr.OperationResult] | None:
    """The results by operation, inside a fee bump those of the inner transaction; None if none were made."""
    inner = result.result.inner_result_pair
    return inner.result.result.results if inner else result.result.results


def result_codes(result: xdr.TransactionResult, as_inner: bool = False) -> dict[str, Any]:
    """The `extras.result_codes` object. `as_inner`: a fee bump looked up by its inner hash."""
    codes: dict[str, Any] = {"transaction": transaction_word(result.result.code)}
    if pair := result.result.inner_result_pair:
        inner = transaction_word(pair.result.result.code)
        codes = {"transaction": inner} if as_inner else {**codes, "inner_transaction": inner}
    if results := operation_results(result):
        codes["operations"] = [result_word(one) for one in results]
    return codes
