"""Documents: which bytes are one, and their digest."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from agent.core.documents import Contribution, Document, SettlementRecord, Vote
from agent.core.money import UNIT
from agent.core.round import Round
from agent.validator import ballots
from tools.vectors.kind import Answer, Given, Kind, text
from tools.vectors.people import COMMITTEE, account, cid, hex32, keypair

DLC = f"DLC:{account('operator')}"
MODEL = f"DLMroad:{account('issuer')}"
REWARD = 40 * UNIT
KEY = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU="


def a_round(**other: Any) -> Round:
    values: dict[str, Any] = {
        "model": MODEL,
        "initiator": account("initiator"),
        "number": 0,
        "ledger": 4000,
        "published_at": 1_790_000_000,
        "task": {"kind": "steering"},
        "architecture": {"name": "pilotnet"},
        "input": {"height": 66, "width": 200, "crop_top": "0.35"},
        "recipe": {"steps": 400, "batch": 32, "learning_rate": "0.001", "minimum_samples": 200},
        "stake": {"asset": DLC, "base": 10 * UNIT, "fee": UNIT // 2},
        "pledge": {"amount": 10 * REWARD, "reward": REWARD, "until": 1_790_101_800},
        "settlement": account("settlement"),
        "committee": COMMITTEE,
        "contributions": 8,
        "review_window": 3600,
        "length": 86_400,
        "gain_reference": "0.05",
        "global_set": {"cid": cid("test set"), "keys": dict.fromkeys(COMMITTEE, KEY)},
    }
    return Round.model_validate({**values, **other})


def a_later_round() -> Round:
    return a_round(
        root={"keys": dict.fromkeys(COMMITTEE, KEY)},
        number=7,
        previous=cid("round 6"),
        task={"kind": "classification", "labels": "teacher", "classes": ["stop", "Vorfahrt gewähren", "停"]},
        lineage=[
            {
                "cid": cid("contribution"),
                "vehicle": account("vehicle"),
                "weight": "0.5",
                "settlement": hex32("settlement"),
                "key": hex32("key"),
                "proof": cid("proof"),
            }
        ],
        figure={"name": "accuracy", "unit": "share", "better": "higher", "value": "0.9125", "samples": 800},
        privacy="open",
        momentum="0.5",
    )


def a_round_of_boxes() -> Round:
    """Detection, of a camera that is not the first, with a learning rate that falls."""
    return a_round(
        task={"kind": "detection", "labels": "folder", "classes": ["person", "sign"], "view": "rear"},
        architecture={"name": "smallfcos", "hyper": {"filters": 16}},
        recipe={
            **{"steps": 400, "batch": 32, "learning_rate": "0.003", "minimum_samples": 200},
            "decay": {"power": "1", "floor": "0.1", "start": "0.5875"},
        },
        figure={"name": "map50", "unit": "share", "better": "higher", "value": "0.4125", "samples": 800},
    )


def an_old_round() -> Round:
    """Without a pledge: it may be read, and nobody works for it any more."""
    return a_round(model=f"DLMroad:{account('initiator')}", pledge=None)


def a_contribution() -> Contribution:
    return Contribution.model_validate(
        {
            "model": MODEL,
            "base": cid("round 6"),
            "vehicle": account("vehicle"),
            "samples": 1200,
            "steps": 400,
            "planned": 400,
            "encoding": "topk5-int8",
            "encoding_error": "0.412345",
            "keys": dict.fromkeys((*COMMITTEE, account("initiator")), KEY),
            "held_back": "0.031",
            "software": "milepost-0.1.0",
            "profile": "pilotnet-car",
        }
    )


def a_vote(voter: int = 0, **other: Any) -> Vote:
    """Signed by one of the committee."""
    values: dict[str, Any] = {
        "round": cid("round 6"),
        "entry": hex32("stake"),
        "contribution": cid("contribution"),
        "validator": COMMITTEE[voter],
        "outcome": "accepted",
        "reason": "loss on the global set falls from 0.051 to 0.047",
        "credit": 8_000_000,
        "roll": cid("record 0"),
        "figure": "0.047125",
    }
    unsigned = Vote.model_validate({**values, **other})
    return Vote.model_validate({**unsigned.model_dump(), "signature": _signature(unsigned, voter)})


def _signature(unsigned: Vote, voter: int) -> str:
    return text(keypair(f"validator {voter}").sign(unsigned.to_bytes()))


def a_record() -> SettlementRecord:
    """The second of its chain, of entries on the roll that the first enrols: one was accepted and one rejected."""
    other = cid("other contribution")
    bad = {"entry": hex32("other stake"), "contribution": other, "outcome": "rejected", "credit": 0, "figure": None}
    votes = [a_vote(voter) for voter in range(4)]
    against = [a_vote(voter, **bad, reason="its update cannot be read") for voter in range(3)]
    return SettlementRecord.model_validate(
        {
            "index": 1,
            "previous": cid("record 0"),
            "round": cid("round 6"),
            "entries": [
                {
                    "entry": hex32("stake"),
                    "transaction": hex32("entry"),
                    "vehicle": account("vehicle"),
                    "contribution": cid("contribution"),
                    "outcome": "accepted",
                    "reason": votes[0].reason,
                    "credit": 8_000_000,
                    "stake": 10 * UNIT,
                    "fee": UNIT // 2,
                },
                {
                    "entry": hex32("other stake"),
                    "transaction": hex32("other entry"),
                    "vehicle": account("other vehicle"),
                    "contribution": other,
                    "outcome": "rejected",
                    "reason": against[0].reason,
                    "credit": 0,
                    "stake": 20 * UNIT,
                    "fee": 0,
                },
            ],
            "roll": cid("record 0"),
            "votes": [vote.model_dump() for vote in (*votes, *against)],
            "agreements": dict(zip(COMMITTEE, (9, 9, 8, 5), strict=True)),
            "purse": {"forfeited": 20 * UNIT},
            "speaker": COMMITTEE[1],
        }
    )


def a_record_of_a_roll() -> SettlementRecord:
    """The first of its chain."""
    entries = [
        {
            "entry": hex32(f"{other}stake"),
            "transaction": hex32(f"{other}entry"),
            "vehicle": account(f"{other}vehicle"),
            "contribution": cid(f"{other}contribution"),
            "ledger": 4017 + number,
        }
        for number, other in enumerate(("", "other "))
    ]
    return SettlementRecord.model_validate(
        {
            "index": 0,
            "round": cid("round 6"),
            "enrols": {"entries": entries, "drawn_at": 1_790_000_060},
            "agreements": dict.fromkeys(COMMITTEE, 0),
            "speaker": COMMITTEE[1],
        }
    )


def a_record_of_shares() -> SettlementRecord:
    return SettlementRecord.model_validate(
        {
            "index": 2,
            "previous": cid("record 1"),
            "round": cid("round 7"),
            "shares": [{"vehicle": account("vehicle"), "amount": 12_345_678}],
            "agreements": dict.fromkeys(COMMITTEE, 9),
            "purse": {"forfeited": 187_654_322, "round": 7, "pot": 20 * UNIT, "done": 1},
            "speaker": COMMITTEE[2],
        }
    )


Spoilt = Callable[[str], str]
"""Canonical bytes in, others out."""
Bad = dict[str, Spoilt]


def _kind(type_: type[Document], about: str, good: Callable[[], dict[str, Document]], bad: Bad) -> Kind:
    def questions() -> dict[str, Given]:
        found: dict[str, Given] = {name: {"text": document.to_bytes().decode()} for name, document in good().items()}
        first = next(iter(found.values()))["text"]
        for name, spoilt in {**FORMS, **bad}.items():
            found[f"refused: {name}"] = {"text": spoilt(first)}
        return found

    def answer(given: Given) -> Answer:
        document = type_.parse(given["text"].encode())
        if isinstance(document, Vote):
            ballots.check(document, [document.validator])
        return {"sha256": sha256(document.to_bytes()).hexdigest()}

    name = {"SettlementRecord": "record"}.get(type_.__name__, type_.__name__.lower())
    return Kind(name, f"{about} Given: `text`, its bytes as UTF-8. Answered: `sha256` of them.", questions, answer)


def _with(**other: Any) -> Spoilt:
    """The same document with other values, in canonical form."""

    def spoil(whole: str) -> str:
        return json.dumps({**json.loads(whole), **other}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    return spoil


FORMS: Bad = {
    "white space": lambda whole: json.dumps(json.loads(whole), sort_keys=True, ensure_ascii=False),
    "keys in another order": lambda whole: json.dumps(
        dict(reversed(json.loads(whole).items())), separators=(",", ":"), ensure_ascii=False
    ),
    "a character escaped that needs none": lambda whole: whole.replace("Q", "\\u0051", 1),
    "a line's end behind it": lambda whole: whole + "\n",
    "an unknown field": _with(colour="red"),
    "a null that is left out in canonical form": _with(previous=None, held_back=None, figure=None),
    "another protocol": _with(protocol=2),
    "a list": lambda whole: f"[{whole}]",
    "nothing": lambda whole: "",
}
"""What no document may be."""

KINDS = (
    _kind(
        Round,
        "`round.json`: what a vehicle and a validator must agree on.",
        lambda: {
            "a first round": a_round(),
            "a later one, with lineage and figure": a_later_round(),
            "one of boxes, with a view and a rate that falls": a_round_of_boxes(),
            "one of an older version, whose initiator is the issuer": an_old_round(),
        },
        {
            "a float": _with(tolerance=0.97),
            "a decimal with a nought too many": _with(tolerance="0.970"),
            "a decimal with an exponent": _with(gain_reference="5E-2"),
            "an account whose checksum is not its own": _with(settlement="G" + "A" * 55),
            "a tolerance above 1": _with(tolerance="1.01"),
            "somebody twice on the committee": _with(committee=[COMMITTEE[0], COMMITTEE[0]]),
            "a turn of more than half the review window": _with(turn=1801),
            "a review window of more than a week": _with(review_window=604_801),
            "a fee of more than half the stake": _with(
                stake={"asset": DLC, "base": 100, "fee": 51, "growth": "2", "window_ledgers": 120_960}
            ),
            "a model that is not called DLM": _with(model=f"XYZroad:{account('initiator')}"),
        },
    ),
    _kind(
        Contribution,
        "`contribution.json`: what a vehicle says of its work.",
        lambda: {"a contribution": a_contribution()},
        {
            "no samples": _with(samples=0),
            "a number as text": _with(samples="1200"),
            "a base that is no CIDv0": _with(base="bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"),
            "an encoding that is no name": _with(encoding="Dense FP32"),
        },
    ),
    _kind(
        Vote,
        "One validator's judgement. Its signature is over the same document with an empty signature.",
        lambda: {
            "accepted": a_vote(),
            "idle": a_vote(1, outcome="idle", credit=0, reason="loss on the global set stays at 0.051"),
            "rejected unmeasured, of an entry whose memo names nothing": a_vote(
                2,
                outcome="rejected",
                credit=0,
                roll=None,
                figure=None,
                contribution="",
                reason="its memo names no bundle",
            ),
        },
        {
            "another word than was signed": _with(reason="loss on the global set falls from 0.051 to 0.046"),
            "signed by another": _with(validator=COMMITTEE[1]),
            "no signature": _with(signature=""),
            "accepted without credit": lambda _: a_vote(credit=0).to_bytes().decode(),
            "accepted on no roll": lambda _: a_vote(roll=None).to_bytes().decode(),
            "accepted without a figure": lambda _: a_vote(figure=None).to_bytes().decode(),
            "idle with a credit": lambda _: a_vote(outcome="idle").to_bytes().decode(),
            "more credit than 64.0": lambda _: (
                a_vote().model_copy(update={"credit": 64 * UNIT + 1}).to_bytes().decode()
            ),
            "a word that is no outcome": _with(outcome="maybe"),
        },
    ),
    _kind(
        SettlementRecord,
        "`record.json`: a batch of verdicts, or of shares, or a roll, linked to the record before.",
        lambda: {"of shares": a_record_of_shares(), "of entries": a_record(), "of a roll": a_record_of_a_roll()},
        {
            "entries and shares at once": _with(entries=[a_record().entries[0].model_dump(mode="json")]),
            "neither entries nor shares": _with(shares=[]),
            "an amount below nought": _with(purse={"done": 0, "forfeited": -1, "pot": 0, "round": 0}),
        },
    ),
)
