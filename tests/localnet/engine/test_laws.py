"""What holds on every ledger, whatever people do: money is conserved, promises are covered, failure leaves no trace."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stellar_sdk import (
    Asset,
    AuthorizationFlag,
    ChangeTrust,
    Claimant,
    ClaimClaimableBalance,
    Clawback,
    CreateClaimableBalance,
    CreatePassiveSellOffer,
    ManageBuyOffer,
    ManageData,
    ManageSellOffer,
    MuxedAccount,
    Operation,
    PathPaymentStrictReceive,
    PathPaymentStrictSend,
    Payment,
    Price,
    SetOptions,
    SetTrustLineFlags,
    Signer,
    TrustLineFlags,
)

from tools.localnet.engine import (
    NATIVE,
    Account,
    Applied,
    ClaimableBalance,
    Closed,
    LedgerState,
    Offer,
    TrustLine,
    close,
)
from tools.localnet.engine.entries import CLAWBACK_ENABLED, MAX
from tools.localnet.engine.holdings import min_balance
from tools.localnet.engine.liabilities import liabilities_of
from tools.localnet.engine.signers import signer_parts

pytestmark = pytest.mark.slow

TRADERS = ("ann", "ben", "cat")
CODES = ("DLC", "DLM")

traders = st.sampled_from(TRADERS)
people = st.sampled_from((*TRADERS, "ivy"))
assets = st.sampled_from(("XLM", *CODES))
stroops = st.one_of(st.integers(1, 50), st.integers(1, 10**7), st.integers(1, 3 * 10**10))
prices = st.tuples(st.integers(1, 40), st.integers(1, 40))
some = st.integers(0, 30)
"""Which of the offers or balances there are: taken modulo their number."""

actions = st.one_of(
    st.tuples(st.just("pay"), people, people, assets, stroops),
    st.tuples(st.just("sell"), traders, assets, assets, stroops, prices),
    st.tuples(st.just("buy"), traders, assets, assets, stroops, prices),
    st.tuples(st.just("passive"), traders, assets, assets, stroops, prices),
    st.tuples(st.just("change"), traders, some, st.one_of(st.just(0), stroops), prices),
    st.tuples(st.just("send"), traders, traders, assets, assets, stroops),
    st.tuples(st.just("receive"), traders, traders, assets, assets, stroops),
    st.tuples(st.just("limit"), traders, st.sampled_from(CODES), st.one_of(st.just(0), stroops)),
    st.tuples(st.just("allow"), traders, st.sampled_from(CODES), st.sampled_from((0, 1, 2))),
    st.tuples(st.just("claw"), traders, st.sampled_from(CODES), stroops),
    st.tuples(st.just("set aside"), people, people, assets, stroops),
    st.tuples(st.just("claim"), people, some),
)
trades = st.tuples(st.sampled_from(("sell", "buy", "passive")), traders, assets, assets, st.integers(1, 10**9), prices)
transactions = st.one_of(
    st.lists(trades, min_size=1, max_size=2), st.lists(st.one_of(trades, actions), min_size=1, max_size=4)
)
histories = st.lists(transactions, min_size=12, max_size=40)


class Market:
    """A town whose issuer ivy gives out DLC and DLM, under her control, and keeps account of what is out."""

    def __init__(self, Town: Any) -> None:
        self.town = Town(*TRADERS, "ivy")
        self.state: LedgerState = self.town.state
        self.town.do("ivy", SetOptions(set_flags=AuthorizationFlag(0b1010)))
        for trader in TRADERS:
            self.town.do(trader, *(ChangeTrust(self.asset(code), "100000") for code in CODES))
            for code in CODES:
                self.town.do("ivy", Payment(self.key(trader), self.asset(code), "20000"))
        for code in CODES:
            for price in (Price(3, 2), Price(7, 4), Price(20, 11)):
                self.town.do("cat", ManageSellOffer(self.asset(code), Asset.native(), "0.0000777", price))
                self.town.do("cat", ManageSellOffer(Asset.native(), self.asset(code), "0.0000777", price))

    def key(self, name: str) -> str:
        key: str = self.town[name].public_key
        return key

    def asset(self, code: str) -> Asset:
        return Asset.native() if code == "XLM" else self.town.asset(code, "ivy")

    def do(self, actions: list[tuple[Any, ...]]) -> Closed:
        """One transaction, each of its operations in the name of who acts."""
        operations, names = [], []
        for kind, name, *arguments in actions:
            source, operation = self._operation(kind, name, arguments)
            operation.source = MuxedAccount.from_account(self.key(source))
            operations.append(operation)
            names.append(source)
        others = set(names[1:]) - {names[0]}
        return self.town.close(self.town.envelope(names[0], *operations, signers=sorted(others)))

    def _operation(self, kind: str, name: str, arguments: list[Any]) -> tuple[str, Operation]:
        if kind in ("pay", "set aside"):
            other, code, amount = arguments
            if kind == "pay":
                return name, Payment(self.key(other), self.asset(code), _text(amount))
            return name, CreateClaimableBalance(self.asset(code), _text(amount), [Claimant(self.key(other))])
        if kind in ("sell", "buy", "passive"):
            selling, buying, amount, (n, d) = arguments
            made = {"sell": ManageSellOffer, "buy": ManageBuyOffer, "passive": CreatePassiveSellOffer}[kind]
            return name, made(self.asset(selling), self.asset(buying), _text(amount), Price(n, d))
        if kind == "change":
            which, amount, (n, d) = arguments
            mine = [one for one in self.state.owned_by(self.key(name)) if isinstance(one, Offer)]
            if not mine:
                return name, Payment(self.key("ivy"), Asset.native(), "1")
            offer = mine[which % len(mine)]
            pair = [Asset.native() if one == NATIVE else self.asset(one.code) for one in offer_pair(offer)]
            return name, ManageSellOffer(pair[0], pair[1], _text(amount), Price(n, d), offer.id)
        if kind in ("send", "receive"):
            other, given_code, wanted, amount = arguments
            path = [Asset.native()]
            pair = self.asset(given_code), self.asset(wanted)
            if kind == "send":
                return name, PathPaymentStrictSend(self.key(other), pair[0], _text(amount), pair[1], "0.0000001", path)
            return name, PathPaymentStrictReceive(self.key(other), pair[0], "3000", pair[1], _text(amount), path)
        if kind == "limit":
            code, limit = arguments
            return name, ChangeTrust(self.asset(code), _text(limit))
        if kind == "allow":
            code, flags = arguments
            clear = TrustLineFlags(3 & ~flags)
            return "ivy", SetTrustLineFlags(self.key(name), self.asset(code), clear, TrustLineFlags(flags))
        if kind == "claw":
            code, amount = arguments
            return "ivy", Clawback(self.asset(code), self.key(name), _text(amount))
        found = sorted((one for one in self.state if isinstance(one, ClaimableBalance)), key=lambda one: one.id)
        if not found:
            return name, Payment(self.key("ivy"), Asset.native(), "1")
        return name, ClaimClaimableBalance("00000000" + found[arguments[0] % len(found)].id)


def _text(amount: int) -> str:
    return f"{amount // 10**7}.{amount % 10**7:07d}"


def offer_pair(offer: Offer) -> tuple[Any, Any]:
    return offer.selling, offer.buying


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(histories)
def test_whatever_people_do_the_books_add_up(Town: Any, history: list[list[tuple[Any, ...]]]) -> None:
    market = Market(Town)
    for actions in history:
        before = outstanding(market.state)
        closed = market.do(actions)
        applied = closed.transactions[0]
        if not applied.successful:
            assert_only_fee_and_sequence(closed, applied)
        assert_lumens_conserved(market.state)
        assert +outstanding(market.state) == +issued(actions, applied, before)
        assert_sound(market.state)


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(histories)
def test_the_same_transactions_lead_to_the_same_state(Town: Any, history: list[list[tuple[Any, ...]]]) -> None:
    def hashes() -> list[str]:
        market = Market(Town)
        told = []
        for actions in history:
            market.do(actions)
            told.append(market.state.state_hash())
        # The running hash is that of the entries, whatever way led to them.
        assert LedgerState(market.state).state_hash() == told[-1]
        return told

    assert hashes() == hashes()


def outstanding(state: LedgerState) -> Counter[str]:
    """How much of each credit asset is in people's hands."""
    found: Counter[str] = Counter()
    for entry in state:
        if isinstance(entry, TrustLine):
            found[entry.asset.code] += entry.balance
        elif isinstance(entry, ClaimableBalance) and entry.asset != NATIVE:
            found[entry.asset.code] += entry.amount
    return found


def issued(actions: list[tuple[Any, ...]], applied: Applied, before: Counter[str]) -> Counter[str]:
    """What is outstanding after a transaction: only the issuer makes or unmakes her assets."""
    after = Counter(before)
    if not applied.successful:
        return after
    for (kind, name, *arguments), operation in zip(actions, applied.operations, strict=True):
        if kind == "claw":
            after[arguments[0]] -= arguments[1]
        elif kind in ("pay", "set aside") and arguments[1] != "XLM":
            other, code, amount = arguments
            after[code] += amount * (name == "ivy")
            after[code] -= amount * (other == "ivy" and kind == "pay")
        elif kind == "claim" and name == "ivy":
            for change in operation.changes:
                if isinstance(change.before, ClaimableBalance) and change.before.asset != NATIVE:
                    after[change.before.asset.code] -= change.before.amount
    return after


def assert_lumens_conserved(state: LedgerState) -> None:
    lumens = state.header.fee_pool
    for entry in state:
        if isinstance(entry, Account):
            lumens += entry.balance
        elif isinstance(entry, ClaimableBalance) and entry.asset == NATIVE:
            lumens += entry.amount
    assert lumens == state.header.total_coins


def assert_only_fee_and_sequence(closed: Closed, applied: Applied) -> None:
    assert all(operation.changes == () for operation in applied.operations)
    for change in closed.changes:
        if change.key == ("header",):
            continue
        assert change.key == ("account", applied.envelope.source)
        differing = {
            one.name for one in fields(Account) if getattr(change.before, one.name) != getattr(change.after, one.name)
        }
        assert differing <= {"balance", "sequence", "sequence_ledger", "sequence_time", "last_modified"}
        assert isinstance(change.before, Account)
        assert isinstance(change.after, Account)
        assert change.before.balance - change.after.balance == applied.fee_charged


def assert_sound(state: LedgerState) -> None:
    promised: Counter[Any] = Counter()
    counted: Counter[str] = Counter()
    sponsored: Counter[str] = Counter()
    for entry in state:
        if isinstance(entry, Offer):
            owed = liabilities_of(entry.n, entry.d, entry.amount)
            promised["selling", entry.seller, entry.selling] += owed.selling
            promised["buying", entry.seller, entry.buying] += owed.buying
            assert entry.amount > 0
        elif isinstance(entry, ClaimableBalance):
            sponsored[entry.sponsor] += len(entry.claimants)
        counted[getattr(entry, "seller", getattr(entry, "account", ""))] += not isinstance(entry, Account)
    for entry in state:
        if isinstance(entry, Account):
            held, limit, asset = entry.balance, MAX, NATIVE
            assert entry.subentries == counted[entry.account] + len(entry.signers)
            assert entry.num_sponsoring == sponsored[entry.account]
            assert entry.balance >= min_balance(state.header, entry) + entry.selling_liabilities
        elif isinstance(entry, TrustLine):
            held, limit, asset = entry.balance, entry.limit, entry.asset
            assert entry.flags & CLAWBACK_ENABLED
        else:
            continue
        assert entry.selling_liabilities == promised["selling", entry.account, asset]
        assert entry.buying_liabilities == promised["buying", entry.account, asset]
        assert 0 <= entry.selling_liabilities <= held
        assert 0 <= entry.buying_liabilities <= limit - held
    assert_not_crossed(state)


def assert_not_crossed(state: LedgerState) -> None:
    for selling, buying in state.pairs():
        ours, theirs = state.best_offer(selling, buying), state.best_offer(buying, selling)
        book = list(state.book(selling, buying))
        assert book == sorted(book, key=lambda offer: (offer.n / offer.d, offer.id))
        if ours is not None and theirs is not None:
            assert Fraction(ours.n, ours.d) * Fraction(theirs.n, theirs.d) >= 1


def test_signers_keep_the_order_of_their_keys(town: Any) -> None:
    for name in ("zoe", "max", "eve"):
        town.do("ann", SetOptions(signer=Signer.ed25519_public_key(town[name].public_key, 1)))
    keys = [one.key for one in town.account("ann").signers]
    assert len(keys) == 3
    assert keys == sorted(keys, key=signer_parts)


def test_closing_leaves_the_state_alone_until_it_is_committed(town: Any) -> None:
    before, entries = town.state.state_hash(), list(town.state)
    closed = close(town.state, [town.envelope("ann", ManageData("colour", "red"))], 1_800_000_000)
    assert closed.transactions[0].successful
    assert (town.state.state_hash(), list(town.state)) == (before, entries)
    town.state.commit(closed.changes)
    assert town.state.state_hash() != before
    assert town.state.data(town["ann"].public_key, "colour").value == b"red"
