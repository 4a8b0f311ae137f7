"""How an operator of the graph reads what it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

Inputs = Sequence[Any]
"""Tensors; None where an optional one is not given."""
Attributes = Mapping[str, Any]
Apply = Callable[[Inputs, Attributes, bool], Any]
"""(inputs, attributes, training) to one tensor or, for Split, a tuple of them."""


def together(inputs: Sequence[Tensor]) -> list[Tensor]:
    """All on one device: a few numbers on the CPU join the activations on the accelerator."""
    device = next((value.device for value in inputs if value.device.type != "cpu"), None)
    return list(inputs) if device is None else [value.to(device) for value in inputs]


def ints(value: Tensor) -> list[int]:
    return [int(number) for number in value.reshape(-1).tolist()]


def each(a: Attributes, name: str, spatial: int, default: int = 1) -> list[int]:
    return list(a.get(name, (default,) * spatial))


def pads(a: Attributes, spatial: int) -> tuple[list[int], list[int]]:
    pads = each(a, "pads", 2 * spatial, 0)
    return pads[:spatial], pads[spatial:]


def innermost_first(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """Padding as torch takes it: last axis first, before and after in turn."""
    return [width for pair in zip(reversed(before), reversed(after), strict=True) for width in pair]
