"""How much later than the road its picture comes, measured on a drive: when the car turns, the scene moves sideways.

The sideways movement between two frames is found by phase correlation (Kuglin and Hines 1975), in bands of the picture:
near the horizon it is the car's turning alone, lower down the road's own bends hide it, and no car's horizon stands
where another's does, so the band that fits best counts. How fast the car turns is steering times speed (a bicycle,
seen from far). Both are laid over each other at every lag; the lag at which they agree best is the latency. How sure
it is follows from drawing the drive's stretches anew (bootstrap in blocks, Künsch 1989).
"""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from agent.ports import Frame, Reading

if TYPE_CHECKING:
    from agent.sense.film import Image

Floats = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]

WIDTH, HEIGHT = 128, 72
"""Pixels that a frame is looked at with."""
BANDS = ((0.0, 0.2), (0.15, 0.35), (0.3, 0.5), (0.45, 0.65))
"""From and to, in heights from the top."""
KEPT = 9_000
"""Movements and turns remembered: seven minutes and more at 20 a second."""

STEP_S = 0.05
EARLIEST_S, LATEST_S = -0.5, 2.0
"""Lags that are tried. A steering that is told late makes the picture look early."""
GAP_S = 0.5
"""Across a longer silence nothing is interpolated."""
BLOCK_S = 10.0
LEAST_S = 60.0
"""Less of a drive says nothing."""
LEAST_AGREEMENT = 0.5
"""Correlation below which steering and picture have nothing to do with each other."""
MOST_UNSURE_S = 0.1
"""A latency that is no surer is none."""
DRAWS = 200


@dataclass(frozen=True, slots=True)
class Latency:
    """`seconds` from the moment at which the car turned to the picture of it. It holds what the car itself takes to
    answer its wheel, about 0.1 s."""

    seconds: float
    uncertainty_s: float
    """One standard deviation."""
    agreement: float
    """The correlation of turning and movement at this lag, 0 to 1."""


class SidewaysMotion:
    """How fast the scene moves to the right, in picture widths a second, band by band."""

    def __init__(self) -> None:
        self._t = -math.inf
        self._bands: list[Any] = []
        self._windows: list[Any] = []

    def look(self, t: float, image: Image) -> tuple[float, ...] | None:
        """The middle of the time since the last frame, and the speed in each band; None after a gap."""
        import cv2

        grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        small = cv2.resize(grey, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)
        small -= cv2.blur(small, (15, 15))  # light changes, edges stay
        bands = [small[int(top * HEIGHT) : int(end * HEIGHT)] for top, end in BANDS]
        if not self._windows:
            self._windows = [cv2.createHanningWindow(band.shape[::-1], cv2.CV_32F) for band in bands]
        before, self._bands = self._bands, bands
        began, self._t = self._t, t
        if not before or not 0 < t - began <= GAP_S:
            return None
        moved = [
            cv2.phaseCorrelate(old, new, window)[0][0]
            for old, new, window in zip(before, bands, self._windows, strict=True)
        ]
        return ((began + t) / 2, *(pixels / WIDTH / (t - began) for pixels in moved))


class LatencyMeter:
    """Takes frames of one thread and readings of another; `measure` may be asked from a third. Bounded memory."""

    def __init__(self) -> None:
        self._motion = SidewaysMotion()
        self._lock = threading.Lock()
        self._moves: deque[tuple[float, ...]] = deque(maxlen=KEPT)
        self._turns: deque[tuple[float, float, float]] = deque(maxlen=KEPT)
        self._kmh = math.nan

    def __repr__(self) -> str:
        return f"<LatencyMeter {len(self._moves)} movements, {len(self._turns)} turns>"

    def frame(self, frame: Frame) -> None:
        if (move := self._motion.look(frame.t, frame.image)) is not None:
            with self._lock:
                if self._moves and move[0] < self._moves[-1][0]:
                    self._moves.clear()
                self._moves.append(move)

    def reading(self, reading: Reading) -> None:
        with self._lock:
            if reading.speed_kmh is not None:
                self._kmh = reading.speed_kmh
            if reading.steering_deg is not None and math.isfinite(reading.steering_deg):
                if self._turns and reading.t < self._turns[-1][0]:  # the source's clock went back
                    self._turns.clear()
                self._turns.append((reading.t, reading.steering_deg, self._kmh))

    def measure(self) -> Latency | str:
        """The latency, or in a sentence why the drive does not show it."""
        with self._lock:
            moves, turns = np.array(self._moves), np.array(self._turns)
        if len(moves) < 2 or len(turns) < 2:
            return too_short(0.0)
        steering, kmh = turns[:, 1], turns[:, 2]
        rate = steering * kmh if np.isfinite(kmh).mean() > 0.9 else steering
        good = np.isfinite(rate)
        return measure(moves[:, 0], moves[:, 1:], turns[good, 0], rate[good])


def too_short(seconds: float) -> str:
    return f"The drive has shown {math.floor(seconds)} s of picture and steering; {LEAST_S:.0f} s are needed."


NO_TURNS = "The drive has too few turns to show it."
AT_ODDS = (
    "The picture turns against the steering. Positive steering is to the left: check the sign of its mapping, and "
    "that the picture is neither mirrored nor upside down."
)


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
