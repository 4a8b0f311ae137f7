"""What an operation says of itself: the fields beyond the common ones, by type.

A pure reading of the operation's XDR and, where the outcome matters (paths, merges), of its result.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from itertools import takewhile
from typing import Any

from stellar_sdk import StrKey, xdr

from ..engine.assets import account_from_xdr, asset_from_xdr, credit_asset, muxed_from_xdr
from .address import muxed_fields
from .amount import coins, price_fields
from .asset import asset_fields, asset_text
from .codes import inner_result
from .predicate import xdr_predicate

Fields = dict[str, Any]

PAYMENT_TYPES = frozenset({0, 1, 2, 8, 13})

_ACCOUNT_FLAGS = {1: "auth_required", 2: "auth_revocable", 4: "auth_immutable", 8: "auth_clawback_enabled"}
# Horizon's own spelling of the second
_LINE_FLAGS = {1: "authorized", 2: "authorized_to_maintain_liabilites", 4: "clawback_enabled"}


def details(op: xdr.Operation, result: xdr.OperationResult | None, source: xdr.MuxedAccount) -> Fields:
    """The fields of one operation. `source`: its own source account, or else the transaction's.

    result: None when the transaction failed before its operations had any.
    """
    arm = inner_result(result) if result is not None and result.tr is not None else None
    return _BY_TYPE[op.body.type.name](op.body, arm, source)


def flag_fields(name: str, bits: int, names: dict[int, str]) -> Fields:
    """`{name}: [bits]` and `{name}_s: [words]`; nothing when no bit is set."""
    found = [bit for bit in names if bits & bit]
    return {name: found, f"{name}_s": [names[bit] for bit in found]} if found else {}


def signer_text(key: Any) -> str:
    if key.ed25519:
        return StrKey.encode_ed25519_public_key(key.ed25519.uint256)
    if key.pre_auth_tx:
        return StrKey.encode_pre_auth_tx(key.pre_auth_tx.uint256)
    if key.hash_x:
        return StrKey.encode_sha256_hash(key.hash_x.uint256)
    return StrKey.encode_ed25519_signed_payload(key.ed25519_signed_payload.to_xdr_bytes())


def balance_id_text(balance_id: xdr.ClaimableBalanceID) -> str:
    """Hex of the whole union: eight zeros and the hash."""
    return balance_id.to_xdr_bytes().hex()


def allow_trust_asset(op: Any, issuer: str) -> str:
    code = op.asset.asset_code4 or op.asset.asset_code12
    return str(credit_asset(getattr(code, "asset_code4", None) or code.asset_code12, issuer))


def _create_account(body: Any, _arm: Any, source: xdr.MuxedAccount) -> Fields:
    op = body.create_account_op
    return {
        "starting_balance": coins(op.starting_balance.int64),
        **muxed_fields("funder", source),
        "account": account_from_xdr(op.destination),
    }


def _payment(body: Any, _arm: Any, source: xdr.MuxedAccount) -> Fields:
    op = body.payment_op
    return {
        **asset_fields(asset_text(op.asset)),
        **muxed_fields("from", source),
        **muxed_fields("to", op.destination),
        "amount": coins(op.amount.int64),
    }


def _path(op: Any, source: xdr.MuxedAccount) -> Fields:
    return {
        **asset_fields(asset_text(op.dest_asset)),
        **muxed_fields("from", source),
        **muxed_fields("to", op.destination),
        "path": [asset_fields(asset_text(hop)) for hop in op.path],
        **asset_fields(asset_text(op.send_asset), "source_"),
    }


def sent_amount(op: Any, arm: Any) -> int:
    """Stroops of the source asset that a strict-receive path took: the sum over its first hop."""
    atoms = [atom.order_book for atom in arm.success.offers]
    if not atoms:
        return int(op.dest_amount.int64)
    first = (atoms[0].asset_bought, atoms[0].asset_sold)
    hop = takewhile(lambda atom: (atom.asset_bought, atom.asset_sold) == first, atoms)
    return sum(int(atom.amount_bought.int64) for atom in hop)


def _path_receive(body: Any, arm: Any, source: xdr.MuxedAccount) -> Fields:
    op = body.path_payment_strict_receive_op
    sent = sent_amount(op, arm) if arm is not None and arm.success else 0
    return {
        **_path(op, source),
        "amount": coins(op.dest_amount.int64),
        "source_amount": coins(sent),
        "source_max": coins(op.send_max.int64),
    }


def _path_send(body: Any, arm: Any, source: xdr.MuxedAccount) -> Fields:
    op = body.path_payment_strict_send_op
    received = arm.success.last.amount.int64 if arm is not None and arm.success else 0
    return {
        **_path(op, source),
        "amount": coins(received),
        "source_amount": coins(op.send_amount.int64),
        "destination_min": coins(op.dest_min.int64),
    }


def _offer(op: Any, amount: int) -> Fields:
    return {
        "amount": coins(amount),
        **price_fields(op.price.n.int32, op.price.d.int32),
        **asset_fields(asset_text(op.buying), "buying_"),
        **asset_fields(asset_text(op.selling), "selling_"),
    }


def _sell_offer(body: Any, _arm: Any, _source: xdr.MuxedAccount) -> Fields:
    op = body.manage_sell_offer_op
    return {**_offer(op, op.amount.int64), "offer_id": str(op.offer_id.int64)}


def _buy_offer(body: Any, _arm: Any, _source: xdr.MuxedAccount) -> Fields:
    op = body.manage_buy_offer_op
    return {**_offer(op, op.buy_amount.int64), "offer_id": str(op.offer_id.int64)}


def _passive_offer(body: Any, _arm: Any, _source: xdr.MuxedAccount) -> Fields:
    op = body.create_passive_sell_offer_op
    return _offer(op, op.amount.int64)


def _set_options(body: Any, _arm: Any, _source: xdr.MuxedAccount) -> Fields:
    op = body.set_options_op
    fields: Fields = {}
    if op.inflation_dest:
        fields["inflation_dest"] = account_from_xdr(op.inflation_dest)
    if op.home_domain is not None:
        fields["home_domain"] = op.home_domain.string32.decode("utf-8", "replace")
    thresholds = {
        "master_key_weight": op.master_weight,
        "low_threshold": op.low_threshold,
        "med_threshold": op.med_threshold,
        "high_threshold": op.high_threshold,
    }
    fields |= {name: value.uint32 for name, value in thresholds.items() if value is not None}
    if op.signer:
        fields |= {"signer_key": signer_text(op.signer.key), "signer_weight": op.signer.weight.uint32}
    if op.set_flags:
        fields |= flag_fields("set_flags", op.set_flags.uint32, _ACCOUNT_FLAGS)
    if op.clear_flags:
        fields |= flag_fields("clear_flags", op.clear_flags.uint32, _ACCOUNT_FLAGS)
    return fields


def _change_trust(body: Any, _arm: Any, source: xdr.MuxedAccount) -> Fields:
    op = body.change_trust_op
    limit = {"limit": coins(op.limit.int64), **muxed_fields("trustor", source)}
    if op.line.liquidity_pool:
        return {"asset_type": "liquidity_pool_shares", **limit}
    fields = asset_fields(str(asset_from_xdr(op.line)))
    trustee = {"trustee": fields["asset_issuer"]} if "asset_issuer" in fields else {}
    return {**fields, **trustee, **limit}


def _allow_trust(body: Any, _arm: Any, source: xdr.MuxedAccount) -> Fields:
    op = body.allow_trust_op
    return {
        **asset_fields(allow_trust_asset(op, muxed_from_xdr(source))),
        **muxed_fields("trustee", source),
        "trustor": account_from_xdr(op.trustor),
        "authorize": op.authorize.uint32 == 1,
        "authorize_to_maintain_liabilities": op.authorize.uint32 == 2,
    }


def _account_merge(body: Any, _arm: Any, source: xdr.MuxedAccount) -> Fields:
    return {**muxed_fields("account", source), **muxed_fields("into", body.destination)}


def _nothing(_body: Any, _arm: Any, _source: xdr.MuxedAccount) -> Fields:
    return {}


def _manage_data(body: Any, _arm: Any, _source: xdr.MuxedAccount) -> Fields:
    op = body.manage_data_op
    value = base64.b64encode(op.data_value.data_value).decode() if op.data_value else None
    return {"name": op.data_name.string64.decode("utf-8", "replace"), "value": value}


def _bump_sequence(body: Any, _arm: Any, _source: xdr.MuxedAccount) -> Fields:
    return {"bump_to": str(body.bump_sequence_op.bump_to.sequence_number.int64)}


def _create_balance(body: Any, _arm: Any, _source: xdr.MuxedAccount) -> Fields:
    op = body.create_claimable_balance_op
    claimants = [
        {"destination": account_from_xdr(one.v0.destination), "predicate": xdr_predicate(one.v0.predicate)}
        for one in op.claimants
    ]
    return {"asset": asset_text(op.asset), "amount": coins(op.amount.int64), "claimants": claimants}


def _claim_balance(body: Any, _arm: Any, source: xdr.MuxedAccount) -> Fields:
    op = body.claim_claimable_balance_op
    return {"balance_id": balance_id_text(op.balance_id), **muxed_fields("claimant", source)}


def _clawback(body: Any, _arm: Any, _source: xdr.MuxedAccount) -> Fields:
    op = body.clawback_op
    return {
        **asset_fields(asset_text(op.asset)),
        **muxed_fields("from", op.from_),
        "amount": coins(op.amount.int64),
    }


def _clawback_balance(body: Any, _arm: Any, _source: xdr.MuxedAccount) -> Fields:
    return {"balance_id": balance_id_text(body.clawback_claimable_balance_op.balance_id)}


def _set_line_flags(body: Any, _arm: Any, _source: xdr.MuxedAccount) -> Fields:
    op = body.set_trust_line_flags_op
    return {
        **asset_fields(asset_text(op.asset)),
        "trustor": account_from_xdr(op.trustor),
        **flag_fields("set_flags", op.set_flags.uint32, _LINE_FLAGS),
        **flag_fields("clear_flags", op.clear_flags.uint32, _LINE_FLAGS),
    }


_BY_TYPE: dict[str, Callable[[Any, Any, xdr.MuxedAccount], Fields]] = {
    kind.name: _nothing for kind in xdr.OperationType
} | {
    "CREATE_ACCOUNT": _create_account,
    "PAYMENT": _payment,
    "PATH_PAYMENT_STRICT_RECEIVE": _path_receive,
    "MANAGE_SELL_OFFER": _sell_offer,
    "CREATE_PASSIVE_SELL_OFFER": _passive_offer,
    "SET_OPTIONS": _set_options,
    "CHANGE_TRUST": _change_trust,
    "ALLOW_TRUST": _allow_trust,
    "ACCOUNT_MERGE": _account_merge,
    "MANAGE_DATA": _manage_data,
    "BUMP_SEQUENCE": _bump_sequence,
    "MANAGE_BUY_OFFER": _buy_offer,
    "PATH_PAYMENT_STRICT_SEND": _path_send,
    "CREATE_CLAIMABLE_BALANCE": _create_balance,
    "CLAIM_CLAIMABLE_BALANCE": _claim_balance,
    "CLAWBACK": _clawback,
    "CLAWBACK_CLAIMABLE_BALANCE": _clawback_balance,
    "SET_TRUST_LINE_FLAGS": _set_line_flags,
}
