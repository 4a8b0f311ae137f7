"""The learning rate of a round, which may fall by what the model has achieved (TCLearn, Lugan et al. 2019, 3.1).

A model that is nearly right learns in small steps: rate = learning_rate x (error / start)^power, never more than
learning_rate and never less than its floor. The error is the round's own figure on the global set, so that everybody
who has the round knows the rate.
"""

from __future__ import annotations

from decimal import Decimal

from agent.core.round import Decay, Figure, Recipe


def rate(recipe: Recipe, figure: Figure | None) -> float:
    """Adam's learning rate for a round of this figure. Without a decay, or a figure to go by, the recipe's own."""
    full, decay = float(recipe.learning_rate), recipe.decay
    if decay is None or decay.start is None or figure is None:
        return full
    share: float = min(1.0, float(error(figure) / decay.start)) ** float(decay.power)
    return full * max(float(decay.floor), share)


def started(recipe: Recipe, figure: Figure | None, before: Recipe | None) -> Recipe:
    """The recipe for a round's document: its decay starts where that of the round before did, or else at this round's
    own error."""
    decay = recipe.decay
    if decay is None or decay.start is not None:
        return recipe
    start = before.decay.start if before is not None and before.decay is not None else None
    if start is None and figure is not None and error(figure) > 0:
        start = error(figure)
    return recipe.model_copy(update={"decay": Decay(power=decay.power, floor=decay.floor, start=start)})


def error(figure: Figure) -> Decimal:
    """How far a figure is from the best there is: an RMSE as it is, what is missing of a share."""
    return figure.value if figure.better == "lower" else max(Decimal(0), 1 - figure.value)
