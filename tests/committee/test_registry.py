"""Validators enrol, committees are drawn from those who did, and anybody can see that it was so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from stellar_sdk import ClaimClaimableBalance, Keypair

from agent.compose.vehicle import survey
from agent.core.draw import drawn
from agent.core.ledger import BALANCE_V0
from agent.core.money import UNIT
from agent.core.registry import Member
from agent.core.round import Round
from agent.host.config import load
from agent.initiator import drawing
from agent.initiator.audit import audit
from agent.initiator.book import DRAW as DRAW_JOB
from agent.ledger.envelope import Signed
from agent.market import lying, registry
from agent.market.enrolment import EnrolmentPending, NotEnrolled, look
from agent.market.registry import DRAW, NOTICE_S
from agent.vehicle.offers import Survey
from tests.committee.hall import enrolled, hall, holds_dlc, published, registrar
from tests.initiator.command import anybody, milepost
from tests.ledger.between import GONE, between
from tests.market.town import Town, found, publisher_of
from tests.validator.committee import House
from tests.validator.test_settling import honest
from tests.vehicle.test_offers import Car
from tools.localnet.server import Localnet


@pytest.fixture(scope="module")
def net() -> Iterator[Localnet]:
    with Localnet() as made:
        yield made


@pytest.fixture(scope="module")
def town(net: Localnet, tmp_path_factory: pytest.TempPathFactory) -> Town:
    """Seven are enrolled; three of them are the committee of round 0."""
    made = hall(net, tmp_path_factory.mktemp("town"), 7)
    enrolled(made)
    return published(made)


def test_a_committee_is_whom_the_announcements_ledger_drew(town: Town) -> None:
    draw = town.round.draw
    assert draw is not None and len(draw.registry.members) == 7
    account = town.horizon.account(draw.announcement)
    assert account is not None and account.is_locked and account.data[DRAW] == draw.registry.digest
    assert town.horizon.find(town.history(draw.announcement)[0].hash).ledger == draw.ledger
    assert town.round.committee == drawn(draw.registry.members, town.horizon.ledger(draw.ledger).hash, 3)
    assert registry.undrawn(town.horizon, town.shelf, town.round) == ""


@pytest.mark.slow
def test_a_drawn_committee_serves_and_settles_and_its_round_is_audited(town: Town, tmp_path: Path) -> None:
    house, entry = House(town, tmp_path), honest(town)
    house.enrol(entry)
    house.settle(entry)
    end = house.end(entry)
    house.close()
    assert end is not None and (end.outcome, end.signers) == ("accepted", 2)
    rebuilt = audit(town.horizon, town.shelf, town.cid)
    assert (rebuilt.finding, rebuilt.faults) == ("first", ())


def test_who_asks_again_gets_the_same_draw(town: Town) -> None:
    publisher = publisher_of(town, committee=3)
    before = town.horizon.account(town.initiator.public_key)
    assert drawing.draw(publisher, publisher.plan, DRAW_JOB).committee == town.round.committee
    assert town.horizon.account(town.initiator.public_key) == before
    publisher.book.journal.close()


# --- what is no draw


def wrong(town: Town, twist: str) -> Round:
    """The round as a hostile initiator would have it."""
    round_, draw = town.round, town.round.draw
    assert draw is not None
    own, rows = draw.registry, list(draw.registry.members)
    others = [key for key in (one.account for one in rows) if key not in round_.committee]
    twisted = {
        "another is put in the place of one who was drawn": {"committee": (*round_.committee[:2], others[0])},
        "another ledger drew": {"draw": draw.model_copy(update={"ledger": draw.ledger + 1})},
        "another announcement": {"draw": draw.model_copy(update={"announcement": town.initiator.public_key})},
        "its own, of whom nobody heard": {
            "draw": draw.model_copy(update={"registry": own.model_copy(update={"members": tuple(rows[:6])})})
        },
        "another operator's": {
            "draw": draw.model_copy(update={"registry": own.model_copy(update={"dlc": f"DLC:{others[0]}"})})
        },
    }
    return round_.model_copy(update=twisted[twist])


@pytest.mark.parametrize(
    ("twist", "why"),
    [
        ("another is put in the place of one who was drawn", "its committee is not the one that ledger"),
        ("another ledger drew", "its draw was announced in ledger"),
        ("another announcement", "was not announced"),
        ("its own, of whom nobody heard", "was not announced"),
        ("another operator's", "another operator's registry"),
    ],
)
def test_who_was_not_drawn_is_no_committee(town: Town, twist: str, why: str) -> None:
    assert why in registry.undrawn(town.horizon, town.shelf, wrong(town, twist))


def announced(town: Town, members: tuple[Member, ...]) -> Round:
    """As an initiator that announces a registry of its own making has it."""
    publisher = publisher_of(town, committee=3)
    own = drawing.registry(town.horizon, town.initiator.public_key, publisher.plan)
    publisher.book.journal.close()
    made = own.model_copy(update={"members": members})
    key = Keypair.random()
    town.apply(registry.announce(made, key.public_key), town.initiator, key)
    account = town.horizon.account(key.public_key)
    assert account is not None and town.round.draw is not None
    ledger = account.sequence >> 32
    draw = town.round.draw.model_copy(update={"announcement": key.public_key, "ledger": ledger, "registry": made})
    committee = drawn(members, town.horizon.ledger(ledger).hash, 3)
    return town.round.model_copy(update={"draw": draw, "committee": committee})


def test_an_initiator_cannot_leave_out_who_is_enrolled(town: Town) -> None:
    assert town.round.draw is not None
    six = town.round.draw.registry.members[:6]
    left_out = town.round.draw.registry.members[6].account
    assert (
        registry.undrawn(town.horizon, town.shelf, announced(town, six))
        == f"{left_out} was enrolled, and left out of the draw"
    )


def test_an_initiator_cannot_add_who_is_not_enrolled(town: Town) -> None:
    assert town.round.draw is not None
    friend = Member(account=Keypair.random().public_key, bond="ab" * 32)
    eight = tuple(sorted((*town.round.draw.registry.members, friend), key=lambda one: one.account))
    why = registry.undrawn(town.horizon, town.shelf, announced(town, eight))
    assert why == f"{friend.account} was drawn from, and not enrolled"


def test_an_initiator_cannot_make_a_friend_stronger(town: Town) -> None:
    assert town.round.draw is not None
    friend, *others = town.round.draw.registry.members
    strong = (friend.model_copy(update={"samples": 10**9}), *others)
    assert "that nobody's fleet was credited for" in registry.undrawn(town.horizon, town.shelf, announced(town, strong))


def test_what_a_validator_does_after_a_draw_undoes_it_for_nobody(town: Town) -> None:
    """A new bond is no part of an older draw, and one that its operator took since then is not missing from it."""
    late = Keypair.random()
    town.net.fund(late.public_key)
    holds_dlc(town, late)
    registrar(town, late).enrol(100 * UNIT, 90, 10, ("steering",))
    assert registry.undrawn(town.horizon, town.shelf, town.round) == ""
    assert town.round.draw is not None
    taken = town.round.draw.registry.members[0].bond
    town.apply([ClaimClaimableBalance(BALANCE_V0 + taken)], town.operator)
    assert registry.undrawn(town.horizon, town.shelf, town.round) == ""


def test_a_plan_that_draws_more_than_are_enrolled_costs_nothing(net: Localnet, tmp_path: Path) -> None:
    town = hall(net, tmp_path, 2)
    enrolled(town)
    publisher = publisher_of(town, committee=3)
    before = town.horizon.account(town.initiator.public_key)
    with pytest.raises(drawing.TooFew, match="2 are enrolled"):
        publisher.first(*town.lesson.network(tmp_path))
    assert town.horizon.account(town.initiator.public_key) == before
    publisher.book.journal.close()


def test_who_judges_something_else_is_not_drawn(net: Localnet, tmp_path: Path) -> None:
    town = hall(net, tmp_path, 2)
    enrolled(town, "classification", "detection")
    bonds = registry.bonds(town.horizon, town.dlc)
    assert {bond.kinds for bond in bonds} == {("classification", "detection")}
    assert registry.standing(bonds, "steering", town.horizon.head()) == {}
    assert len(registry.standing(bonds, "detection", town.horizon.head())) == 2


# --- enrolling and leaving


@pytest.fixture
def years() -> Iterator[Localnet]:
    """A ledger of its own, whose time may pass."""
    with Localnet() as made:
        yield made


def test_a_bond_is_put_down_once_and_comes_back_after_its_time(years: Localnet, tmp_path: Path) -> None:
    town = hall(years, tmp_path, 1)
    (key,) = town.committee
    mine = registrar(town, key)
    with pytest.raises(NotEnrolled, match="it has put down no bond"):
        mine.leave()
    first = mine.enrol(100 * UNIT, 30, 500, ("steering",))
    assert first == mine.enrol(100 * UNIT, 30, 500, ("steering",))
    assert first.stated == "500 samples, steering"
    assert first.until == pytest.approx(town.horizon.head().closed_at + 30 * 86_400 - NOTICE_S, abs=120)
    with pytest.raises(EnrolmentPending, match="its bond comes back in"):
        mine.leave()
    town.net.close_ledger(advance=17 * 86_400)
    there = look(town.horizon, key.public_key, town.dlc)
    assert there.until < there.now and not there.due  # its last two weeks: not drawn any more
    town.net.close_ledger(advance=14 * 86_400)
    assert mine.leave() == first.bonds[0].amount
    after = look(town.horizon, key.public_key, town.dlc)
    assert (after.bonds, after.stated, after.until) == ((), "", 0)


@pytest.mark.slow
def test_a_validator_enrols_and_looks_by_command(net: Localnet, tmp_path: Path) -> None:
    town = hall(net, tmp_path, 1)
    (key,) = town.committee
    file, tests = tmp_path / "key", tmp_path / "private.safetensors"
    file.write_text(key.secret)
    file.chmod(0o600)
    tests.write_bytes(town.lesson.tests(1).dump())
    more = (
        f'[agent]\nstate_dir = "{tmp_path}/state"\n[market]\noperator = "{town.operator.public_key}"\n'
        f'[validator]\nkey_file = "{file}"\nprivate_set = "{tests}"\n'
    )
    config = anybody(town, tmp_path, more)
    told = milepost(config, "validator", "enrol", "--kind", "steering", net=net)
    assert told.returncode == 0, told.stderr
    assert "may be drawn for" in told.stdout and "16 samples, steering" in told.stdout
    shown = milepost(config, "validator", "status", "--registry")
    assert "bond      100.0000001 DLC for steering" in shown.stdout
    assert shown.returncode == 3  # and no daemon runs
    left = milepost(config, "validator", "leave")
    assert left.returncode == 75 and "its bond comes back in" in left.stderr


# --- which committees a vehicle takes


@pytest.mark.slow
def test_a_vehicle_takes_the_committees_that_its_owner_says(town: Town, net: Localnet, tmp_path: Path) -> None:
    (tmp_path / "named").mkdir()
    named = found(net, tmp_path / "named")

    def lost(where: Town, committees: object) -> str:
        car = Car(where, where.driver(), tmp_path)
        market = {"initiators": [where.initiator.public_key], "operator": where.operator.public_key}
        (ranked,) = survey(load(car.config(market={**market, "committees": committees}))).ranked
        return ranked.lost

    assert lost(town, "named") == lost(town, "drawn") == lost(town, list(town.round.committee)) == ""
    assert "market.committees is drawn" in lost(named, "drawn")
    assert "none of market.committees" in lost(town, list(town.round.committee[:2]))


@pytest.mark.slow
def test_a_draw_that_history_has_forgotten_is_no_draw_for_who_takes_drawn_ones_alone(
    town: Town, tmp_path: Path
) -> None:
    car = Car(town, town.driver(), tmp_path)

    def market(committees: str, url: str) -> Survey:
        named = {"initiators": [town.initiator.public_key], "operator": town.operator.public_key}
        ledger = {"horizon": url, "passphrase": town.net.passphrase}
        return survey(load(car.config(market={**named, "committees": committees}, ledger=ledger)))

    with between(town.net.url) as front:
        front.on(r"^/ledgers/\d+$", GONE)
        assert market("named", front.url).winner is not None
        found = market("drawn", front.url)
    assert found.winner is None and "Name a Horizon that remembers more" in found.passed_over[0]


# --- lying


def test_publishing_says_whether_lying_pays_and_what_would_do(net: Localnet, tmp_path: Path) -> None:
    """README's money: 10 DLC at half an XLM against 40 XLM; a named committee without a bond against the pledge."""
    town, said = hall(net, tmp_path, 3), list[str]()
    publisher = publisher_of(town, budget="80")
    publisher.say = said.append
    town.settlement = publisher.set_up()
    town.allow(town.settlement)
    town.cid = publisher.first(*town.lesson.network(tmp_path)).cid
    publisher.book.journal.close()
    text = "\n".join(said)
    assert "lying may pay vehicles: f/π is 0.125, and more than 1 is asked for" in text
    assert "a stake of 80.0000001 DLC would do" in text
    assert "lying may pay the committee: f/π is 0, and more than 1 is asked for" in text
    enrolled(town)
    found = lying.look(town.horizon, town.round)
    assert found.validators.holds and not found.vehicles.holds  # twice 100 DLC and a stroop at half an XLM, against 80


@pytest.mark.slow
def test_offers_show_whether_lying_pays(town: Town, tmp_path: Path) -> None:
    car = Car(town, town.driver(), tmp_path)
    assert "a stake of 80.0000001 DLC would do" in milepost(car.config(), "offers").stdout
    (row,) = json.loads(milepost(car.config(), "offers", "--json").stdout)["offers"]
    assert row["lying"]["vehicles"] == {
        "ratio": "1/8",
        "asked": "1",
        "holds": False,
        "at_risk": 10 * UNIT,
        "enough": 80 * UNIT + 1,
    }


# --- a power cut


@pytest.mark.parametrize("cut", ["before it left", "after it left"])
def test_a_draw_that_was_cut_off_goes_on_and_there_is_one(
    net: Localnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    town = hall(net, tmp_path, 4)
    enrolled(town)

    def power_cut(_: object, job_id: str, envelope: Signed, *others: object) -> None:
        if cut == "after it left":
            town.horizon.hand_in(envelope.envelope)
        raise KeyboardInterrupt

    publisher = publisher_of(town, committee=3)
    with monkeypatch.context() as patch:
        patch.setattr(type(publisher), "follow", power_cut)
        with pytest.raises(KeyboardInterrupt):
            drawing.draw(publisher, publisher.plan, DRAW_JOB)
    publisher.book.journal.close()
    again = publisher_of(town, committee=3)
    made = drawing.draw(again, again.plan, DRAW_JOB)
    again.book.journal.close()
    assert len(made.committee) == 3
    mine = [t for t in town.history(town.initiator.public_key) if t.source == town.initiator.public_key]
    assert [t.ledger for t in mine] == [made.draw.ledger]
