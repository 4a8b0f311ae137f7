"""Documents: one value has one form in bytes, and nothing that comes from outside gets past the reader."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import pytest
from annotated_types import Ge, Gt, Le, Lt
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic.fields import FieldInfo
from stellar_sdk import StrKey

from agent.core import address
from agent.core.documents import Contribution, Document, Part, Purse, SettledEntry, SettlementRecord, Share, Vote
from agent.core.money import MAX_STROOPS, UNIT, Asset
from agent.core.plain import UNKNOWN
from agent.core.round import GlobalSet, Lineage, Round, StakeSchedule, Task
from agent.errors import Malformed

KINDS = (Round, Contribution, Vote, SettlementRecord)
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

accounts = st.binary(min_size=32, max_size=32).map(StrKey.encode_ed25519_public_key)
cids = st.text(BASE58, min_size=44, max_size=44).map("Qm".__add__)
hexes = st.binary(min_size=32, max_size=32).map(bytes.hex)
amounts = st.integers(0, 2**63 - 1)
credits = st.integers(0, UNIT)
figures = st.decimals(0, 10_000, places=6)
reasons = st.text(st.characters(codec="utf-8"), max_size=60).filter(str.isprintable)
outcomes = st.sampled_from(["accepted", "idle", "rejected"])
signatures = st.just("c2lnbmVk")

votes = st.builds(
    Vote,
    round=cids,
    entry=hexes,
    contribution=cids,
    validator=accounts,
    outcome=outcomes,
    reason=reasons,
    credit=credits,
    figure=st.none() | figures,
    signature=signatures,
)
settled = st.builds(
    SettledEntry,
    entry=hexes,
    transaction=hexes,
    vehicle=accounts,
    contribution=cids,
    outcome=outcomes,
    reason=reasons,
    credit=credits,
    stake=amounts,
    fee=amounts,
)
records = st.builds(
    SettlementRecord,
    index=st.integers(0, 1000),
    previous=st.none() | cids,
    round=cids,
    entries=st.lists(settled, min_size=1, max_size=2).map(tuple),
    votes=st.lists(votes, max_size=2).map(tuple),
    agreements=st.dictionaries(accounts, st.integers(0, 100), max_size=2),
    speaker=accounts,
)
records_of_shares = st.builds(
    SettlementRecord,
    index=st.integers(0, 1000),
    round=cids,
    shares=st.lists(st.builds(Share, vehicle=accounts, amount=amounts), min_size=1, max_size=2).map(tuple),
    purse=st.builds(Purse, forfeited=amounts, round=st.integers(0, 9), pot=amounts, done=st.integers(0, 9)),
    agreements=st.dictionaries(accounts, st.integers(0, 100), max_size=2),
    speaker=accounts,
)
contributions = st.builds(
    Contribution,
    model=accounts.map("DLMroad:".__add__),
    base=cids,
    vehicle=accounts,
    samples=st.integers(1, 10**6),
    steps=st.integers(1, 10**6),
    planned=st.integers(1, 10**6),
    encoding=st.just("dense-fp16"),
    encoding_error=st.decimals(0, 1, places=6),
    keys=st.dictionaries(accounts, signatures, max_size=2),
    fingerprint=st.none() | st.lists(hexes, max_size=2).map(tuple),
    held_back=st.none() | figures,
    software=st.just("milepost-1"),
    profile=st.just("test"),
)
documents = st.one_of(votes, records, records_of_shares, contributions)

ACCOUNT, CID = "G" + "A" * 52 + "WHF", "Qm" + "1" * 44
RECIPE: dict[str, Any] = {"steps": 1, "batch": 1, "learning_rate": "0.001", "minimum_samples": 1}


def a_round(**other: Any) -> Round:
    values: dict[str, Any] = {
        "model": f"DLMroad:{ACCOUNT}",
        "number": 0,
        "task": {"kind": "steering"},
        "architecture": {"name": "pilotnet"},
        "input": {"height": 66, "width": 200},
        "recipe": RECIPE,
        "stake": {"asset": f"DLC:{ACCOUNT}", "base": 2, "fee": 1},
        "settlement": ACCOUNT,
        "committee": (ACCOUNT,),
        "contributions": 1,
        "review_window": 60,
        "length": 60,
        "gain_reference": "0.1",
        "global_set": {"cid": CID, "keys": {ACCOUNT: "aGk="}},
    }
    return Round(**{**values, **other})


@given(documents)
@settings(max_examples=60)
def test_a_document_is_the_same_after_a_trip_through_its_bytes(document: Document) -> None:
    data = document.to_bytes()
    again = type(document).parse(data)
    assert again == document
    assert again.to_bytes() == data


def test_a_round_is_the_same_after_a_trip_through_its_bytes() -> None:
    assert Round.parse(a_round().to_bytes()) == a_round()


def test_a_round_that_fused_ten_thousand_contributions_is_still_read() -> None:
    part = Lineage(cid=CID, vehicle=ACCOUNT, weight="0.4775807", settlement="f" * 64, key="f" * 64)
    round_ = a_round(number=1, previous=CID, lineage=(part,) * 10_000)
    assert Round.parse(round_.to_bytes()) == round_


def test_a_round_that_restores_an_earlier_one_fuses_nothing() -> None:
    part = Lineage(cid=CID, vehicle=ACCOUNT, weight=1, settlement="f" * 64)
    with pytest.raises(ValueError, match="fuses nothing"):
        a_round(number=1, previous=CID, restores=CID, lineage=(part,))


@given(figures)
def test_one_number_has_one_form(value: Decimal) -> None:
    vote = a_vote(figure=value)
    assert vote.to_bytes() == a_vote(figure=value * Decimal("1.000")).to_bytes()
    assert Vote.parse(vote.to_bytes()).figure == value


@given(documents, st.data())
@settings(max_examples=40)
def test_a_spoilt_document_is_refused_in_a_sentence(document: Document, data: st.DataObject) -> None:
    spoilt = bytearray(document.to_bytes())
    at = data.draw(st.integers(0, len(spoilt) - 1))
    how = data.draw(st.sampled_from(["flip", "cut", "double"]))
    if how == "flip":
        spoilt[at] ^= data.draw(st.integers(1, 255))
    elif how == "cut":
        del spoilt[at:]
    else:
        spoilt[at:at] = spoilt[at : at + 1]
    try:
        again = type(document).parse(bytes(spoilt))
    except Malformed as error:
        assert "is malformed" in str(error)
    else:
        assert again.to_bytes() == bytes(spoilt)  # another value, and still the one form of it


@given(st.sampled_from(KINDS), st.binary(max_size=300))
def test_bytes_from_anywhere_crash_nothing(kind: type[Document], data: bytes) -> None:
    with pytest.raises(Malformed):
        kind.parse(data)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=12,
)


@given(st.sampled_from(KINDS), anything, st.sampled_from(sorted(Vote.model_fields) + sorted(Round.model_fields)))
def test_json_from_anywhere_crashes_nothing(kind: type[Document], value: Any, name: str) -> None:
    for found in (value, {name: value}, {**json.loads(a_vote().to_bytes()), name: value}):
        data = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        with contextlib.suppress(Malformed):
            assert kind.parse(data.encode(errors="surrogatepass")).to_bytes() == data.encode()


def a_vote(**other: Any) -> Vote:
    values: dict[str, Any] = {
        "round": CID,
        "entry": "0" * 64,
        "contribution": CID,
        "validator": ACCOUNT,
        "outcome": "idle",
        "reason": "schön",
        "credit": 0,
    }
    return Vote(**{**values, **other})


def test_what_is_not_in_canonical_form_is_refused() -> None:
    data = a_vote().to_bytes()
    plain = json.loads(data)
    for other in (
        json.dumps(plain, sort_keys=True).encode(),
        json.dumps(plain, separators=(",", ":"), sort_keys=True, ensure_ascii=True).encode(),
        json.dumps(dict(reversed(plain.items())), separators=(",", ":"), ensure_ascii=False).encode(),
        data + b"\n",
        b" " + data,
        b"\xef\xbb\xbf" + data,
        data.replace(b'"credit":0', b'"credit":0,"credit":0'),
        data.replace(b'"credit":0', b'"credit":"0"'),
        data.replace(b'"credit":0', b'"credit":false'),
        data.replace(b'"credit":0', b'"credit":-0'),
        a_vote(figure="0.5").to_bytes().replace(b'"0.5"', b'"0.50"'),
        a_vote(figure="0.5").to_bytes().replace(b'"0.5"', b'"5E-1"'),
    ):
        with pytest.raises(Malformed):
            Vote.parse(other)


def test_a_float_is_refused_and_told_apart() -> None:
    for text in (b"0.5", b"5e-1", b"1E400"):
        with pytest.raises(Malformed, match=r"is a float: write a decimal string"):
            Vote.parse(a_vote(figure="7").to_bytes().replace(b'"7"', text))
    for text in (b"NaN", b"Infinity", b"-Infinity", b'"NaN"', b'"Infinity"', b'"1e30"'):
        with pytest.raises(Malformed):
            Vote.parse(a_vote(figure="7").to_bytes().replace(b'"7"', text))


def test_an_unknown_key_is_refused_and_named() -> None:
    with pytest.raises(Malformed, match="colour"):
        Vote.parse(a_vote().to_bytes().replace(b"{", b'{"colour":"red",', 1))


def test_a_document_that_is_too_large_is_refused_before_it_is_read() -> None:
    with pytest.raises(Malformed, match="at most 262144 are read"):
        Vote.parse(b"[" * (Vote.max_bytes + 1))


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"a":' * 40_000, b"9" * 10_000, b'"\\ud800"'])
def test_json_made_to_hurt_the_reader_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        Vote.parse(data)


def test_a_full_record_of_a_full_committee_is_read_whatever_its_voters_wrote() -> None:
    """A vehicle has a hand in the reason why it is turned down: what grows in JSON must not break the chain."""
    reason, hash_ = '"' * 200, "ab" * 32
    figure = Decimal("0." + "1" * 23)
    vote = Vote(
        round=CID, entry=hash_, contribution=CID, validator=ACCOUNT, outcome="rejected", reason=reason,
        credit=UNIT, figure=figure, signature="A" * 88,
    )  # fmt: skip
    entry = SettledEntry(
        entry=hash_, transaction=hash_, vehicle=ACCOUNT, contribution=CID, outcome="rejected", reason=reason,
        credit=UNIT, stake=MAX_STROOPS, fee=MAX_STROOPS,
    )  # fmt: skip
    record = SettlementRecord(
        index=2**31, previous=CID, round=CID, entries=(entry,) * 32, votes=(vote,) * 640, agreements={}, speaker=ACCOUNT
    )
    assert SettlementRecord.parse(record.to_bytes()) == record


def test_a_record_holds_entries_or_shares() -> None:
    with pytest.raises(ValueError, match="entries or shares"):
        SettlementRecord(index=0, round=CID, agreements={}, speaker=ACCOUNT)


def test_a_reason_may_not_hold_half_a_character() -> None:
    data = a_vote(reason="x").to_bytes().replace(b'"x"', b'"\\ud800"')
    with pytest.raises(Malformed):
        Vote.parse(data)


@pytest.mark.parametrize(
    "wrong",
    [
        {"protocol": 2},
        {"number": -1},
        {"number": 10**9},
        {"review_window": 10**12},
        {"review_window": 2**63},
        {"turn": 31},
        {"ledger": 2**31},
        {"stake": {"asset": f"DLC:{ACCOUNT}", "base": 500_000_000, "fee": 499_000_000}},
        {"stake": {"asset": f"DLC:{ACCOUNT}", "base": 10**13, "fee": 2_147_483_649}},
        {"recipe": {"steps": 1_000_000, "batch": 4096, "learning_rate": "0.001", "minimum_samples": 1}},
        {"recipe": {**RECIPE, "decay": {"power": "9"}}},
        {"recipe": {**RECIPE, "decay": {"power": "0"}}},
        {"recipe": {**RECIPE, "decay": {"floor": "0"}}},
        {"recipe": {**RECIPE, "decay": {"start": "0"}}},
        {"recipe": {**RECIPE, "decay": {"start": "1", "steps": 4}}},
        {"committee": (ACCOUNT, ACCOUNT)},
        {"committee": (ACCOUNT[:-1] + "E",)},
        {"settlement": ACCOUNT[:-1] + "E"},
        {"model": f"DLMroad:{ACCOUNT[:-1]}E"},
        {"model": f"VLMroad:{ACCOUNT}"},
        {"committee": ()},
        {"committee": (ACCOUNT,) * 21},
        {"review_window": 59},
        {"tolerance": "0"},
        {"tolerance": "1.1"},
        {"gain_reference": "0"},
        {"gain_reference": "1" * 25},
        {"settlement": "GABC"},
        {"previous": "bafy" + "a" * 42},
        {"input": {"height": 4, "width": 4}},
        {"architecture": {"name": "pickle"}},
    ],
)
def test_a_round_out_of_bounds_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        a_round(**wrong)


def parts(kind: type[Part] = Part) -> Iterator[type[Part]]:
    for part in kind.__subclasses__():
        yield part
        yield from parts(part)


def numbers(annotation: Any, limits: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The limits of each number that an annotation holds, those of its dictionaries and tuples too."""
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        limits = (*limits, *(m for f in more for m in (f.metadata if isinstance(f, FieldInfo) else [f])))
    if annotation in (int, Decimal):
        yield limits
    elif get_origin(annotation) is not Literal:
        yield from (found for inner in get_args(annotation) for found in numbers(inner, limits))


@pytest.mark.parametrize("part", list(parts()), ids=lambda part: part.__name__)
def test_every_number_has_both_bounds(part: type[Part]) -> None:
    """(e) Whatever is reckoned with a number of a document: it cannot overflow, and it ends within a life."""
    hints = get_type_hints(part, include_extras=True)
    for name, field in part.model_fields.items():
        for limits in numbers(hints[name], tuple(field.metadata)):
            kinds = {type(limit) for limit in limits}
            assert kinds & {Ge, Gt}, f"{part.__name__}.{name} has no least value"
            assert kinds & {Le, Lt}, f"{part.__name__}.{name} has no greatest value"


@given(st.binary(min_size=32, max_size=32), st.integers(0, 55), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_an_address_is_taken_as_the_official_library_takes_it(key: bytes, at: int, letter: str) -> None:
    """(g) A committee member whose address has a wrong checksum is no member."""
    text = StrKey.encode_ed25519_public_key(key)
    text = text[:at] + letter + text[at + 1 :]
    try:
        taken = address.account(text) == text
    except ValueError:
        taken = False
    assert taken == StrKey.is_valid_ed25519_public_key(text)


@given(
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**64 - 1),
    st.integers(0, 68),
    st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
)
def test_a_muxed_address_is_the_official_librarys(key: bytes, id_: int, at: int, letter: str) -> None:
    whole = StrKey.encode_med25519_public_key(key + id_.to_bytes(8, "big"))
    assert address.payee(whole) == whole
    assert address.account_of(whole) == StrKey.encode_ed25519_public_key(key)
    text = whole[:at] + letter + whole[at + 1 :]
    try:
        taken = address.payee(text) == text
    except ValueError:
        taken = False
    assert taken == (text == whole)


def test_what_a_stranger_writes_moves_no_terminal() -> None:
    """(nn) Escape sequences reach neither a record nor the votes on it."""
    vote = a_vote(reason="\x1b[2Jpaid\u202e\n")
    assert vote.reason == f"{UNKNOWN}[2Jpaid{UNKNOWN} "
    with pytest.raises(Malformed, match="canonical"):
        Vote.parse(vote.to_bytes().replace(f"{UNKNOWN}[2J".encode(), b"\\u001b[2J"))


def test_a_round_knows_its_assets() -> None:
    assert a_round().model_asset == Asset("DLMroad", ACCOUNT)
    assert a_round().credit_asset == Asset("VLMroad", ACCOUNT)
    assert a_round().initiator == ACCOUNT


def test_the_defaults_of_the_parts_are_in_bounds() -> None:
    assert Task(kind="steering").scale == 25
    assert StakeSchedule(asset=f"DLC:{ACCOUNT}", base=2, fee=1).growth == 2
    assert GlobalSet(cid=CID, keys={}).keys == {}


class Sample(Document):
    text: str
    amount: int


def test_the_canonical_form_is_that_of_rfc_8785() -> None:
    """The text of its section 3.2.2.2, and an amount that JavaScript could not hold."""
    text = '\u20ac$\u000f\nA\'B"\\\\"/'
    written = Sample(text=text, amount=2**63 - 1).to_bytes()
    assert written == '{"amount":9223372036854775807,"text":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'.encode()
