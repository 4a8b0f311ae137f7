"""Sealed boxes: a key for one account, and a file that some may read."""

from __future__ import annotations

from stellar_sdk import Keypair, StrKey

from agent.ledger import keys
from agent.market import sealed
from tools.vectors.kind import Answer, Given, Kind, data, text
from tools.vectors.people import COMMITTEE, account, cid, keypair, seed

KEY = seed("the key of an update")
PURPOSE = f"milepost/update/{cid('round 6')}/{account('vehicle')}"
PLAIN = b"what only the committee and the initiator read"


def _ciphertext() -> bytes:
    from nacl.secret import Aead

    return bytes(Aead(KEY).encrypt(PLAIN, PURPOSE.encode(), seed("nonce")[:24]))


def _boxes() -> dict[str, Given]:
    return {
        "for a validator": {"key": KEY.hex(), "reader": COMMITTEE[0]},
        "for the initiator": {"key": KEY.hex(), "reader": account("initiator")},
        "another key": {"key": seed("another key").hex(), "reader": COMMITTEE[0]},
        "refused: an account that is a point of small order": {
            "key": KEY.hex(),
            "reader": StrKey.encode_ed25519_public_key(bytes(32)),
        },
    }


def _box(given: Given) -> Answer:
    key, reader = bytes.fromhex(given["key"]), given["reader"]
    return {"curve25519": keys.sealing_public(reader).hex(), "box": sealed.boxed(key, reader)}


def _files() -> dict[str, Given]:
    boxes = {reader: sealed.boxed(KEY, reader) for reader in COMMITTEE}
    good = {
        "seed": seed("validator 0").hex(),
        "boxes": boxes,
        "purpose": PURPOSE,
        "ciphertext": text(_ciphertext()),
    }
    spoilt = bytearray(_ciphertext())
    spoilt[-1] ^= 1
    other = sealed.boxed(seed("another key"), COMMITTEE[3])
    return {
        "an update": good,
        "refused: another purpose": {**good, "purpose": "milepost/test-set/DLMroad"},
        "refused: a bit that changed": {**good, "ciphertext": text(bytes(spoilt))},
        "refused: somebody else's box holds another key": {**good, "boxes": {**boxes, COMMITTEE[3]: other}},
        "refused: no box for this reader": {**good, "seed": keypair("stranger").raw_secret_key().hex()},
    }


def _file(given: Given) -> Answer:
    reader = Keypair.from_raw_ed25519_seed(bytes.fromhex(given["seed"]))
    key = sealed.key(given["boxes"], reader)
    plain = sealed.unseal(data(given["ciphertext"]), given["purpose"], given["boxes"], key)
    return {"key": key.hex(), "plain": text(plain)}


KINDS = (
    Kind(
        "box",
        "A key in a box for an account. Given: `key` in hex, and the `reader`'s account. Answered: the account's key as"
        " a `curve25519` key in hex, and the `box` in base64.",
        _boxes,
        _box,
    ),
    Kind(
        "sealed",
        "A sealed file. Given: the `seed` of one reader's account in hex, all `boxes` by reader, the `purpose`, and the"
        " `ciphertext` in base64. Answered: the `key` in hex, and what it opens, `plain`, in base64.",
        _files,
        _file,
    ),
)
