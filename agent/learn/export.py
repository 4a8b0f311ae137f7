"""A built-in network as `model.onnx`, once per round, by the initiator. Validators then need no torch."""

from __future__ import annotations

import copy
import io
import warnings
from typing import TYPE_CHECKING

from agent.core.round import Input
from agent.errors import Malformed
from agent.learn import graph

if TYPE_CHECKING:
    from torch import nn

OPSET = 17


def export(network: nn.Module, spec: Input) -> bytes:
    """The network's graph with its weights, named as in its state dict: uint8 samples in, any number of them.

    Raises Malformed when the exporter renamed, merged or folded a weight away.
    """
    checked = graph.check(_traced(network, spec))
    return graph.put(checked, {name: value.numpy() for name, value in network.cpu().state_dict().items()})


def _traced(network: nn.Module, spec: Input) -> bytes:
    import torch

    twin = copy.deepcopy(network).cpu().eval()
    with torch.no_grad():
        # The exporter merges weights that are equal, as fresh biases are; no two of these are.
        for number, value in enumerate(twin.state_dict().values()):
            if not value.is_floating_point():
                raise Malformed(what="the network", why="it has weights that are no floats")
            value.copy_(torch.linspace(0.5, 1.0, value.numel()).reshape(value.shape) + number)
    sample = torch.zeros(2, spec.channels, spec.height, spec.width, dtype=torch.uint8)
    file = io.BytesIO()
    with warnings.catch_warnings():
        # torch recommends its newer exporter, which needs another package and folds constants into weights.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            twin,
            (sample,),
            file,
            dynamo=False,
            opset_version=OPSET,
            input_names=["samples"],
            output_names=["out"],
            dynamic_axes={"samples": {0: "n"}, "out": {0: "n"}},
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )
    return file.getvalue()
