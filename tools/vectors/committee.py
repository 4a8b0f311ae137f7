"""What a committee decides: verdicts merged, who speaks, the stake's id and the transaction that settles."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any

from agent.core import speaker, verdict
from agent.core.cid import Cid
from agent.core.documents import Outcome, SettlementRecord
from agent.core.ids import AccountId
from agent.core.ledger import Stake
from agent.core.money import UNIT, XLM, Stroops
from agent.core.round import Round
from agent.ledger.envelope import balance_id, build
from agent.market import settlement
from tools.vectors import documents
from tools.vectors.kind import Answer, Given, Kind
from tools.vectors.people import COMMITTEE, account, hex32

PASSPHRASE = "Milepost Test ; 2026"  # noqa: S105  the name of a network, no secret


@dataclass(frozen=True, slots=True)
class Said:
    """What merging needs of a vote."""

    outcome: Outcome
    credit: Stroops
    reason: str
    figure: Decimal | None


def _votes(*said: tuple[str, int, str | None]) -> Given:
    votes = [
        {"outcome": outcome, "credit": credit, "reason": f"as validator {number} says", "figure": figure}
        for number, (outcome, credit, figure) in enumerate(said)
    ]
    return {"validators": 4, "votes": votes}


def _merges() -> dict[str, Given]:
    yes, no, idle = ("accepted", 5_000_000, "0.04"), ("rejected", 0, "0.04"), ("idle", 0, "0.04")
    return {
        "all of one mind": _votes(yes, yes, yes, yes),
        "the lower median of four credits": _votes(
            ("accepted", 7, "0.04"), ("accepted", UNIT, "0.04"), ("accepted", 3, "0.04"), ("accepted", 9, "0.04")
        ),
        "too few yet": _votes(yes, yes),
        "two thirds, and one is missing": _votes(yes, yes, yes),
        "one against three": _votes(no, yes, idle, yes),
        "three against one": _votes(no, no, no, yes),
        "divided, all have voted": _votes(no, no, yes, yes),
        "divided, one is missing": _votes(no, no, yes),
        "one measured something else": _votes(("accepted", UNIT, "0.05"), yes, yes, yes),
        "figures within a ten-thousandth": _votes(
            ("accepted", 4, "0.04"), ("accepted", 5, "0.040004"), ("accepted", 6, "0.040002"), no
        ),
        "no two thirds measured the same": _votes(
            ("accepted", 4, "0.04"), ("accepted", 5, "0.05"), ("accepted", 6, "0.04"), ("accepted", 7, "0.05")
        ),
        "turned down unmeasured": _votes(("rejected", 0, None), ("rejected", 0, None), ("rejected", 0, None)),
    }


def _merge(given: Given) -> Answer:
    votes = [
        Said(vote["outcome"], vote["credit"], vote["reason"], vote["figure"] and Decimal(vote["figure"]))
        for vote in given["votes"]
    ]
    merged = verdict.merge(votes, given["validators"])
    if merged is None:
        return {"decided": False}
    return {"decided": True, "outcome": merged.outcome, "credit": merged.credit, "reason": merged.reason}


def _turns() -> dict[str, Given]:
    plain: dict[str, Any] = {
        "committee": list(COMMITTEE),
        "agreements": {},
        "settlement": account("settlement"),
        "at": 1_790_000_250,
        "turn": 30,
    }
    return {
        "nobody has agreed yet": plain,
        "the last second of a turn": {**plain, "at": 1_790_000_249},
        "another settlement account": {**plain, "settlement": account("another settlement")},
        "one has agreed more often": {**plain, "agreements": dict(zip(COMMITTEE, (90, 10, 0, 3), strict=True))},
        "alone": {**plain, "committee": [COMMITTEE[0]]},
    }


def _on_turn(given: Given) -> Answer:
    return {"speaker": speaker.on_turn(**given)}


def _stakes() -> dict[str, Given]:
    return {
        "the fourth operation": {"source": account("vehicle"), "sequence": 17_179_869_185, "operation": 3},
        "the first": {"source": account("vehicle"), "sequence": 17_179_869_186, "operation": 0},
    }


def _stake(given: Given) -> Answer:
    return {"id": balance_id(given["source"], given["sequence"], given["operation"])}


def _settlements() -> dict[str, Given]:
    plain: dict[str, Any] = {
        "round": documents.a_round(number=6).to_bytes().decode(),
        "record": documents.a_record().to_bytes().decode(),
        "digest": sha256(b"the record's bundle").hexdigest(),
        "offer_id": 0,
        "unredeemed": 0,
        "balance": {"id": hex32("pledge"), "amount": 400 * UNIT},
        "sequence": 17_179_869_190,
        "fee": 1000,
        "max_time": 1_790_000_240,
        "passphrase": PASSPHRASE,
    }
    return {
        "the first settlement": plain,
        "the standing offer is topped up": {**plain, "offer_id": 77, "unredeemed": 35_000_000},
        "nothing is left of the pledge": {**plain, "balance": {"id": hex32("pledge"), "amount": 32 * UNIT}},
        "no pledge": {**plain, "round": documents.an_old_round().to_bytes().decode(), "balance": None},
        "a roll": {**plain, "record": documents.a_record_of_a_roll().to_bytes().decode()},
        "shares": {**plain, "record": documents.a_record_of_shares().to_bytes().decode()},
    }


def _settlement(given: Given) -> Answer:
    round_, record = Round.parse(given["round"].encode()), SettlementRecord.parse(given["record"].encode())
    standing = settlement.StandingOffer(given["offer_id"], given["unredeemed"])
    digest, pays = bytes.fromhex(given["digest"]), None
    if given["balance"] is not None:
        pays = Stake(given["balance"]["id"], XLM, given["balance"]["amount"], AccountId(round_.initiator), (), (), 0)
    envelope = build(
        round_.settlement,
        given["sequence"] - 1,
        settlement.operations(record, digest, round_, standing, pays),
        passphrase=given["passphrase"],
        fee=given["fee"],
        max_time=given["max_time"],
        memo=digest,
    )
    return {"cid": str(Cid.v0(digest)), "envelope": envelope.to_xdr(), "hash": envelope.hash_hex()}


KINDS = (
    Kind(
        "merge",
        "What votes come to. Given: how many `validators` there are, and the `votes`. Answered: whether it is"
        " `decided`, and if so `outcome`, `credit` and `reason`.",
        _merges,
        _merge,
    ),
    Kind(
        "speaker",
        "Whose turn it is. Given: the `committee`, the `agreements` of the chain's last record, the `settlement`"
        " account, the ledger time `at` and the seconds of a `turn`. Answered: the `speaker`.",
        _turns,
        _on_turn,
    ),
    Kind(
        "stake",
        "A stake's claimable balance. Given: `source` and `sequence` of the entry, and the number of the `operation`"
        " that makes it, from 0. Answered: its `id`.",
        _stakes,
        _stake,
    ),
    Kind(
        "settlement",
        "The transaction of a record. Given: `round` and `record` as text, the `digest` of the record's bundle, the id"
        " of the standing offer (0: none yet), stroops of VLM that are `unredeemed`, the `balance` of the round's"
        " pledge that pays, the transaction's own `sequence`, the `fee` for each operation, `max_time` and"
        " `passphrase`. Answered: the bundle's `cid`, the unsigned"
        " `envelope` and its `hash`.",
        _settlements,
        _settlement,
    ),
)
