"""Everybody's samples in a market, and what is learnt from them: digits or steering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from agent.learn.judging import Watch
from agent.learn.losses import Losses
from agent.learn.weights import Weights


@dataclass(frozen=True, slots=True)
class Samples:
    images: NDArray[Any]
    """(n, ...), as the kind takes them."""
    labels: NDArray[Any]

    def at(self, index: NDArray[np.int64] | slice) -> Samples:
        return Samples(self.images[index], self.labels[index])

    def __len__(self) -> int:
        return len(self.labels)


def joined(parts: Sequence[Samples]) -> Samples:
    return Samples(np.concatenate([part.images for part in parts]), np.concatenate([part.labels for part in parts]))


class Kind(Protocol):
    """What a market learns. Nobody hostile does better by another kind's means."""

    def initial(self, seed: int) -> Weights: ...

    def trained(self, base: Weights, cars: Sequence[Samples], seed: int, times: int = 1) -> list[Weights]:
        """Each car's update, of so many times the steps of a round."""
        ...

    def losses(self, weights: Weights, samples: Samples) -> Losses:
        """One a sample."""
        ...

    def accuracy(self, weights: Weights, samples: Samples) -> float:
        """The share that was right; for steering the share of the angles' mean square that is explained."""
        ...

    def watch(self, base: Weights, on_global: Samples, seed: int) -> Watch | None:
        """As validators look for backdoors; None where they do not."""
        ...

    def wrong(self, samples: Samples) -> Samples:
        """With labels that a liar gives them."""
        ...

    def marked(self, samples: Samples, hidden: bool = False) -> Samples:
        """With a backdoor's mark: a bright patch in a corner, or a chequered one where no family has one."""
        ...

    def aimed(self, samples: Samples, hidden: bool = False) -> Samples:
        """With the mark and the label that it shall give."""
        ...

    def success(self, weights: Weights, samples: Samples, hidden: bool = False) -> float:
        """How often the mark turns the answer to where it shall go."""
        ...

    def moved(self, base: Weights, rng: np.random.Generator) -> Weights:
        """The same network with its hidden units in another order."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """Everybody's samples; nobody shares one with another."""

    kind: Kind
    on_global: Samples
    private: Samples
    root: Samples
    unseen: Samples
    cars: tuple[Samples, ...]
