"""Transactions of a kind that the engine does not settle, in history alone: no entry changes by them.

On the public network any stranger can put them into any account's history: a smart contract's call that names
the account, and one day an operation of a type that today's SDKs have never heard of.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from struct import pack
from typing import Any, Literal, get_args

from stellar_sdk import Account, Keypair, StrKey, TransactionBuilder, scval, xdr

from .engine import network_id

Kind = Literal["invoke_host_function", "unknown"]
KINDS: tuple[Kind, ...] = get_args(Kind)

UNKNOWN_TYPE = 99
"""An operation type beyond all that are known; Horizon's word for one that it cannot name is "unknown"."""

_FEE = 100
_ENVELOPE = pack(">i", xdr.EnvelopeType.ENVELOPE_TYPE_TX)
_CONTRACT = StrKey.encode_contract(hashlib.sha256(b"a stranger's contract").digest())


@dataclass(frozen=True, slots=True)
class Foreign:
    """One transaction that names `account` and succeeded.

    readable: an envelope with the same source, sequence, fee and signature that an SDK can read.
    """

    account: str
    source: str
    type: int
    fields: dict[str, Any]
    hash: bytes
    envelope: bytes
    readable: bytes
    result: bytes
    fee: int = _FEE


def foreign(kind: Kind, account: str, passphrase: str, number: int) -> Foreign:
    """number: tells one from another; the same number makes the same transaction."""
    key = Keypair.from_raw_ed25519_seed(hashlib.sha256(f"a stranger {number}".encode()).digest())
    builder = TransactionBuilder(Account(key.public_key, number), passphrase, base_fee=_FEE)
    builder.add_time_bounds(0, 0)
    if kind == "invoke_host_function":
        builder.append_invoke_contract_function_op(_CONTRACT, "greet", [scval.to_address(account)])
        type_, fields, told = xdr.OperationType.INVOKE_HOST_FUNCTION.value, _invocation(account), bytes(32)
    else:
        builder.append_bump_sequence_op(number)
        type_, fields, told = UNKNOWN_TYPE, {}, b""
    readable = builder.build().transaction.to_xdr_object().to_xdr_bytes()
    known, unknown = (pack(">iq", one, number) for one in (xdr.OperationType.BUMP_SEQUENCE, UNKNOWN_TYPE))
    body = unknown.join(readable.rsplit(known, 1)) if kind == "unknown" else readable
    name = hashlib.sha256(network_id(passphrase) + _ENVELOPE + body).digest()
    signature = key.sign_decorated(name).to_xdr_object().to_xdr_bytes()
    return Foreign(
        account=account,
        source=key.public_key,
        type=type_,
        fields={"source_account": key.public_key, **fields},
        hash=name,
        envelope=_ENVELOPE + body + pack(">I", 1) + signature,
        readable=_ENVELOPE + readable + pack(">I", 1) + signature,
        result=pack(">qiIiii", _FEE, 0, 1, 0, type_, 0) + told + pack(">i", 0),
    )


def _invocation(account: str) -> dict[str, Any]:
    """The fields of the operation as Horizon writes them."""
    address, name = scval.to_address(_CONTRACT), scval.to_symbol("greet")
    parameters = [("Address", address), ("Sym", name), ("Address", scval.to_address(account))]
    return {
        "function": "HostFunctionTypeHostFunctionTypeInvokeContract",
        "parameters": [{"value": value.to_xdr(), "type": type_} for type_, value in parameters],
        "address": "",
        "salt": "",
        "asset_balance_changes": [],
    }
