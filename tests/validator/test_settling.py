"""Three validators on a real ledger: what they pay, what they turn down and why, and what no minority can do."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import zstandard
from safetensors.numpy import save
from stellar_sdk import ChangeTrust, Claimant, ClaimPredicate, CreateClaimableBalance, Keypair, ManageBuyOffer, Price

from agent.core import speaker
from agent.core.cid import Cid
from agent.core.documents import Vote
from agent.core.ids import CidText
from agent.core.jobs.review import Judged
from agent.core.ledger import Way
from agent.core.money import UNIT, XLM, Asset
from agent.core.roll import Anchored
from agent.core.verdict import Verdict
from agent.errors import Unavailable
from agent.fleet import topics
from agent.fleet.loopback import LoopbackLink
from agent.initiator import publishing
from agent.learn import update, weights
from agent.ledger import keys
from agent.ledger.envelope import opened, sdk_asset, stake_id
from agent.ledger.horizon import Horizon
from agent.market import bundle, entry, publish, settlement
from agent.ports import Message
from agent.validator.ballots import vote
from agent.validator.committee import Committee, Cosignature, Proposal
from agent.validator.measurement import Judgement
from agent.validator.settling import Settling
from agent.validator.view import LedgerView
from tests.market.town import BASE, DLC_EACH, FEE, REVIEW_S, TURN_S, Numbers, Town, found, publisher_of
from tests.validator.committee import End, House
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow


def honest(town: Town, seed: int = 0, share: float = 0.2) -> str:
    vehicle = town.driver()
    return town.enter(vehicle, town.contribution(vehicle, town.better(share, seed)))


# --- one entry of every kind, settled together


@dataclass(frozen=True)
class Case:
    outcome: str
    reason: str
    entry: str


def raw(town: Town, **values: np.ndarray) -> bytes:
    """An update file that no honest encoder writes: numbers straight into a frame."""
    base = town.base
    row = weights.flat({n: values.get(n, np.zeros_like(v)) for n, v in base.items()})
    frame = zstandard.ZstdCompressor().compress(row.astype("<f4").tobytes())
    return save({"update": np.frombuffer(frame, np.uint8)}, metadata={"encoding": "dense-fp32"})


def of_other_shapes(town: Town) -> bytes:
    frame = zstandard.ZstdCompressor().compress(np.zeros(7, "<f4").tobytes())
    return save({"update": np.frombuffer(frame, np.uint8)}, metadata={"encoding": "dense-fp32"})


def scaled(delta: Numbers, factor: float) -> Numbers:
    return {name: value * np.float32(factor) for name, value in delta.items()}


def cases(town: Town) -> dict[str, Case]:
    """Enter one of each kind. What was entered first is the original of its copies."""
    made: dict[str, Case] = {}

    def enters(name: str, outcome: str, reason: str, vehicle: Keypair, cid: Cid | None, stake: int = BASE) -> None:
        made[name] = Case(outcome, reason, town.enter(vehicle, cid, stake))

    drivers = iter([town.driver() for _ in range(17)])
    d = next(drivers)
    good = town.better(seed=1)
    enters("honest", "accepted", "lowers the loss", d, town.contribution(d, good))
    d = next(drivers)
    enters("half the work", "accepted", "lowers the loss", d, town.contribution(d, town.better(seed=2), steps=5))
    d = next(drivers)
    enters("learnt nothing", "idle", "its length is 0 times", d, town.contribution(d, scaled(good, 0)))
    d = next(drivers)
    enters(
        "harmful",
        "rejected",
        "worse than to know nothing, on the global set and on a private one",
        d,
        town.contribution(d, scaled(town.better(seed=3), -9)),
    )
    d = next(drivers)
    enters("a copy", "rejected", "it copies the entry", d, town.contribution(d, good))
    d = next(drivers)
    enters("memo not a hash", "rejected", "memo is not a hash", d, None)
    d = next(drivers)
    lost = Cid.v0(b"\x05" * 32)
    enters("a base that is no round", "idle", "its base is no round", d, town.contribution(d, good, base=str(lost)))
    d = next(drivers)
    some = next(n for n, v in town.base.items() if v.ndim == 2)
    with_nan = np.full_like(town.base[some], np.nan)
    enters("NaN", "rejected", "not finite", d, town.contribution(d, raw(town, **{some: with_nan})))
    d = next(drivers)
    enters("other shapes", "rejected", "instead of", d, town.contribution(d, of_other_shapes(town)))
    d = next(drivers)
    enters("oversized", "rejected", "its files have more than", d, town.contribution(d, b"\x00" * (1 << 20)))
    d = next(drivers)
    far = {n: np.full_like(v, 1e6) for n, v in town.base.items()}
    enters("far too long", "rejected", "length is", d, town.contribution(d, far))
    d = next(drivers)
    other = town.contribution(Keypair.random(), town.better(seed=5))
    enters("somebody else's contribution", "rejected", "another vehicle", d, other)
    d = next(drivers)
    enters(
        "another model",
        "rejected",
        "model or its encoding",
        d,
        town.contribution(d, good, model=f"DLMx:{d.public_key}"),
    )
    d = next(drivers)
    enters("too few samples", "rejected", "samples are too few", d, town.contribution(d, good, samples=1))
    d = next(drivers)
    halves = update.encode("dense-fp16", town.base, {n: v + good[n] for n, v in town.base.items()}).data
    enters("another encoding", "rejected", "it is dense-fp16", d, town.contribution(d, halves))
    d, initiator = next(drivers), town.initiator.public_key
    shut = town.contribution(d, town.better(seed=7), lambda boxes: {r: b for r, b in boxes.items() if r != initiator})
    enters("sealed to the validators alone", "rejected", "not sealed to the initiator", d, shut)
    d = next(drivers)
    rubbish = base64.b64encode(keys.seal(initiator, bytes(32))).decode()
    false = town.contribution(d, town.better(seed=8), lambda boxes: {**boxes, initiator: rubbish})
    enters("another key for the initiator", "rejected", "do not all hold this key", d, false)
    return made


NAMES = (
    "honest",
    "half the work",
    "learnt nothing",
    "harmful",
    "a copy",
    "memo not a hash",
    "a base that is no round",
    "NaN",
    "other shapes",
    "oversized",
    "far too long",
    "somebody else's contribution",
    "another model",
    "too few samples",
    "another encoding",
    "sealed to the validators alone",
    "another key for the initiator",
)


@pytest.fixture(scope="module")
def settled(town: Town, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Case, End | None]]:
    house = House(town, tmp_path_factory.mktemp("house"))
    made = cases(town)
    house.turn(25)
    house.turn(1, advance=REVIEW_S // 2)  # a base that is not known might have been published a moment ago
    house.settle(*(case.entry for case in made.values()), turns=60)
    house.close()
    return {name: (case, house.end(case.entry)) for name, case in made.items()}


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_of_entry_gets_the_verdict_it_deserves_and_a_reason(
    settled: dict[str, tuple[Case, End | None]], name: str
) -> None:
    case, end = settled[name]
    assert end is not None
    assert (end.outcome, case.reason in end.reason) == (case.outcome, True), end.reason
    assert end.signers == 2
    assert end.returned == (0 if case.outcome == "rejected" else BASE - FEE)


def test_what_is_not_in_an_entrys_form_is_left_to_whoever_put_it_down(town: Town, house: House) -> None:
    """Less than the least stake, and one that its vehicle could take back before it is reviewed."""
    poor, hasty = town.driver(), town.driver()
    little = town.enter(poor, town.contribution(poor, town.better(seed=4)), BASE - 1)
    account = town.horizon.account(hasty.public_key)
    assert account is not None
    hurried = entry.entry(town.round, account, BASE, Way(0), town.horizon.head().closed_at - 550)
    signed = town.apply(hurried, hasty, memo=town.contribution(hasty, town.better(seed=6)).digest)
    back = stake_id(signed.envelope, town.net.passphrase, len(hurried) - 1)
    good = honest(town, 9)
    house.settle(good)
    assert house.end(good).outcome == "accepted"
    for key in town.committee:
        assert not {little, back} & house.reviews(key.public_key).keys()
    assert {little, back} <= {stake.id for stake in town.horizon.stakes(town.settlement)}


def test_work_is_paid_in_proportion(settled: dict[str, tuple[Case, End | None]]) -> None:
    assert settled["honest"][1].credit == pytest.approx(UNIT, rel=0.01)
    assert settled["half the work"][1].credit == pytest.approx(UNIT // 2, rel=0.01)
    assert settled["learnt nothing"][1].credit == 0


def test_records_form_a_chain_and_the_standing_offer_covers_all_credit(
    town: Town, house: House, settled: dict[str, tuple[Case, End | None]]
) -> None:
    end = house.chain_end()
    cid, index = end.cid, end.index
    while cid is not None:
        record = town.shelf.record(cid)
        assert record.index == index
        cid, index = record.previous, index - 1
    assert index == -1
    account = town.horizon.account(town.settlement)
    assert account is not None
    out = publish.ISSUED - account.lines[town.round.credit_asset].balance
    (standing,) = [o for o in town.horizon.offers(town.settlement) if o.selling == town.round.model_asset]
    assert standing.amount >= out > 0


def test_a_strike_doubles_the_stake_once_everybody_can_know_of_it(town: Town, house: House) -> None:
    vehicle = town.driver()
    bad = town.contribution(vehicle, scaled(town.better(seed=20), -9))
    first = town.enter(vehicle, bad)
    house.settle(first)
    assert house.end(first).outcome == "rejected"
    again = town.enter(vehicle, town.contribution(vehicle, town.better(seed=21)))  # within the grace
    house.settle(again)
    assert house.end(again).outcome == "accepted"
    house.turn(62)
    short = town.enter(vehicle, town.contribution(vehicle, town.better(seed=22)))
    house.settle(short)
    assert "due are 20" in house.end(short).reason
    house.turn(62)
    enough = town.enter(vehicle, town.contribution(vehicle, town.better(seed=23)), 4 * BASE)
    house.settle(enough)
    assert house.end(enough).outcome == "accepted"
    account = town.horizon.account(vehicle.public_key)
    assert account.lines[town.dlc].balance == DLC_EACH - 2 * BASE - 2 * FEE


# --- what validators do to one another


def speaker_now(house: House) -> str:
    """Whose turn it is, at the beginning of a turn."""
    town = house.town
    now = town.horizon.head().closed_at
    town.net.close_ledger(advance=TURN_S - now % TURN_S)
    now = town.horizon.head().closed_at
    return speaker.on_turn(town.round.committee, house.chain_end().agreements, town.settlement, now, TURN_S)


def test_two_settle_when_the_third_stays_silent(town: Town, house: House) -> None:
    house.stop(town.committee[2].public_key)
    entry_id = honest(town, 30)
    house.turn(10)
    assert house.end(entry_id) is None  # the third has its turn's time to vote
    house.settle(entry_id, turns=120, advance=10)
    assert house.end(entry_id).outcome == "accepted"
    assert house.end(entry_id).signers == 2


def test_when_the_speaker_is_dead_the_next_one_settles(town: Town, house: House) -> None:
    entry_id = honest(town, 31)
    dead = speaker_now(house)
    house.stop(dead)
    house.turn(5, advance=1)
    assert house.end(entry_id) is None
    house.settle(entry_id, turns=120, advance=10)
    assert house.end(entry_id).signers == 2


def test_one_alone_settles_nothing(town: Town, house: House) -> None:
    for key in town.committee[1:]:
        house.stop(key.public_key)
    entry_id = honest(town, 32)
    house.turn(20)
    house.turn(5, advance=200)
    assert house.end(entry_id) is None
    assert house.reviews(town.committee[0].public_key)[entry_id] is None  # nor measures anything: there is no roll
    for key in town.committee[1:]:
        house.restart(key.public_key)
    house.settle(entry_id, turns=80)


def another_figure(house: House, key: Keypair, factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    measurement = house.validators[key.public_key].parts.reviewing._measurement
    measured = measurement.measured

    def lies(*asked):
        return {entry: replace(told, figure=told.figure * factor) for entry, told in measured(*asked).items()}

    monkeypatch.setattr(measurement, "measured", lies)


def test_a_validator_with_another_figure_holds_nobody_up_and_is_named(
    town: Town, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    another_figure(house, town.committee[0], 1.01, monkeypatch)
    before, entry_id = house.chain_end().agreements, honest(town, 33)
    named = f"{town.committee[0].public_key} measured another figure"
    seen = False
    for _ in range(10):
        house.turn()
        seen |= any(named in t for v in house.validators.values() for t in v.status("online")["troubles"])
    assert seen
    assert house.end(entry_id).outcome == "accepted"
    after = house.chain_end().agreements
    assert [after[k.public_key] - before.get(k.public_key, 0) for k in town.committee] == [0, 1, 1]


def test_an_entry_on_whose_figure_no_two_thirds_agree_is_halted_for_inspection(
    town: Town, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    another_figure(house, town.committee[0], 1.01, monkeypatch)
    another_figure(house, town.committee[1], 1.02, monkeypatch)
    entry_id = honest(town, 33)
    house.turn(20)
    house.turn(3, advance=100)
    assert house.end(entry_id) is None
    assert all(v.parts.settling.halted == [entry_id] for v in house.validators.values())
    assert town.horizon.stake(entry_id) is not None  # the vehicle takes it back after the review window


def test_a_minority_that_says_worse_of_everybody_moves_nothing(
    town: Town, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    liar = house.validators[town.committee[1].public_key]
    measurement = liar.parts.reviewing._measurement
    measured = measurement.measured

    def says_worse(*asked):
        worse = Verdict("rejected", 0, "I do not like it")
        return {entry: replace(told, verdict=worse) for entry, told in measured(*asked).items()}

    monkeypatch.setattr(measurement, "measured", says_worse)
    entry_id = honest(town, 34)
    house.settle(entry_id)
    assert house.end(entry_id).outcome == "accepted"


def test_a_validator_that_is_started_again_votes_the_same(town: Town, house: House) -> None:
    account = town.committee[0].public_key
    others = [k.public_key for k in town.committee[1:]]
    entry_id = honest(town, 35)
    while house.reviews(account).get(entry_id) is None:
        house.turn()
    for other in others:
        house.stop(other)
    review = house.validators[account].parts.book.open[entry_id]
    before = vote(review, town.committee[0], review.verdict.roll)
    house.restart(account)
    again = house.validators[account].parts.book.open[entry_id]
    assert vote(again, town.committee[0], again.verdict.roll) == before
    house.turn(2)
    judged = [e.kind for e in house.validators[account].parts.book.journal.events(entry_id)]
    assert judged == ["found", "judged"]
    for other in others:
        house.restart(other)
    house.settle(entry_id, turns=80)


def test_what_is_forged_is_refused_and_does_no_harm(town: Town, house: House) -> None:
    """A stranger on the broker votes, proposes, signs, and talks rubbish in a validator's name."""
    stranger, victim = Keypair.random(), town.committee[0]
    entry_id = honest(town, 36)
    house.turn(1)
    review = house.validators[victim.public_key].parts.book.open[entry_id]
    house.turn(1)
    review = house.validators[victim.public_key].parts.book.open.get(entry_id, review)
    forged = Judged(CidText(town.cid), "rejected", 0, "forged", None)
    own = vote(replace(review, events={**review.events, Judged: forged}), stranger)
    in_anothers_name = own.model_copy(update={"validator": victim.public_key})
    link = LoopbackLink(house.broker)
    words = Committee(link, "somebody")
    for said in (own, in_anothers_name):
        words.say_vote(town.settlement, said)
    signature = base64.b64encode(b"\x00" * 64)
    words.say_signature(town.settlement, Cosignature(victim.public_key, "00" * 32, b"\x00" * 64))
    for kind in ("vote", "proposal", "signature", "nonsense"):
        for payload in (b"", b"{}", b"[]", b"\xff", b"null", b'{"envelope":"AAAA"}', signature):
            link.publish(Message(f"{topics.market(town.settlement)}/{kind}/x", payload))
            link.publish(Message(f"{topics.market('not-an-account')}/{kind}/x", payload))
    house.settle(entry_id)
    assert house.end(entry_id).outcome == "accepted"
    record = town.shelf.record(house.chain_end().cid)
    assert "forged" not in {v.reason for v in record.votes}
    assert not any("validator.failed" in log.getvalue() for log in house.logs.values()), house.log


def test_a_proposal_that_pays_another_is_not_signed(town: Town, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The speaker, whoever it is, changes the transaction's payments: the others sign nothing of it."""
    thief = Keypair.random().public_key
    entry_id = honest(town, 37)
    house.enrol(entry_id)
    crooked = speaker_now(house)
    operations = settlement.operations

    def steals(*asked):
        return [type(o)(thief, o.asset, o.amount) if hasattr(o, "destination") else o for o in operations(*asked)]

    validator = house.validators[crooked]
    turn = validator.turn

    def crooked_turn() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(settlement, "operations", steals)
            turn()

    monkeypatch.setattr(validator, "turn", crooked_turn)
    house.turn(5, advance=1)
    assert house.end(entry_id) is None
    assert any("not the one this record makes" in log.getvalue() for log in house.logs.values()), house.log
    house.settle(entry_id, turns=120, advance=10)  # somebody else's turn
    assert house.end(entry_id).outcome == "accepted"


def test_rubbish_in_place_of_a_contribution_is_settled_too(town: Town, house: House) -> None:
    """A bundle that holds no contribution, and a stake beside an entry by somebody who is not its sponsor."""
    vehicle = town.driver()
    folder = bundle.lay(town.folder / "rubbish", {"hello.txt": b"hello"})
    entry_id = town.enter(vehicle, town.store.put(folder))
    house.settle(entry_id)
    assert house.end(entry_id).outcome == "rejected"
    assert "has no contribution.json" in house.end(entry_id).reason


def test_a_vehicle_that_cannot_be_paid_loses_its_stake_and_nobody_else_waits(town: Town, house: House) -> None:
    gone, good = town.driver(), honest(town, 38)
    entry_id = town.enter(gone, town.contribution(gone, town.better(seed=39)))
    (bid,) = town.horizon.offers(gone.public_key)
    dlc, vlm = sdk_asset(town.dlc), sdk_asset(town.round.credit_asset)
    withdraws = ManageBuyOffer(dlc, vlm, "0", Price(1, 1), offer_id=bid.id)
    town.apply([withdraws, ChangeTrust(vlm, limit="0")], gone)
    house.settle(good, entry_id)
    assert house.end(good).outcome == "accepted"
    assert "no trustline" in house.end(entry_id).reason


# --- stakes made to jam the committee


def stake_of(town: Town, vehicle: Keypair, asset: Asset, predicate: ClaimPredicate | None) -> str:
    """A balance that names the settlement account, by somebody who means no good."""
    claimants = [Claimant(town.settlement, predicate), Claimant(vehicle.public_key)]
    memo = town.contribution(vehicle, town.better()).digest
    made = town.apply([CreateClaimableBalance(sdk_asset(asset), "10", claimants)], vehicle, memo=memo)
    return stake_id(made.envelope, town.net.passphrase, 0)


def test_a_stake_that_the_committee_cannot_claim_holds_nobody_up(town: Town, house: House) -> None:
    jammer, issuer = town.driver(), Keypair.random()
    town.net.fund(issuer.public_key)
    own = Asset("JAM", issuer.public_key)
    never = ClaimPredicate.predicate_before_absolute_time(1)
    stake_of(town, issuer, own, None)
    stake_of(town, jammer, town.dlc, never)
    stake_of(town, jammer, XLM, ClaimPredicate.predicate_not(ClaimPredicate.predicate_unconditional()))
    good = honest(town, 50)
    house.settle(good)
    assert house.end(good).outcome == "accepted"


def test_two_entries_of_one_vehicle_are_paid_one_after_the_other(town: Town, house: House) -> None:
    vehicle = town.driver()
    entries = [town.enter(vehicle, town.contribution(vehicle, town.better(seed=n))) for n in (60, 61)]
    house.settle(*entries)
    assert [house.end(entry_id).outcome for entry_id in entries] == ["accepted", "accepted"]


def test_a_vehicle_whose_trustline_is_full_holds_nobody_up(town: Town, house: House) -> None:
    """It earned a whole VLM, and has room for none: the payment would fail, and with it everybody's settlement."""
    full, good = town.driver(), honest(town, 51)
    cid = town.contribution(full, town.better(seed=52))
    entry_id = town.enter(full, cid)
    town.apply([ChangeTrust(sdk_asset(town.round.credit_asset), limit="1")], full)  # its bid takes all of that
    house.settle(good, entry_id)
    assert house.end(good).outcome == "accepted"
    assert "no trustline" in house.end(entry_id).reason


# --- what holds one up must not hold up the others


def test_a_payee_that_makes_a_settlement_fail_is_turned_down_in_the_next(town: Town, house: House) -> None:
    """It drops its trustline in the ledger that was to pay it, and takes it up again: only the ledger knows."""
    jammer, good = town.driver(), honest(town, 53)
    entry_id = town.enter(jammer, town.contribution(jammer, town.better(seed=54)))
    house.enrol(good, entry_id)
    house.broker.stop()
    house.turn(3)
    house.broker.start()  # both are ripe at once
    (bid,) = town.horizon.offers(jammer.public_key)
    dlc, vlm = sdk_asset(town.dlc), sdk_asset(town.round.credit_asset)
    drops = [ManageBuyOffer(dlc, vlm, "0", Price(1, 1), offer_id=bid.id), ChangeTrust(vlm, limit="0")]
    Horizon(town.net.url, town.net.passphrase).hand_in(town.signed(drops, jammer).envelope)
    for _ in range(3):  # within one ledger
        for validator in house.validators.values():
            validator.turn()
    town.net.close_ledger()
    failed = [t for t in town.horizon.history(town.settlement, newest_first=True, failed=True) if not t.successful]
    assert len(failed) == 1, house.log
    town.apply([ChangeTrust(vlm)], jammer)
    house.restart(town.committee[0].public_key)  # whoever was not there reads it off the ledger too
    house.settle(good, entry_id)
    assert house.end(good).outcome == "accepted"
    assert house.end(entry_id).reason == "the ledger refused its pay: PAYMENT_NO_TRUST"
    assert house.end(entry_id).returned == 0


def test_a_round_that_finds_no_signatures_does_not_hold_up_the_next(tmp_path: Path) -> None:
    with Localnet() as net:
        town = found(net, tmp_path / "town")
        stuck = honest(town, 1)
        publisher = publisher_of(town)
        folder = town.shelf.get(town.cid, bundle.ROUND_LIMITS)
        values, models = (folder / bundle.WEIGHTS).read_bytes(), {bundle.GRAPH: folder / bundle.GRAPH}
        following = publishing.RoundDraft(1, values, models, town.round, town.cid, restores=town.cid)
        town.cid = publisher.publish(1, lambda: following).cid
        publisher.book.journal.close()
        newer = honest(town, 2)
        house = House(town, tmp_path / "house")
        for validator in house.validators.values():
            declines(validator.parts.settling, stuck)
        house.settle(newer, turns=5 * TURN_S)
        assert house.end(newer).outcome == "accepted"
        assert house.end(stuck) is None
        house.close()


def declines(settling: Settling, stuck: str) -> None:
    """Let a validator sign nothing that settles this entry."""
    hear = settling._hear

    def but_not(view: LedgerView, said: Vote | Proposal | Cosignature) -> None:
        words = settling._horizon.passphrase
        if isinstance(said, Proposal) and stuck in settlement.claims(opened(said.envelope, words), view.settlement):
            return
        hear(view, said)

    settling._hear = but_not


def test_an_entry_that_too_few_can_sign_for_does_not_hold_up_its_round(
    town: Town, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two voted on it, and one of them is gone; the third cannot have its bundle."""
    gone, blind = house.validators[town.committee[1].public_key], house.validators[town.committee[2].public_key]
    older = honest(town, 55)
    measurement = blind.parts.reviewing._measurement
    measured = measurement.measured

    def but_not(roll: Anchored, *asked) -> Mapping[str, Judgement]:
        if older in {one.entry for one in roll.roll.entries}:
            raise Unavailable(what="The bundle")
        return measured(roll, *asked)

    monkeypatch.setattr(measurement, "measured", but_not)
    house.enrol(older)
    house.turn(1)
    house.stop(gone.parts.account)
    newer = honest(town, 56)
    house.settle(newer, turns=12 * TURN_S)  # a proposal of the older one stays signable for 240 s
    assert house.end(newer).signers == 2
    assert house.end(older) is None
