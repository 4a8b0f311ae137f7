"""What a hostile initiator can no longer do with the accounts, the committee and the numbers of a round."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stellar_sdk import AuthorizationFlag, Keypair, Signer, StrKey

from agent.compose.vehicle import preferences
from agent.core.cid import Cid
from agent.core.jobs.round import RoundState, Signed
from agent.core.money import UNIT
from agent.core.round import Round
from agent.errors import BAD_CONFIG, Malformed
from agent.host.config import load
from agent.initiator import fusing
from agent.initiator.audit import audit
from agent.initiator.publishing import Publisher, RoundDraft, Unauthorised
from agent.initiator.succession import CommitteeRefused
from agent.market import bundle, publish, round_accounts
from agent.market.listing import signs
from agent.validator.rounds import OPENS_S, Rounds
from agent.vehicle.offers import VehicleView, survey
from tests.hostile.rogue import Rogue
from tests.market.rounds import COMMITTEE, a_round, settles
from tests.market.town import Town, a_plan, found, publisher_of
from tests.validator.committee import House
from tools.localnet.server import Localnet


@pytest.fixture(scope="module")
def town(net: Localnet, tmp_path_factory: pytest.TempPathFactory) -> Town:
    return found(net, tmp_path_factory.mktemp("town"))


@pytest.fixture(scope="module")
def driver(town: Town) -> Keypair:
    return town.driver()


def validators(town: Town, *initiators: str) -> Rounds:
    """The rounds that a member of the committee serves which follows these."""
    return Rounds(town.horizon, town.shelf, initiators, town.committee[0])


def lost(town: Town, driver: Keypair, initiator: str, tmp_path: Path) -> str:
    """Why a vehicle would not train for the initiator's round."""
    path = tmp_path / "milepost.toml"
    path.write_text(f'[market]\ninitiators = ["{initiator}"]\noperator = "{town.operator.public_key}"\n')
    account = town.horizon.account(driver.public_key)
    assert account is not None
    view = VehicleView(town.horizon, preferences(load(path)), account, town.horizon.head(), bid=100)
    market = survey(view, town.shelf, lambda *_: "")
    assert market.winner is None
    return market.ranked[0].lost if market.ranked else " ".join(market.passed_over)


SIGNERS = "the settlement account's signers are not the committee"
THRESHOLDS = "the settlement account's thresholds are not two thirds of the committee"


@pytest.mark.parametrize("trick", ["a signer of its own", "one validator claims stakes alone"])
def test_a_settlement_account_that_is_not_the_committees(
    town: Town, driver: Keypair, tmp_path: Path, trick: str
) -> None:
    """(a) A round names the honest committee and an account that others move: no car trains for it, no validator serves
    it, an audit names it."""
    rogue = Rogue(town)
    extra, low = (Signer.ed25519_public_key(rogue.account, 3), None) if "signer" in trick else (None, 1)
    cid = rogue.publishes(settlement=rogue.sets_up(extra, low))
    why = THRESHOLDS if low else SIGNERS
    assert why in lost(town, driver, rogue.account, tmp_path)
    rounds = validators(town, rogue.account)
    rounds.look()
    assert not rounds.served
    assert why in rounds.troubles[0]
    found = audit(town.horizon, town.shelf, cid)
    assert found.finding == "wrong"
    assert why in found.faults


def test_the_settlement_account_that_the_town_set_up_is_taken(town: Town) -> None:
    rounds = validators(town, town.initiator.public_key)
    rounds.look()
    assert list(rounds.served) == [town.cid]
    assert not rounds.troubles
    assert audit(town.horizon, town.shelf, town.cid).faults == ()


@pytest.fixture
def publisher(town: Town) -> Iterator[Publisher]:
    made = publisher_of(town)
    yield made
    made.book.journal.close()


def test_a_committee_that_was_changed_in_the_plan_publishes_no_dead_round(town: Town, publisher: Publisher) -> None:
    """(b) The settlement account's signers and the test set's readers are the old ones."""
    publisher.plan = a_plan(town, committee=tuple(Keypair.random().public_key for _ in range(3)))
    stored, before = sorted((town.folder / "content").iterdir()), dict(publisher.book.jobs)
    with pytest.raises(CommitteeRefused, match=r"is not on the ledger\. .* Put .* back into the plan") as refused:
        fusing.close(publisher, now=True)
    assert refused.value.exit_code == BAD_CONFIG
    folder = town.shelf.get(town.cid, bundle.ROUND_LIMITS)
    models = {bundle.GRAPH: folder / bundle.GRAPH}
    round_draft = RoundDraft(1, (folder / bundle.WEIGHTS).read_bytes(), models, town.round, town.cid)
    with pytest.raises(CommitteeRefused):
        publisher.publish(1, lambda: round_draft)
    assert publisher.book.jobs == before
    assert sorted((town.folder / "content").iterdir()) == stored


def test_another_models_settlement_account_is_not_taken_over(town: Town) -> None:
    """(c) A second initiator's round names the first one's account and round as its own. The first look took part of
    it in, and the purse went to a stranger."""
    for twists in ({"number": 1, "previous": town.cid}, {"number": 1_000_000, "previous": town.cid}, {}):
        rogue = Rogue(town)
        rogue.publishes(settlement=town.settlement, **twists)
        rounds = validators(town, town.initiator.public_key, rogue.account)
        for _ in range(2):
            rounds.look()
            assert list(rounds.served) == [town.cid]
            assert rounds.newest[town.settlement].cid == town.cid
            assert "is not served" in rounds.troubles[0]
    others = validators(town, rogue.account, town.initiator.public_key)  # whoever comes first
    others.look()
    assert list(others.served) == [town.cid]


def test_a_round_whose_number_is_out_of_all_bounds_is_no_round(town: Town) -> None:
    """(c) A number of 10^9 would have frozen the purse for ever."""
    data = town.round.to_bytes().replace(b'"number":0', b'"number":1000000000')
    with pytest.raises(Malformed, match="number"):
        Round.parse(data)


def test_one_account_is_one_models(town: Town, driver: Keypair, tmp_path: Path) -> None:
    """(c) Over an account of two models the stakes of one are shared out to the other's vehicles."""
    rogue = Rogue(town)
    account = rogue.sets_up()
    first = rogue.publishes(settlement=account)
    rounds = validators(town, rogue.account)
    rounds.look()
    assert list(rounds.served) == [first]
    second = Rogue(town, rogue.key, code="other")
    second.publishes(settlement=account)
    rounds.look()
    assert list(rounds.served) == [first]
    assert f"its settlement account is that of {rogue.dlm()}" in rounds.troubles[0]


def test_a_round_does_not_jump(town: Town) -> None:
    """(c) Rounds are consecutive: one that does not follow the newest that is known here is not served."""
    rogue = Rogue(town)
    account = rogue.sets_up()
    first = rogue.publishes(settlement=account)
    rounds = validators(town, rogue.account)
    rounds.look()
    published = town.horizon.account(rogue.account)
    assert published is not None
    sign = signs(published)[rogue.dlm().code]
    assert sign.cid == first
    for twists in ({"number": 7, "previous": first}, {"number": 1, "previous": town.cid}, {"number": 1}, {}):
        rogue.publishes(settlement=account, **twists)
        rounds.look()
        assert list(rounds.served) == [first]
        assert rounds.troubles
        town.apply(publish.offer(rogue.dlm(), UNIT, UNIT, sign), rogue.key)


def test_who_starts_anew_serves_every_round_that_an_entry_may_be_open_on(town: Town) -> None:
    """(k) Rounds were published one after the other while an entry waited for a validator that was away: those that
    had started anew served the newest few alone, were too few for the older one, and the entry stalled."""
    rogue = Rogue(town)
    account, made, now = rogue.sets_up(), list[str](), town.horizon.head().closed_at
    for number in range(5):
        previous = made[-1] if made else None
        twists = {"number": number, "previous": previous, "published_at": now, "restores": previous}
        made.append(rogue.publishes(settlement=account, **twists))
        town.net.close_ledger()
    anew = validators(town, rogue.account)
    anew.look()
    assert set(anew.served) == set(made), anew.troubles
    town.net.close_ledger(close_time=town.horizon.head().closed_at + town.round.review_window + OPENS_S + 60)
    later = validators(town, rogue.account)
    later.look()
    assert set(later.served) == set(made[-2 - town.round.staleness :])


def test_who_could_not_look_for_a_newer_round_measures_nothing_against_an_older_one(town: Town) -> None:
    """A Horizon that answered 500 at the wrong moment: two of four held a roll against the round before, and the others
    against the newest. Nobody had two thirds, and an honest entry ended in silence."""
    rounds = validators(town, town.initiator.public_key)
    rounds.look()
    (served,) = rounds.served.values()
    now = town.horizon.head().sequence
    assert not rounds.is_away(served.round, now)
    town.net.close_ledger()
    assert rounds.is_away(served.round, now + 1)
    rounds.look()
    assert not rounds.is_away(served.round, now + 1)


def test_an_issuer_that_somebody_can_sign_for(town: Town, driver: Keypair, tmp_path: Path) -> None:
    """(d) It could make DLM and take the XLM that is on offer, or freeze VLM: no car trains for it, no validator serves
    it."""
    rogue = Rogue(town)
    rogue.publishes(settlement=rogue.sets_up(locked=False))
    why = "the model's issuer is not locked: it could make DLM and VLM, or freeze them"
    assert why in lost(town, driver, rogue.account, tmp_path)
    rounds = validators(town, rogue.account)
    rounds.look()
    assert not rounds.served
    assert why in rounds.troubles[0]


def test_an_issuer_says_whose_it_is_and_what_it_is_worth(town: Town, driver: Keypair, tmp_path: Path) -> None:
    """A round that pays less than its model."""
    cheap = Rogue(town)
    settlement = cheap.sets_up()
    assert town.round.pledge is not None
    less = town.round.pledge.model_copy(update={"reward": UNIT})
    cheap.publishes(settlement=settlement, pledge=less)
    assert "the model's issuer names another reward" in lost(town, driver, cheap.account, tmp_path)
    rounds = validators(town, cheap.account)
    rounds.look()
    assert not rounds.served


def test_pay_that_is_not_there_or_not_for_long_enough(town: Town, driver: Keypair, tmp_path: Path) -> None:
    """A round of an older version, one whose publication locked nothing, and one whose pay ends too early."""
    assert town.round.pledge is not None
    none = Rogue(town)
    none.publishes(settlement=none.sets_up(), pledge=None)
    assert "no pay is locked for it" in lost(town, driver, none.account, tmp_path)
    soon = Rogue(town)
    until = town.horizon.head().closed_at + 100
    soon.publishes(settlement=soon.sets_up(), pledge=town.round.pledge.model_copy(update={"until": until}))
    assert "may be taken back before all that may be entered is judged" in lost(town, driver, soon.account, tmp_path)
    empty = Rogue(town)
    empty.publishes(settlement=empty.sets_up(), locks=False)
    assert "are locked for one more entry, less than one reward" in lost(town, driver, empty.account, tmp_path)


def test_flags_that_come_and_go_do_not_part_the_validators(town: Town) -> None:
    """(d) One that started anew while they were set served nothing any more, the others went on: together they were
    too few, and every entry on the round stalled. What the issuer can take away and give back decides no service."""
    rogue = Rogue(town)
    cid = rogue.publishes(settlement=rogue.sets_up())
    before, after = validators(town, rogue.account), validators(town, rogue.account)
    before.look()
    rogue.sets(AuthorizationFlag.AUTHORIZATION_REVOCABLE)
    for rounds in (before, after):
        rounds.look()
        assert list(rounds.served) == [cid]
        assert not rounds.troubles


def test_nothing_is_offered_before_the_operator_lets_the_settlement_account_hold_dlc(
    town: Town, tmp_path: Path
) -> None:
    """(a) The initiator looks at its own account as everybody else will."""
    other = Town(town.net, tmp_path, town.committee, town.operator)
    town.net.fund(other.initiator.public_key)
    publisher, files = publisher_of(other), other.lesson.network(tmp_path)
    with pytest.raises(Unauthorised, match="Ask for it, then run the same"):
        publisher.first(*files)
    assert not town.horizon.offers(other.initiator.public_key)
    settlement = publisher.book.settlement
    assert settlement is not None
    town.allow(settlement)
    assert publisher.first(*files).state is RoundState.OPEN
    publisher.book.journal.close()


def test_what_nobody_knows_of_yet_nobody_can_hand_in(town: Town, tmp_path: Path) -> None:
    """(l) The step to a round was entered on the round before it, between the storing of the one and its publication.
    Now its bundle is kept back until every entry that a ledger takes is measured against it."""
    other = Town(town.net, tmp_path, town.committee, town.operator)
    town.net.fund(other.initiator.public_key)
    publisher, seen = publisher_of(other), []

    def wait() -> None:
        """Whoever looks now finds the announcement at most."""
        job = publisher.book.round(0)
        if job.newest(Signed):
            stored = (tmp_path / "content").is_dir() and other.store.has(Cid.parse(job.cid))
            seen.append((job.state, stored, town.horizon.head().sequence))
        town.net.close_ledger()

    publisher.wait = wait
    town.allow(publisher.set_up())
    job = publisher.first(*other.lesson.network(tmp_path))
    publisher.book.journal.close()
    round_ = other.shelf.round(job.cid)
    assert {state for state, *_ in seen} >= {RoundState.ANNOUNCED}
    assert not any(stored for _, stored, _ in seen)
    assert max(ledger for *_, ledger in seen) < round_.ledger <= town.horizon.head().sequence
    assert job.publication.ledger <= round_.ledger


@pytest.mark.parametrize("window", [10**12, 2**63, 604_801])
def test_a_stake_is_not_locked_for_thirty_thousand_years(town: Town, window: int) -> None:
    """(e) review_window has a bound, like every number (tests/core/test_documents.py goes through all of them)."""
    data = town.round.to_bytes().replace(b'"review_window":600', b'"review_window":%d' % window)
    with pytest.raises(Malformed, match="review_window"):
        Round.parse(data)


def test_a_fee_that_is_nearly_the_stake(town: Town) -> None:
    """(f) Base 50 DLC, fee 49.9: staked is what is lost by lying, and it must be what honesty brings back."""
    data = town.round.to_bytes().replace(b'"base":100000000,"fee":5000000', b'"base":500000000,"fee":499000000')
    assert data != town.round.to_bytes()
    with pytest.raises(Malformed, match="at most half the stake"):
        Round.parse(data)


def test_a_member_whose_address_has_a_wrong_checksum_is_no_member(town: Town) -> None:
    """(g) Any stranger's proposal killed all validators of such a round."""
    member = town.committee[1].public_key
    wrong = member[:-1] + ("A" if member[-1] != "A" else "B")
    with pytest.raises(Malformed, match=r"committee\.1: .*checksum"):
        Round.parse(town.round.to_bytes().replace(member.encode(), wrong.encode()))
    with pytest.raises(ValueError, match="checksum"):
        a_plan(town, committee=(wrong,))


def test_a_member_that_nothing_can_be_sealed_to_is_seen_before_a_trip_is_trained() -> None:
    """(g) Valid in form, and no point of the curve: the car failed at sealing, after the trip, for ever."""
    nobody = StrKey.encode_ed25519_public_key(b"\x02" + bytes(31))
    round_ = a_round(committee=(*COMMITTEE[:-1], nobody))
    assert round_accounts.trusted(settles(round_), round_) == f"no update could be sealed to {nobody}"


def test_a_reward_that_is_no_price_is_refused_with_the_nearest_that_are(town: Town) -> None:
    """(rr) It crashed `publish` after the round was stored."""
    with pytest.raises(ValueError, match=r"make it 300\.0000000 or 300\.0000002"):
        a_plan(town, reward="300.0000001")
    for reward in ("300", "300.0000002", "214.7483647", "0.0000001"):
        assert a_plan(town, reward=reward, budget="1000").reward == reward


@pytest.mark.slow
def test_a_contribution_that_nobody_can_fetch_holds_a_round_up_for_a_bounded_time(tmp_path: Path) -> None:
    """(h) It was paid, and blocked the close for ever. The validators keep it too; should they all have lost it, the
    round closes without it once its length and a review window are over."""
    with Localnet() as net:
        town = found(net, tmp_path)
        house = House(town, tmp_path / "house")
        drivers = [town.driver(), town.driver()]
        made = [town.contribution(d, town.better(0.2, n)) for n, d in enumerate(drivers)]
        house.settle(*(town.enter(d, cid) for d, cid in zip(drivers, made, strict=True)))
        house.close()
        next((tmp_path / "content").glob(made[0].digest.hex())).unlink()
        shelf = bundle.Shelf(tmp_path / "fresh", town.store, keep=64)
        publisher = publisher_of(town)
        publisher.shelf = shelf
        with pytest.raises(fusing.NotToBeHad, match=f"{made[0]} is to be fused.* is left out anyway"):
            fusing.close(publisher)
        assert publisher.book.newest is not None
        assert publisher.book.newest.id == "round-0"
        net.close_ledger(advance=publisher.plan.length + publisher.plan.review_window + 60)
        closed = fusing.close(publisher)
        publisher.book.journal.close()
        assert closed.contributions == (str(made[1]),)
        assert closed.published is not None
