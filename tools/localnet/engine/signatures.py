"""Whether enough of an account's signers have signed (RULES 9)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from nacl.bindings import crypto_sign_open
from nacl.exceptions import BadSignatureError
from stellar_sdk import xdr

from .entries import Account, Signer
from .envelope import FeeBump, Signature, Transaction
from .signers import signer_parts

Type = xdr.SignerKeyType
MAX_WEIGHT = 255


class SignatureCheck:
    """The signatures of one transaction. Each may serve several accounts and must serve one."""

    def __init__(self, signed: Transaction | FeeBump) -> None:
        self._hash = signed.hash
        self._signatures = signed.signatures
        self._verified = signed.verified
        self._used = [False] * len(signed.signatures)

    def all_used(self) -> bool:
        return all(self._used)

    def account_allows(self, account: Account, needed: int) -> bool:
        master = account.thresholds[0]
        keys = (Signer(account.account, master),) if master else ()
        return self.allows((*keys, *account.signers), needed)

    def allows(self, signers: Iterable[Signer], needed: int) -> bool:
        """Whether the matching signers' weights reach `needed`. Even for 0 one signer must match.

        Stops as soon as the weight suffices, so surplus signatures stay unused.
        """
        of: dict[xdr.SignerKeyType, list[Signer]] = {}
        for signer in signers:
            of.setdefault(signer_parts(signer.key)[0], []).append(signer)
        total = 0
        for signer in of.get(Type.SIGNER_KEY_TYPE_PRE_AUTH_TX, ()):
            if signer_parts(signer.key)[1] == self._hash:
                total += min(signer.weight, MAX_WEIGHT)
                if total >= needed:
                    return True
        for kind, matches in self._ways:
            left = of.get(kind)
            if left is None:
                continue
            for index, signature in enumerate(self._signatures):
                found = next((one for one in left if matches(self, index, signature, one)), None)
                if found is None:
                    continue
                self._used[index] = True
                total += min(found.weight, MAX_WEIGHT)
                if total >= needed:
                    return True
                left.remove(found)
        return False

    def _hash_x(self, index: int, signature: Signature, signer: Signer) -> bool:
        _, digest, _ = signer_parts(signer.key)
        return signature.hint == digest[-4:] and hashlib.sha256(signature.signature).digest() == digest

    def _ed25519(self, index: int, signature: Signature, signer: Signer) -> bool:
        _, key, _ = signer_parts(signer.key)
        return signature.hint == key[-4:] and self._verify(index, signature, key, self._hash)

    def _signed_payload(self, index: int, signature: Signature, signer: Signer) -> bool:
        _, key, payload = signer_parts(signer.key)
        tail = payload[-4:].ljust(4, b"\0")
        hint = bytes(one ^ other for one, other in zip(key[-4:], tail, strict=True))
        return signature.hint == hint and self._verify(index, signature, key, payload)

    def _verify(self, index: int, signature: Signature, key: bytes, message: bytes) -> bool:
        known = self._verified.get((index, key, message))
        if known is None:
            known = self._verified[index, key, message] = verify(signature.signature, key, message)
        return known

    _ways: tuple[tuple[xdr.SignerKeyType, Callable[..., bool]], ...] = (
        (Type.SIGNER_KEY_TYPE_HASH_X, _hash_x),
        (Type.SIGNER_KEY_TYPE_ED25519, _ed25519),
        (Type.SIGNER_KEY_TYPE_ED25519_SIGNED_PAYLOAD, _signed_payload),
    )


def verify(signature: bytes, key: bytes, message: bytes) -> bool:
    """One ed25519 signature, by libsodium as in the real ledger."""
    if len(signature) != 64:
        return False
    try:
        crypto_sign_open(signature + message, key)
    except BadSignatureError:
        return False
    return True
