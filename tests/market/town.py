"""A small market for tests: operator, initiator, committee, settlement account and round 0 on a real localnet that
closes a ledger for everything that is handed in."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stellar_sdk import ChangeTrust, Keypair, Payment, TrustLineFlags
from stellar_sdk import SetTrustLineFlags as Allow
from stellar_sdk.operation import Operation

from agent.content.folder import FolderStore
from agent.core.cid import Cid
from agent.core.documents import Contribution
from agent.core.ledger import Transaction, Way
from agent.core.money import UNIT, Asset, Stroops, text
from agent.core.round import Architecture, Input, Recipe, Round, Task
from agent.initiator import fusing, publishing
from agent.initiator.book import RoundBook
from agent.initiator.plan import Plan
from agent.journal import Journal
from agent.learn import export, graph, networks, update, weights
from agent.learn.runner import Runner
from agent.learn.testset import TestSet
from agent.ledger.envelope import Signed, build, result_code, sdk_asset, signed, stake_id
from agent.ledger.horizon import Horizon
from agent.market import bundle, entry, publish, sealed
from agent.market.listing import Listing, listings
from tools.localnet.server import Localnet

Numbers = dict[str, NDArray[np.float32]]
Boxes = dict[str, str]

SMALL = Input(height=28, width=28, colour="grey")
STEERING = Task(kind="steering", scale=Decimal(25))
NETWORK = Architecture(name="deepchain", hyper={"filters": 1, "hidden": 4})
RECIPE = Recipe(steps=10, batch=4, learning_rate="0.001", minimum_samples=5, encoding="dense-fp32")

BASE: Stroops = 10 * UNIT
FEE: Stroops = UNIT // 2
REWARD: Stroops = 40 * UNIT
REVIEW_S = 600
TURN_S = 30
DLC_PRICE = Fraction(1, 2)
DLC_EACH: Stroops = 100 * UNIT
K = 2
HONEST = 0.2
"""The share of its way to the truth that an honest update takes the network, at fusion weight."""


@dataclass(frozen=True)
class Lesson:
    """What a round teaches. `network` writes weights and graph into a folder; `tests` makes frames by seed."""

    network: Callable[[Path], tuple[Path, Path]]
    tests: Callable[[int], TestSet]


class Prompt(Horizon):
    """A Horizon whose ledger closes as soon as something was handed in."""

    def __init__(self, net: Localnet) -> None:
        super().__init__(net.url, net.passphrase)
        self._net = net

    def hand_in(self, envelope: str) -> None:
        super().hand_in(envelope)
        self._net.close_ledger()


@dataclass
class Town:
    """Who is who. `settlement` and `cid` are set once round 0 is published."""

    net: Localnet
    folder: Path
    committee: tuple[Keypair, ...]
    operator: Keypair = field(default_factory=Keypair.random)
    initiator: Keypair = field(default_factory=Keypair.random)
    settlement: str = ""
    cid: str = ""
    lesson: Lesson = field(default_factory=lambda: ROADS)

    def __post_init__(self) -> None:
        self.horizon = Prompt(self.net)
        self.store = FolderStore(self.folder / "content")
        self.shelf = bundle.Shelf(self.folder / "shelf", self.store)

    def moved(self, net: Localnet) -> Town:
        """The same town on another server's copy of its ledger."""
        return replace(self, net=net)

    @property
    def dlc(self) -> Asset:
        return Asset("DLC", self.operator.public_key)

    @property
    def round(self) -> Round:
        return self.shelf.round(self.cid)

    @property
    def base(self) -> Numbers:
        return weights.load((self.shelf.get(self.cid, bundle.ROUND_LIMITS) / bundle.WEIGHTS).read_bytes())

    @property
    def listed(self) -> Listing:
        """What the initiator offers now."""
        ((found,), _) = listings(self.horizon, self.initiator.public_key)
        return found

    # --- the ledger

    def signed(self, operations: Sequence[Operation], *keys: Keypair, memo: bytes | None = None) -> Signed:
        """Under the first key's account."""
        account = self.horizon.account(keys[0].public_key)
        assert account is not None
        envelope = build(
            account.id,
            account.sequence,
            operations,
            passphrase=self.net.passphrase,
            fee=1000,
            max_time=self.horizon.head().closed_at + 120,
            memo=memo,
        )
        return signed(envelope, *keys)

    def offer(
        self,
        key: Keypair,
        dlm: Asset,
        memo: bytes | None,
        budget: Stroops = 100 * UNIT,
        id: int = 0,
        also: Sequence[Operation] = (),
    ) -> None:
        """An offer of `budget` XLM at 1 for DLM that stands for the memo."""
        sign = publish.Sign(str(Cid.v0(memo or bytes(32))), id, self.horizon.head().sequence + 1)
        self.apply([*publish.offer(dlm, budget, UNIT, sign), *also], key, memo=memo)

    def apply(self, operations: Sequence[Operation], *keys: Keypair, memo: bytes | None = None) -> Signed:
        """In a ledger, and successful, when it returns."""
        made = self.signed(operations, *keys, memo=memo)
        self.horizon.hand_in(made.envelope)
        found = self.horizon.find(made.hash)
        assert found is not None
        assert found.successful, result_code(found.result)
        return made

    def driver(self) -> Keypair:
        """A vehicle's account: on the ledger, allowed to hold DLC, with some, and ready to be paid in VLM."""
        key = Keypair.random()
        self.net.fund(key.public_key)
        dlc = sdk_asset(self.dlc)
        lines = [ChangeTrust(dlc), ChangeTrust(sdk_asset(self.round.credit_asset))] if self.cid else [ChangeTrust(dlc)]
        self.apply(lines, key)
        self.allow(key.public_key)
        self.apply([Payment(key.public_key, dlc, text(DLC_EACH))], self.operator)
        return key

    def allow(self, account: str) -> None:
        self.apply(publish.authorise(self.dlc, [account]), self.operator)

    def allowance(self, account: str) -> Signed:
        """The compliance desk's yes, signed but not handed in."""
        return self.signed(publish.authorise(self.dlc, [account]), self.operator)

    def forbid(self, account: str) -> Signed:
        """The compliance desk's no, signed but not handed in."""
        flags = TrustLineFlags.AUTHORIZED_FLAG
        return self.signed([Allow(account, sdk_asset(self.dlc), clear_flags=flags)], self.operator)

    def history(self, account: str) -> list[Transaction]:
        return list(self.horizon.history(account))

    # --- contributions

    def better(self, share: float = HONEST, seed: int = 0) -> Numbers:
        """An update that takes the network `share` of the way to the truth, in its own direction."""
        base, random = self.base, np.random.default_rng(seed)
        delta = {n: np.zeros_like(value) for n, value in base.items()}
        bias = max((n for n in base if n.endswith("bias")), key=_layer)
        graph_file = self.shelf.get(self.cid, bundle.ROUND_LIMITS) / bundle.GRAPH
        images, labels = roads(0)
        said = Runner(graph.check(graph_file), base).run(images)[:, 0]
        towards = float(np.mean(labels / float(STEERING.scale) - said)) * share * K
        delta[bias][:] = towards
        hidden = max((n for n in base if n != bias), key=lambda n: base[n].size)
        scatter = random.normal(0, 1, base[hidden].shape)
        delta[hidden] += (scatter / np.linalg.norm(scatter) * abs(towards)).astype(np.float32)
        return delta

    def contribution(
        self, owner: Keypair, delta: Numbers | bytes, boxed: Callable[[Boxes], Boxes] = dict, **twists: Any
    ) -> Cid:
        """Stored as a vehicle would. `boxed`: what it makes of its readers' boxes; `twists`: other values for
        contribution.json."""
        base = self.base
        data = delta if isinstance(delta, bytes) else _encoded(base, delta)
        round_ = self.round
        ciphertext, boxes = sealed.seal(data, bundle.update_purpose(self.cid, owner.public_key), round_.readers)
        document = Contribution(
            **{
                "model": round_.model,
                "base": self.cid,
                "vehicle": owner.public_key,
                "samples": 100,
                "steps": 10,
                "planned": 10,
                "encoding": "dense-fp32",
                "encoding_error": 0,
                "keys": boxed(boxes),
                "software": "milepost-test",
                "profile": "test",
                **twists,
            }
        )
        files: dict[str, bytes | Path] = {bundle.CONTRIBUTION: document.to_bytes(), bundle.UPDATE: ciphertext}
        return self.store.put(bundle.lay(self.folder / "desk" / owner.public_key, files))

    def enter(self, vehicle: Keypair, memo: Cid | None, stake: Stroops = BASE) -> str:
        """The entry in a ledger; its stake's id."""
        account = self.horizon.account(vehicle.public_key)
        assert account is not None
        operations = entry.entry(self.round, account, stake, Way(0), self.horizon.head().closed_at)
        made = self.apply(operations, vehicle, memo=memo.digest if memo else None)
        return stake_id(made.envelope, self.net.passphrase, len(operations) - 1)


def found(net: Localnet, folder: Path, committee: int = 3, lesson: Lesson | None = None, **plan: Any) -> Town:
    """A new town. `plan`: other values than the usual ones."""
    town = Town(net, folder, tuple(Keypair.random() for _ in range(committee)), lesson=lesson or ROADS)
    net.fund(*(k.public_key for k in (town.operator, town.initiator, *town.committee)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # stellar_sdk warns of what its own reader does with flags
        town.apply(publish.operator_account(town.dlc, 10_000 * UNIT, DLC_PRICE), town.operator)
    publisher = publisher_of(town, **plan)
    town.settlement = publisher.set_up()
    town.allow(town.settlement)
    weights_file, graph_file = town.lesson.network(folder)
    town.cid = publisher.first(weights_file, graph_file).cid
    publisher.book.journal.close()
    return town


def publisher_of(town: Town, **plan: Any) -> publishing.Publisher:
    """The initiator's own."""
    test_set = town.folder / "global.safetensors"
    test_set.write_bytes(town.lesson.tests(0).dump())
    state = town.folder / "initiator"
    state.mkdir(exist_ok=True)
    return publishing.Publisher(
        plan=a_plan(town, **plan),
        horizon=town.horizon,
        store=town.store,
        shelf=town.shelf,
        keypair=town.initiator,
        book=RoundBook(Journal(state / "rounds.sqlite")),
        folder=state,
        test_set=test_set,
        fee=1000,
        say=lambda _: None,
        wait=lambda: town.net.close_ledger() and None,
    )


def closed(town: Town, **plan: Any) -> str:
    """The town's round is closed; the CID of the next."""
    publisher = publisher_of(town, **plan)
    try:
        fused = fusing.close(publisher, now=True)
    finally:
        publisher.book.journal.close()
    assert fused.published is not None
    return fused.published.cid


def a_plan(town: Town, **other: Any) -> Plan:
    values: dict[str, Any] = {
        "name": "road",
        "committee": tuple(k.public_key for k in town.committee),
        "reward": text(REWARD),
        "budget": "1000",
        "contributions": K,
        "review_window": REVIEW_S,
        "turn": TURN_S,
        "collect": 0,
        "gain_share": "0.1",
        "stake": {"asset": str(town.dlc), "base": text(BASE), "fee": text(FEE)},
        "task": STEERING,
        "architecture": NETWORK,
        "input": SMALL,
        "recipe": RECIPE,
    }
    return Plan(**{**values, **other})


def network(folder: Path) -> tuple[Path, Path]:
    """Round 0's weights and graph: a few hundred numbers that have learnt nothing and say next to nothing."""
    made = networks.build(SimpleNamespace(architecture=NETWORK, input=SMALL, task=STEERING), seed=3)
    exported = export.export(made, SMALL)
    weights_file, graph_file = folder / "weights.safetensors", folder / "model.onnx"
    values = dict(graph.check(exported).weights)
    last = max((n for n in values if n.endswith("weight")), key=_layer)
    weights_file.write_bytes(weights.dump({**values, last: values[last] * np.float32(0.01)}))
    graph_file.write_bytes(exported)
    return weights_file, graph_file


def roads(seed: int, count: int = 16) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Frames of noise on a road that always bends the same way: what is to be learnt is one number."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 255, (count, 1, SMALL.height, SMALL.width), dtype=np.uint8)
    return images, random.normal(20, 0.5, count).astype(np.float32)


ROADS = Lesson(network, lambda seed: TestSet(*roads(seed)))


def _encoded(base: Numbers, delta: Numbers) -> bytes:
    return update.encode("dense-fp32", base, {n: base[n] + delta[n] for n in base}).data


def _layer(name: str) -> int:
    return int(name.partition(".")[0])
