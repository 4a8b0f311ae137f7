"""The shape of every value in a graph, known before anything is computed.

ONNX's own inference does the work; where a shape is itself calculated (from `Shape` on, through a few small
whole numbers), those numbers are worked out with the reference implementation and inference runs again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.core.bundle_files import GRAPH
from agent.errors import Malformed

Shapes = Mapping[str, tuple[int, ...]]

SMALL = 64
"""Shape arithmetic is on a handful of numbers; nothing larger is worked out here."""
PASSES = 64
ARITHMETIC = frozenset(
    {
        *("Add", "Cast", "CastLike", "Ceil", "Concat", "Constant", "ConstantOfShape", "Div", "Equal"),
        *("Expand", "Floor", "Gather", "Greater", "Identity", "Less", "Max", "Min", "Mul", "Neg"),
        *("Range", "Reshape", "Slice", "Split", "Sqrt", "Squeeze", "Sub", "Unsqueeze", "Where"),
    }
)

SHAPE_KEPT = frozenset({"GroupNormalization", "RMSNormalization"})
"""Operators that ONNX describes by others, which its inference does not look into: what goes in comes out as large."""


def infer(proto: Any, image: str, samples: int = 1) -> dict[str, tuple[int, ...]]:
    """Shapes by name, for so many samples. Raises Malformed when one is contradictory or cannot be known
    ahead."""
    from onnx import shape_inference

    model = _light(proto, image, samples)
    numbers = {t.name: _small(t) for t in model.graph.initializer}
    for _ in range(PASSES):
        try:
            inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        except (shape_inference.InferenceError, ValueError, RuntimeError) as error:
            raise Malformed(what=GRAPH, why=" ".join(str(error).split())[:200]) from None
        shapes = _known(inferred.graph)
        missing = [name for node in model.graph.node for name in node.output if name and name not in shapes]
        if not missing:
            return shapes
        if not _work_out(model, shapes, numbers):
            raise Malformed(what=GRAPH, why=f"the shape of {missing[0][:80]} cannot be known ahead")
    raise Malformed(what=GRAPH, why="its shapes take too long to work out")


def _light(proto: Any, image: str, samples: int) -> Any:
    """The graph for so many samples, with large weights as bare shapes."""
    import onnx
    from onnx import helper

    graph = onnx.GraphProto(name="graph", node=proto.graph.node, output=proto.graph.output)
    for node in graph.node:
        if node.op_type in SHAPE_KEPT:
            node.CopyFrom(helper.make_node("Identity", node.input[:1], node.output[:1]))
    for value in proto.graph.input:
        if value.name == image:
            graph.input.add().CopyFrom(value)
            graph.input[-1].type.tensor_type.shape.dim[0].dim_value = samples
    for tensor in proto.graph.initializer:
        if np.prod(tensor.dims, dtype=np.float64) <= SMALL:
            graph.initializer.add().CopyFrom(tensor)
        else:
            graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    return helper.make_model(graph, opset_imports=proto.opset_import, ir_version=proto.ir_version)


def _known(graph: Any) -> dict[str, tuple[int, ...]]:
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim):
            shapes[value.name] = tuple(dim.dim_value for dim in kind.shape.dim)
    return shapes


def _work_out(model: Any, shapes: Shapes, numbers: dict[str, NDArray[Any]]) -> bool:
    """Replace nodes whose outcome follows from shapes alone by that outcome; says whether there was one."""
    from onnx import numpy_helper

    kept, found = [], False
    for node in model.graph.node:
        outcome = _outcome(node, shapes, numbers, model.opset_import)
        if outcome is None:
            kept.append(node)
            continue
        found = True
        for name, value in zip(node.output, outcome, strict=True):
            numbers[name] = value
            model.graph.initializer.append(numpy_helper.from_array(value, name))
    if found:
        nodes = [type(node).FromString(node.SerializeToString()) for node in kept]
        del model.graph.node[:]
        model.graph.node.extend(nodes)
    return found


def _outcome(node: Any, shapes: Shapes, numbers: Mapping[str, NDArray[Any]], opsets: Any) -> list[NDArray[Any]] | None:
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    if node.op_type == "Shape" and node.input[0] in shapes:
        given = {attribute.name: attribute.i for attribute in node.attribute}
        return [np.array(shapes[node.input[0]][given.get("start", 0) : given.get("end")], np.int64)]
    if node.op_type == "Constant" and math.prod(node.attribute[0].t.dims) > SMALL:
        return None
    if node.op_type not in ARITHMETIC or not all(name in numbers for name in node.input if name):
        return None
    if any(name not in shapes and node.op_type in ("ConstantOfShape", "Expand", "Range") for name in node.output):
        wanted = numbers[node.input[-1]] if node.op_type != "Range" else numbers[node.input[1]]
        if np.prod(wanted.astype(np.float64)) > SMALL or wanted.min(initial=0) < 0:
            return None
    inputs = [helper.make_empty_tensor_value_info(name) for name in node.input if name]
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output]
    graph = helper.make_graph([node], "one", inputs, outputs)
    try:
        session = ReferenceEvaluator(helper.make_model(graph, opset_imports=opsets))
        values = session.run(None, {name: numbers[name] for name in node.input if name})
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise Malformed(what=GRAPH, why=f"a {node.op_type} of shapes: {str(error)[:120]}") from None
    arrays = [np.asarray(value) for value in values]
    return arrays if all(array.size <= SMALL for array in arrays) else None


def _small(tensor: Any) -> NDArray[Any]:
    from onnx import numpy_helper

    array: NDArray[Any] = numpy_helper.to_array(tensor)
    return array
