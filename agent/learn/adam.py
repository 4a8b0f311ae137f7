"""Adam (Kingma and Ba 2015, algorithm 1), with its moments where a checkpoint can name them.

torch's own brings in its compiler on construction: a second of start-up and 100 MB that a small board
misses.
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
        size = learning_rate / (1 - BETA1**number)
        root = (1 - BETA2**number) ** 0.5
        values, gradients = list(self.parameters.values()), self.gradients()
        first, second = list(self.first.values()), list(self.second.values())
        torch._foreach_lerp_(first, gradients, 1 - BETA1)
        torch._foreach_mul_(second, BETA2)
        torch._foreach_addcmul_(second, gradients, gradients, 1 - BETA2)
        spread = torch._foreach_sqrt(second)
        torch._foreach_div_(spread, root)
        torch._foreach_add_(spread, EPSILON)
        torch._foreach_addcdiv_(values, first, spread, -size)
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
