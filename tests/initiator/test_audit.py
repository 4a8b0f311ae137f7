"""Auditing: anybody rebuilds an open round from ledger and content store, and a lineage that is not true is named."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stellar_sdk import ChangeTrust, ClaimClaimableBalance, Keypair, Payment

from agent.core.cid import Cid
from agent.core.documents import SettledEntry, SettlementRecord
from agent.core.ledger import BALANCE_V0
from agent.core.money import UNIT, XLM
from agent.core.round import Lineage, Round
from agent.errors import TryAgain
from agent.initiator import fusing, restoring
from agent.initiator.audit import Audit, audit
from agent.learn import weights
from agent.ledger.envelope import build, sdk_asset, signed
from agent.ledger.horizon import Horizon
from agent.market import bundle, pledge, publish, records, sealed, settlement
from agent.market.listing import training_offers
from tests.initiator.command import anybody, milepost
from tests.market.town import BASE, FEE, REWARD, Town, found, publisher_of
from tests.validator.committee import House
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow

UNPUBLISHED = "its initiator never published it"


@dataclass
class Story:
    """Round 0 is open, those after it are sealed, all have momentum. Round 2 fuses a late entry on round 0 and one on
    round 1; round 3 restores round 1."""

    town: Town
    cids: tuple[str, ...]
    lost: str
    """A contribution that was accepted and is in no store any more."""
    late: str
    unwanted: tuple[str, str]
    """A contribution that was rejected, and the transaction that settled it."""
    refused: str
    """What `close` said of the lost one."""

    def round(self, number: int) -> Round:
        return self.town.shelf.round(self.cids[number])

    def audit(self, cid: str, **other: Any) -> Audit:
        """By a stranger: an own connection, an own shelf, no key."""
        horizon = Horizon(self.town.net.url, self.town.net.passphrase)
        try:
            return audit(horizon, bundle.Shelf(self.town.folder / "stranger", self.town.store, keep=64), cid, **other)
        finally:
            horizon.close()

    def forged(self, like: int, publishes: bool = False, files: dict[str, bytes] | None = None, **twists: Any) -> str:
        """Round `like` with other values in round.json or other files; the initiator may stand by it."""
        town, name = self.town, bundle.WEIGHTS
        folder = town.shelf.get(self.cids[like], bundle.ROUND_LIMITS)
        if publishes:
            twists["ledger"] = town.horizon.head().sequence + 1
        document = Round(**{**self.round(like).model_dump(), **twists})
        made: dict[str, bytes | Path] = {name: folder / name, bundle.GRAPH: folder / bundle.GRAPH, **(files or {})}
        cid = town.store.put(bundle.lay(town.folder / "forged", {**made, bundle.ROUND: document.to_bytes()}))
        if publishes:
            (offer,) = training_offers(town.horizon, town.initiator.public_key)
            sign = publish.Sign(str(cid), offer.id, document.ledger)
            assert document.pledge is not None
            pays = pledge.create(document, document.pledge.amount)
            operations = [*publish.offer(document.model_asset, REWARD, REWARD, sign), pays]
            town.apply(operations, town.initiator, memo=cid.digest)
        return str(cid)

    def lineage(self, number: int, change: Callable[[list[dict[str, Any]]], None]) -> dict[str, Any]:
        parts = [part.model_dump() for part in self.round(number).lineage]
        change(parts)
        return {"lineage": tuple(Lineage(**part) for part in parts)}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with Localnet() as net:
        town = found(net, tmp_path_factory.mktemp("town"), privacy="open", momentum="0.5", budget="240")
        house = House(town, tmp_path_factory.mktemp("house"))
        publisher = publisher_of(town, privacy="sealed", momentum="0.5", budget="240")
        harm = {n: -9 * v for n, v in town.better(0.2, 3).items()}
        deltas = [town.better(0.2, 1), town.better(0.4, 2), town.better(0.3, 4), harm]
        drivers = [town.driver() for _ in deltas]
        made = [town.contribution(d, delta) for d, delta in zip(drivers, deltas, strict=True)]
        entries = [town.enter(d, cid) for d, cid in zip(drivers, made, strict=True)]
        house.settle(*entries)
        lost, unwanted = made[2], str(made[3])
        next((town.folder / "content").glob(lost.digest.hex())).unlink()
        with pytest.raises(TryAgain) as refused:
            fusing.close(publisher)
        first = fusing.close(publisher, without=[str(lost)])
        slow, quick = town.driver(), town.driver()
        late = town.contribution(slow, town.better(0.3, 5))
        stale = town.enter(slow, late)
        cids = [town.cid, _cid(first)]
        town.cid = cids[1]
        fresh = town.enter(quick, town.contribution(quick, town.better(0.3, 6)))
        house.settle(stale, fresh)
        cids += [_cid(fusing.close(publisher, without=[str(lost)])), restoring.restore(publisher, cids[1]).cid]
        settled = town.horizon.touching(entries[3])[-1].hash
        house.close()
        publisher.book.journal.close()
        yield Story(town, tuple(cids), str(lost), str(late), (unwanted, settled), str(refused.value))


def _cid(fused: fusing.Fused) -> str:
    assert fused.published is not None
    return fused.published.cid


# --- rounds as they should be


def test_a_stranger_rebuilds_byte_for_byte_what_was_trained_on_open_rounds(story: Story) -> None:
    found = [story.audit(cid) for cid in story.cids]
    assert [f.faults for f in found] == [()] * 4
    assert [f.finding for f in found] == ["first", "rebuilt", "sealed", "restored"]


def test_a_member_of_the_committee_rebuilds_what_was_trained_on_sealed_rounds_too(story: Story) -> None:
    found = story.audit(story.cids[2], reader=story.town.committee[2])
    assert (found.finding, found.faults) == ("rebuilt", ())


def test_the_round_that_it_was_trained_on_decides_whether_an_updates_key_is_published(story: Story) -> None:
    """The initiator changed its plan to sealed after round 0."""
    assert [story.round(n).privacy for n in range(4)] == ["open", "sealed", "sealed", "sealed"]
    for part in (*story.round(1).lineage, *story.round(2).lineage):
        on_round_0 = story.town.shelf.contribution(part.cid).base == story.cids[0]
        assert (part.key is not None) == on_round_0
        if part.key is not None:
            assert story.town.shelf.opened(part.cid, bytes.fromhex(part.key))
    assert {part.cid for part in story.round(2).lineage if part.key} == {story.late}


def test_no_key_of_a_contribution_that_was_not_fused_is_published(story: Story) -> None:
    fused = {part.cid for n in range(4) for part in story.round(n).lineage}
    assert not fused & {story.lost, story.unwanted[0]}


def test_an_entry_that_was_a_round_late_has_half_a_voice(story: Story) -> None:
    assert {part.cid == story.late: part.weight for part in story.round(2).lineage} == {True: Decimal("0.5"), False: 1}


def test_an_accepted_contribution_that_is_lost_is_named_and_can_be_left_out(story: Story) -> None:
    """Its vehicle took it out of every store as soon as it was paid: that must not hold up everybody."""
    assert f"{story.lost} is to be fused, and cannot be now" in story.refused
    assert f"--without {story.lost}" in story.refused


# --- rounds as they should not be


def test_a_round_that_its_initiator_never_published_is_named(story: Story) -> None:
    twin = story.forged(1, gain_reference="0.5")
    assert story.audit(twin).faults == (UNPUBLISHED,)


def test_a_forged_weight_is_named_with_what_it_should_be(story: Story) -> None:
    def halve(parts: list[dict[str, Any]]) -> None:
        parts[0]["weight"] /= 2

    found = story.audit(story.forged(1, publishes=True, **story.lineage(1, halve)))
    (fault,) = found.faults
    assert found.finding == "wrong"
    assert story.round(1).lineage[0].cid in fault
    assert "one voice on a base 0 rounds old is 1" in fault


def test_a_contribution_that_was_never_accepted_is_named(story: Story) -> None:
    rejected, settlement = story.unwanted

    def smuggle(parts: list[dict[str, Any]]) -> None:
        vehicle = story.town.shelf.contribution(rejected).vehicle
        parts.append({**parts[0], "cid": rejected, "vehicle": vehicle, "settlement": settlement})

    (fault,) = story.audit(story.forged(1, publishes=True, **story.lineage(1, smuggle))).faults
    assert rejected in fault
    assert "never accepted: it was settled as rejected" in fault


def test_a_settlement_that_settled_others_is_named(story: Story) -> None:
    def swap(parts: list[dict[str, Any]]) -> None:
        parts[0]["settlement"] = story.round(2).lineage[0].settlement

    (fault,) = story.audit(story.forged(1, publishes=True, **story.lineage(1, swap))).faults
    assert "settles others" in fault


def test_changed_weights_are_named(story: Story) -> None:
    base = weights.load((story.town.shelf.get(story.cids[1], bundle.ROUND_LIMITS) / bundle.WEIGHTS).read_bytes())
    name = min(base)
    nudged = weights.dump({**base, name: base[name] + np.float32(1e-6)})
    (fault,) = story.audit(story.forged(1, publishes=True, files={bundle.WEIGHTS: nudged})).faults
    assert fault == "weights.safetensors is not what the composite of its lineage gives"


def test_another_network_than_that_of_the_round_before_is_named(story: Story) -> None:
    graph = (story.town.shelf.get(story.cids[1], bundle.ROUND_LIMITS) / bundle.GRAPH).read_bytes()
    (fault,) = story.audit(story.forged(1, publishes=True, files={bundle.GRAPH: graph + b"\x00"})).faults
    assert fault.startswith("model.onnx is not that of")


def test_a_contribution_that_is_fused_twice_is_named(story: Story) -> None:
    again = story.round(1).lineage[0].model_dump()
    (fault,) = story.audit(
        story.forged(2, publishes=True, **story.lineage(2, lambda parts: parts.append(again)))
    ).faults
    assert "it was fused before" in fault


def test_a_round_that_restores_something_else_is_named(story: Story) -> None:
    faults = story.audit(story.forged(3, publishes=True, restores=story.cids[0])).faults
    assert faults == (f"weights.safetensors is not that of {story.cids[0]}",)


def test_a_settlement_that_the_committee_did_not_sign_is_named(story: Story) -> None:
    """The initiator has a settlement account of its own, and settles what an accomplice enters as it likes."""
    town, initiator, own = story.town, story.town.initiator, Keypair.random()
    town.net.fund(own.public_key)
    town.apply([ChangeTrust(sdk_asset(town.dlc))], own)
    town.allow(own.public_key)
    before = town.cid
    town.cid = story.forged(0, publishes=True, settlement=own.public_key)
    accomplice = town.driver()
    cid = town.contribution(accomplice, town.better())
    stake = town.enter(accomplice, cid)
    pays = [ClaimClaimableBalance(BALANCE_V0 + stake), Payment(accomplice.public_key, sdk_asset(town.dlc), "1")]
    part = Lineage(
        cid=str(cid),
        vehicle=accomplice.public_key,
        weight=1,
        settlement=town.apply(pays, own, memo=cid.digest).hash,
        key=sealed.key(town.shelf.contribution(str(cid)).keys, initiator).hex(),
    )
    (fault,) = story.audit(story.forged(1, publishes=True, previous=town.cid, lineage=(part,))).faults
    town.cid = before
    assert "only 0 of 3 validators signed its settlement" in fault


@pytest.mark.parametrize("of_another", [False, True])
def test_a_settlement_of_what_was_on_no_roll_is_named(story: Story, of_another: bool) -> None:
    """The committee pays an accomplice that it never measured with the others."""
    town, accomplice = story.town, story.town.driver()
    account = town.horizon.account(town.settlement)
    assert account is not None
    newest = records.newest(account)
    chain = list(records.chain(town.shelf, newest))
    contribution = town.contribution(accomplice, town.better(0.3, 9 + of_another))
    entry = town.enter(accomplice, contribution)
    settled = SettledEntry(
        entry=entry,
        transaction=town.horizon.touching(entry)[0].hash,
        vehicle=accomplice.public_key,
        contribution=str(contribution),
        outcome="accepted",
        reason="",
        credit=UNIT,
        stake=BASE,
        fee=FEE,
    )
    record = SettlementRecord(
        index=chain[0][1].index + 1,
        previous=newest,
        round=town.cid,
        entries=(settled,),
        roll=next(cid for cid, each in chain if each.enrols is not None) if of_another else None,
        agreements={},
        speaker=town.committee[0].public_key,
    )
    cid = records.pin(record, town.store)
    now = settlement.standing_offer(town.round, account, town.horizon.offers(account.id), publish.ISSUED)
    pays = pledge.of(town.round, town.horizon.stakes(town.settlement, XLM))[0]
    operations = settlement.operations(record, cid.digest, town.round, now, pays)
    bounds = {"fee": 1000, "max_time": town.horizon.head().closed_at + 120, "memo": cid.digest}
    made = signed(
        build(account.id, account.sequence, operations, passphrase=town.net.passphrase, **bounds), *town.committee[:2]
    )
    town.horizon.hand_in(made.envelope)
    part = Lineage(cid=str(contribution), vehicle=accomplice.public_key, weight=1, settlement=made.hash)
    faults = story.audit(story.forged(2, publishes=True, lineage=(part,))).faults
    assert f"the contribution {contribution}: it was never on a roll that {made.hash} settles" in faults


TWISTS = {
    "vehicle": lambda part, other: other["vehicle"],
    "cid": lambda part, other: other["cid"],
    "key": lambda part, other: other["key"],
    "no key": lambda part, other: None,
    "settlement": lambda part, other: part["settlement"][::-1],
}


@given(
    number=st.sampled_from([1, 2]),
    at=st.integers(0, 1),
    twist=st.sampled_from(["weight", "drop", *TWISTS]),
    factor=st.decimals(0, 1, places=2),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_changed_in_a_lineage_is_noticed(
    story: Story, number: int, at: int, twist: str, factor: Decimal
) -> None:
    def change(parts: list[dict[str, Any]]) -> None:
        part, other = parts[at], parts[1 - at]
        if twist == "weight":
            part["weight"] *= factor
        elif twist == "drop":
            del parts[at]
        else:
            part[twist.removeprefix("no ")] = TWISTS[twist](part, other)

    twisted = story.lineage(number, change)
    member = story.town.committee[0]
    faults = set(story.audit(story.forged(number, **twisted), reader=member).faults) - {UNPUBLISHED}
    assert bool(faults) == (twisted["lineage"] != story.round(number).lineage)


# --- the command


def asked(story: Story, *words: str) -> subprocess.CompletedProcess[str]:
    return milepost(anybody(story.town, story.town.folder), "audit", *words)


def test_milepost_audit_says_that_a_round_is_what_it_says(story: Story) -> None:
    shown = asked(story, story.cids[1])
    assert shown.returncode == 0, shown.stderr
    assert "Rebuilt from 2 contributions: weights.safetensors is the same, byte for byte." in shown.stdout
    assert all(part.cid in shown.stdout for part in story.round(1).lineage)
    told = json.loads(asked(story, story.cids[3], "--json").stdout)
    assert (told["finding"], told["restores"], told["faults"]) == ("restored", story.cids[1], [])


def test_milepost_audit_names_what_is_wrong_and_fails(story: Story) -> None:
    shown = asked(story, story.forged(1, number=7))
    assert shown.returncode == 1
    assert "not the one before" in shown.stdout
    assert UNPUBLISHED in shown.stdout


def test_milepost_audit_of_what_nobody_holds_says_so_and_may_be_tried_again(story: Story) -> None:
    shown = asked(story, str(Cid.v0(b"\x01" * 32)))
    assert shown.returncode == 69
    assert shown.stderr.startswith("milepost: ")
