"""A validator's shelf with rounds and contributions on it, without a ledger and without torch: what measuring needs."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from stellar_sdk import Keypair

from agent.content.folder import FolderStore
from agent.core.documents import Contribution, Roll
from agent.core.ledger import Stake
from agent.core.money import UNIT, Asset
from agent.core.roll import Anchored
from agent.core.round import Architecture, GlobalSet, Input, Recipe, RootUpdate, Round, StakeSchedule, Task
from agent.learn import root, update, weights
from agent.learn.device import HERE
from agent.learn.testset import TestSet
from agent.market import bundle, sealed
from agent.validator.entries import Entry
from agent.validator.measurement import Judgement, Measurement
from agent.validator.rounds import Served
from agent.validator.vectors import Vectors

Numbers = dict[str, NDArray[np.float32]]

SIZE = Input(height=8, width=8, colour="grey")
TASK = Task(kind="steering", scale=Decimal(25))
OPERATOR, INITIATOR, VALIDATOR, SETTLEMENT = (Keypair.random() for _ in range(4))
DLC = Asset("DLC", OPERATOR.public_key)
BASE, FEE, WINDOW = 10 * UNIT, UNIT // 2, 600
DEGREES = 20.0


def graph_file() -> bytes:
    """A mean over the picture, then one linear layer with two inputs: itself, twice."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w1", "b1"], ["hidden"], transB=1),
        helper.make_node("Gemm", ["hidden", "w2", "b2"], ["out"], transB=1),
    ]
    arrays = {
        "w1": np.ones((4, 1), np.float32),
        "b1": np.zeros(4, np.float32),
        "w2": np.full((1, 4), 0.01, np.float32),
        "b2": np.zeros(1, np.float32),
    }
    made = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 8, 8])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 1])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model: onnx.ModelProto = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def a_test_set(seed: int, spec: Input = SIZE) -> TestSet:
    random = np.random.default_rng(seed)
    images = random.integers(0, 255, (16, spec.channels, spec.height, spec.width), dtype=np.uint8)
    return TestSet(images, random.normal(DEGREES, 0.5, 16).astype(np.float32))


@dataclass
class Workbench:
    """`rounds`: as published; round n in ledger 10 (n + 1)."""

    folder: Path
    rounds: list[Served] = field(default_factory=list)
    tests: Callable[[int], TestSet] = a_test_set

    def __post_init__(self) -> None:
        self.store = FolderStore(self.folder / "content")
        self.shelf = bundle.Shelf(self.folder / "bundles", self.store, keep=64)
        self.private = self.folder / "private.safetensors"
        self.private.write_bytes(self.tests(1).dump())
        self.vectors = Vectors(self.folder / "updates")
        self.publish(self.first())

    @cached_property
    def measurement(self) -> Measurement:
        return Measurement(self.shelf, VALIDATOR, self.private, self.vectors, HERE)

    def first(self) -> Numbers:
        values = {
            "w1": np.ones((4, 1)),
            "b1": np.zeros(4),
            "w2": np.full((1, 4), 0.01),
            "b2": np.zeros(1),
        }
        return {name: value.astype(np.float32) for name, value in values.items()}

    def publish(
        self, values: Numbers, graph: bytes | None = None, learnt: Numbers | bytes | None = None, **other: Any
    ) -> Served:
        """The next round. `learnt`: its root update, or the bytes that stand for one."""
        number = len(self.rounds)
        model = f"DLMroad:{INITIATOR.public_key}"
        files: dict[str, bytes | Path] = {bundle.WEIGHTS: weights.dump(values), bundle.GRAPH: graph or graph_file()}
        if learnt is not None:
            if not isinstance(learnt, bytes):
                learnt = root.encode(values, {name: values[name] + learnt[name] for name in values})
            purpose = bundle.root_purpose(model, number)
            files[bundle.ROOT], boxes = sealed.seal(learnt, purpose, [VALIDATOR.public_key])
            other = {"root": RootUpdate(keys=boxes), **other}
        data, boxes = sealed.seal(self.tests(0).dump(), bundle.test_set_purpose(model), [VALIDATOR.public_key])
        tests = self.store.put(bundle.lay(self.folder / "desk" / f"set-{number}", {bundle.TEST_SET: data}))
        round_ = Round(
            **{
                "model": model,
                "number": number,
                "ledger": 10 * (number + 1),
                "previous": self.rounds[-1].cid if self.rounds else None,
                "task": TASK,
                "architecture": Architecture(name="onnx"),
                "input": SIZE,
                "recipe": Recipe(steps=10, batch=4, learning_rate="0.001", minimum_samples=5, encoding="dense-fp32"),
                "stake": StakeSchedule(asset=str(DLC), base=BASE, fee=FEE),
                "settlement": SETTLEMENT.public_key,
                "committee": (VALIDATOR.public_key,),
                "contributions": 2,
                "review_window": WINDOW,
                "length": 3600,
                "gain_reference": "0.1",
                "global_set": GlobalSet(cid=str(tests), keys=boxes),
                **other,
            }
        )
        files[bundle.ROUND] = round_.to_bytes()
        cid = str(self.store.put(bundle.lay(self.folder / "desk" / f"round-{number}", files)))
        self.rounds.append(Served(cid, round_, number))
        return self.rounds[-1]

    def better(self, seed: int = 0, share: float = 0.4) -> Numbers:
        """An update that helps, mostly in a direction of its own that says next to nothing."""
        random = np.random.default_rng(seed)
        delta = {name: random.normal(0, 0.02, value.shape).astype(np.float32) for name, value in self.first().items()}
        for name in ("w1", "b1"):
            delta[name] = random.normal(0, 0.24, delta[name].shape).astype(np.float32)
        delta["b2"][:] = share * DEGREES / 25
        return delta

    def entry(
        self,
        delta: Numbers | bytes,
        ledger: int = 15,
        at: Served | None = None,
        owner: Keypair | None = None,
        **twists: Any,
    ) -> Entry:
        """A contribution in the store, and the entry that stands for it."""
        owner, at = owner or Keypair.random(), at or self.rounds[0]
        base = weights.load((self.shelf.get(at.cid, bundle.ROUND_LIMITS) / bundle.WEIGHTS).read_bytes())
        if not isinstance(delta, bytes):
            delta = update.encode("dense-fp32", base, {n: base[n] + delta[n] for n in base}).data
        readers = (VALIDATOR.public_key, INITIATOR.public_key)
        data, boxes = sealed.seal(delta, bundle.update_purpose(at.cid, owner.public_key), readers)
        document = Contribution(
            **{
                "model": at.round.model,
                "base": at.cid,
                "vehicle": owner.public_key,
                "samples": 100,
                "steps": 10,
                "planned": 10,
                "encoding": "dense-fp32",
                "encoding_error": 0,
                "keys": boxes,
                "software": "milepost-test",
                "profile": "test",
                **twists,
            }
        )
        files: dict[str, bytes | Path] = {bundle.CONTRIBUTION: document.to_bytes(), bundle.UPDATE: data}
        return an_entry(owner.public_key, str(self.store.put(bundle.lay(self.folder / "desk" / "c", files))), ledger)

    def judged(self, found: Entry) -> Judgement:
        """As an admitted entry is that is alone on its roll."""
        return self.roll(found)[found.stake.id]

    def roll(self, *found: Entry) -> Mapping[str, Judgement]:
        """As admitted entries are that are on one roll."""
        contribution = self.shelf.contribution(found[0].contribution)
        at = next(served for served in self.rounds if served.cid == contribution.base)
        return self.measurement.measured(a_roll(at, *found), at, self.rounds)


def a_roll(at: Served, *found: Entry) -> Anchored:
    enrolled = sorted((one.enrolled for one in found), key=lambda one: (one.ledger, one.entry))
    return Anchored(at.cid, at.cid, Roll(entries=tuple(enrolled), drawn_at=2000))


def an_entry(vehicle: str, contribution: str, ledger: int = 15, **other: Any) -> Entry:
    """`other`: another amount, or another moment from which the stake may be taken back."""
    id_ = Keypair.random().raw_public_key().hex()
    claimants = (SETTLEMENT.public_key, vehicle)
    stake = Stake(id_, DLC, other.pop("amount", BASE), vehicle, claimants, claimants[:1], ledger)
    transaction = base64.b16encode(bytes.fromhex(id_)).decode().lower()
    facts = {"entered_at": 1000, "take_back_at": 1000 + WINDOW, **other}
    return Entry(stake, vehicle, transaction, ledger, contribution=contribution, **facts)
