"""Adam (Kingma and Ba 2015, algorithm 1), with its moments where a checkpoint can name them.

torch's own class brings in its compiler on construction: a second of start-up and 100 MB that a small
board misses. The kernel beneath it, one pass over the memory instead of seven, comes without.
"""

from __future__ import annotations

import torch

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Updates `parameters`, name to tensor, in place from their `.grad`."""

    def __init__(self, parameters: dict[str, torch.Tensor]) -> None:
        self.parameters = parameters
        self.first = {name: torch.zeros_like(value) for name, value in parameters.items()}
        self.second = {name: torch.zeros_like(value) for name, value in parameters.items()}

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, number: int, learning_rate: float) -> None:
        """Step `number`, counted from 1. Clears the gradients."""
        values = list(self.parameters.values())
        count = torch.full((), float(number), device=values[0].device)
        torch._fused_adam_(
            values,
            self.gradients(),
            list(self.first.values()),
            list(self.second.values()),
            [],
            [count] * len(values),
            lr=learning_rate,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=0.0,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )
        self.clear()

    def gradients(self) -> list[torch.Tensor]:
        """In the parameters' order; zeros for one that the output does not depend on."""
        for value in self.parameters.values():
            if value.grad is None:
                value.grad = torch.zeros_like(value)
        return [value.grad for value in self.parameters.values()]

    def clear(self) -> None:
        for value in self.parameters.values():
            value.grad = None
