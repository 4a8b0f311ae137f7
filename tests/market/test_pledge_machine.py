"""Two initiators, a few cars and any order of what they do, on localnet's own engine: whatever is accepted is redeemed,
what was issued is there, and nothing is left on offer."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)
from stellar_sdk import ChangeTrust, ClaimClaimableBalance, Keypair, ManageSellOffer, Payment, TransactionEnvelope

from agent.core import pay
from agent.core.cid import Cid
from agent.core.documents import SettledEntry, SettlementRecord
from agent.core.fields import MOST_PRICE
from agent.core.ids import AccountId
from agent.core.ledger import BALANCE_V0, Stake, Way
from agent.core.money import UNIT, XLM, Asset, Stroops, text
from agent.core.pay import Till
from agent.core.round import Round
from agent.ledger.envelope import balance_id, sdk_asset, sdk_price
from agent.market import entry, pledge, publish
from agent.market.payout import Redemption
from agent.validator import transactions
from tests.market.inprocess import PASSPHRASE, Ledger
from tests.market.rounds import a_round

pytestmark = pytest.mark.slow

NOW = 1_900_000_000
BASE, FEE = 10 * UNIT, UNIT // 2
CARS = 4
CID = Cid.v0(b"\x05" * 32)

rewards = st.one_of(
    st.sampled_from([1, 1234, 133_333_333, 400_000_001, 999_999_937, 2_147_483_647, 40 * UNIT]),
    st.integers(1, MOST_PRICE),
    st.integers(1, MOST_PRICE).map(lambda n: n // 1000 * 10_000 or 1),
).filter(pay.fits)
credits = st.one_of(st.sampled_from([1, 2, UNIT, 2 * UNIT]), st.integers(1, 2 * UNIT))
settled = st.lists(st.tuples(st.integers(0, CARS - 1), credits), min_size=1, max_size=4)
"""Cars by their numbers, and what a committee says of the oldest entries that wait."""


@dataclass
class Model:
    """One initiator with one round, and what a committee of one has to do for it."""

    initiator: Keypair
    issuer: Keypair
    settlement: Keypair
    member: Keypair
    round: Round
    locked: Stroops = 0
    """All that was ever locked."""
    earned: Stroops = 0
    waits: list[tuple[Keypair, str]] = field(default_factory=list)
    """Cars and stakes that nobody settled yet, oldest first."""
    owed: list[tuple[Keypair, Stroops]] = field(default_factory=list)
    """Cars and credits that are not redeemed yet."""
    accepted: int = 0


@dataclass(frozen=True)
class Draft:
    """A settlement that is signed and not handed in yet."""

    model: Model
    envelope: TransactionEnvelope
    accepted: tuple[tuple[Keypair, str, Stroops], ...]
    idle: tuple[tuple[Keypair, str], ...]
    sequence: int


class Market(RuleBasedStateMachine):
    drafts: Bundle[Draft] = Bundle("drafts")

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(NOW)
        self.models: list[Model] = []
        self.operator = Keypair.random()
        self.cars = [Keypair.random() for _ in range(CARS)]
        self.over = False

    @initialize(first=rewards, second=rewards, share=st.integers(2, 12))
    def found(self, first: Stroops, second: Stroops, share: int) -> None:
        ledger, dlc = self.ledger, self.dlc
        ledger.fund(self.operator, *self.cars)
        assert ledger.apply(publish.operator_account(dlc, 1_000_000 * UNIT, Fraction(1, 2)), self.operator)
        for name, reward in (("alder", first), ("birch", second)):
            self._model(name, reward, share)
        for car in self.cars:
            lines = [dlc, *(model.round.credit_asset for model in self.models)]
            assert ledger.apply([ChangeTrust(sdk_asset(asset)) for asset in lines], car)
            assert ledger.apply(publish.authorise(dlc, [AccountId(car.public_key)]), self.operator)
            assert ledger.apply([Payment(car.public_key, sdk_asset(dlc), "10000")], self.operator)

    @property
    def dlc(self) -> Asset:
        return Asset("DLC", AccountId(self.operator.public_key))

    def _model(self, name: str, reward: Stroops, share: int) -> None:
        ledger = self.ledger
        initiator, issuer, settlement, member = (Keypair.random() for _ in range(4))
        ledger.fund(initiator, member)
        who = (AccountId(key.public_key) for key in (initiator, issuer, settlement))
        parties = publish.Parties(name, *who)
        made = publish.set_up(parties, self.dlc, [AccountId(member.public_key)], reward, 100 * UNIT)
        assert ledger.apply(made, initiator, issuer, settlement)
        assert ledger.apply(publish.authorise(self.dlc, [parties.settlement]), self.operator)
        round_ = a_round(
            model=str(parties.dlm),
            initiator=parties.initiator,
            settlement=parties.settlement,
            committee=(member.public_key,),
            contributions=1,
            published_at=NOW,
            stake={"asset": str(self.dlc), "base": BASE, "fee": FEE},
            pledge={"amount": share * reward, "reward": reward, "until": NOW + 1_000_000},
        )
        sign = publish.Sign(CID.text, 0, 1)
        assert round_.pledge is not None
        locks = pledge.create(round_, round_.pledge.amount)
        assert ledger.apply([*publish.offer(round_.model_asset, reward, reward, sign), locks], initiator)
        self.models.append(Model(initiator, issuer, settlement, member, round_, locked=round_.pledge.amount))

    # --- what they do, in any order

    def _enter(self, model: Model, key: Keypair) -> None:
        account = self.ledger.account(key.public_key)
        operations = entry.entry(model.round, account, BASE, Way(0), self.ledger.now)
        assert self.ledger.apply(operations, key)
        model.waits.append((key, balance_id(key.public_key, account.sequence + 1, len(operations) - 1)))

    @rule(which=st.integers(0, 1), said=settled)
    def settle(self, which: int, said: list[tuple[int, Stroops]]) -> None:
        """In one go: cars enter and are settled."""
        draft = self._drawn_up(which, said)
        if draft is not None:
            self._hand_in(draft, 5)

    @rule(target=drafts, which=st.integers(0, 1), said=settled)
    def draw_up(self, which: int, said: list[tuple[int, Stroops]]) -> Draft | None:
        return self._drawn_up(which, said)

    def _drawn_up(self, which: int, said: list[tuple[int, Stroops]]) -> Draft | None:
        """What the till says of each, as speaker and cosigners compute it."""
        model = self.models[which]
        for car, _ in said:
            self._enter(model, self.cars[car])
        round_ = model.round
        assert round_.pledge is not None
        locked = pledge.locked(round_, self._balances(model))
        till = Till(round_.pledge, locked, self.ledger.now + 240)
        accepted, idle, entries = [], [], []
        for (key, stake), (_, credit) in zip(model.waits, said, strict=False):
            paid = till.pay(credit)
            if paid == "":
                continue
            (accepted.append((key, stake, credit)) if paid is True else idle.append((key, stake)))
            entries.append(_settled(key, stake, credit if paid is True else 0))
        if not entries:
            return None
        speaker = model.member.public_key
        record = SettlementRecord(index=0, round=CID.text, entries=tuple(entries), agreements={}, speaker=speaker)
        account, offers = self.ledger.account(round_.settlement), self.ledger.offers(round_.settlement)
        pays = self._balances(model)[0] if accepted else None
        made = transactions.envelope(record, CID, round_, account, offers, PASSPHRASE, self.ledger.now + 240, pays=pays)
        return Draft(
            model, TransactionEnvelope.from_xdr(made, PASSPHRASE), tuple(accepted), tuple(idle), account.sequence
        )

    @rule(draft=consumes(drafts), after=st.sampled_from([5, 5, 5, 300]))
    def hand_in(self, draft: Draft | None, after: int) -> None:
        """In time, or too late, or after another: what does not apply moves nothing."""
        if draft is not None:
            self._hand_in(draft, after)

    def _hand_in(self, draft: Draft, after: int) -> None:
        model = draft.model
        before = (self._balances(model), self.ledger.offers(model.round.settlement))
        first = self.ledger.account(model.round.settlement).sequence == draft.sequence
        done = self.ledger.hand_in(draft.envelope, model.member, after=after)
        assert not done or first
        if not done:
            assert (self._balances(model), self.ledger.offers(model.round.settlement)) == before
            return
        for key, stake, credit in draft.accepted:
            model.waits.remove((key, stake))
            model.owed.append((key, credit))
            model.earned += pay.due(credit, self._reward(model))
            model.accepted += 1
        for one in draft.idle:
            model.waits.remove(one)

    @rule(at=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=1, max_size=4))
    def redeem(self, at: list[tuple[int, int]]) -> None:
        for which, number in at:
            model = self.models[which]
            if model.owed:
                self._redeem(model, *model.owed.pop(number % len(model.owed)))

    @rule(which=st.integers(0, 1), rewards_=st.integers(1, 6))
    @precondition(lambda self: not self.over)
    def add(self, which: int, rewards_: int) -> None:
        model = self.models[which]
        amount = rewards_ * self._reward(model)
        assert self.ledger.apply([pledge.create(model.round, amount)], model.initiator)
        model.locked += amount

    # --- what initiators try

    @rule(which=st.integers(0, 1), other=st.booleans(), settles=st.booleans())
    def grab(self, which: int, other: bool, settles: bool) -> None:
        """Its own pledge before the moment, or another initiator's, in its own name or the settlement account's."""
        model, thief = self.models[which], self.models[which ^ other].initiator
        if self.over and not other:
            return
        for balance in self._balances(model)[:1]:
            by = model.round.settlement if settles else None
            assert not self.ledger.apply([ClaimClaimableBalance(BALANCE_V0 + balance.id, source=by)], thief)

    @rule(which=st.integers(0, 1), share=st.sampled_from([0, 1, 2, 100]))
    def move_the_sign(self, which: int, share: int) -> None:
        """Off the book, or at another price."""
        model = self.models[which]
        dlm, initiator = sdk_asset(model.round.model_asset), model.initiator
        for offer in self.ledger.offers(initiator.public_key):
            amount, price = text(offer.amount if share else 0), sdk_price(offer.price)
            if share > 1 and price.n * share <= MOST_PRICE:
                price.n *= share
            self.ledger.apply([ManageSellOffer(sdk_asset(XLM), dlm, amount, price, offer_id=offer.id)], initiator)

    @rule(which=st.integers(0, 1), what=st.sampled_from(["DLM", "VLM"]))
    def mint(self, which: int, what: str) -> None:
        model = self.models[which]
        asset = model.round.model_asset if what == "DLM" else model.round.credit_asset
        made = Payment(model.initiator.public_key, sdk_asset(asset), "1000000", source=model.round.issuer)
        assert not self.ledger.apply([made], model.initiator)
        assert not self.ledger.apply([made], model.issuer)

    @rule()
    @precondition(lambda self: not self.over and self.models and any(model.owed for model in self.models))
    def time_is_over(self) -> None:
        """Initiators have their rest back; what was earned was earned."""
        self.over = True
        self.ledger.pass_until(NOW + 1_000_000)
        for model in self.models:
            self._reclaim(model)

    # --- what is so at any moment

    @invariant()
    def what_was_issued_is_there(self) -> None:
        for model in self.models:
            people = [model.round.settlement, model.initiator.public_key]
            for asset in (model.round.credit_asset, model.round.model_asset):
                held = sum(self.ledger.balance(who, asset) for who in [*people, *(c.public_key for c in self.cars)])
                assert held == publish.ISSUED

    @invariant()
    def what_is_owed_stands_on_offer(self) -> None:
        for model in self.models:
            owed = sum(credit * self._reward(model) // UNIT for _, credit in model.owed)
            assert self._offered(model) >= owed
            assert sum(each.amount for each in self._balances(model)) in (model.locked - model.earned, 0)

    def teardown(self) -> None:
        """All that is owed is paid, all that is left is back, and no dust stands on the book."""
        for model in self.models:
            while model.owed:
                self._redeem(model, *model.owed.pop())
            left = self._offered(model)
            assert left <= model.accepted  # a stroop each, where one of XLM buys more than one of DLM
            assert not left or self._reward(model) < UNIT
        if self.models and not self.over:
            self.ledger.pass_until(NOW + 1_000_000)
            for model in self.models:
                self._reclaim(model)

    # --- beneath

    def _reward(self, model: Model) -> Stroops:
        assert model.round.pledge is not None
        return model.round.pledge.reward

    def _balances(self, model: Model) -> list[Stake]:
        return pledge.of(model.round, self.ledger.stakes(model.round.settlement, XLM))

    def _offered(self, model: Model) -> Stroops:
        offers = self.ledger.offers(model.round.settlement)
        return sum(each.amount for each in offers if each.selling == XLM)

    def _redeem(self, model: Model, car: Keypair, credit: Stroops) -> None:
        worth = credit * self._reward(model) // UNIT
        least = entry.least(credit, self._reward(model))
        pays = Redemption(AccountId(car.public_key), credit, XLM, least, (model.round.model_asset,))
        closing = entry.closing(entry.EntryTerms.of(model.round), redemption=pays)
        before = self.ledger.balance(car.public_key, XLM)
        assert self.ledger.apply(closing, car), f"{credit} at {self._reward(model)} does not redeem"
        assert self.ledger.balance(car.public_key, XLM) >= before + worth - 1 - 100  # the base fee

    def _reclaim(self, model: Model) -> None:
        left = self._balances(model)
        assert sum(each.amount for each in left) == model.locked - model.earned
        for each in left:
            assert self.ledger.apply([ClaimClaimableBalance(BALANCE_V0 + each.id)], model.initiator)


def _settled(key: Keypair, stake: str, credit: Stroops) -> SettledEntry:
    facts = {"transaction": "00" * 32, "vehicle": key.public_key, "contribution": CID.text}
    outcome, fee = ("accepted", FEE) if credit else ("idle", 0)
    return SettledEntry(entry=stake, outcome=outcome, reason="", credit=credit, stake=BASE, fee=fee, **facts)


def test_what_is_due_too_little_for_an_offer_takes_nothing_of_what_others_earned() -> None:
    """81 stroops at 40.0000001 are on no offer, and their credit would be redeemed out of what another earned."""
    market = Market()
    market.found(400_000_001, 1234, 12)
    market.settle(0, [(0, 2)])
    market.settle(0, [(1, 2583)])
    market.settle(0, [(2, 1)])
    model = market.models[0]
    assert [credit for _, credit in model.owed] == [2583]
    assert model.waits == []
    market.teardown()


TestMarket = Market.TestCase
TestMarket.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[*HealthCheck]
)
