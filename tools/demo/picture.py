"""Predicted against true steering, round by round, on frames that no vehicle saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from agent.learn import checkpoint, graph
from agent.learn.runner import Runner
from agent.market import bundle
from tools.demo.stage import INPUT, TASK, Stage

SECONDS = 30.0


def draw(scene: Stage, history: list[dict[str, Any]], file: Path) -> None:
    """A PNG: one row a round."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    unseen = scene.course.unseen(INPUT, SECONDS)
    seconds = np.linspace(0, SECONDS, len(unseen))
    rounds = [(n, row) for n, row in enumerate(history) if row["cid"]]
    figure, rows = plt.subplots(len(rounds), 1, figsize=(11, 2.4 * len(rounds)), sharex=True, squeeze=False)
    for axes, (number, row) in zip(rows[:, 0], rounds, strict=True):
        predicted = _predicted(scene, row["cid"], unseen.images)
        rmse = float(np.sqrt(np.mean((predicted - unseen.labels) ** 2)))
        axes.plot(seconds, unseen.labels, color="0.55", linewidth=1.2, label="driver")
        axes.plot(seconds, predicted, color="tab:blue" if number else "tab:red", linewidth=1.2, label="network")
        axes.set_ylabel("steering (deg, + left)")
        axes.set_title(f"round {number}: {rmse:.2f} deg RMSE on these frames", loc="left", fontsize=10)
        axes.legend(loc="upper right", fontsize=8)
        axes.grid(alpha=0.3)
    rows[-1, 0].set_xlabel("seconds of the drive's part that no vehicle saw")
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    plt.close(figure)


def _predicted(scene: Stage, cid: str, images: np.ndarray) -> np.ndarray:
    from agent.content.store import open_store
    from agent.core.cid import Cid

    folder = scene.folder / "seen" / cid
    if not folder.is_dir():
        folder.parent.mkdir(exist_ok=True)
        store = open_store([f"folder:{scene.folder / 'content'}"], scene.folder / "seen")
        store.get(Cid.parse(cid), folder, bundle.ROUND_LIMITS)
    values = checkpoint.read_weights(folder / bundle.WEIGHTS)
    outputs = Runner(graph.check(folder / bundle.GRAPH), values).run(images)
    return outputs[:, 0] * float(TASK.scale)
