"""Measuring an admitted entry: what is its own fault is a verdict, what is ours is said to nobody but our operator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zstandard
from safetensors.numpy import save
from stellar_sdk import Keypair

from agent.core.round import Input, Lineage
from agent.errors import Unavailable
from agent.market import bundle
from agent.validator.measurement import CannotJudge, brief
from agent.validator.vectors import EntryPlace
from tests.validator.bench import Workbench, a_test_set


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(tmp_path)


def scaled(delta: dict[str, np.ndarray], factor: float) -> dict[str, np.ndarray]:
    return {name: value * np.float32(factor) for name, value in delta.items()}


def test_what_helps_is_accepted_and_what_harms_is_rejected(bench: Workbench) -> None:
    good = bench.judged(bench.entry(bench.better()))
    assert (good.verdict.outcome, good.figure is not None) == ("accepted", True)
    harm = bench.judged(bench.entry(scaled(bench.better(1), -9)))
    assert harm.verdict.outcome == "rejected"
    assert "rises" in harm.verdict.reason
    assert brief(harm, "Qm").figure


def test_a_file_that_is_no_update_is_its_vehicles_fault(bench: Workbench) -> None:
    frame = zstandard.ZstdCompressor().compress(np.full(7, np.nan, "<f4").tobytes())
    rubbish = save({"update": np.frombuffer(frame, np.uint8)}, metadata={"encoding": "dense-fp32"})
    judged = bench.judged(bench.entry(rubbish))
    assert (judged.verdict.outcome, judged.figure) == ("rejected", None)


def test_a_bundle_that_rotted_on_our_disk_is_fetched_again_and_not_held_against_anybody(bench: Workbench) -> None:
    found = bench.entry(bench.better())
    file = bench.shelf.get(found.contribution, bundle.CONTRIBUTION_LIMITS) / bundle.UPDATE
    file.write_bytes(b"\x00" * file.stat().st_size)
    with pytest.raises(Unavailable, match="not on this disk as it was fetched"):
        bench.judged(found)
    assert bench.judged(found).verdict.outcome == "accepted"


def test_a_private_set_of_another_form_is_our_own_trouble(bench: Workbench) -> None:
    bench.private.write_bytes(a_test_set(1, Input(height=16, width=16, colour="grey")).dump())
    found = bench.entry(bench.better())
    with pytest.raises(CannotJudge, match=r"private_set .* says nothing about such entries"):
        bench.judged(found)
    assert bench.vectors.holds(
        bench.rounds[0].cid, EntryPlace(found.ledger, found.stake.id)
    )  # copies of it are found all the same


@pytest.mark.parametrize("gone", ["missing", "a folder", "rubbish"])
def test_a_private_set_that_cannot_be_read_is_our_own_trouble(bench: Workbench, gone: str) -> None:
    bench.private.unlink()
    if gone == "a folder":
        bench.private.mkdir()
    elif gone == "rubbish":
        bench.private.write_bytes(b"rubbish")
    with pytest.raises(CannotJudge):
        bench.judged(bench.entry(bench.better()))


def test_a_private_set_that_was_put_right_is_read_anew(bench: Workbench) -> None:
    good = bench.private.read_bytes()
    bench.private.write_bytes(b"rubbish")
    found = bench.entry(bench.better())
    with pytest.raises(CannotJudge):
        bench.judged(found)
    bench.private.write_bytes(good)
    assert bench.judged(found).verdict.outcome == "accepted"


def test_a_disk_that_takes_nothing_is_our_own_trouble(bench: Workbench) -> None:
    (bench.folder / "updates").write_text("a file where a folder should be")
    with pytest.raises(CannotJudge):
        bench.judged(bench.entry(bench.better()))


def test_a_round_whose_weights_cannot_be_read_is_no_entrys_fault(bench: Workbench) -> None:
    found = bench.entry(bench.better())
    file = bench.shelf.get(bench.rounds[0].cid, bundle.ROUND_LIMITS) / bundle.WEIGHTS
    file.write_bytes(b"rubbish")
    with pytest.raises(CannotJudge):
        bench.judged(found)


# --- together


def test_what_is_on_a_roll_is_judged_together_and_a_liar_on_it_has_no_voice(bench: Workbench) -> None:
    good = [bench.entry(bench.better(seed)) for seed in (1, 2)]
    liar = bench.entry(scaled(bench.better(3), -9), 16)
    found = bench.roll(*good, liar)
    told = [found[one.stake.id] for one in (*good, liar)]
    assert [(one.verdict.outcome, one.fused) for one in told] == [("accepted", True)] * 2 + [("rejected", False)]
    assert len({one.figure for one in told}) == 1
    assert told[0].figure == bench.roll(*good)[good[0].stake.id].figure


def test_what_a_member_knows_of_one_entry_changes_no_others_figure(bench: Workbench) -> None:
    """One validator was there when the original was judged, the other was not."""
    copied = bench.better(4)
    copy, other = bench.entry(copied, 15), bench.entry(bench.better(5), 16)
    without = bench.roll(copy, other)
    for file in (bench.folder / "updates").rglob("*.npy"):
        file.unlink()
    bench.judged(bench.entry(copied, 14))
    found = bench.roll(copy, other)
    assert (found[copy.stake.id].verdict.outcome, found[copy.stake.id].figure) == ("rejected", None)
    assert found[other.stake.id] == without[other.stake.id]


def test_what_helps_the_others_but_not_beyond_noise_is_fused_and_not_paid(bench: Workbench) -> None:
    little = {name: np.zeros_like(value) for name, value in bench.first().items()}
    little["b1"][:2] = 0.4, -0.4  # two that weigh the same
    entry = bench.entry(little)
    found = bench.roll(bench.entry(bench.better(6)), entry)[entry.stake.id]
    assert (found.verdict.outcome, found.verdict.credit, found.fused) == ("idle", 0, True)
    assert brief(found, "Qm", "Qm").fused


# --- copies


def test_a_later_copy_is_turned_down_and_an_original_that_comes_to_light_late_is_not_punished(
    bench: Workbench,
) -> None:
    first, second, third = (bench.entry(bench.better(5), ledger) for ledger in (15, 16, 17))
    assert bench.judged(second).verdict.outcome == "accepted"
    assert bench.judged(third).verdict.outcome == "rejected"
    late = bench.judged(first).verdict
    assert (late.outcome, "came to light late" in late.reason) == ("idle", True)


def test_judged_again_an_entry_is_no_copy_of_itself(bench: Workbench) -> None:
    found = bench.entry(bench.better())
    assert bench.judged(found) == bench.judged(found)


def test_a_torn_file_is_dropped_and_made_anew(bench: Workbench) -> None:
    found, copy = bench.entry(bench.better(6), 15), bench.entry(bench.better(6), 16)
    assert bench.judged(found).verdict.outcome == "accepted"
    (file,) = (bench.folder / "updates" / bench.rounds[0].cid).glob("*.npy")
    file.write_bytes(file.read_bytes()[:40])
    other = bench.judged(bench.entry(bench.better(7), 17))
    assert other.verdict.outcome == "accepted"
    assert not bench.vectors.holds(bench.rounds[0].cid, EntryPlace(15, found.stake.id))
    assert bench.judged(found).verdict.outcome == "accepted"
    assert bench.judged(copy).verdict.outcome == "rejected"


# --- other rounds


def test_the_step_to_a_round_from_before_the_entry_is_others_work(bench: Workbench) -> None:
    step = bench.better(8)
    bench.publish({n: value + step[n] for n, value in bench.first().items()})
    judged = bench.judged(bench.entry(step, ledger=25)).verdict
    assert (judged.outcome, "the step to a round" in judged.reason) == ("rejected", True)


def test_the_step_to_a_round_published_after_the_entry_is_not_paid_and_costs_no_stake(bench: Workbench) -> None:
    step = bench.better(9)
    found = bench.entry(scaled(step, 0.9), ledger=15)
    bench.publish({n: value + step[n] for n, value in bench.first().items()})  # in ledger 20
    judged = bench.judged(found).verdict
    assert (judged.outcome, "the step to a round" in judged.reason) == ("idle", True)


def test_a_round_that_was_made_of_the_entry_itself_takes_nothing_from_it(bench: Workbench) -> None:
    step, owner = bench.better(10), Keypair.random()
    found = bench.entry(step, ledger=15, owner=owner)
    part = Lineage(cid=found.contribution, vehicle=owner.public_key, weight=1, settlement="00" * 32)
    bench.publish({n: value + step[n] for n, value in bench.first().items()}, lineage=(part,))
    assert bench.judged(found).verdict.outcome == "accepted"


def test_a_bundle_is_bounded_by_what_its_round_can_need(bench: Workbench) -> None:
    limits = bench.measurement.limits(bench.rounds)
    assert limits.total_bytes < 400_000
    assert limits.files == 2
    assert limits.seconds
