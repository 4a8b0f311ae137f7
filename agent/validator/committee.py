"""What validators of one settlement account say to each other: votes, proposals, signatures.

Topics, under milepost/v1/market/{settlement}/: `vote/{validator}`, `proposal/{validator}`, `signature/{validator}`, and
`false/{validator}`, which is for people: the round that is not what its lineage says.
Every message is repeated until it has had its effect, so a lost one costs time and nothing else. Every message is
checked by what it contains; which topic it came on is worth nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.core.documents import Vote
from agent.core.ids import AccountId, CidText, TxHash
from agent.core.round import Round
from agent.errors import Malformed
from agent.fleet import topics
from agent.fleet.reading import parsed
from agent.ports import FleetLink, Message

EVERYTHING = f"{topics.market('+')}/+/+"
"""What a validator listens to. Settlement accounts that it does not serve are passed over."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the speaker wants signed."""

    envelope: str
    """Base64 XDR, signed by the speaker. Its memo is the CID of the record, its claims are the entries."""


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A validator's signature of a proposed transaction."""

    validator: AccountId
    transaction: TxHash
    signature: bytes


class Committee:
    """Speaks and listens for one validator."""

    def __init__(self, link: FleetLink, validator: AccountId) -> None:
        self._link, self._validator = link, validator

    def say_vote(self, settlement: AccountId, vote: Vote) -> None:
        self._say(settlement, "vote", vote.to_bytes())

    def say_proposal(self, settlement: AccountId, proposal: Proposal) -> None:
        self._say(settlement, "proposal", _json({"envelope": proposal.envelope}))

    def say_signature(self, settlement: AccountId, signed: Cosignature) -> None:
        signature = base64.b64encode(signed.signature).decode()
        words = {"validator": signed.validator, "transaction": signed.transaction, "signature": signature}
        self._say(settlement, "signature", _json(words))

    def say_false(self, round_: Round, cid: CidText, why: str) -> None:
        """Kept by the broker: it is for whoever comes later, too."""
        words = {"round": cid, "model": round_.model, "number": round_.number, "why": why}
        topic = topics.false_round(round_.settlement, self._validator)
        self._link.publish(Message(topic, json.dumps(words).encode(), retain=True))

    def receive(self) -> Sequence[Message]:
        """What others have said since the last call. The link bounds payloads."""
        return [m for m in self._link.receive() if m.topic.rpartition("/")[2] != self._validator]

    @staticmethod
    def read(message: Message) -> tuple[AccountId, Vote | Proposal | Cosignature] | None:
        """(settlement account, what was said), typed; None when it is malformed."""
        levels = message.topic.split("/")
        if len(levels) != 6 or levels[4] not in _READERS:
            return None
        try:
            return AccountId(levels[3]), _READERS[levels[4]](message.payload)
        except Malformed:
            return None

    def _say(self, settlement: AccountId, kind: str, payload: bytes) -> None:
        self._link.publish(Message(f"{topics.market(settlement)}/{kind}/{self._validator}", payload))


def _json(words: dict[str, str]) -> bytes:
    return json.dumps(words, sort_keys=True, separators=(",", ":")).encode()


def _words(payload: bytes, *names: str) -> list[str]:
    try:
        words = parsed(payload)
        return [str(words[name]) for name in names]
    except (ValueError, KeyError, TypeError):
        raise Malformed(what="a message", why=f"expected {', '.join(names)}") from None


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(what="a message", why="not base64") from None


def _read_proposal(payload: bytes) -> Proposal:
    return Proposal(*_words(payload, "envelope"))


def _read_signature(payload: bytes) -> Cosignature:
    validator, transaction, signature = _words(payload, "validator", "transaction", "signature")
    return Cosignature(AccountId(validator), TxHash(transaction), _base64(signature))


_READERS: dict[str, Callable[[bytes], Vote | Proposal | Cosignature]] = {
    "vote": Vote.parse,
    "proposal": _read_proposal,
    "signature": _read_signature,
}
