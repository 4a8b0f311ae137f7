"""An audit follows a round's pay from its publication to the last stroop: each link that is taken out is a fault."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stellar_sdk import (
    ClaimClaimableBalance,
    CreateClaimableBalance,
    Keypair,
    ManageSellOffer,
    Payment,
    Price,
    TransactionEnvelope,
)

from agent.core import pay
from agent.core.cid import Cid
from agent.core.ids import CidText
from agent.core.ledger import BALANCE_V0, Stake
from agent.core.money import UNIT, XLM, Stroops, stroops, text
from agent.initiator import paying
from agent.initiator.audit import audit
from agent.ledger.envelope import build, sdk_asset
from agent.ledger.horizon import Horizon
from agent.market import bundle, pledge, publish
from tests.initiator.command import anybody, milepost
from tests.market.settling import applied, balances, drawn_up, redeems
from tests.market.town import REWARD, Town, found, publisher_of
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow

Operations = list[Any]
ADDED: Stroops = 400 * UNIT


@dataclass(frozen=True)
class Stage:
    """Round 0 is open, its initiator added to its pay, one car was accepted and paid, and one was accepted and is not
    paid yet. Every case plays on a copy of the ledger."""

    town: Town
    ledger: Path
    waits: Keypair
    """The one that is not paid yet."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("stage")
    with Localnet(state=folder / "ledger") as net:
        town = found(net, folder)
        publisher = publisher_of(town)
        paying.add(publisher, CidText(town.cid), town.round, ADDED)
        publisher.book.journal.close()
        cars = [town.driver(), town.driver()]
        assert applied(town, drawn_up(town, [(cars[0], UNIT), (cars[1], UNIT // 3)])) == ""
        redeems(town, cars[0], UNIT, REWARD)
        return Stage(town, folder / "ledger", cars[1])


@pytest.fixture
def town(stage: Stage, tmp_path: Path) -> Iterator[Town]:
    shutil.copytree(stage.ledger, tmp_path / "ledger")
    with Localnet(state=tmp_path / "ledger") as net:
        yield stage.town.moved(net)


def faults(town: Town, cid: str = "") -> list[str]:
    horizon = Horizon(town.net.url, town.net.passphrase)
    try:
        shelf = bundle.Shelf(town.folder / "stranger", town.store, keep=64)
        return list(audit(horizon, shelf, CidText(cid or town.cid)).faults)
    finally:
        horizon.close()


def test_nothing_is_missing_while_it_is_locked_earned_paid_or_back(town: Town, stage: Stage) -> None:
    """Nor after everybody has what is theirs."""
    assert faults(town) == []
    assert applied(town, drawn_up(town, [(town.driver(), UNIT // 7), (town.driver(), 2 * UNIT)])) == ""
    assert faults(town) == []
    redeems(town, stage.waits, UNIT // 3, REWARD)
    assert faults(town) == []
    assert town.round.pledge is not None
    town.net.close_ledger(close_time=town.round.pledge.until)
    publisher = publisher_of(town)
    back = paying.reclaim(publisher)
    publisher.book.journal.close()
    assert back == 1000 * UNIT + ADDED - sum(-(-c * REWARD // UNIT) for c in (UNIT, UNIT // 3, UNIT // 7, 2 * UNIT))
    assert faults(town) == []


# --- what a committee of two thirds can do: each is seen


def settles(town: Town, change: Callable[[Operations], Operations]) -> None:
    """A settlement as it should be, but for this."""
    made = TransactionEnvelope.from_xdr(drawn_up(town, [(town.driver(), UNIT)]), town.net.passphrase)
    account = town.horizon.account(town.settlement)
    assert account is not None
    twisted = build(
        account.id,
        account.sequence,
        change(list(made.transaction.operations)),
        passphrase=town.net.passphrase,
        fee=1000,
        max_time=town.horizon.head().closed_at + 240,
        memo=Cid.v0(b"\x05" * 32).digest,
    )
    assert applied(town, twisted.to_xdr()) == ""


def each(kind: type, change: Callable[[Any], Any | None]) -> Callable[[Operations], Operations]:
    """The last of a settlement's operations of a kind, changed or, for None, left out."""

    def changed(operations: Operations) -> Operations:
        index = [i for i, made in enumerate(operations) if type(made) is kind][-1]
        made = change(operations[index])
        return [*operations[:index], *([made] if made is not None else []), *operations[index + 1 :]]

    return changed


def less(made: Any) -> Any:
    made.amount = text(stroops(made.amount) - 1)
    return made


def dearer(made: ManageSellOffer) -> ManageSellOffer:
    made.price = Price(made.price.n * 2, made.price.d)
    return made


def for_one_alone(made: CreateClaimableBalance) -> CreateClaimableBalance:
    made.claimants = made.claimants[:1]
    return made


def nothing(made: Any) -> None:
    return None


LINKS: dict[str, tuple[Callable[[Operations], Operations], str]] = {
    "a stroop of the rest": (each(CreateClaimableBalance, less), "puts 40.0000000 on offer, and 40.0000000 were"),
    "the rest": (each(CreateClaimableBalance, nothing), "takes 946.6666680 XLM, puts 40.0000000 on offer"),
    "whom the rest goes back to": (each(CreateClaimableBalance, for_one_alone), "puts 40.0000000 on offer"),
    "a stroop of the pay": (each(ManageSellOffer, less), "puts 39.9999999 on offer, and 40.0000000 were earned"),
    "the pay": (each(ManageSellOffer, nothing), "puts 0.0000000 on offer, and 40.0000000 were earned"),
    "the price": (each(ManageSellOffer, dearer), "puts 0.0000000 on offer, and 40.0000000 were earned"),
    "the credit": (each(Payment, nothing), "puts 40.0000000 on offer, and 0.0000000 were earned"),
}


@pytest.mark.parametrize("link", LINKS)
def test_a_settlement_that_leaves_a_link_out_is_named(town: Town, link: str) -> None:
    change, why = LINKS[link]
    settles(town, change)
    (found,) = [fault for fault in faults(town) if "were earned" in fault]
    assert why in found


def test_pay_that_a_committee_takes_and_settles_nothing_is_named(town: Town) -> None:
    """What was published, and what was added."""
    for balance in balances(town):
        claim = ClaimClaimableBalance(BALANCE_V0 + balance.id, source=town.settlement)
        town.apply([claim], town.initiator, *town.committee[:2])
    first, second = faults(town)
    assert first.startswith(f"{town.settlement} takes 946.6666680 XLM of its pay with ")
    assert second.startswith(f"{town.settlement} takes 400.0000000 XLM of its pay with ")
    assert all(fault.endswith(", which settles nothing") for fault in (first, second))


def test_an_offer_that_is_taken_off_the_book_before_the_car_is_paid_is_named(town: Town) -> None:
    """What two accepted cars are owed, one of whom has it."""
    mine = [offer for offer in town.horizon.offers(town.settlement) if offer.selling == XLM]
    assert mine
    gone = [
        ManageSellOffer(sdk_asset(XLM), sdk_asset(o.buying), "0", Price(1, 40), offer_id=o.id, source=town.settlement)
        for o in mine
    ]
    town.apply(gone, town.initiator, *town.committee[:2])
    (found,) = faults(town)
    assert found == "13.3333320 XLM are owed for VLM that was earned, and 0.0000000 stand on offer for it"


# --- what a publication leaves out


@pytest.mark.parametrize(("short", "claimants", "locked"), [(1, 2, "999.9999999"), (0, 1, "0.0000000")])
def test_a_publication_that_locks_less_than_its_round_says_or_for_somebody_else_is_named(
    town: Town, short: Stroops, claimants: int, locked: str
) -> None:
    head, said = town.horizon.head(), town.round
    assert said.pledge is not None
    said = said.model_copy(update={"ledger": head.sequence + 1, "published_at": head.closed_at})
    assert said.pledge is not None
    said = said.model_copy(update={"pledge": said.pledge.model_copy(update={"until": pay.until(said) + 1})})
    folder = town.shelf.get(town.cid, bundle.ROUND_LIMITS)
    files: dict[str, Any] = {name: folder / name for name in (bundle.WEIGHTS, bundle.GRAPH)}
    cid = town.store.put(bundle.lay(town.folder / "forged", {**files, bundle.ROUND: said.to_bytes()}))
    locks = pledge.create(said, 1000 * UNIT - short)
    locks.claimants = locks.claimants[:claimants]
    sign = publish.Sign(str(cid), town.listed.offer.id, said.ledger)
    town.apply([*publish.offer(said.model_asset, REWARD, REWARD, sign), locks], town.initiator, memo=cid.digest)
    assert faults(town, str(cid)) == [f"its publication locks {locked} XLM as its pay, and it says 1000.0000000"]


# --- what a Horizon does not show


class Hiding(Horizon):
    """One balance is not there, and nobody claimed it."""

    hidden = ""

    def stake(self, stake_id: str) -> Stake | None:
        return None if stake_id == self.hidden else super().stake(stake_id)


def test_a_balance_that_is_gone_and_that_nobody_claimed_is_named(town: Town) -> None:
    horizon = Hiding(town.net.url, town.net.passphrase)
    shelf = bundle.Shelf(town.folder / "stranger", town.store, keep=64)
    largest, added = balances(town)
    for balance in (largest, added):
        horizon.hidden = balance.id
        (found,) = audit(horizon, shelf, CidText(town.cid)).faults
        assert found == (
            f"{text(balance.amount)} XLM of its pay are neither locked any more nor claimed by anybody: {balance.id}"
        )
    horizon.close()


def test_what_history_has_forgotten_is_unknown_and_never_untrue(town: Town) -> None:
    town.net.forget(keep=1)
    horizon = Horizon(town.net.url, town.net.passphrase)
    (largest, _) = balances(town)
    claim = ClaimClaimableBalance(BALANCE_V0 + largest.id)
    assert town.round.pledge is not None
    town.net.close_ledger(close_time=town.round.pledge.until)
    town.apply([claim], town.initiator)
    town.net.forget(keep=1)
    assert audit(horizon, town.shelf, CidText(town.cid)).faults == ()
    horizon.close()


# --- the command


def test_milepost_audit_fails_and_says_what_is_missing(town: Town, tmp_path: Path) -> None:
    assert milepost(anybody(town, tmp_path), "audit", town.cid).returncode == 0
    settles(town, each(ManageSellOffer, less))
    shown = milepost(anybody(town, tmp_path), "audit", town.cid)
    assert shown.returncode == 1
    assert "puts 39.9999999 on offer, and 40.0000000 were earned" in shown.stdout
