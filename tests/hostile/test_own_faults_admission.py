"""A validator's own private set, runtime and disk: nobody's stake hangs on them."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import Fail

from agent.core.round import Input
from agent.errors import Malformed
from agent.learn import graph
from agent.learn.graph import put
from agent.learn.graph.table import RUNNABLE_IR
from agent.validator.measurement import CannotJudge
from agent.validator.vectors import EntryPlace
from tests.hostile.test_vehicle_admission import honest
from tests.market.town import Town
from tests.validator.bench import Workbench, a_test_set, graph_file
from tests.validator.committee import House


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(tmp_path)


@pytest.mark.slow
def test_a_private_set_of_another_form_with_two_of_three_forfeits_nothing(town: Town, house: House) -> None:
    """(cc) They say so to their operators and nothing to each other; once it is put right the entry is settled."""
    good = {}
    for key in town.committee[1:]:
        file = house.folder / key.public_key / "private.safetensors"
        good[key.public_key] = file.read_bytes()
        file.write_bytes(a_test_set(1, Input(height=16, width=16, colour="grey")).dump())
    entry_id = honest(town, 1)
    house.turn(5)
    house.turn(1, advance=120)
    house.turn(5)
    assert house.end(entry_id) is None
    for key in town.committee[1:]:
        assert house.reviews(key.public_key)[entry_id] is None
        troubles = house.validators[key.public_key].status("online")["troubles"]
        assert any("private_set" in trouble and "cannot judge" in trouble for trouble in troubles)
        (house.folder / key.public_key / "private.safetensors").write_bytes(good[key.public_key])
    house.turn(1, advance=30)
    house.settle(entry_id, turns=80)
    assert house.end(entry_id).outcome == "accepted"


def test_a_file_format_that_no_runtime_reads_is_refused(bench: Workbench) -> None:
    """(dd) `ir_version` 99 is turned away when the round is looked at, not when it is scored."""
    model = onnx.ModelProto.FromString(graph_file())
    model.ir_version = 99
    with pytest.raises(Malformed, match="file format 99"):
        graph.check(model.SerializeToString())


def test_a_graph_is_run_in_a_format_that_the_oldest_runtime_reads(bench: Workbench) -> None:
    """(dd) torch's exporter writes format 10, which onnxruntime 1.17 does not read."""
    model = onnx.ModelProto.FromString(graph_file())
    model.ir_version = 10
    checked = graph.check(model.SerializeToString())
    assert onnx.ModelProto.FromString(put(checked, checked.weights)).ir_version <= RUNNABLE_IR


def test_a_runtime_that_does_not_read_the_graph_judges_nobody(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """(dd) An old Jetson's runtime says so to its operator; it rejects nobody."""

    def refuses(*_: object, **__: object) -> None:
        raise Fail("Unsupported model IR version: 10, max supported IR version: 9")

    monkeypatch.setattr(onnxruntime, "InferenceSession", refuses)
    with pytest.raises(CannotJudge, match="max supported IR version"):
        bench.judged(bench.entry(bench.better()))


def test_a_torn_file_of_an_earlier_update_keeps_nobody_down(bench: Workbench) -> None:
    """(ee) The direction of an earlier update, torn by a power cut of an older version, is dropped and made again."""
    first = bench.entry(bench.better(1), 15)
    assert bench.judged(first).verdict.outcome == "accepted"
    (file,) = (bench.folder / "updates" / bench.rounds[0].cid).glob("*.npy")
    whole = file.read_bytes()
    for torn in (b"", whole[:5], whole[:90], b"rubbish" * 20):
        file.write_bytes(torn)
        assert bench.judged(bench.entry(bench.better(len(torn) + 2), 16)).verdict.outcome == "accepted"
        assert bench.judged(first).verdict.outcome == "accepted"
    assert bench.vectors.holds(bench.rounds[0].cid, EntryPlace(15, first.stake.id))


@pytest.mark.slow
def test_a_disk_that_takes_nothing_ends_no_validator(town: Town, house: House) -> None:
    """(ee) What cannot be written is a trouble; the others settle, and it goes on when there is room."""
    account = town.committee[0].public_key
    updates = house.folder / account / "updates"
    updates.parent.mkdir(exist_ok=True)
    updates.write_text("a file where a folder should be")
    entry_id = honest(town, 2)
    house.turn(3)
    assert any("cannot judge" in t for t in house.validators[account].status("online")["troubles"])
    house.turn(1, advance=60)
    house.settle(entry_id, turns=80)
    assert house.end(entry_id).outcome == "accepted"
