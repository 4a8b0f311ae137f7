"""The lag at which two signals of a drive agree best. How sure it is follows from drawing the drive's stretches anew
(bootstrap in blocks, Künsch 1989).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from agent.sense.latency import AT_ODDS, GAP_S, LEAST_S, NO_TURNS, Latency, too_short

Floats = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]

STEP_S = 0.05
EARLIEST_S, LATEST_S = -0.5, 2.0
"""Lags that are tried. A steering that is told late makes the picture look early."""
BLOCK_S = 10.0
LEAST_AGREEMENT = 0.5
"""Correlation below which steering and picture have nothing to do with each other."""
MOST_UNSURE_S = 0.1
"""A latency that is no surer is none."""
DRAWS = 200


def measure(moves_t: Floats, moves: Floats, turns_t: Floats, turns: Floats) -> Latency | str:
    """`moves`, (n, bands), widths a second to the right at `moves_t`; `turns`, (m,), to the left, in any unit, at
    `turns_t`; both times ascending, in seconds of one clock."""
    begin, end = min(moves_t[0], turns_t[0]), max(moves_t[-1], turns_t[-1])
    grid = np.arange(begin, end, STEP_S)
    seen, turned = known(grid, moves_t), known(grid, turns_t)
    if (shared := (seen & turned).sum() * STEP_S) < LEAST_S:
        return too_short(shared)
    turning = np.interp(grid, turns_t, turns)
    turning = np.where(turned, turning - turning[turned].mean(), 0.0)
    if np.std(turning[turned]) < 1e-9:
        return NO_TURNS
    best: tuple[float, Floats] | None = None
    for band in moves.T:
        calm = np.clip(band, *np.percentile(band, (1, 99)))  # a wrong match moves anywhere
        moving = np.interp(grid, moves_t, calm)
        moving = np.where(seen, moving - moving[seen].mean(), 0.0)
        sums = block_sums(moving, seen, turning, turned)
        strongest = max(agreement(sums.sum(axis=0)), key=abs)
        if best is None or abs(strongest) > abs(best[0]):
            best = float(strongest), sums
    assert best is not None  # noqa: S101 (there are bands)
    strongest, sums = best
    if strongest < -LEAST_AGREEMENT:
        return AT_ODDS
    if strongest < LEAST_AGREEMENT:
        return NO_TURNS
    seconds = peak(agreement(sums.sum(axis=0)))
    luck = np.random.default_rng(0)
    drawn = [peak(agreement(sums[luck.integers(len(sums), size=len(sums))].sum(axis=0))) for _ in range(DRAWS)]
    unsure = float(np.std(drawn))
    if math.isnan(seconds) or not unsure <= MOST_UNSURE_S:  # NaN where a draw has its peak at the edge
        return NO_TURNS
    return Latency(round(seconds, 3), round(max(unsure, 0.01), 3), round(strongest, 3))


def known(grid: Floats, t: Floats) -> Truths:
    """Where on the grid there is something on both sides that is near enough."""
    after = np.clip(np.searchsorted(t, grid), 1, len(t) - 1)
    inside = (grid >= t[0]) & (grid <= t[-1])
    near: Truths = inside & (t[after] - t[after - 1] <= GAP_S)
    return near


def block_sums(moving: Floats, seen: Truths, turning: Floats, turned: Truths) -> Floats:
    """For each block of the drive and each lag, what a correlation is made of: (blocks, 3, lags)."""
    lags = range(round(EARLIEST_S / STEP_S), round(LATEST_S / STEP_S) + 1)
    every = round(BLOCK_S / STEP_S)
    starts = np.arange(0, len(moving), every)
    sums = np.empty((len(starts), 3, len(lags)))
    for place, lag in enumerate(lags):
        there = seen & shifted(turned, lag)
        other = shifted(turning, lag) * there
        here = moving * there
        for row, product in enumerate((here * other, here * here, other * other)):
            sums[:, row, place] = np.add.reduceat(product, starts)
    return sums


def shifted(values: npt.NDArray[Any], lag: int) -> npt.NDArray[Any]:
    """Each value `lag` places later, noughts where there is none."""
    moved = np.zeros_like(values)
    if lag >= 0:
        moved[lag:] = values[: len(values) - lag]
    else:
        moved[:lag] = values[-lag:]
    return moved


def agreement(sums: Floats) -> Floats:
    """Correlation at each lag, of sums (3, lags)."""
    both, ours, theirs = sums
    found: Floats = both / np.maximum(np.sqrt(ours * theirs), 1e-12)
    return found


def peak(found: Floats) -> float:
    """The lag, in seconds, at which the correlation is highest, between the steps by a parabola; NaN at the edge."""
    at = int(found.argmax())
    if not 0 < at < len(found) - 1:
        return math.nan
    before, top, after = found[at - 1 : at + 2]
    curve = before - 2 * top + after
    between = 0.5 * (before - after) / curve if curve < 0 else 0.0
    return EARLIEST_S + (at + float(between)) * STEP_S
