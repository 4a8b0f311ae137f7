"""Losses of weights on a test set, one a sample, and what of a difference is beyond their noise."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from agent.learn.weights import Weights

Losses = NDArray[np.float64]
Score = Callable[[Weights, slice], Losses]
"""Losses, one a sample, of weights on that part of a test set."""

ALL = slice(None)
ERRORS = 2.0
"""Standard errors that a gain must exceed to count."""


def falls(before: Losses, after: Losses) -> bool:
    """Whether the mean loss falls by more than two standard errors of the paired differences."""
    with np.errstate(invalid="ignore"):
        gain, error = mean_and_error(before - after)
    return gain > ERRORS * error


def mean_and_error(values: Losses) -> tuple[float, float]:
    """Of their mean; infinite where one of them is no number."""
    if len(values) < 2 or not np.isfinite(values).all():
        return float(values.mean()), math.inf
    return float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))
