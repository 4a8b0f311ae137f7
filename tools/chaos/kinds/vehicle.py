"""Hostile vehicles. The two liars (noise, a flipped sign) run the real daemon all the time; these work by hand."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from stellar_sdk import (
    ChangeTrust,
    Claimant,
    ClaimClaimableBalance,
    ClaimPredicate,
    CreateClaimableBalance,
    ManageBuyOffer,
)

from agent.content.importer import root
from agent.core.cid import Cid
from agent.core.ids import CidText
from agent.core.jobs.round import RoundState, Signed
from agent.core.ledger import BALANCE_V0
from agent.core.money import text
from agent.learn import weights
from agent.ledger.envelope import sdk_asset, sdk_price, stake_id
from agent.ledger.keys import account_of
from agent.market import bundle
from tools.chaos import lesson
from tools.chaos.ground import Foiled
from tools.chaos.kinds.kind import Cast, Course, Kind, best_pay, ledgers
from tools.chaos.town import BASE, REVIEW_S, Town


def fee_bump(town: Town, cast: Cast) -> Course:
    """An entry in a fee bump, with a stake of one stroop."""
    for house in town.houses:
        key = cast.straw()
        _, round_ = town.round_of(house)
        made = town.ground.signed(town.entry(key, round_, 1), key, memo=town.ground.dice.randbytes(32))
        town.ground.bump(made, key)
        yield from ledgers(3)


def third_claimant(town: Town, cast: Cast) -> Course:
    """A harmful entry whose stake a friend may claim too, and does when the verdict is near."""
    key, friend = cast.straw(), cast.straw()
    cid, round_ = town.round_of(town.houses[0])
    memo = town.ground.store.put(town.contribution(key, cid, town.numbers(cid, 5, lesson.flipped)))
    *others, _ = town.entry(key, round_, BASE)
    later = ClaimPredicate.predicate_not(ClaimPredicate.predicate_before_absolute_time(town.ground.now + REVIEW_S))
    claimants = [Claimant(round_.settlement), Claimant(account_of(key), later), Claimant(account_of(friend))]
    staked = CreateClaimableBalance(sdk_asset(town.ground.dlc), text(BASE), claimants)
    made = town.ground.apply([*others, staked], key, memo=memo.digest)
    entry = stake_id(made.envelope, town.ground.net.passphrase, len(others))
    yield from ledgers(6)
    town.ground.apply([ClaimClaimableBalance(BALANCE_V0 + entry)], friend)


def same_update(town: Town, cast: Cast) -> Course:
    """One good update, entered by four accounts; the bundles are revealed last first."""
    cid, _ = town.round_of(town.houses[1])
    delta = town.numbers(cid, town.ground.dice.randrange(1 << 30))
    keys = [cast.straw() for _ in range(4)]
    laid = [town.contribution(key, cid, delta) for key in keys]
    cast.fair = lambda: best_pay(town, cast)  # one of them is honest work
    for key, folder in zip(keys, laid, strict=True):
        town.enter(key, cid, root(folder))
        yield
    for folder in reversed(laid):
        yield from ledgers(4)
        town.ground.store.put(folder)
    yield from ledgers(20)


def unpublished_step(town: Town, cast: Cast) -> Course:
    """The step to a round that its initiator has stored and not yet published, entered on the round before."""
    house = town.houses[0]
    house.holds_back = True
    try:
        for _ in range(60):
            newest = house.publisher.book.newest if house.is_open else None
            if newest is not None and newest.state in (RoundState.STORED, RoundState.SIGNED, RoundState.ANNOUNCED):
                break
            yield
        else:
            raise Foiled(why="no round was stored")
        cid = newest.cid if newest.newest(Signed) else CidText("")
        if not cid or not town.ground.store.has(Cid.parse(cid)):
            raise Foiled(why="what is not published is nowhere to be had")
        before = CidText(str(town.shelf.round(cid).previous))
        base, after = town.base(before), town.base(cid)
        for times in (1, 2):
            key = cast.straw()
            delta = {name: (after[name] - base[name]) * np.float32(times) for name in base}
            memo = town.ground.store.put(town.contribution(key, before, delta))
            town.enter(key, before, memo)
        yield from ledgers(12)
    finally:
        house.holds_back = False
    yield from ledgers(15)


def nobody_has(town: Town, cast: Cast) -> Course:
    """Ten entries whose bundles are nowhere."""
    key = cast.straw()
    for house in town.houses:
        cid, _ = town.round_of(house)
        for _ in range(4):
            town.enter(key, cid, Cid.v0(town.ground.dice.randbytes(32)))
        yield


def huge_bundle(town: Town, cast: Cast) -> Course:
    """24 MB for a network of a few hundred numbers, at a stake of one stroop and at a full one."""
    key = cast.straw()
    cid, _ = town.round_of(town.houses[2])
    folder = town.contribution(key, cid, town.numbers(cid, 9))
    (folder / bundle.UPDATE).write_bytes(town.ground.dice.randbytes(24 << 20))
    memo = town.ground.store.put(folder)
    yield
    town.enter(key, cid, memo, stake=1)
    yield
    town.enter(key, cid, memo)


def withdrawn_line(town: Town, cast: Cast) -> Course:
    """Enters, and removes its VLM line while it is judged: its own fault, and nobody else's settlement may fail."""
    cast.fair = lambda: best_pay(town, cast)
    key = cast.straw()
    cid, round_ = town.round_of(town.houses[1])
    memo = town.ground.store.put(town.contribution(key, cid, town.numbers(cid, 11)))
    town.enter(key, cid, memo)
    yield
    dlc, vlm = sdk_asset(town.ground.dlc), sdk_asset(round_.credit_asset)
    bids = town.ground.line.offers(account_of(key))
    gone = [ManageBuyOffer(dlc, vlm, "0", sdk_price(Fraction(1)), offer_id=bid.id) for bid in bids]
    town.ground.apply([*gone, ChangeTrust(vlm, limit="0")], key)


def small_stake(town: Town, cast: Cast) -> Course:
    """Good work at a stake of one stroop."""
    key = cast.straw()
    cid, _ = town.round_of(town.houses[0])
    memo = town.ground.store.put(town.contribution(key, cid, town.numbers(cid, 21)))
    town.enter(key, cid, memo, stake=1)
    yield from ledgers(10)


def tiny_credit(town: Town, cast: Cast) -> Course:
    """Good work, and so little of it that the pay is a few stroops."""
    for house in town.houses[:2]:
        key = cast.straw()
        cid, _ = town.round_of(house)
        whole = town.numbers(cid, 31)
        delta = {name: value * np.float32(1e-6) for name, value in whole.items()}
        memo = town.ground.store.put(town.contribution(key, cid, delta))
        town.enter(key, cid, memo, stake=BASE)
        yield from ledgers(4)


def poisoned_update(town: Town, cast: Cast) -> Course:
    """Numbers that are none, or that are too large for a figure."""
    key = cast.straw()
    for value in (np.float32("nan"), np.float32("inf"), np.float32(1e30)):
        cid, _ = town.round_of(town.houses[0])
        delta = {name: np.full_like(v, value) for name, v in town.base(cid).items()}
        memo = town.ground.store.put(town.contribution(key, cid, weights.dump(delta)))
        town.enter(key, cid, memo)
        yield


KINDS = (
    Kind("fee bump", "vehicle", "an entry in a fee bump with a stake of one stroop", fee_bump),
    Kind("third claimant", "vehicle", "a friend claims the stake of a harmful entry", third_claimant),
    Kind("same update", "vehicle", "one update by four accounts, revealed last first", same_update),
    Kind("unpublished step", "vehicle", "the step to a round that is stored and not published", unpublished_step),
    Kind("nobody has it", "vehicle", "entries whose bundles are nowhere", nobody_has),
    Kind("huge bundle", "vehicle", "24 MB at a stake of one stroop", huge_bundle),
    Kind("withdrawn line", "vehicle", "removes its VLM line while it is judged", withdrawn_line),
    Kind("small stake", "vehicle", "good work at a stake of one stroop", small_stake),
    Kind("tiny credit", "vehicle", "work that earns a few stroops of credit", tiny_credit),
    Kind("poisoned update", "vehicle", "not-a-number, infinity, and numbers too large", poisoned_update),
)
