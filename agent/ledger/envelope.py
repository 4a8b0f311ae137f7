"""Envelopes: built from operations, signed, and read back with nothing taken on trust.

Every envelope has time bounds that end at a *ledger* time, so that the moment after which it can never apply is
known, and a hash memo that anchors a document (the entry's bundle, a round, a record). The closing transaction names
the same bundle again; a plain account set-up has no document and says so by passing `memo=None`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from agent.core.ids import AccountId, StakeId, TxHash
from agent.core.ledger import Signed as Signed
from agent.core.money import Asset, Stroops, stroops
from agent.errors import Malformed

if TYPE_CHECKING:
    import stellar_sdk
    from stellar_sdk import FeeBumpTransactionEnvelope, Keypair, TransactionEnvelope, xdr
    from stellar_sdk.operation import Operation


def build(
    source: str,
    sequence: int,
    operations: Sequence[Operation],
    *,
    passphrase: str,
    fee: Stroops,
    max_time: int,
    memo: bytes | None,
    max_ledger: int | None = None,
) -> TransactionEnvelope:
    """An unsigned envelope under account sequence `sequence` + 1. `fee` is the bid per operation; `max_ledger` the last
    ledger in which it may apply, where one is set."""
    from stellar_sdk import Account, TransactionBuilder

    builder = TransactionBuilder(Account(source, sequence), passphrase, base_fee=fee).add_time_bounds(0, max_time)
    if memo is not None:
        builder.add_hash_memo(memo)
    if max_ledger is not None:
        builder.set_ledger_bounds(0, max_ledger + 1)  # CAP-21: the bound itself is not within
    for operation in operations:
        builder.append_operation(operation)
    return builder.build()


def signed(envelope: TransactionEnvelope, *keys: Keypair) -> Signed:
    """Sign and freeze."""
    for key in keys:
        envelope.sign(key)
    transaction = envelope.transaction
    bounds = transaction.preconditions.time_bounds if transaction.preconditions else None
    hash_ = TxHash(envelope.hash_hex())
    return Signed(envelope.to_xdr(), hash_, transaction.sequence, bounds.max_time if bounds else 0)


@dataclass(frozen=True, slots=True)
class Opened:
    """An envelope that was read: what its author put their name to."""

    source: str
    sequence: int
    memo: bytes | None
    """The hash memo, if it has one."""
    max_time: int
    operations: tuple[Any, ...]
    signatures: tuple[tuple[bytes, bytes], ...]
    """(hint, signature)"""
    hash: bytes

    def is_signed_by(self, account_id: str) -> bool:
        """Whether the account's own key signed exactly this transaction, for this network."""
        from stellar_sdk import Keypair
        from stellar_sdk.exceptions import BadSignatureError

        key = Keypair.from_public_key(account_id)
        for hint, signature in self.signatures:
            if hint == key.signature_hint():
                try:
                    key.verify(self.hash, signature)
                except BadSignatureError:
                    continue
                return True
        return False


def parsed(envelope: str, passphrase: str) -> TransactionEnvelope | FeeBumpTransactionEnvelope:
    """As stellar_sdk has it."""
    from stellar_sdk import FeeBumpTransactionEnvelope, TransactionEnvelope

    if FeeBumpTransactionEnvelope.is_fee_bump_transaction_envelope(envelope):
        return FeeBumpTransactionEnvelope.from_xdr(envelope, passphrase)
    return TransactionEnvelope.from_xdr(envelope, passphrase)


def _inner(envelope: str, passphrase: str) -> TransactionEnvelope:
    """The transaction whose operations apply: of a fee bump, the one within."""
    from stellar_sdk import TransactionEnvelope

    made = parsed(envelope, passphrase)
    return made if isinstance(made, TransactionEnvelope) else made.transaction.inner_transaction_envelope


MAX_ENVELOPE = 256 * 1024


def opened(envelope: str, passphrase: str) -> Opened:
    """Read a base64 XDR envelope, a fee bump's inner one included. Raises Malformed."""
    from stellar_sdk import HashMemo

    if len(envelope) > MAX_ENVELOPE:
        raise Malformed(what="an envelope", why=f"longer than {MAX_ENVELOPE} characters")
    try:
        inner = _inner(envelope, passphrase)
        transaction = inner.transaction
        bounds = transaction.preconditions.time_bounds if transaction.preconditions else None
        return Opened(
            source=transaction.source.account_id,
            sequence=transaction.sequence,
            memo=transaction.memo.memo_hash if isinstance(transaction.memo, HashMemo) else None,
            max_time=bounds.max_time if bounds else 0,
            operations=tuple(transaction.operations),
            signatures=tuple((s.signature_hint, s.signature) for s in inner.signatures),
            hash=inner.hash(),
        )
    except Exception as error:
        raise Malformed(what="an envelope", why=f"{type(error).__name__}: {str(error)[:120]}") from None


def source(envelope: str) -> str:
    """The account whose sequence number an envelope uses up, on whatever network; of a fee bump, the inner one's."""
    return opened(envelope, "").source


def with_signatures(envelope: str, passphrase: str, signatures: Sequence[tuple[bytes, bytes]]) -> Signed:
    """The envelope with these (hint, signature) pairs in place of its own."""
    from stellar_sdk import TransactionEnvelope
    from stellar_sdk.decorated_signature import DecoratedSignature

    made = TransactionEnvelope.from_xdr(envelope, passphrase)
    made.signatures = [DecoratedSignature(hint, signature) for hint, signature in signatures]
    return signed(made)


def stake_id(envelope: str, passphrase: str, operation: int) -> StakeId:
    """The id (64 hex digits) of the claimable balance that an operation of this transaction makes. Raises Malformed."""
    read = opened(envelope, passphrase)
    return balance_id(read.source, read.sequence, operation)


def balance_id(source: str, sequence: int, operation: int) -> StakeId:
    """The id of the claimable balance that a transaction's operation makes: it hangs on nothing else (CAP-23)."""
    from hashlib import sha256

    from stellar_sdk import Keypair, xdr

    made = xdr.HashIDPreimage(
        xdr.EnvelopeType.ENVELOPE_TYPE_OP_ID,
        operation_id=xdr.HashIDPreimageOperationID(
            source_account=Keypair.from_public_key(source).xdr_account_id(),
            seq_num=xdr.SequenceNumber(xdr.Int64(sequence)),
            op_num=xdr.Uint32(operation),
        ),
    )
    return StakeId(sha256(made.to_xdr_bytes()).hexdigest())


def sdk_asset(asset: Asset) -> stellar_sdk.Asset:
    import stellar_sdk

    return stellar_sdk.Asset.native() if asset.is_native else stellar_sdk.Asset(asset.code, asset.issuer)


def own_asset(asset: stellar_sdk.Asset) -> Asset:
    from agent.core.money import XLM

    return XLM if asset.is_native() else Asset(asset.code, AccountId(asset.issuer or ""))


def own_price(price: stellar_sdk.Price) -> Fraction:
    return Fraction(price.n, price.d)


def own_amount(amount: str) -> Stroops:
    """An operation's amount as the SDK read it back: below ten stroops it writes it as 1E-7. Raises Malformed."""
    return stroops(format(Decimal(amount), "f"))


def sdk_price(price: Fraction) -> stellar_sdk.Price:
    import stellar_sdk

    return stellar_sdk.Price(price.numerator, price.denominator)


def result_codes(result: str) -> tuple[str, ...]:
    """A transaction result's code and those of its failed operations, as XDR names them: ('TX_FAILED', 'PAYMENT_…').
    Raises Malformed."""
    from stellar_sdk import xdr

    if not result:
        return ("UNKNOWN",)
    try:
        outer = xdr.TransactionResult.from_xdr(result).result
        body = outer if outer.inner_result_pair is None else outer.inner_result_pair.result.result
        return (_short(body.code.name), *(code for each in body.results or () if (code := _failed_by(each))))
    except Exception as error:
        raise Malformed(what="a transaction result", why=f"{type(error).__name__}: {str(error)[:120]}") from None


def _failed_by(operation: xdr.OperationResult) -> str:
    """An operation's code, or '' when it did well."""
    if operation.tr is None:
        return _short(operation.code.name)
    inner = next(value for name, value in vars(operation.tr).items() if name.endswith("_result") and value is not None)
    name: str = inner.code.name
    return "" if name.endswith("_SUCCESS") else name


def result_code(result: str) -> str:
    return ", ".join(result_codes(result))


def _short(name: str) -> str:
    return name.replace("tx", "TX_", 1) if name.startswith("tx") else name
