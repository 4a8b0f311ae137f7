"""A roll reviewed by the product's own judging, against scoring the global set as often as the roll holds entries."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TypeVar

import click
import numpy as np

from agent.core.ids import StakeId
from agent.core.money import UNIT
from agent.learn import graph, judging, networks
from agent.learn.export import export
from agent.learn.judging import JudgedRoll, RollEntry, Rules
from agent.learn.runner import Runner
from agent.learn.score import Scorer
from agent.learn.testset import TestSet
from agent.learn.weights import Weights, flat, shaped
from tools.bench.plain_round import plain_round

T = TypeVar("T")
LEARNT, NOISE = 0.3, 1.0
"""Of an update, in lengths of what there is to learn: two honest ones point as far apart as on real roads."""


@click.command()
@click.option("--entries", default=32, show_default=True)
@click.option("--samples", default=1000, show_default=True, help="Of the global set, and of the private one.")
@click.option("--width", default=100, show_default=True, help="PilotNet's width in per cent.")
@click.option("--private", is_flag=True, help="A private set is scored too, as validators do.")
@click.option("--seed", default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The last line is one JSON object.")
def main(entries: int, samples: int, width: int, private: bool, seed: int, as_json: bool) -> None:
    """Processor time of judging, crediting and fusing a roll, in bare scorings of the global set."""
    round_ = plain_round(hyper={"width_percent": width})
    checked = graph.check(export(networks.build(round_, seed=seed), round_.input))
    scorer, rng = Scorer(checked, round_.task), np.random.default_rng(seed)
    base = checked.weights
    aim = _change(base, rng)
    there = {name: base[name] + aim[name] for name in base}

    def drawn() -> TestSet:
        images = rng.integers(0, 256, (samples, *checked.sample), dtype=np.uint8)
        labels = float(round_.task.scale) * Runner(checked, there).run(images)[:, 0]
        return TestSet(images, labels)

    def update() -> Weights:
        noise = _change(base, rng)
        return {name: np.float32(LEARNT) * (aim[name] + np.float32(NOISE) * noise[name]) for name in base}

    on_global, on_private = drawn(), drawn()
    roll, root = [RollEntry(1, StakeId(f"{i:02}"), update()) for i in range(entries)], update()
    rules = Rules(tolerance=0.97, gain_reference=0.05, pledge=entries * UNIT)

    def bare() -> None:
        for one in roll:
            at = {name: base[name] + one.update[name] / np.float32(entries) for name in base}
            scorer.score(at, on_global.images, on_global.labels)

    def review() -> JudgedRoll:
        theirs = scorer.on(on_private) if private else None
        return judging.judge_roll(
            base, roll, scorer.on(on_global), seed=bytes(32), rules=rules, root=root, private=theirs
        )

    bare_s, _ = _timed(bare)
    review_s, judged = _timed(review)
    again_s, _ = _timed(bare)
    bare_s = 0.5 * (bare_s + again_s)
    result = {
        "parameters": sum(array.size for array in base.values()),
        "entries": entries,
        "samples": samples,
        "private": private,
        "fused": sum(one.fused for one in judged.entries),
        "paid": sum(bool(one.credit) for one in judged.entries),
        "bare_s": round(bare_s, 3),
        "review_s": round(review_s, 3),
        "ratio": round(review_s / bare_s, 3),
        "entries_an_hour": round(3600 * entries / review_s),
    }
    click.echo(", ".join(f"{key} {value}" for key, value in result.items()))
    if as_json:
        click.echo(json.dumps(result))


def _change(base: Weights, rng: np.random.Generator) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """A tenth of each array's own length, anywhere."""
    row = flat(base)
    drawn = shaped(rng.normal(size=row.size).astype(np.float32), base)
    return {name: array * np.float32(0.1 * (base[name].std() or 0.1)) for name, array in drawn.items()}


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    """Processor seconds of this process."""
    start = time.process_time()
    done = work()
    return time.process_time() - start, done
