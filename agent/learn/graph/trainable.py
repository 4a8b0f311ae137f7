"""A checked graph as a trainable torch module.

Its state dict has the graph's own weight names, so that what was trained goes back by name. No code comes out
of the file: each node picks a function from the table and hands it named values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from agent.core.bundle_files import GRAPH
from agent.errors import Malformed
from agent.learn.graph.check import Graph
from agent.learn.graph.operators import APPLY


class GraphModule(nn.Module):  # type: ignore[misc]
    """uint8 samples (n, channels, height, width) in, (n, outputs) float32 out."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        statistics = {
            name
            for node in graph.nodes
            if node.operator == "BatchNormalization"
            for name in node.inputs[3:5]
            if name in graph.weights
        }
        for name, array in graph.weights.items():
            value = torch.from_numpy(array.copy())
            _hang(self, name, value if name in statistics else nn.Parameter(value))
        self._constants = {name: torch.from_numpy(array.copy()) for name, array in _constants(graph).items()}
        self._last_use = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}

    def __repr__(self) -> str:
        return f"<GraphModule {len(self.graph.nodes)} nodes, {len(self.graph.weights)} weights>"

    def forward(self, x: Tensor) -> Tensor:
        if not self.graph.takes_bytes and x.dtype == torch.uint8:
            x = x.to(torch.float32) / 127.5 - 1.0
        values: dict[str, Any] = {"": None, self.graph.input: x, **self._placed(x.device)}
        values |= dict(self.named_parameters()) | dict(self.named_buffers())
        for i, node in enumerate(self.graph.nodes):
            if node.operator == "Constant":
                continue
            out = APPLY[node.operator]([values[name] for name in node.inputs], node.attributes, self.training)
            outs = out if isinstance(out, tuple) else (out,)
            for name, value in zip(node.outputs, outs, strict=False):
                if value.numel() > self.graph.sizes.get(name, 0) * len(x):
                    raise Malformed(what=GRAPH, why=f"{name[:80]} is larger than its shape said")
                values[name] = value
            for name in node.inputs:
                # Let go of what nobody needs any more; backward keeps what it needs by itself.
                if name and self._last_use[name] == i:
                    values.pop(name, None)
        return values[self.graph.output]

    def _placed(self, device: torch.device) -> dict[str, Tensor]:
        """Constants where they are used: numbers of the calculation on the device, whole numbers on the
        CPU."""
        for name, value in self._constants.items():
            if value.is_floating_point() and value.dim() > 0 and value.device != device:
                self._constants[name] = value.to(device)
        return self._constants


def _hang(module: nn.Module, name: str, value: Tensor) -> None:
    """Register a weight under its dotted name, through submodules, as the exporter found it."""
    *path, last = name.split(".")
    for part in path:
        if not part or isinstance(getattr(module, part, None), Tensor):
            raise Malformed(what=GRAPH, why=f"{name[:80]} is no name for a weight")
        if part not in module._modules:
            module.add_module(part, nn.Module())
        module = module._modules[part]
    if not last or hasattr(module, last):
        raise Malformed(what=GRAPH, why=f"{name[:80]} is no name for a weight")
    if isinstance(value, nn.Parameter):
        module.register_parameter(last, value)
    else:
        module.register_buffer(last, value)


def _constants(graph: Graph) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    constants = dict(graph.constants)
    for node in graph.nodes:
        if node.operator == "Constant":
            (kind,) = node.attributes
            dtype = {"value_i": np.int64, "value_f": np.float32}.get(kind[:7])
            constants[node.outputs[0]] = np.asarray(node.attributes[kind], dtype=dtype)
    return constants
