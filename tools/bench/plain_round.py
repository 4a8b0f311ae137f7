"""A round with nobody behind it, for measuring and testing what a vehicle does with one."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from agent.core.ids import AccountId, CidText
from agent.core.round import Architecture, GlobalSet, Input, Recipe, Round, StakeSchedule, Task

SPEC = Input(height=66, width=200, crop_top=Decimal("0.3"))
"""What a network for the road gets of a frame."""
NOBODY = AccountId("G" + "A" * 52 + "WHF")


def plain_round(
    *,
    steps: int = 400,
    batch: int = 64,
    passes: int = 1_000_000,
    learning_rate: str = "0.001",
    minimum_samples: int = 1,
    pull: str = "0",
    network: str = "pilotnet",
    hyper: dict[str, int] | None = None,
    task: Task | None = None,
    sample: Input = SPEC,
) -> Round:
    """Steering with a PilotNet at 66 x 200 YUV, unless told otherwise, and no waiting for new frames."""
    return Round(
        model=f"DLMroad:{NOBODY}",
        number=0,
        task=task or Task(kind="steering"),
        architecture=Architecture.model_validate({"name": network, "hyper": hyper or {}}),
        input=sample,
        recipe=Recipe(
            steps=steps,
            batch=batch,
            passes=passes,
            learning_rate=Decimal(learning_rate),
            minimum_samples=minimum_samples,
            pull=Decimal(pull),
        ),
        stake=StakeSchedule(asset=f"DLC:{NOBODY}", base=2, fee=1),
        settlement=NOBODY,
        committee=(NOBODY,),
        contributions=1,
        review_window=60,
        length=60,
        gain_reference=Decimal("0.1"),
        global_set=GlobalSet(cid=CidText("Qm" + "a" * 44), keys={}),
    )


def bundle(round: Round, folder: Path, seed: int = 0) -> Path:
    """The round's bundle with initial weights, ready to be trained on."""
    from agent.learn import checkpoint, loop, networks

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "round.json").write_bytes(round.to_bytes())
    checkpoint.write_weights(folder / "weights.safetensors", loop.weights(networks.build(round, seed=seed)))
    return folder
