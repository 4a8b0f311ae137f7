"""A round's root update, as a validator takes it in: hostile until it has shown that it helps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stellar_sdk import Keypair

from agent.content.folder import FolderStore
from agent.core.round import RootUpdate
from agent.errors import Unavailable
from agent.learn import root, update
from agent.market import bundle
from agent.validator.rounds import Served
from tests.validator.bench import VALIDATOR, Numbers, Workbench


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(tmp_path)


def refused(bench: Workbench, served: Served) -> str:
    """The one trouble that it leads to; asked a second time it leads to no second one."""
    assert bench.measurement.root(served) is None
    assert bench.measurement.root(served) is None
    (trouble,) = bench.measurement.troubles
    return trouble


def test_a_round_without_a_root_update_is_a_round_like_any_other(bench: Workbench) -> None:
    assert bench.measurement.root(bench.rounds[0]) is None
    assert bench.measurement.troubles == []


def test_the_root_update_that_helps_is_used_as_the_initiator_trained_it(bench: Workbench) -> None:
    helps = bench.better()
    found = bench.measurement.root(bench.publish(bench.first(), learnt=helps))
    assert found is not None
    for name, value in helps.items():
        np.testing.assert_allclose(found[name], value, atol=np.abs(value).max() / 100)
    assert bench.measurement.troubles == []


def test_one_that_goes_too_far_still_tells_the_direction(bench: Workbench) -> None:
    """A whole step from few samples may overshoot; what counts is where it points."""
    far = bench.better(share=3.0)
    assert bench.measurement.root(bench.publish(bench.first(), learnt=far)) is not None


def turned(delta: Numbers) -> Numbers:
    return {name: -value for name, value in delta.items()}


def test_one_that_harms_is_not_used_and_no_stake_hangs_on_it(bench: Workbench) -> None:
    served = bench.publish(bench.first(), learnt=turned(bench.better()))
    assert "does not lower the loss" in refused(bench, served)
    assert bench.judged(bench.entry(bench.better(), at=served, ledger=25)).verdict.outcome == "accepted"


def test_one_of_nothing_but_noughts_is_not_used(bench: Workbench) -> None:
    nothing = {name: np.zeros_like(value) for name, value in bench.first().items()}
    assert "does not lower the loss" in refused(bench, bench.publish(bench.first(), learnt=nothing))


def test_one_longer_than_any_training_goes_is_not_used(bench: Workbench) -> None:
    huge = {name: value * np.float32(1e6) for name, value in bench.better().items()}
    assert "plausible" in refused(bench, bench.publish(bench.first(), learnt=huge))


def of_another_network(bench: Workbench) -> bytes:
    other = {"w": np.ones((7, 3), np.float32)}
    return root.encode(other, {"w": other["w"] * np.float32(1.1)})


def in_another_encoding(bench: Workbench) -> bytes:
    base = bench.first()
    return update.encode("dense-fp32", base, {n: base[n] + d for n, d in bench.better().items()}).data


def no_number(bench: Workbench) -> bytes:
    import zstandard
    from safetensors.numpy import save

    base = bench.first()
    values = sum(value.size for value in base.values())
    payload = np.full(len(base), np.nan, "<f4").tobytes() + bytes(values)
    frame = zstandard.ZstdCompressor().compress(payload)
    return save({"update": np.frombuffer(frame, np.uint8)}, metadata={"encoding": root.ENCODING})


@pytest.mark.parametrize(
    "made", [of_another_network, in_another_encoding, no_number, lambda _: b"", lambda _: b"x" * 99]
)
def test_bytes_that_are_no_root_update_are_refused(bench: Workbench, made: Any) -> None:
    assert "malformed" in refused(bench, bench.publish(bench.first(), learnt=made(bench)))


def test_more_bytes_than_one_can_have_are_not_even_opened(bench: Workbench) -> None:
    most = root.most_bytes(bench.first())
    assert "larger than" in refused(bench, bench.publish(bench.first(), learnt=bytes(most + 1)))


def keys_of(*readers: Keypair) -> dict[str, RootUpdate]:
    return {"root": RootUpdate(keys={reader.public_key: "AAAA" for reader in readers})}


@pytest.mark.parametrize("readers", [(), (VALIDATOR, Keypair.random()), (Keypair.random(),)])
def test_one_that_not_just_the_committee_reads_is_not_used(bench: Workbench, readers: tuple[Keypair, ...]) -> None:
    """Validators that read it would judge by it, and the others not."""
    served = bench.publish(bench.first(), learnt=bench.better(), **keys_of(*readers))
    assert "is not sealed to the committee" in refused(bench, served)


def test_one_whose_box_does_not_open_is_not_used(bench: Workbench) -> None:
    served = bench.publish(bench.first(), learnt=bench.better(), **keys_of(VALIDATOR))
    assert "does not open" in refused(bench, served)


def test_one_that_is_named_and_not_there_is_not_used(bench: Workbench) -> None:
    assert "has no root.sealed" in refused(bench, bench.publish(bench.first(), **keys_of(VALIDATOR)))


def test_another_rounds_root_update_is_not_used(bench: Workbench) -> None:
    """It pointed from other weights."""
    before = bench.publish(bench.first(), learnt=bench.better())
    folder = bench.shelf.get(before.cid, bundle.ROUND_LIMITS)
    served = bench.publish(bench.first())
    round_ = served.round.model_copy(update={"root": before.round.root})
    files: dict[str, bytes | Path] = {path.name: path for path in folder.iterdir()}
    cid = str(bench.store.put(bundle.lay(bench.folder / "twisted", {**files, bundle.ROUND: round_.to_bytes()})))
    assert "does not open" in refused(bench, Served(cid, round_, served.newest))


def test_one_that_rotted_on_our_disk_is_fetched_again_and_used(bench: Workbench) -> None:
    served = bench.publish(bench.first(), learnt=bench.better())
    file = bench.shelf.get(served.cid, bundle.ROUND_LIMITS) / bundle.ROOT
    file.write_bytes(bytes(file.stat().st_size))
    with pytest.raises(Unavailable):
        bench.measurement.root(served)
    assert bench.measurement.root(served) is not None


def test_a_store_that_is_away_is_waited_for(bench: Workbench, tmp_path: Path) -> None:
    served = bench.publish(bench.first(), learnt=bench.better())
    there, bench.shelf.store = bench.shelf.store, FolderStore(tmp_path / "empty")
    with pytest.raises(Unavailable):
        bench.measurement.root(served)
    bench.shelf.store = there
    assert bench.measurement.root(served) is not None
