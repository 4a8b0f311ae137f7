"""Who tries what: hostile cars of a market, each with an account of its own for each entry.

They know what is public (the base, the last step, these rules), what honest training on samples of their own gives,
and, where it helps them, what honest cars enter in the same roll.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.learn.weights import Weights, flat, shaped
from tools.bench.market.world import Samples, World, joined

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Round:
    """What a hostile car may use."""

    base: Weights
    honest: Sequence[Weights]
    own: Sequence[Weights]
    """What the hostile cars' own training gave."""
    last_step: Weights | None
    world: World
    rng: np.random.Generator

    def rows(self, updates: Sequence[Weights]) -> Vector:
        return np.stack([flat(update).astype(np.float64) for update in updates])

    def noise(self, length: float) -> Vector:
        drawn = self.rng.normal(size=sum(array.size for array in self.base.values()))
        return length * drawn / float(np.linalg.norm(drawn))

    def made(self, rows: Sequence[Vector] | Vector) -> list[Weights]:
        return [shaped(row.astype(np.float32), self.base) for row in rows]


@dataclass(frozen=True, slots=True)
class Attack:
    poison: Callable[[World, Samples], Samples] | None = None
    """What becomes of a hostile car's samples before it trains."""
    update: Callable[[Round], list[Weights]] | None = None
    """What the hostile cars enter instead of what they learnt."""
    late: bool = False
    """They enter after all others."""
    one_drive: bool = False
    """All have the same samples."""
    backdoor: bool = False
    """The success of the mark is measured."""
    hidden: bool = False
    """The mark is one that no family of triggers has."""


def _length(rows: Vector) -> float:
    return float(np.median(np.linalg.norm(rows, axis=1)))


def _sign_flip(at: Round) -> list[Weights]:
    return at.made(-at.rows(at.own))


def _gaussian(times: float) -> Callable[[Round], list[Weights]]:
    def update(at: Round) -> list[Weights]:
        length = times * _length(at.rows(at.own))
        return at.made([at.noise(length) for _ in at.own])

    return update


def _zero(at: Round) -> list[Weights]:
    return at.made(0 * at.rows(at.own))


def _alie(at: Round) -> list[Weights]:
    """A little is enough (Baruch et al. 2019): the mean less what hides in the spread."""
    rows = at.rows(at.own)
    return at.made([rows.mean(axis=0) - 1.0 * rows.std(axis=0)] * len(rows))


def _ipm(at: Round) -> list[Weights]:
    """Inner-product manipulation (Xie et al. 2020)."""
    rows = at.rows(at.own)
    return at.made([-1.0 * rows.mean(axis=0)] * len(rows))


def _min(of: Callable[[Vector], float]) -> Callable[[Round], list[Weights]]:
    """Min-max and min-sum (Shejwalkar and Houmansadr 2021): as far against the mean as no distance betrays."""

    def update(at: Round) -> list[Weights]:
        rows = at.rows(at.own)
        mean = rows.mean(axis=0)
        away = -mean / float(np.linalg.norm(mean))
        distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
        most = max(of(row) for row in distances)
        low, high = 0.0, 20 * float(np.linalg.norm(mean))
        for _ in range(30):
            middle = 0.5 * (low + high)
            far = of(np.linalg.norm(rows - (mean + middle * away), axis=1))
            low, high = (middle, high) if far <= most else (low, middle)
        return at.made([mean + low * away] * len(rows))

    return update


def _mimic(at: Round) -> list[Weights]:
    """All enter what one honest car did (Karimireddy et al. 2022)."""
    return [at.honest[0]] * len(at.own)


def _noisy_copy(at: Round) -> list[Weights]:
    rows = at.rows(at.honest)
    return at.made([row + at.noise(0.3 * float(np.linalg.norm(row))) for row, _ in zip(rows, at.own, strict=False)])


def _replay(times: float, noise: float) -> Callable[[Round], list[Weights]]:
    def update(at: Round) -> list[Weights]:
        if at.last_step is None:
            return _zero(at)
        (row,) = at.rows([at.last_step])
        return at.made([times * row + at.noise(noise * float(np.linalg.norm(row))) for _ in at.own])

    return update


def _scaled(times: float) -> Callable[[Round], list[Weights]]:
    return lambda at: at.made(times * at.rows(at.own))


def _boosted(at: Round) -> list[Weights]:
    return at.made(1.9 * at.rows(at.own))


def _relocation(at: Round) -> list[Weights]:
    """The base itself with its hidden units in another order: as good alone, and worthless in a mean."""
    found = list[Weights]()
    for _ in at.own:
        moved = at.world.kind.moved(at.base, at.rng)
        found.append({name: moved[name] - at.base[name] for name in moved})
    return found


def _leaked(at: Round) -> list[Weights]:
    """Trained on G itself, and on wrong labels of everything else that looks like it."""
    both = joined([at.world.on_global, at.world.on_global, at.world.kind.wrong(at.world.private)])
    return at.world.kind.trained(at.base, [both] * len(at.own), int(at.rng.integers(1 << 30)), 3)


def _inside(at: Round) -> list[Weights]:
    """Knows the rules: as much against the honest mean as is allowed when seen from it, the rest sideways."""
    rows = at.rows(at.own)
    mean = rows.mean(axis=0)
    unit, length = mean / float(np.linalg.norm(mean)), _length(rows)
    found = []
    for _ in rows:
        sideways = at.noise(1.0)
        sideways -= unit * float(sideways @ unit)
        found.append(length * (INSIDE * unit + np.sqrt(1 - INSIDE**2) * sideways / float(np.linalg.norm(sideways))))
    return at.made(found)


INSIDE = -0.02
"""Cosine to the honest mean, which is close to the root update."""


def _label_flip(world: World, samples: Samples) -> Samples:
    return world.kind.wrong(samples)


def _backdoor(share: int, hidden: bool = False) -> Callable[[World, Samples], Samples]:
    """Every `share`-th sample carries the mark and the label that it shall give."""
    return lambda world, samples: joined([samples, world.kind.aimed(samples.at(slice(None, None, share)), hidden)])


ATTACKS: dict[str, Attack] = {
    "sign-flip": Attack(update=_sign_flip),
    "gaussian": Attack(update=_gaussian(1.0)),
    "gaussian-long": Attack(update=_gaussian(5.0)),
    "zero": Attack(update=_zero),
    "label-flip": Attack(poison=_label_flip),
    "alie": Attack(update=_alie),
    "ipm": Attack(update=_ipm),
    "min-max": Attack(update=_min(lambda row: float(row.max()))),
    "min-sum": Attack(update=_min(lambda row: float(np.square(row).sum()))),
    "mimic": Attack(update=_mimic, late=True),
    "noisy-copy": Attack(update=_noisy_copy, late=True),
    "replay": Attack(update=_replay(1.0, 0.0)),
    "replay-x5": Attack(update=_replay(5.0, 0.0)),
    "replay-disguised": Attack(update=_replay(1.0, 1.0)),
    "honest-x5": Attack(update=_scaled(5.0)),
    "honest-x20": Attack(update=_scaled(20.0)),
    "sybil": Attack(one_drive=True),
    "backdoor": Attack(poison=_backdoor(4), backdoor=True),
    "backdoor-boosted": Attack(poison=_backdoor(2), update=_boosted, backdoor=True),
    "backdoor-hidden": Attack(poison=_backdoor(4, hidden=True), backdoor=True, hidden=True),
    "relocation": Attack(update=_relocation),
    "leaked-g": Attack(update=_leaked),
    "inside-the-bound": Attack(update=_inside),
    "quiet-noise": Attack(update=_gaussian(0.95)),
}
