"""A transaction envelope as it came over the wire, decoded once and read many times."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from struct import pack
from typing import Any, cast

from stellar_sdk import xdr

from ..errors import LocalnetError
from .assets import muxed_from_xdr

MAX_ENVELOPE_BYTES = 1 << 17
"""A hundred of the longest operations with twenty signatures fit several times."""


class Undecodable(LocalnetError):
    """This is not a transaction envelope: {reason}. Send the base64 of a TransactionEnvelope's XDR."""


@dataclass(frozen=True, slots=True)
class Operation:
    type: xdr.OperationType
    source: str
    """Who it acts for: its own source, or the transaction's."""
    own_source: bool
    body: Any
    """The arm of the OperationBody: an `xdr.PaymentOp`, a destination for a merge, None for inflation."""


@dataclass(frozen=True, slots=True)
class Signature:
    hint: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Preconditions:
    """Absent bounds stand as 0, which also means "no bound" on the wire (min_sequence is None)."""

    min_time: int = 0
    max_time: int = 0
    min_ledger: int = 0
    max_ledger: int = 0
    min_sequence: int | None = None
    min_sequence_age: int = 0
    min_sequence_gap: int = 0
    extra_signers: tuple[xdr.SignerKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Transaction:
    """What is signed: the transaction itself, or the one inside a fee bump."""

    hash: bytes
    source: str
    fee: int
    sequence: int
    preconditions: Preconditions
    memo: xdr.Memo
    operations: tuple[Operation, ...]
    signatures: tuple[Signature, ...]
    extension: int
    verified: dict[Any, bool] = field(default_factory=dict, compare=False, repr=False)
    """Signature checks done so far; they do not depend on the ledger, so admission's serve at apply too."""


@dataclass(frozen=True, slots=True)
class FeeBump:
    hash: bytes
    source: str
    fee: int
    signatures: tuple[Signature, ...]
    inner_xdr: bytes
    """The envelope that is bumped, as it could have been sent by itself."""
    verified: dict[Any, bool] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Envelope:
    xdr: bytes
    transaction: Transaction
    fee_bump: FeeBump | None = None

    @classmethod
    def decode(cls, envelope: str | bytes, network_id: bytes) -> Envelope:
        """Read an envelope (base64 text, or bytes). Raises Undecodable for anything a ledger could not read.

        `network_id` is the SHA-256 of the network's passphrase; hashes depend on it.
        """
        raw = _bytes(envelope)
        if len(raw) > MAX_ENVELOPE_BYTES:
            raise Undecodable(reason=f"it has {len(raw)} bytes and the limit is {MAX_ENVELOPE_BYTES}")
        try:
            decoded = xdr.TransactionEnvelope.from_xdr_bytes(raw)
            canonical = decoded.to_xdr_bytes() == raw
        except Exception as found:  # the XDR library raises a dozen kinds for bytes that do not fit
            raise Undecodable(reason=f"{type(found).__name__}: {found}") from found
        if not canonical:
            raise Undecodable(reason="its padding or length is not what XDR prescribes")
        if decoded.fee_bump is not None:
            return _fee_bump(raw, decoded.fee_bump, network_id)
        return cls(raw, _transaction(raw, decoded, network_id))

    @property
    def base64(self) -> str:
        return base64.b64encode(self.xdr).decode()

    @property
    def hash(self) -> bytes:
        """The hash this envelope is known by: the fee bump's where there is one."""
        return (self.fee_bump or self.transaction).hash

    @property
    def fee_source(self) -> str:
        return (self.fee_bump or self.transaction).source

    @property
    def source(self) -> str:
        """The account whose sequence number is used."""
        return self.transaction.source

    @property
    def sequence(self) -> int:
        return self.transaction.sequence

    @property
    def fee_bid(self) -> int:
        return (self.fee_bump or self.transaction).fee

    @property
    def operations_charged(self) -> int:
        """Operations that pay the base fee; a fee bump counts as one more."""
        return len(self.transaction.operations) + (self.fee_bump is not None)


def network_id(passphrase: str) -> bytes:
    return hashlib.sha256(passphrase.encode()).digest()


def _bytes(envelope: str | bytes) -> bytes:
    if isinstance(envelope, bytes):
        return envelope
    try:
        return base64.b64decode(envelope, validate=True)
    except (binascii.Error, ValueError) as found:
        raise Undecodable(reason=f"it is not base64 ({found})") from found


def _fee_bump(raw: bytes, envelope: xdr.FeeBumpTransactionEnvelope, network: bytes) -> Envelope:
    outer = envelope.tx
    inner = xdr.TransactionEnvelope(outer.inner_tx.type, v1=outer.inner_tx.v1)
    bump = FeeBump(
        _hash(network, xdr.EnvelopeType.ENVELOPE_TYPE_TX_FEE_BUMP, _signed_part(raw, envelope.signatures)),
        muxed_from_xdr(outer.fee_source),
        outer.fee.int64,
        _signatures(envelope.signatures),
        inner.to_xdr_bytes(),
    )
    return Envelope(raw, _transaction(bump.inner_xdr, inner, network), bump)


def _transaction(raw: bytes, envelope: xdr.TransactionEnvelope, network: bytes) -> Transaction:
    if envelope.v0 is not None:
        tx: Any = envelope.v0.tx
        signatures = envelope.v0.signatures
        key = tx.source_account_ed25519
        source = muxed_from_xdr(xdr.MuxedAccount(xdr.CryptoKeyType.KEY_TYPE_ED25519, ed25519=key))
        # A V0 transaction is signed as the V1 that it stands for: only the account's type is missing.
        body = pack(">i", xdr.CryptoKeyType.KEY_TYPE_ED25519) + _signed_part(raw, signatures)
        preconditions = _time_bounds(tx.time_bounds)
    else:
        v1 = cast("xdr.TransactionV1Envelope", envelope.v1)
        tx, signatures = v1.tx, v1.signatures
        source = muxed_from_xdr(tx.source_account)
        body = _signed_part(raw, signatures)
        preconditions = _preconditions(tx.cond)
    return Transaction(
        hash=_hash(network, xdr.EnvelopeType.ENVELOPE_TYPE_TX, body),
        source=source,
        fee=tx.fee.uint32,
        sequence=tx.seq_num.sequence_number.int64,
        preconditions=preconditions,
        memo=tx.memo,
        operations=tuple(_operation(one, source) for one in tx.operations),
        signatures=_signatures(signatures),
        extension=tx.ext.v,
    )


def _signed_part(raw: bytes, signatures: list[xdr.DecoratedSignature]) -> bytes:
    """What the signatures are over: an envelope's bytes without its type before and the signatures after."""
    signature_bytes = 4 + sum(8 + (len(one.signature.signature) + 3) // 4 * 4 for one in signatures)
    return raw[4 : len(raw) - signature_bytes]


def _hash(network: bytes, kind: xdr.EnvelopeType, body: bytes) -> bytes:
    return hashlib.sha256(network + pack(">i", kind) + body).digest()


def _signatures(signatures: list[xdr.DecoratedSignature]) -> tuple[Signature, ...]:
    return tuple(Signature(one.hint.signature_hint, one.signature.signature) for one in signatures)


def _operation(operation: xdr.Operation, source: str) -> Operation:
    own = operation.source_account
    kind = operation.body.type
    body = getattr(operation.body, _ARMS[kind]) if kind in _ARMS else None
    return Operation(kind, source if own is None else muxed_from_xdr(own), own is not None, body)


def _arm(kind: xdr.OperationType) -> str:
    return "destination" if kind is xdr.OperationType.ACCOUNT_MERGE else f"{kind.name.lower()}_op"


_ARMS = {kind: _arm(kind) for kind in xdr.OperationType if hasattr(xdr.OperationBody(kind), _arm(kind))}


def _time_bounds(bounds: xdr.TimeBounds | None) -> Preconditions:
    if bounds is None:
        return Preconditions()
    return Preconditions(bounds.min_time.time_point.uint64, bounds.max_time.time_point.uint64)


def _preconditions(conditions: xdr.Preconditions) -> Preconditions:
    if conditions.v2 is None:
        return _time_bounds(conditions.time_bounds)
    v2 = conditions.v2
    time = _time_bounds(v2.time_bounds)
    ledger = v2.ledger_bounds
    return Preconditions(
        min_time=time.min_time,
        max_time=time.max_time,
        min_ledger=0 if ledger is None else ledger.min_ledger.uint32,
        max_ledger=0 if ledger is None else ledger.max_ledger.uint32,
        min_sequence=None if v2.min_seq_num is None else v2.min_seq_num.sequence_number.int64,
        min_sequence_age=v2.min_seq_age.duration.uint64,
        min_sequence_gap=v2.min_seq_ledger_gap.uint32,
        extra_signers=tuple(v2.extra_signers),
    )
