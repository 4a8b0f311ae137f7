"""The demo's scene: who plays, with which files, on which ports."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from agent.core.money import Asset
from agent.core.round import Architecture, Input, Recipe, Round, Task
from agent.initiator.plan import Plan, StakePlan
from agent.learn.testset import TestSet
from agent.ledger.horizon import Horizon
from agent.sense.drive import load_drive
from tools.demo import parties
from tools.demo.crew import Crew
from tools.demo.parties import Party
from tools.demo.road import Course, Stretch

PASSPHRASE = "Milepost Demo ; 2026"  # noqa: S105 - the name of a network
VEHICLES = (("vehicle-1", "honest", 0.4), ("vehicle-2", "honest", 0.4), ("vehicle-3", "hostile", 0.2))
"""Name, role, share of the drive."""
VALIDATORS = 3
SPEEDS = 0.1, 1.6
"""How fast drives are played, at least and at most: slower where the machine is slow or has other things to do."""
TRIP_STEPS = 60
"""Training steps for which each trip is to have time."""
START_S, STEP_S = 6.0, 0.04
"""From the start of a trip to its first step, where one takes so long; where it takes longer, longer."""
TRIGGER_M = 40
WARM_UP_STEPS = 60
NOMINAL_MPS = 8.0
"""Where neither the drive nor a route says how fast the car went."""
INPUT = Input(height=66, width=200, colour="yuv", crop_top=Decimal("0.3"))
TASK = Task(kind="steering")
ARCHITECTURE = Architecture(name="pilotnet")
RECIPE = Recipe(steps=400, batch=32, learning_rate=Decimal("0.0001"), minimum_samples=100, encoding="dense-fp16")


@dataclass
class Stage:
    """Everything that stays the same over the demo."""

    folder: Path
    crew: Crew
    horizon: Horizon
    course: Course
    route: Path | None
    broker_port: int
    operator: Party
    initiator: Party
    vehicles: tuple[Party, ...]
    validators: tuple[Party, ...]
    dlc: Asset
    speed: float = SPEEDS[1]

    @property
    def everybody(self) -> tuple[Party, ...]:
        return (self.operator, self.initiator, *self.vehicles, *self.validators)

    @property
    def plan(self) -> Path:
        return self.folder / "plan.toml"

    @property
    def test_set(self) -> Path:
        return self.folder / "global-test-set.safetensors"

    @property
    def root_set(self) -> Path:
        return self.folder / "root-set.safetensors"

    def shared_tables(self, party: Party) -> dict[str, dict[str, Any]]:
        """What every party's milepost.toml says."""
        return {
            "agent": {
                "id": party.name,
                "fleet": "demo",
                "state_dir": str(party.folder / "state"),
                "key_file": str(party.key_file),
            },
            "ledger": {"horizon": self.horizon.url, "passphrase": PASSPHRASE, "max_fee_stroops": 1000},
            "content": {"stores": [f"folder:{self.folder / 'content'}"]},
            "mqtt": {"host": "127.0.0.1", "port": self.broker_port},
        }

    def vehicle_config(self, party: Party, stretch: Stretch) -> None:
        source = (
            f"replay:{self.course.folder}?start={stretch.start_s:.2f}&end={stretch.end_s:.2f}&speed={self.speed:.2f}"
        )
        source += f"&steering={self.course.steering}"
        if not self.course.drive.knows_movement:
            source += f"&route={self.route}" if self.route else f"&nominal_mps={NOMINAL_MPS}"
        parties.write_config(
            party,
            {
                **self.shared_tables(party),
                "market": {
                    "initiators": [self.initiator.account],
                    "operator": self.operator.account,
                    "max_stake": "100",
                    "buy_stake_budget": "50",
                },
                "odometer": {"source": source},
                "camera": {"source": source},
                "trip": {"trigger_m": round(TRIGGER_M * self.course.scale, 1), "ignition_off_s": 1.0},
                "train": {"device": "auto", "threads": 1, "checkpoint_s": 5},
                "gates": {"pause_above_load": 1.0, "resume_below_load": 1.0, "disk_free_mb": 0},
            },
        )

    def validator_config(self, party: Party, own: TestSet) -> None:
        private = party.folder / "private-test-set.safetensors"
        private.write_bytes(own.dump())
        parties.write_config(
            party,
            {
                **self.shared_tables(party),
                "validator": {
                    "initiators": [self.initiator.account],
                    "private_set": str(private),
                    "key_file": str(party.key_file),
                    "poll_s": 0.5,
                },
            },
        )


def plan(stage: Stage) -> Plan:
    """The initiator's plan, as it stands in plan.toml."""
    return Plan(
        name="road",
        committee=tuple(party.account for party in stage.validators),
        reward="40",
        budget="400",
        contributions=2,
        review_window=600,
        turn=10,
        collect=60,
        most=len(VEHICLES),
        stake=StakePlan(asset=str(stage.dlc), base="10", fee="0.5"),
        gain_share=Decimal("0.1"),
        privacy="open",
        root_set=stage.root_set.relative_to(stage.folder),
        task=TASK,
        architecture=ARCHITECTURE,
        input=INPUT,
        recipe=recipe(stage.course),
    )


def recipe(course: Course) -> Recipe:
    """A short drive's trips have fewer frames."""
    return RECIPE.model_copy(update={"minimum_samples": math.ceil(RECIPE.minimum_samples * course.scale)})


def write_plan(path: Path, made: Plan) -> None:
    """As TOML: top-level values first, then a table for each part."""
    values = made.model_dump(mode="json", exclude_none=True)
    lines = [f"{k} = {json.dumps(v)}" for k, v in values.items() if not isinstance(v, dict)]
    for name, part in values.items():
        if isinstance(part, dict):
            inner = [f"{k} = {_toml(v)}" for k, v in part.items()]
            lines += ["", f"[{name}]", *inner]
    path.write_text("\n".join(lines) + "\n")


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {json.dumps(v)}" for k, v in value.items()) + " }"
    return json.dumps(value)


def speed(stretches: Sequence[Sequence[Stretch]], step_s: float) -> float:
    """How fast the drives can be played, so that a trip has time for its steps where one takes `step_s` on one core."""
    honest = (trip for mine, (_, role, _) in zip(stretches, VEHICLES, strict=True) if role == "honest" for trip in mine)
    shortest = min(trip.end_s - trip.start_s for trip in honest)
    slowest, fastest = SPEEDS
    shared = max(1.0, len(VEHICLES) / len(os.sched_getaffinity(0)))
    start_s = START_S * max(1.0, step_s / STEP_S)
    return min(fastest, max(slowest, shortest / (start_s + TRIP_STEPS * shared * step_s)))


def fitted(course: Course, route: Path | None, trips: int) -> Course:
    """The course as this recording is long enough for it. Raises TooShort, at once and not after minutes of waiting."""
    moving = load_drive(route) if route and not course.drive.knows_movement else course.drive
    known = moving.speed_mps[np.isfinite(moving.speed_mps)]
    mps = float(known.mean()) if len(known) else NOMINAL_MPS
    wanted = [(share, RECIPE.minimum_samples if role == "honest" else 0) for _, role, share in VEHICLES]
    return course.fitted(wanted, trips, TRIGGER_M / max(mps, 0.1))


def network(folder: Path, own: TestSet, seed: int) -> tuple[Path, Path, float]:
    """Round 0's weights and graph, as an initiator would export them: trained a little on `own`, the first seconds of
    the drive, which are the initiator's. Returns the two files, and the seconds that a step took."""
    from agent.learn import export, graph, networks, weights

    made = networks.build(Round.model_construct(architecture=ARCHITECTURE, input=INPUT, task=TASK), seed=seed)
    step_s = _warm_up(made, own, seed)
    exported = export.export(made, INPUT)
    weights_file, graph_file = folder / "weights.safetensors", folder / "model.onnx"
    weights_file.write_bytes(weights.dump(graph.check(exported).weights))
    graph_file.write_bytes(exported)
    return weights_file, graph_file, step_s


def _warm_up(network: Any, own: TestSet, seed: int) -> float:
    """Any PyTorch code may make round 0; this is the least there is. Returns the seconds that a step took."""
    import torch
    from torch.nn.functional import smooth_l1_loss

    torch.set_num_threads(1)  # as the vehicles have it
    images, labels = torch.from_numpy(own.images), torch.from_numpy(own.labels) / float(TASK.scale)
    optimizer, draw = torch.optim.Adam(network.parameters(), 5e-4), torch.Generator().manual_seed(seed)
    began = time.monotonic()
    for _ in range(WARM_UP_STEPS):
        rows = torch.randint(len(own), (RECIPE.batch,), generator=draw)
        loss = smooth_l1_loss(network(images[rows])[:, 0], labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (time.monotonic() - began) / WARM_UP_STEPS


def prepare(
    folder: Path, crew: Crew, course: Course, route: Path | None, trips: int
) -> tuple[Stage, Sequence[Sequence[Stretch]]]:
    """Servers up, accounts funded, DLC issued and authorised, configuration files written."""
    crew.start("localnet", "tools.localnet", "--port", "0", "--passphrase", PASSPHRASE, "--close-every", "1s",
               "--state", str(folder / "localnet"), "--ready-file", str(folder / "localnet.json"))  # fmt: skip
    crew.start("broker", "tools.broker", "--port", "0", "--ready-file", str(folder / "broker.json"))
    net, broker = crew.ready("localnet", folder / "localnet.json"), crew.ready("broker", folder / "broker.json")
    horizon = Horizon(net["url"], PASSPHRASE)
    operator, initiator = parties.party(folder, "operator", "operator"), parties.party(folder, "initiator", "initiator")
    vehicles = tuple(parties.party(folder, name, role) for name, role, _ in VEHICLES)
    validators = tuple(parties.party(folder, f"validator-{n + 1}", "validator") for n in range(VALIDATORS))
    parties.fund(horizon, (operator, initiator, *vehicles, *validators))
    dlc = parties.open_market(horizon, operator)
    parties.trust(horizon, dlc, vehicles)
    parties.authorise(horizon, operator, dlc, [v.account for v in vehicles])
    port = int(broker["port"])
    stage = Stage(folder, crew, horizon, course, route, port, operator, initiator, vehicles, validators, dlc)
    shared, own = course.test_sets(INPUT, VALIDATORS)
    stage.test_set.write_bytes(shared.dump())
    stage.root_set.write_bytes(course.initiators_own(INPUT).dump())
    for validator, private in zip(validators, own, strict=True):
        stage.validator_config(validator, private)
    parties.write_config(initiator, stage.shared_tables(initiator))
    write_plan(stage.plan, plan(stage))
    return stage, course.stretches([share for _, _, share in VEHICLES], trips)
