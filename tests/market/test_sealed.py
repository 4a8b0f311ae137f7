"""Sealed bundles: their readers open them, nobody else does, and no reader is given another key than the others."""

from __future__ import annotations

import base64
import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stellar_sdk import Keypair

from agent.errors import Malformed
from agent.ledger import keys
from agent.market import sealed

READERS = tuple(Keypair.random() for _ in range(3))
NAMES = tuple(reader.public_key for reader in READERS)


@given(st.binary(max_size=300), st.text(max_size=40))
@settings(max_examples=20)
def test_every_reader_opens_it_with_one_and_the_same_key(data: bytes, purpose: str) -> None:
    ciphertext, boxes = sealed.seal(data, purpose, NAMES)
    (key,) = {sealed.key(boxes, reader) for reader in READERS}
    assert sealed.unseal(ciphertext, purpose, boxes, key) == data


def test_who_is_no_reader_does_not_open_it() -> None:
    _, boxes = sealed.seal(b"an update", "a purpose", NAMES)
    stranger = Keypair.random()
    with pytest.raises(Malformed, match="not sealed to this reader"):
        sealed.key(boxes, stranger)
    with pytest.raises(Malformed, match="does not open"):
        sealed.key({stranger.public_key: boxes[NAMES[0]]}, stranger)


def test_it_opens_for_its_purpose_alone() -> None:
    ciphertext, boxes = sealed.seal(b"an update", "for this round", NAMES)
    with pytest.raises(Malformed, match="does not open"):
        sealed.unseal(ciphertext, "for another", boxes, sealed.key(boxes, READERS[0]))


def test_the_reader_sees_that_another_was_given_another_key() -> None:
    ciphertext, boxes = sealed.seal(b"an update", "a purpose", NAMES)
    key = sealed.key(boxes, READERS[0])
    other = base64.b64encode(keys.seal(NAMES[2], secrets.token_bytes(32))).decode()
    with pytest.raises(Malformed, match="do not all hold this key"):
        sealed.unseal(ciphertext, "a purpose", {**boxes, NAMES[2]: other}, key)


def test_a_key_that_was_never_sealed_is_not_taken_for_the_one_that_was() -> None:
    ciphertext, boxes = sealed.seal(b"an update", "a purpose", NAMES)
    for key in (secrets.token_bytes(32), b"", bytes(31)):
        with pytest.raises(Malformed, match="do not all hold this key"):
            sealed.unseal(ciphertext, "a purpose", boxes, key)


def test_the_same_update_sealed_twice_has_two_keys() -> None:
    (_, one), (_, two) = (sealed.seal(b"an update", "a purpose", NAMES) for _ in range(2))
    assert sealed.key(one, READERS[0]) != sealed.key(two, READERS[0])
    assert not set(one.values()) & set(two.values())
