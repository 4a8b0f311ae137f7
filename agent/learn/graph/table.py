"""The operators that a graph may use, with the attributes and values that are understood.

Whatever is not in this table is refused by name before a stake is at risk. Each operator here has its meaning
in `operators.py`; a test holds that both name the same. Semantics are those of the ONNX operator
documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Value = int | float | str
Choice = tuple[Value, ...] | None
"""What an attribute may say; None: any value of its kind."""

OPSETS = range(17, 24)
"""Versions of the ONNX operator set that are read."""

IR_VERSIONS = range(4, 14)
"""Versions of the file format that are read."""
RUNNABLE_IR = 9
"""What onnxruntime 1.17 runs, the oldest that is allowed. Later formats add kinds of numbers and notes on devices, none
of which a checked graph holds: it says the same in this one."""
RUNNABLE_OPSET = 20
"""The newest operator set of that runtime. Later ones add kinds of numbers to what the operators here take, and
change or add the ones in NEWER."""
NEWER = {"GroupNormalization": 21, "RMSNormalization": 23, "Attention": 23}
"""What only a later set means or has: a graph with one needs a runtime that knows it."""
RUNTIMES = {RUNNABLE_OPSET: "1.17", 21: "1.18", 23: "1.23"}
"""The first onnxruntime that knows an operator set."""


@dataclass(frozen=True, slots=True)
class Operator:
    """What a node of this kind looks like."""

    least: int
    """Inputs, at least and at most."""
    most: int
    attributes: Mapping[str, Choice] = field(default_factory=dict)
    settings: frozenset[int] = frozenset()
    """Inputs that are settings (shapes, axes, scales) and so never weights."""


MANY = 4096
SPATIAL: dict[str, Choice] = {"dilations": None, "kernel_shape": None, "pads": None, "strides": None}
ANY_AUTO_PAD: dict[str, Choice] = {"auto_pad": ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")}
PLACES = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
NO_AUTO_PAD: dict[str, Choice] = {"auto_pad": ("NOTSET", "VALID")}


def _plain(count: int, *names: str) -> dict[str, Operator]:
    return {name: Operator(count, count) for name in names}


def _with(count: int, **attributes: Choice) -> Operator:
    return Operator(count, count, attributes)


OPERATORS: dict[str, Operator] = {
    # layers with weights
    "Conv": Operator(2, 3, {**SPATIAL, **ANY_AUTO_PAD, "group": None}),
    "ConvTranspose": Operator(2, 3, {**SPATIAL, **NO_AUTO_PAD, "group": None, "output_padding": None}),
    "Gemm": Operator(2, 3, {"alpha": None, "beta": None, "transA": (0, 1), "transB": (0, 1)}),
    "MatMul": Operator(2, 2),
    "BatchNormalization": Operator(5, 5, {"epsilon": None, "momentum": None, "training_mode": (0,)}),
    "InstanceNormalization": Operator(3, 3, {"epsilon": None}),
    "LayerNormalization": Operator(2, 3, {"axis": None, "epsilon": None, "stash_type": (1,)}),
    "GroupNormalization": Operator(3, 3, {"epsilon": None, "num_groups": None, "stash_type": (1,)}),
    "RMSNormalization": Operator(2, 2, {"axis": None, "epsilon": None, "stash_type": (1,)}),
    "Attention": Operator(
        3,
        4,
        {
            **{"q_num_heads": None, "kv_num_heads": None, "scale": None, "is_causal": (0, 1), "softcap": (0.0,)},
            **{"softmax_precision": (1,), "qk_matmul_output_mode": (0,)},
        },
    ),
    "PRelu": Operator(2, 2),
    # activations
    **_plain(1, "Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "HardSwish", "Mish", "Erf"),
    "Elu": _with(1, alpha=None),
    "Celu": _with(1, alpha=None),
    "Selu": _with(1, alpha=None, gamma=None),
    "LeakyRelu": _with(1, alpha=None),
    "HardSigmoid": _with(1, alpha=None, beta=None),
    "Gelu": _with(1, approximate=("none", "tanh")),
    "Softmax": _with(1, axis=None),
    "LogSoftmax": _with(1, axis=None),
    "Clip": Operator(1, 3, settings=frozenset({1, 2})),
    "Dropout": Operator(1, 3, {"seed": None}, frozenset({1, 2})),
    # arithmetic
    **_plain(1, "Exp", "Log", "Sqrt", "Reciprocal", "Neg", "Abs", "Sign", "Floor", "Ceil", "Sin", "Cos", "Not"),
    **_plain(2, "Add", "Sub", "Mul", "Div", "Pow", "And", "Or"),
    **_plain(2, "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"),
    **{name: Operator(1, MANY) for name in ("Min", "Max", "Sum", "Mean")},
    "Where": Operator(3, 3),
    # pooling and reduction
    "MaxPool": Operator(1, 1, {**SPATIAL, **NO_AUTO_PAD, "ceil_mode": (0, 1), "storage_order": (0,)}),
    "AveragePool": Operator(1, 1, {**SPATIAL, **NO_AUTO_PAD, "ceil_mode": (0, 1), "count_include_pad": (0, 1)}),
    **_plain(1, "GlobalAveragePool", "GlobalMaxPool"),
    **{
        name: Operator(1, 2, {"axes": None, "keepdims": (0, 1), "noop_with_empty_axes": (0, 1)}, frozenset({1}))
        for name in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2")
    },
    # shape
    "Identity": Operator(1, 1),
    "Constant": Operator(
        0, 0, {"value": None, "value_float": None, "value_floats": None, "value_int": None, "value_ints": None}
    ),
    "ConstantOfShape": Operator(1, 1, {"value": None}, frozenset({0})),
    "Shape": Operator(1, 1, {"start": None, "end": None}),
    "Cast": Operator(1, 1, {"to": (1, 2, 6, 7, 9, 11), "saturate": (1,)}),
    "CastLike": Operator(2, 2, {"saturate": (1,)}, frozenset({1})),
    "Reshape": Operator(2, 2, {"allowzero": (0, 1)}, frozenset({1})),
    "Flatten": _with(1, axis=None),
    "Transpose": _with(1, perm=None),
    "Squeeze": Operator(1, 2, settings=frozenset({1})),
    "Unsqueeze": Operator(2, 2, settings=frozenset({1})),
    "Concat": Operator(1, MANY, {"axis": None}),
    "Split": Operator(1, 2, {"axis": None, "num_outputs": None}, frozenset({1})),
    "Slice": Operator(3, 5, settings=frozenset({1, 2, 3, 4})),
    "Gather": Operator(2, 2, {"axis": None}, frozenset({1})),
    "Expand": Operator(2, 2, settings=frozenset({1})),
    "Tile": Operator(2, 2, settings=frozenset({1})),
    "Range": Operator(3, 3, settings=frozenset({0, 1, 2})),
    "Pad": Operator(2, 4, {"mode": ("constant", "reflect", "edge")}, frozenset({1, 2, 3})),
    "DepthToSpace": _with(1, blocksize=None, mode=("DCR", "CRD")),
    "SpaceToDepth": _with(1, blocksize=None),
    "Resize": Operator(
        1,
        4,
        {
            "mode": ("nearest", "linear", "cubic"),
            "coordinate_transformation_mode": PLACES,
            "nearest_mode": ("floor",),
            "cubic_coeff_a": None,
            "antialias": (0,),
            "exclude_outside": (0,),
            "extrapolation_value": None,
            "keep_aspect_ratio_policy": ("stretch",),
        },
        frozenset({1, 2, 3}),
    ),
}
