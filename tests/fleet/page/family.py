"""A model's rounds in a content store: four in a row, and one that branched off."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path

from stellar_sdk import Keypair

from agent.core.round import Architecture, Figure, GlobalSet, Input, Lineage, Recipe, Round, StakeSchedule, Task
from agent.ports import ContentStore

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def account(name: str) -> str:
    return Keypair.from_raw_ed25519_seed(random.Random(name).randbytes(32)).public_key


def cid(name: str) -> str:
    return "Qm" + "".join(random.Random(name).choices(BASE58, k=44))


MODEL = f"DLMroad:{account('initiator')}"


def round_document(number: int, previous: str | None, figure: str, fused: int) -> Round:
    return Round(
        model=MODEL,
        number=number,
        previous=previous,
        task=Task(kind="steering"),
        architecture=Architecture(name="pilotnet"),
        input=Input(height=66, width=200),
        recipe=Recipe(steps=100, batch=32, learning_rate=Decimal("0.001"), minimum_samples=10),
        stake=StakeSchedule(asset=f"DLC:{account('operator')}", base=50_000_000, fee=1_000_000),
        settlement=account("settlement"),
        committee=(account("v1"), account("v2"), account("v3")),
        contributions=4,
        review_window=600,
        length=3600,
        gain_reference=Decimal("0.01"),
        global_set=GlobalSet(cid=cid("global"), keys={}),
        lineage=tuple(
            Lineage(cid=cid(f"c{number}.{n}"), vehicle=account(f"car{n}"), weight=Decimal("0.25"), settlement="ab" * 32)
            for n in range(fused)
        ),
        figure=Figure(name="rmse", unit="deg", better="lower", value=Decimal(figure), samples=500),
    )


def put_family(store: ContentStore, folder: Path) -> list[str]:
    """The CIDs of rounds 0, 1, 2, 3, 4 and of 3b, which was built on round 1."""
    cids: list[str] = []

    def put(name: str, document: Round) -> str:
        place = folder / name
        place.mkdir(parents=True)
        (place / "round.json").write_bytes(document.to_bytes())
        (place / "weights.safetensors").write_bytes(b"weights")
        return str(store.put(place))

    for number, figure in enumerate(["9.81", "7.42", "6.9", "6.4", "6.21"]):
        cids.append(put(str(number), round_document(number, cids[-1] if cids else None, figure, 4 if number else 0)))
    cids.append(put("3b", round_document(2, cids[1], "7.1", 2)))
    return cids
