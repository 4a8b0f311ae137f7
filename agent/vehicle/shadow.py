"""What the newest round would have done on this trip, beside the round before where there is one (`learn.shadow`).
Nothing steers by it.

Every tenth labelled frame is kept as a small sample, in memory, until arrival; then both rounds are run over them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agent.core.bundle_files import GRAPH, WEIGHTS
from agent.core.round import Round
from agent.ports import LabelledFrame

if TYPE_CHECKING:
    from agent.learn.device import Device
    from agent.learn.runner import Runner
    from agent.learn.samples import Image
    from agent.learn.shadow import Comparison

EVERY = 10
MOST = 400
"""Samples: 16 MB at 66 x 200. A longer trip is looked at up to there."""


class ShadowEvaluation:
    """`see` comes from the capture thread, `verdict` after it has ended."""

    def __init__(self, round_: Round) -> None:
        self._round = round_
        self._counted = 0
        self._samples: list[Image] = []
        self._labels: list[float] = []

    def __repr__(self) -> str:
        return f"<ShadowEvaluation {len(self._labels)} samples>"

    def see(self, frame: LabelledFrame) -> None:
        from agent.learn.samples import prepare

        if not isinstance(frame.label, float | int) or len(self._labels) >= MOST:
            return
        self._counted += 1
        if self._counted % EVERY == 0:
            self._samples.append(prepare(frame.image, self._round.input))
            self._labels.append(float(frame.label))

    def verdict(self, newest: Path, last: Path | None, machine: Device) -> Comparison | None:
        """The bundles' figures on what was seen; None when that was too little. Raises Malformed."""
        import numpy as np

        from agent.learn.samples import planes
        from agent.learn.shadow import Shadow

        if not self._samples:
            return None
        shadow = Shadow(_runner(newest, machine), _runner(last, machine) if last else None, self._round.task)
        shadow.see(np.ascontiguousarray(planes(np.stack(self._samples))), np.array(self._labels, np.float32))
        return shadow.verdict()


def _runner(folder: Path, machine: Device) -> Runner:
    from agent.learn import checkpoint, graph
    from agent.learn.runner import Runner

    return Runner(graph.check(folder / GRAPH), checkpoint.read_weights(folder / WEIGHTS), machine)
