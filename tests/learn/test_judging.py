"""A roll judged together: what each adds, who is fused, who loses a stake."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.money import UNIT
from agent.learn.credit import adds
from agent.learn.fusion import Taken
from agent.learn.judging import JudgedRoll, RollEntry, Rules, judge_roll

SEED = hashlib.sha256(b"a ledger").digest()
RULES = Rules(tolerance=0.97, gain_reference=0.05, pledge=1000 * UNIT)
SIZE, SAMPLES = 64, 800
_RNG = np.random.default_rng(3)
INPUTS = _RNG.normal(size=(SAMPLES, SIZE))
TRUTH = _RNG.normal(size=SIZE)
BASE = {"w": np.zeros(SIZE, np.float32)}


def score(weights: dict[str, np.ndarray], part: slice) -> np.ndarray:
    """Half the squared error of a linear network."""
    off = INPUTS[part] @ (weights["w"].astype(np.float64) - TRUTH)
    return 0.5 * off * off


def towards(seed: int, share: float = 0.3, noise: float = 0.2) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"w": (share * TRUTH + noise * rng.normal(size=SIZE)).astype(np.float32)}


def roll(*updates: dict[str, np.ndarray], ledger: int = 7) -> list[RollEntry]:
    return [RollEntry(ledger, f"{i:02}", update) for i, update in enumerate(updates)]


def judged(entries: list[RollEntry], **more: object) -> JudgedRoll:
    return judge_roll(BASE, entries, score, seed=SEED, rules=RULES, **more)  # type: ignore[arg-type]


HONEST = [towards(i) for i in range(6)]


def test_honest_updates_are_fused_and_paid() -> None:
    found = judged(roll(*HONEST))
    assert found.candidate is not None and found.candidate.taken == Taken()
    assert found.after < found.before
    assert all(one.outcome == "accepted" and one.fused and one.credit for one in found.entries)


def test_the_base_and_what_is_fused_are_scored_once() -> None:
    seen: list[tuple[bytes, slice]] = []

    def counted(weights: dict[str, np.ndarray], part: slice) -> np.ndarray:
        seen.append((weights["w"].tobytes(), part))
        return score(weights, part)

    found = judge_roll(BASE, roll(*HONEST), counted, seed=SEED, rules=RULES, root=HONEST[0])
    assert found.candidate is not None
    for weights in (BASE, found.candidate.weights):
        assert [part for bytes_, part in seen if bytes_ == weights["w"].tobytes()] == [slice(None)]


@settings(max_examples=15)
@given(st.permutations(range(6)))
def test_the_order_in_which_entries_of_one_ledger_are_told_changes_nothing(order: list[int]) -> None:
    entries = roll(*HONEST)
    assert judged([entries[i] for i in order]).entries == judged(entries).entries


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 99), st.floats(-0.5, 1.0)), min_size=1, max_size=8))
def test_credits_come_to_no_more_than_the_roll_gains(made: list[tuple[int, float]]) -> None:
    found = judged(roll(*(towards(seed, share) for seed, share in made)))
    gain = max(0.0, found.before - found.after)
    assert sum(one.credit for one in found.entries) <= gain / RULES.gain_reference * UNIT


def test_credits_come_to_no_more_than_the_pledge() -> None:
    rules = dataclasses.replace(RULES, pledge=UNIT)
    found = judge_roll(BASE, roll(*HONEST), score, seed=SEED, rules=rules)
    assert UNIT - 10 < sum(one.credit for one in found.entries) <= UNIT


@pytest.mark.parametrize("place", ["00a", "03a", "zz"])
def test_a_zero_entry_changes_no_others_credit(place: str) -> None:
    without = judged(roll(*HONEST))
    zero = RollEntry(7, place, {"w": np.zeros(SIZE, np.float32)})
    found = judged([*roll(*HONEST), zero])
    assert [one for one in found.entries if one.entry != place] == list(without.entries)
    (outcome,) = [one.outcome for one in found.entries if one.entry == place]
    assert outcome == "idle"


def test_a_roll_of_zeros_is_idle_and_a_roll_of_none_is_nothing() -> None:
    zero = {"w": np.zeros(SIZE, np.float32)}
    assert [one.outcome for one in judged(roll(zero, zero)).entries] == ["idle", "idle"]
    assert judged([]).entries == ()


def test_a_roll_of_one_is_paid_what_it_gains() -> None:
    rules = dataclasses.replace(RULES, gain_reference=1.0)
    found = judge_roll(BASE, roll(HONEST[0]), score, seed=SEED, rules=rules)
    (one,) = found.entries
    assert one.credit == pytest.approx((found.before - found.after) * UNIT, rel=1e-6)


def test_a_copy_with_noise_is_neither_fused_nor_paid_and_keeps_its_stake() -> None:
    rng = np.random.default_rng(1)
    length = np.linalg.norm(HONEST[2]["w"]) / np.sqrt(SIZE)
    copy = {"w": (HONEST[2]["w"] + 0.3 * length * rng.normal(size=SIZE)).astype(np.float32)}
    few = [{"w": (0.1 * TRUTH + 0.5 * np.random.default_rng(i).normal(size=SIZE)).astype(np.float32)} for i in range(5)]
    found = judged([*roll(HONEST[2], *few), RollEntry(8, "copy", copy)])
    last = found.entries[-1]
    assert (last.outcome, last.fused, last.credit) == ("idle", False, 0)
    assert "earlier entry" in last.reason


@pytest.mark.parametrize("share", [1e-6, 1e-3, 0.2])
@pytest.mark.parametrize("tiny", [1, 7, 20])
def test_however_many_hand_in_next_to_nothing_who_trained_is_paid(share: float, tiny: int) -> None:
    """Half of a roll makes its median: a car's work was called a million times too long beside two of nothing."""
    rng = np.random.default_rng(9)
    least = [
        {"w": (share * one["w"]).astype(np.float32)}
        for one in (towards(int(rng.integers(99, 9999))) for _ in range(tiny))
    ]
    root = {"root": towards(50)}
    found = judged(roll(*HONEST, *least), **root)
    assert [one.outcome for one in found.entries[:6]] == ["accepted"] * 6
    if share < 0.01:
        assert judged(roll(HONEST[0], *least)).entries[0].outcome == "accepted", "without a root too"


def test_what_harms_and_points_against_the_root_loses_its_stake() -> None:
    against = {"w": (-1.2 * HONEST[0]["w"]).astype(np.float32)}
    found = judged([*roll(*HONEST), RollEntry(8, "liar", against)], root=towards(50))
    assert [one.outcome for one in found.entries] == ["accepted"] * 6 + ["rejected"]


def test_without_a_root_nobody_loses_a_stake_for_harm() -> None:
    against = {"w": (-1.2 * HONEST[0]["w"]).astype(np.float32)}
    found = judged([*roll(*HONEST), RollEntry(8, "liar", against)])
    assert found.entries[-1].outcome == "idle"


def test_without_a_root_who_does_plain_harm_on_both_sets_loses_the_stake_and_has_no_voice() -> None:
    against = {"w": (-80.0 * HONEST[0]["w"]).astype(np.float32)}
    found = judged([*roll(*HONEST), RollEntry(8, "liar", against)], private=score)
    assert [one.outcome for one in found.entries] == ["accepted"] * 6 + ["rejected"]
    assert found.after == judged(roll(*HONEST), private=score).after


def test_without_a_root_some_harm_is_no_lie() -> None:
    """Where little is left to learn, the work of an honest car raised the loss on every set by some hundredths."""
    against = {"w": (-1.2 * HONEST[0]["w"]).astype(np.float32)}
    found = judged([*roll(*HONEST), RollEntry(8, "unlucky", against)], private=score)
    assert [(one.outcome, one.fused) for one in found.entries] == [("accepted", True)] * 6 + [("idle", False)]


def test_without_a_root_who_harms_on_one_set_only_keeps_the_stake() -> None:
    """What has a voice is the same for every validator, whatever its own set says."""

    def private(weights: dict[str, np.ndarray], part: slice) -> np.ndarray:
        off = INPUTS[part] @ (weights["w"].astype(np.float64) + TRUTH)
        return 0.5 * off * off

    against = {"w": (-1.2 * HONEST[0]["w"]).astype(np.float32)}
    found = judged([*roll(*HONEST), RollEntry(8, "other", against)], private=private)
    assert (found.entries[-1].outcome, found.entries[-1].fused) == ("idle", False)
    assert found.after == judged(roll(*HONEST), private=score).after


def test_without_a_root_who_only_takes_too_long_a_step_is_heard() -> None:
    """Alone on a roll an update is taken whole: it overshoots, and a quarter of it is of use."""
    far = {"w": (2.5 * TRUTH).astype(np.float32)}
    (one,) = judged(roll(far), private=score).entries
    assert (one.outcome, one.fused) == ("accepted", True)


def test_who_harms_sideways_keeps_the_stake() -> None:
    """A car of another road: the loss rises, and it does not point against what the initiator learnt."""
    sideways = np.random.default_rng(9).normal(size=SIZE)
    root = towards(50)["w"].astype(np.float64)
    sideways -= root * (sideways @ root) / (root @ root)
    update = {"w": (1.9 * sideways / np.linalg.norm(sideways) * np.linalg.norm(HONEST[0]["w"])).astype(np.float32)}
    found = judged([*roll(HONEST[0]), RollEntry(8, "other", update)], root={"w": root.astype(np.float32)})
    assert found.entries[-1].outcome == "idle"


def test_a_private_set_that_disagrees_lowers_the_credit() -> None:
    def private(weights: dict[str, np.ndarray], part: slice) -> np.ndarray:
        off = INPUTS[part] @ (weights["w"].astype(np.float64) + TRUTH)
        return 0.5 * off * off

    assert all(one.credit == 0 for one in judged(roll(*HONEST), private=private).entries)
    assert judged(roll(*HONEST), private=score) == judged(roll(*HONEST))


def test_what_anybody_could_hand_in_is_not_paid() -> None:
    """The public step that led to the base, in a slight disguise."""
    step = towards(70)
    disguised = {"w": step["w"] + 0.1 * towards(71)["w"]}
    found = judged([*roll(*HONEST), RollEntry(8, "replay", disguised)], last_step=step)
    assert not found.entries[-1].fused and not found.entries[-1].credit


def test_a_public_step_that_gains_nothing_lowers_nobody() -> None:
    """All go along with it a little, and it leads nowhere any more: nobody could have handed it in for pay."""
    past = np.random.default_rng(8).normal(size=SIZE)
    past -= TRUTH * (past @ TRUTH) / (TRUTH @ TRUTH)
    few = roll(*({"w": (towards(i, 0.3, 0.5)["w"] + 0.2 * past).astype(np.float32)} for i in range(6)))
    last_step = {"w": past.astype(np.float32)}
    assert judged(few, last_step=last_step).entries == judged(few).entries


def test_where_all_honest_work_points_along_the_public_step_it_is_paid_all_the_same() -> None:
    """What is learnt there is one number: another step of the same kind is worth paying for."""
    step = {"w": np.mean([towards(70 + i, 0.1, 0.1)["w"] for i in range(3)], axis=0).astype(np.float32)}
    found = judged(roll(*(towards(i, 0.1, 0.1) for i in range(3))), last_step=step)
    assert [one.outcome for one in found.entries] == ["accepted"] * 3


def test_how_short_the_public_step_was_changes_nobodys_pay() -> None:
    """Its way is what is known. What one of next to nothing gains is lost in the rounding of weights, and was taken for
    what any multiple of it gains (chaos, seed 1: six honest cars unpaid)."""
    rest, rng = 4000, np.random.default_rng(11)  # numbers that say nothing here: in few, chance points everywhere
    base = {"rest": np.ones(rest, np.float32), "w": (0.2 * rng.normal(size=SIZE)).astype(np.float32)}
    rules = dataclasses.replace(RULES, gain_reference=1.0)

    def step(seed: int, length: float = 1.0) -> dict[str, np.ndarray]:
        noise = np.random.default_rng(seed).normal(
            scale=0.7 * float(np.linalg.norm(TRUTH)) / math.sqrt(rest), size=rest
        )
        return {name: (length * v).astype(np.float32) for name, v in (("rest", noise), ("w", 0.8 * TRUTH))}

    def credits(length: float) -> list[int]:
        entries, last_step = roll(*map(step, range(6))), step(9, length)
        return [
            one.credit for one in judge_roll(base, entries, score, seed=SEED, rules=rules, last_step=last_step).entries
        ]

    whole = credits(1.0)
    assert min(whole) > 0
    for length in (1e-6, 1e-7, 3e-8):
        assert credits(length) == pytest.approx(whole, rel=1e-4)


def test_a_disguised_replay_is_paid_next_to_nothing_and_takes_nothing_from_others() -> None:
    """As much noise as step: no copy, heard, and worth what anybody could have handed in."""
    rng, rest = np.random.default_rng(0), 4000  # numbers that say nothing here: in few, chance points everywhere

    def road(number: int) -> dict[str, np.ndarray]:
        """What is to be learnt on the `number`th third of all roads."""
        of_it = np.where(np.arange(SIZE) % 3 == number, 0.9 * TRUTH, 0)
        return made(of_it + 0.1 * rng.normal(size=SIZE), 0.1 * rng.normal(size=rest))

    def made(known: np.ndarray, unknown: np.ndarray) -> dict[str, np.ndarray]:
        return {"rest": unknown.astype(np.float32), "w": known.astype(np.float32)}

    step, noise = road(0), rng.normal(size=SIZE + rest)
    noise *= np.linalg.norm(np.concatenate([*step.values()])) / np.linalg.norm(noise)
    replay = RollEntry(8, "replay", made(step["w"] + noise[rest:], step["rest"] + noise[:rest]))
    entries = [*roll(road(1), road(2)), replay]

    def credits(**more: object) -> list[int]:
        base = made(np.zeros(SIZE), np.zeros(rest))
        rules = dataclasses.replace(RULES, gain_reference=1.0)
        found = judge_roll(base, entries, score, seed=SEED, rules=rules, **more).entries  # type: ignore[arg-type]
        assert all(one.fused for one in found)
        return [one.credit for one in found]

    *unseen, paid = credits()
    *others, unpaid = credits(last_step=step)
    assert unpaid < paid / 4
    assert all(now >= before for now, before in zip(others, unseen, strict=True))


def test_what_a_roll_of_two_adds_does_not_hang_on_the_orders_drawn() -> None:
    """Each order stands beside its reverse on the same samples: of two entries that is all there is."""
    two = roll(towards(1), towards(2, 0.6))
    gains = {tuple(one.gain for one in judge_roll(BASE, two, score, seed=seed, rules=RULES).entries) for seed in SEEDS}
    assert len(gains) == 1


def test_what_a_roll_of_six_adds_is_shapleys_value() -> None:
    """Over all coalitions, so it hangs on no draw."""
    entries = roll(*(towards(i, 0.9, 0.5) for i in range(6)))
    parts = [one.update["w"].astype(np.float64) for one in entries]
    at_base = score(BASE, slice(None))
    found = [adds(BASE, parts, score, at_base, seed) for seed in SEEDS]
    assert all(np.array_equal(found[0], other) for other in found)

    @functools.cache
    def gain(coalition: tuple[int, ...]) -> float:
        at = {"w": (sum((parts[i] for i in coalition), np.zeros(SIZE)) / 6).astype(np.float32)}
        return float((at_base - score(at, slice(None))).mean())

    value = np.zeros(6)
    for order in itertools.permutations(range(6)):
        for place, one in enumerate(order):
            value[one] += gain(tuple(sorted(order[: place + 1]))) - gain(tuple(sorted(order[:place])))
    np.testing.assert_allclose(found[0].mean(axis=1), value / math.factorial(6), rtol=1e-4)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 9, 10, 17])
def test_what_all_add_comes_to_what_they_gain_together(count: int) -> None:
    """On every sample, however many orders there is time for."""
    entries = roll(*(towards(i, 0.3, 0.5) for i in range(count)))
    parts = [one.update["w"].astype(np.float64) for one in entries]
    at_base = score(BASE, slice(None))
    together = at_base - score({"w": np.mean(parts, axis=0).astype(np.float32)}, slice(None))
    np.testing.assert_allclose(adds(BASE, parts, score, at_base, SEED).sum(axis=0), together, atol=1e-3)


SEEDS = [hashlib.sha256(bytes([i])).digest() for i in range(5)]


def test_who_overshoots_with_the_others_is_paid_for_the_step_that_the_round_takes() -> None:
    """The whole of both goes to the other side of the truth and gains next to nothing; half of both is right."""
    found = judged(roll(towards(1, 1.95, 1.2), towards(2, 1.95, 1.2)))
    assert found.candidate is not None and found.candidate.taken.step == Fraction(1, 2)
    assert [one.outcome for one in found.entries] == ["accepted", "accepted"]
    assert sum(one.gain for one in found.entries) == pytest.approx(found.before - found.after, rel=1e-6)


def test_the_shorter_step_is_taken_where_the_longer_one_is_less_sure() -> None:
    """On average both help as much. The longer one does so on few samples, and harms others."""

    def bent(weights: dict[str, np.ndarray], part: slice) -> np.ndarray:
        far = float(weights["w"][0])
        luck = np.where(np.arange(SAMPLES)[part] % 8 == 0, 8.0, 0.0)
        return 2.0 - 0.5 * min(far, 0.5) - (0.01 + 2.0 * (luck - 1.0)) * max(0.0, far - 0.5)

    update = {"w": np.eye(1, SIZE, dtype=np.float32)[0]}
    found = judge_roll(BASE, roll(update), bent, seed=SEED, rules=RULES)
    assert found.candidate is not None and found.candidate.taken.step == Fraction(1, 2)


def test_samples_that_are_kind_to_all_do_not_hide_what_one_adds() -> None:
    """A drive's few curves make up the loss: all gain on the same samples, and each one's share is sure."""
    heavy = np.random.default_rng(5).pareto(1.2, SAMPLES) + 0.01

    def curves(weights: dict[str, np.ndarray], part: slice) -> np.ndarray:
        return heavy[part] * score(weights, part)

    found = judge_roll(BASE, roll(*(towards(i, 0.2, 0.2) for i in range(3))), curves, seed=SEED, rules=RULES)
    assert [one.outcome for one in found.entries] == ["accepted"] * 3
    assert all(one.error < one.gain / 5 for one in found.entries)


def test_among_good_work_what_adds_nothing_is_not_paid() -> None:
    """The share of one that points nowhere is as unsure as it was."""
    rng = np.random.default_rng(6)
    nowhere = [rng.normal(size=SIZE) for _ in range(20)]
    nowhere = [row - TRUTH * (row @ TRUTH) / (TRUTH @ TRUTH) for row in nowhere]
    liars = [RollEntry(8, f"{i:02}", {"w": (0.2 * row).astype(np.float32)}) for i, row in enumerate(nowhere)]
    paid = [judged([*roll(*HONEST), liar]).entries[-1].credit for liar in liars]
    assert sum(bool(credit) for credit in paid) <= 1


def test_the_same_roll_gives_the_same_bytes() -> None:
    """Whole numbers over a power of two: the same on every machine, whatever its libm does."""
    rounded = [{"w": (np.round(update["w"] * 1024) / 1024).astype(np.float32)} for update in HONEST]
    found = judged(roll(*rounded), root=towards(50), last_step=towards(51, 0.1, 0.3))
    assert found.candidate is not None
    assert hashlib.sha256(found.candidate.weights["w"].tobytes()).hexdigest()[:16] == "a08167129619fd5a"


def test_an_update_whose_loss_is_no_number_is_not_paid() -> None:
    def score_of_few(weights: dict[str, np.ndarray], part: slice) -> np.ndarray:
        found = score(weights, part)
        return np.where(np.abs(weights["w"]).max() > 0.5, np.inf, found)

    wild = {"w": np.full(SIZE, 3.0, np.float32)}
    found = judge_roll(BASE, roll(wild), score_of_few, seed=SEED, rules=RULES)
    assert [(one.outcome, one.credit) for one in found.entries] == [("idle", 0)]


def test_what_the_watch_names_is_neither_fused_nor_paid() -> None:
    named = ["", "", "a mark pulls it to class 7", "", "", ""]
    found = judged(roll(*HONEST), watch=lambda candidate, updates: named)
    assert [one.fused for one in found.entries] == [True, True, False, True, True, True]
    assert found.entries[2].outcome == "idle" and found.entries[2].reason == named[2]


def test_who_hands_in_what_another_did_loses_the_stake() -> None:
    found = judged([*roll(*HONEST), RollEntry(8, "copy", HONEST[0])])
    assert [one.outcome for one in found.entries] == ["accepted"] * 6 + ["rejected"]


def test_accounts_of_one_drive_share_what_one_of_them_is_paid() -> None:
    """Each learnt from the same samples in another order: no copies, and one drive all the same."""
    honest, drive = [towards(i, 0.2) for i in range(4)], towards(6, 0.2)["w"]
    sideways, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(SIZE, 4)))
    length = 0.5 * np.linalg.norm(drive)  # a cosine of .8 to each other
    sybils = [{"w": (drive + length * sideways[:, i]).astype(np.float32)} for i in range(4)]
    entries = [*roll(*honest), *(RollEntry(8, f"s{i}", one) for i, one in enumerate(sybils))]
    found = judged(entries, root=towards(50, 0.2))
    assert all(one.fused for one in found.entries)
    paid = [one.credit for one in found.entries]
    assert 0 < sum(paid[4:]) < max(paid[:4])


def test_who_is_alone_shares_with_nobody() -> None:
    alone, without = judged(roll(*HONEST), root=towards(50)), judged(roll(*HONEST))
    assert [one.credit for one in alone.entries] == [one.credit for one in without.entries]
