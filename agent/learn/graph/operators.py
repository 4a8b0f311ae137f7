"""What each operator of the table does, in torch.

Every function takes the node's inputs (None where an optional one is not given), its attributes with ONNX's
own defaults, and the module's mode. Shapes, axes and other whole numbers are tensors on the CPU whatever the
device.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from agent.learn.graph import layers, shaping
from agent.learn.graph.reading import Apply, Attributes, Inputs, ints, together

TYPES = {
    1: torch.float32,
    2: torch.uint8,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    11: torch.float64,
}
"""ONNX's numbers for what Cast casts to."""


def _prelu(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x, slope = inputs
    return torch.where(x > 0, x, x * slope)


def _selu(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    return a.get("gamma", 1.0507009) * F.elu(inputs[0], a.get("alpha", 1.6732632))


def _hard_sigmoid(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    return torch.clamp(inputs[0] * a.get("alpha", 0.2) + a.get("beta", 0.5), 0.0, 1.0)


def _clip(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x, least, most = (*inputs, None, None)[:3]
    if least is None and most is None:
        return x
    return torch.clamp(x, *(None if bound is None else bound.item() for bound in (least, most)))


def _dropout(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    share = inputs[1].item() if len(inputs) > 1 and inputs[1] is not None else 0.5
    return F.dropout(inputs[0], share, training)


def _div(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x, y = together(inputs)
    return torch.div(x, y) if x.is_floating_point() else torch.div(x, y, rounding_mode="trunc")


def _cast(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    return inputs[0].to(TYPES[a["to"]])


def _where(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    return torch.where(*together(inputs))


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Apply:
    return lambda inputs, a, training: function(*together(inputs))


def _unary(function: Callable[[Tensor], Tensor]) -> Apply:
    return lambda inputs, a, training: function(inputs[0])


def _fold(function: Callable[[Tensor, Tensor], Tensor]) -> Apply:
    """An operator over any number of inputs, two by two."""

    def apply(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
        out, *rest = together(inputs)
        for value in rest:
            out = function(out, value)
        return out

    return apply


def _over_space(function: Callable[..., Tensor]) -> Apply:
    return lambda inputs, a, training: function(inputs[0], dim=tuple(range(2, inputs[0].dim())), keepdim=True)


def _reduce(function: Callable[..., Tensor]) -> Apply:
    def apply(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
        x, axes = (*inputs, None)[:2]
        chosen = tuple(ints(axes)) if axes is not None else tuple(a.get("axes", ()))
        if not chosen and a.get("noop_with_empty_axes", 0):
            return x
        return function(x, dim=chosen or tuple(range(x.dim())), keepdim=bool(a.get("keepdims", 1)))

    return apply


APPLY: dict[str, Apply] = {
    "Conv": layers.conv,
    "ConvTranspose": layers.conv_transpose,
    "Gemm": layers.gemm,
    "MatMul": _binary(torch.matmul),
    "BatchNormalization": layers.batch_norm,
    "InstanceNormalization": layers.instance_norm,
    "LayerNormalization": layers.layer_norm,
    "GroupNormalization": layers.group_norm,
    "RMSNormalization": layers.rms_norm,
    "Attention": layers.attention,
    "PRelu": _prelu,
    "Relu": _unary(torch.relu),
    "Sigmoid": _unary(torch.sigmoid),
    "Tanh": _unary(torch.tanh),
    "Softplus": _unary(F.softplus),
    "Softsign": _unary(F.softsign),
    "HardSwish": _unary(F.hardswish),
    "Mish": _unary(F.mish),
    "Erf": _unary(torch.erf),
    "Elu": lambda inputs, a, training: F.elu(inputs[0], a.get("alpha", 1.0)),
    "Celu": lambda inputs, a, training: F.celu(inputs[0], a.get("alpha", 1.0)),
    "Selu": _selu,
    "LeakyRelu": lambda inputs, a, training: F.leaky_relu(inputs[0], a.get("alpha", 0.01)),
    "HardSigmoid": _hard_sigmoid,
    "Gelu": lambda inputs, a, training: F.gelu(inputs[0], approximate=a.get("approximate", "none")),
    "Softmax": lambda inputs, a, training: torch.softmax(inputs[0], a.get("axis", -1)),
    "LogSoftmax": lambda inputs, a, training: torch.log_softmax(inputs[0], a.get("axis", -1)),
    "Clip": _clip,
    "Dropout": _dropout,
    "Exp": _unary(torch.exp),
    "Log": _unary(torch.log),
    "Sqrt": _unary(torch.sqrt),
    "Reciprocal": _unary(torch.reciprocal),
    "Neg": _unary(torch.neg),
    "Abs": _unary(torch.abs),
    "Sign": _unary(torch.sign),
    "Floor": _unary(torch.floor),
    "Ceil": _unary(torch.ceil),
    "Sin": _unary(torch.sin),
    "Cos": _unary(torch.cos),
    "Not": _unary(torch.logical_not),
    "Add": _binary(torch.add),
    "Sub": _binary(torch.sub),
    "Mul": _binary(torch.mul),
    "Div": _div,
    "Pow": _binary(torch.pow),
    "And": _binary(torch.logical_and),
    "Or": _binary(torch.logical_or),
    "Equal": _binary(torch.eq),
    "Greater": _binary(torch.gt),
    "GreaterOrEqual": _binary(torch.ge),
    "Less": _binary(torch.lt),
    "LessOrEqual": _binary(torch.le),
    "Min": _fold(torch.minimum),
    "Max": _fold(torch.maximum),
    "Sum": _fold(torch.add),
    "Mean": lambda inputs, a, training: _fold(torch.add)(inputs, a, training) / len(inputs),
    "Where": _where,
    "MaxPool": layers.max_pool,
    "AveragePool": layers.mean_pool,
    "GlobalAveragePool": _over_space(torch.mean),
    "GlobalMaxPool": _over_space(torch.amax),
    "ReduceMean": _reduce(torch.mean),
    "ReduceSum": _reduce(torch.sum),
    "ReduceMax": _reduce(torch.amax),
    "ReduceMin": _reduce(torch.amin),
    "ReduceL2": _reduce(torch.linalg.vector_norm),
    "Identity": lambda inputs, a, training: inputs[0],
    "ConstantOfShape": shaping.constant_of_shape,
    "Shape": shaping.shape,
    "Cast": _cast,
    "CastLike": lambda inputs, a, training: inputs[0].to(inputs[1].dtype),
    "Reshape": shaping.reshape,
    "Flatten": shaping.flatten,
    "Transpose": shaping.transpose,
    "Squeeze": shaping.squeeze,
    "Unsqueeze": shaping.unsqueeze,
    "Concat": shaping.concat,
    "Split": shaping.split,
    "Slice": shaping.cut,
    "Gather": shaping.gather,
    "Expand": shaping.expand,
    "Tile": shaping.tile,
    "Range": shaping.progression,
    "Pad": shaping.pad,
    "DepthToSpace": shaping.depth_to_space,
    "SpaceToDepth": shaping.space_to_depth,
    "Resize": layers.resize,
}
