"""What the fee did to the account that paid it, as LedgerEntryChanges in XDR: the account before and after."""

from __future__ import annotations

from struct import pack

from stellar_sdk import xdr

from .engine import Account, Changes
from .engine.assets import public_key
from .engine.signers import signer_parts

_STATE = xdr.LedgerEntryChangeType.LEDGER_ENTRY_STATE
_UPDATED = xdr.LedgerEntryChangeType.LEDGER_ENTRY_UPDATED
_NONE = pack(">i", 0)  # an extension that is not there, an optional that is not there, an ed25519 key's type


def fee_meta(changes: Changes) -> bytes:
    versions = [
        (kind, account)
        for change in changes
        for kind, account in ((_STATE, change.before), (_UPDATED, change.after))
        if isinstance(account, Account)
    ]
    return pack(">I", len(versions)) + b"".join(pack(">i", kind) + _entry(account) for kind, account in versions)


def _entry(account: Account) -> bytes:
    return pack(">Ii", account.last_modified, xdr.LedgerEntryType.ACCOUNT) + _account(account) + _NONE


def _account(account: Account) -> bytes:
    inflation = account.inflation_destination
    signers = b"".join(_signer(one.key) + pack(">I", one.weight) for one in account.signers)
    return (
        _key(account.account)
        + pack(">qqI", account.balance, account.sequence, account.subentries)
        + (pack(">i", 1) + _key(inflation) if inflation else _NONE)
        + pack(">I", account.flags)
        + _opaque(account.home_domain.encode())
        + bytes(account.thresholds)
        + pack(">I", len(account.signers))
        + signers
        + _extensions(account)
    )


def _extensions(account: Account) -> bytes:
    """Liabilities, then sponsorships, then when its sequence number was last used: each inside the one before."""
    liabilities = pack(">iqq", 1, account.buying_liabilities, account.selling_liabilities)
    sponsors = pack(">I", len(account.signers)) + _NONE * len(account.signers)
    sponsored = pack(">iII", 2, account.num_sponsored, account.num_sponsoring) + sponsors
    used = pack(">i", 3) + _NONE + pack(">IQ", account.sequence_ledger, account.sequence_time)
    return liabilities + sponsored + used


def _key(account: str) -> bytes:
    return _NONE + public_key(account)


def _signer(text: str) -> bytes:
    kind, key, payload = signer_parts(text)
    rest = _opaque(payload) if kind is xdr.SignerKeyType.SIGNER_KEY_TYPE_ED25519_SIGNED_PAYLOAD else b""
    return pack(">i", kind) + key + rest


def _opaque(raw: bytes) -> bytes:
    return pack(">I", len(raw)) + raw + bytes(-len(raw) % 4)
