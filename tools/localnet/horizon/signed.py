"""What an envelope holds, whatever its version and whether a fee bump is around it."""

from __future__ import annotations

from typing import Any

from stellar_sdk import xdr


def signed_part(envelope: xdr.TransactionEnvelope) -> Any:
    """The V0 or V1 envelope with `tx` and `signatures`: inside a fee bump the inner one."""
    return envelope.fee_bump.tx.inner_tx.v1 if envelope.fee_bump else envelope.v1 or envelope.v0


def source_of(tx: Any) -> xdr.MuxedAccount:
    """The transaction's source as it was written, perhaps muxed."""
    if isinstance(tx, xdr.TransactionV0):
        return xdr.MuxedAccount(xdr.CryptoKeyType.KEY_TYPE_ED25519, ed25519=tx.source_account_ed25519)
    found: xdr.MuxedAccount = tx.source_account
    return found
