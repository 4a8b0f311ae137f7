"""Reading a stranger's graph: bounded bytes in, a plain description out, or a refusal that says why.

Needs no torch, so that a vehicle passes an offer over before it trains and a validator before it scores. What
comes out holds only operators of the table, every value defined before it is used, every shape known for one
sample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.core.bundle_files import GRAPH
from agent.core.round import Round
from agent.errors import Malformed, Refused
from agent.learn import kinds
from agent.learn.graph.file import operator_set, parsed, read
from agent.learn.graph.notes import strip
from agent.learn.graph.shapes import Shapes, infer
from agent.learn.graph.table import IR_VERSIONS, NEWER, OPERATORS, OPSETS, RUNNABLE_IR, RUNNABLE_OPSET

MANY_SAMPLES = 64
CHANNELS = (1, 3)
"""Grey or colour: what a round's samples have."""
MOVES = frozenset({"Identity", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Dropout", "Cast", "Transpose"})
"""Operators that leave every number what it is."""
SHARES = frozenset({"Softmax", "Sigmoid", "HardSigmoid"})
Attribute = int | float | str | tuple[int, ...] | tuple[float, ...] | NDArray[Any]


class UnknownOperator(Refused):
    """The operator {what} was refused: {why}. The offer is passed over."""


@dataclass(frozen=True, slots=True)
class GraphLimits:
    """What a machine is willing to take on. Activations and multiplications are for one sample."""

    file_bytes: int = 256 << 20
    structure_bytes: int = 8 << 20
    """All but the weights."""
    nodes: int = 4096
    parameters: int = 50_000_000
    activation_bytes: int = 256 << 20
    multiply_adds: int = 20_000_000_000


@dataclass(frozen=True, slots=True)
class Node:
    operator: str
    inputs: tuple[str, ...]
    """An empty name: an optional input that is not given."""
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, slots=True)
class Graph:
    """A checked graph with one image in and one row of numbers out."""

    proto: Any
    """The ModelProto, normalised: what `weights.put` writes into, and what is published. It says nothing of the
    computer that exported it; what the oldest allowed runtime can read, it reads."""
    nodes: tuple[Node, ...]
    constants: Mapping[str, NDArray[Any]]
    weights: Mapping[str, NDArray[np.float32]]
    """What training changes: float32 arrays, normalisation statistics among them."""
    input: str
    takes_bytes: bool
    """Its input is uint8; otherwise it is float32 and gets pixels scaled to [-1, 1]."""
    sample: tuple[int, int, int]
    """Channels, height, width."""
    output: str
    outputs: int
    shares: str | None
    """The operator that makes shares of what would be logits at the end, or None."""
    sizes: Mapping[str, int]
    """How many numbers each value has for one sample."""
    activation_bytes: int
    multiply_adds: int


def check(source: bytes | Path, limits: GraphLimits = GraphLimits()) -> Graph:
    """Raises UnknownOperator or Malformed; what comes back is safe to build, to train and to run."""
    proto = parsed(read(source, limits.file_bytes), limits.structure_bytes)
    _structure(proto, limits)
    _untie(proto.graph)
    arrays = {tensor.name: _array(tensor) for tensor in proto.graph.initializer}
    nodes = tuple(_node(node) for node in proto.graph.node)
    _order(proto.graph, nodes, arrays)
    image, takes_bytes, sample = _input(proto.graph, arrays)
    output = proto.graph.output[0].name
    shapes, many = infer(proto, image), infer(proto, image, MANY_SAMPLES)
    _groups(nodes, shapes)
    _grows_evenly(shapes, many)
    outputs = _outputs(shapes[output], many[output])
    weights = _weights(nodes, arrays)
    costs = sum(_activation_bytes(node, shapes) for node in nodes)
    work = sum(_multiply_adds(node, shapes) for node in nodes)
    _afford(sum(array.size for array in weights.values()), costs, work, limits)
    return Graph(
        proto=proto,
        nodes=nodes,
        constants={name: array for name, array in arrays.items() if name not in weights},
        weights=weights,
        input=image,
        takes_bytes=takes_bytes,
        sample=sample,
        output=output,
        outputs=outputs,
        shares=_shares(nodes, output),
        sizes={name: math.prod(shape) for name, shape in shapes.items()},
        activation_bytes=costs,
        multiply_adds=work,
    )


def fits(graph: Graph, round: Round) -> None:
    """Raises Malformed unless the graph takes the round's samples and gives what its task needs."""
    if graph.sample != round.input.sample:
        raise Malformed(what=GRAPH, why=f"it takes samples of {graph.sample}, the round's are {round.input.sample}")
    kind = kinds.of(round.task, round.input.sample)
    if graph.outputs != kind.outputs:
        raise Malformed(what=GRAPH, why=f"it gives {graph.outputs} numbers, the round's task needs {kind.outputs}")
    if kind.takes_logits:
        gives_logits(graph)


def gives_logits(graph: Graph) -> None:
    """Raises Malformed where it ends in shares."""
    if graph.shares:
        why = f"it ends in {graph.shares}, and the loss takes logits: export it without that last layer"
        raise Malformed(what=GRAPH, why=why)


def _structure(proto: Any, limits: GraphLimits) -> None:
    graph = proto.graph
    version = operator_set(proto)
    if version not in OPSETS:
        why = f"operator set {version}, {OPSETS[0]} to {OPSETS[-1]} are read: export it with opset_version=17"
        raise Malformed(what=GRAPH, why=why)
    if proto.ir_version not in IR_VERSIONS:
        why = (
            f"file format {proto.ir_version}, {IR_VERSIONS[0]} to {IR_VERSIONS[-1]} are read: load it with the onnx"
            f" package, set model.ir_version = {RUNNABLE_IR} and save it"
        )
        raise Malformed(what=GRAPH, why=why)
    _runnable(proto, version)
    strip(proto)
    if proto.functions or proto.training_info or graph.sparse_initializer or graph.quantization_annotation:
        raise Malformed(what=GRAPH, why="functions, training graphs and sparse weights are not read")
    if not 0 < len(graph.node) <= limits.nodes or len(graph.initializer) > limits.nodes:
        raise Malformed(what=GRAPH, why=f"{len(graph.node)} nodes, 1 to {limits.nodes} are read")
    if len(graph.output) != 1:
        raise Malformed(what=GRAPH, why=f"{len(graph.output)} outputs instead of one")


def _runnable(proto: Any, version: Any) -> None:
    """Say the same in the formats of the oldest allowed runtime, where no operator is younger than these."""
    needed = max((NEWER.get(node.op_type, RUNNABLE_OPSET) for node in proto.graph.node), default=RUNNABLE_OPSET)
    del proto.opset_import[:]
    proto.opset_import.add(domain="", version=min(version, needed))
    proto.ir_version = min(proto.ir_version, RUNNABLE_IR)


def _untie(graph: Any) -> None:
    """Give every Identity of a weight its own copy. The TorchScript exporter merges weights that happen to be
    equal, as all fresh scales and offsets are; training must be able to part them again."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in list(graph.node):
        if node.op_type == "Identity" and len(node.input) == len(node.output) == 1 and node.input[0] in tensors:
            copy = graph.initializer.add()
            copy.CopyFrom(tensors[node.input[0]])
            copy.name = node.output[0]
            tensors[copy.name] = copy
            graph.node.remove(node)


def _array(tensor: Any) -> NDArray[Any]:
    from onnx import TensorProto, numpy_helper

    if tensor.data_location != TensorProto.DEFAULT or tensor.external_data:
        why = f"{tensor.name[:80]} lies in another file: export it with external_data=False, or dynamo=False"
        raise Malformed(what=GRAPH, why=why)
    readable = {
        TensorProto.FLOAT: 4,
        TensorProto.DOUBLE: 8,
        TensorProto.INT64: 8,
        TensorProto.INT32: 4,
        TensorProto.BOOL: 1,
    }
    if tensor.data_type not in readable:
        kind = _kind(tensor.data_type)
        raise Malformed(what=GRAPH, why=f"{tensor.name[:80]} holds {kind}, which is not read: export it in float32")
    count = math.prod(tensor.dims)
    given = len(tensor.raw_data) // readable[tensor.data_type] or sum(
        len(part) for part in (tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data)
    )
    if min(tensor.dims, default=0) < 0 or count != given:
        raise Malformed(what=GRAPH, why=f"{tensor.name[:80]} has {given} numbers for its shape")
    array: NDArray[Any] = numpy_helper.to_array(tensor)
    if array.dtype.kind == "f" and not np.isfinite(array).all() and array.size > 1:
        raise Malformed(what=GRAPH, why=f"{tensor.name[:80]} holds a value that is not finite")
    return array


def _kind(number: int) -> str:
    from onnx import TensorProto

    known = number in TensorProto.DataType.values()
    return str(TensorProto.DataType.Name(number)).lower() if known else f"numbers of kind {number}"


def _node(node: Any) -> Node:
    if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
        name = f"{node.domain}.{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type
        raise UnknownOperator(what=name[:80], why="this version of Milepost does not know it")
    operator = OPERATORS[node.op_type]
    if not operator.least <= len(node.input) <= operator.most or not node.output:
        raise Malformed(what=GRAPH, why=f"a {node.op_type} with {len(node.input)} inputs")
    attributes = {attribute.name: _attribute(attribute) for attribute in node.attribute}
    for name, value in attributes.items():
        if name not in operator.attributes:
            raise UnknownOperator(what=node.op_type, why=f"its attribute {name[:80]} is not known")
        choice = operator.attributes[name]
        if choice is not None and value not in choice:
            raise UnknownOperator(what=node.op_type, why=f"{name}={str(value)[:80]} is not known")
    return Node(node.op_type, tuple(node.input), tuple(node.output), attributes)


def _attribute(attribute: Any) -> Attribute:
    from onnx import AttributeProto

    match attribute.type:
        case AttributeProto.INT:
            return int(attribute.i)
        case AttributeProto.FLOAT:
            return float(attribute.f)
        case AttributeProto.STRING:
            return str(attribute.s.decode(errors="replace"))
        case AttributeProto.INTS:
            return tuple(int(value) for value in attribute.ints)
        case AttributeProto.FLOATS:
            return tuple(float(value) for value in attribute.floats)
        case AttributeProto.TENSOR:
            return _array(attribute.t)
    raise Malformed(what=GRAPH, why=f"the attribute {attribute.name[:80]} is a graph, or of a kind not read")


def _order(graph: Any, nodes: tuple[Node, ...], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Every value has one origin and is defined before it is used, so there is no loop."""
    inputs = {value.name for value in graph.input}
    known = inputs | arrays.keys()
    if len(arrays) != len(graph.initializer) or "" in known:
        raise Malformed(what=GRAPH, why="two weights of one name, or one without a name")
    for node in nodes:
        for name in node.inputs:
            if name and name not in known:
                raise Malformed(what=GRAPH, why=f"{name[:80]} is used before it is defined")
        for name in filter(None, node.outputs):
            if name in known:
                raise Malformed(what=GRAPH, why=f"{name[:80]} is defined twice")
            known.add(name)
    if graph.output[0].name not in known - inputs - arrays.keys():
        raise Malformed(what=GRAPH, why="its output is not computed")


def _input(graph: Any, arrays: Mapping[str, NDArray[Any]]) -> tuple[str, bool, tuple[int, int, int]]:
    from onnx import TensorProto

    inputs = [value for value in graph.input if value.name not in arrays]
    if len(inputs) != 1:
        raise Malformed(what=GRAPH, why=f"{len(inputs)} inputs instead of one")
    kind = inputs[0].type.tensor_type
    dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim]
    if len(dims) != 4 or not all(dim and 0 < dim <= 4096 for dim in dims[1:]):
        given = ", ".join(
            str(dim or part.dim_param[:20] or "?") for dim, part in zip(dims, kind.shape.dim, strict=True)
        )
        why = (
            f"its input is ({given}), not (any number of samples, channels, height, width): only the first may be open,"
            " as dynamic_axes={'samples': {0: 'n'}} leaves it"
        )
        raise Malformed(what=GRAPH, why=why)
    if kind.elem_type not in (TensorProto.UINT8, TensorProto.FLOAT):
        raise Malformed(what=GRAPH, why=f"its input is {_kind(kind.elem_type)}, not uint8 or float32")
    channels, height, width = (int(dim or 0) for dim in dims[1:])
    if width in CHANNELS and channels not in CHANNELS:
        why = (
            f"its input is channels-last, {(channels, height, width)}: export it channels-first "
            f"(tf2onnx: --inputs-as-nchw {inputs[0].name[:80]})"
        )
        raise Malformed(what=GRAPH, why=why)
    _free(graph, inputs[0])
    return inputs[0].name, kind.elem_type == TensorProto.UINT8, (channels, height, width)


def _free(graph: Any, image: Any) -> None:
    """Let the number of samples be any. Exporters fix it unless they are told not to; most graphs hold for others,
    and one that does not is found out when its shapes are worked out."""
    del graph.value_info[:]
    graph.output[0].type.tensor_type.ClearField("shape")
    image.type.tensor_type.shape.dim[0].dim_param = "n"


def _groups(nodes: tuple[Node, ...], shapes: Shapes) -> None:
    """ONNX's inference does not look at these: groups of equal size, a scale for each channel or each group."""
    for node in nodes:
        if node.operator == "GroupNormalization":
            groups, channels = node.attributes.get("num_groups"), shapes[node.inputs[0]][1]
            if not isinstance(groups, int) or groups < 1 or channels % groups:
                raise Malformed(what=GRAPH, why=f"{channels} channels in {str(groups)[:20]} groups")
            if any(shapes[name] not in ((channels,), (groups,)) for name in node.inputs[1:]):
                raise Malformed(what=GRAPH, why="a GroupNormalization whose scale fits neither channels nor groups")


def _grows_evenly(one: Shapes, many: Shapes) -> None:
    """A graph can calculate with the number of samples: nothing may grow faster than it."""
    for name, shape in many.items():
        if math.prod(shape) > MANY_SAMPLES * math.prod(one.get(name, ())):
            raise Malformed(what=GRAPH, why=f"{name[:80]} grows faster than the number of samples")


def _outputs(one: tuple[int, ...], many: tuple[int, ...]) -> int:
    if len(one) != 2 or one[0] != 1:
        raise Malformed(what=GRAPH, why=f"its output for one sample is {one}, not one row of numbers")
    if many != (MANY_SAMPLES, one[1]):
        raise Malformed(what=GRAPH, why=f"its output for {MANY_SAMPLES} samples is {many}: export it for any number")
    return one[1]


def _shares(nodes: tuple[Node, ...], output: str) -> str | None:
    """A softmax or sigmoid at the end, also behind operators that only move its numbers."""
    origin = {name: node for node in nodes for name in node.outputs}
    while (node := origin.get(output)) is not None:
        if node.operator in SHARES:
            return node.operator
        if node.operator not in MOVES:
            return None
        output = node.inputs[0]
    return None


def _weights(nodes: tuple[Node, ...], arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
    """float32 arrays that enter the calculation as more than a setting. Single numbers without a dimension
    are constants: exporters write factors such as 1/sqrt(d) so."""
    used = {
        name
        for node in nodes
        for position, name in enumerate(node.inputs)
        if position not in OPERATORS[node.operator].settings
    }
    return {n: a for n, a in arrays.items() if n in used and a.dtype == np.float32 and a.ndim > 0}


def _multiply_adds(node: Node, shapes: Shapes) -> int:
    """Of the layers that dominate: output numbers times what each of them sums over."""
    out = math.prod(shapes[node.outputs[0]])
    match node.operator:
        case "Conv":
            return out * math.prod(shapes[node.inputs[1]][1:])
        case "ConvTranspose":
            return math.prod(shapes[node.inputs[0]]) * math.prod(shapes[node.inputs[1]][1:])
        case "Gemm" | "MatMul":
            first = shapes[node.inputs[0]]
            return out * first[0 if node.attributes.get("transA") else -1]
        case "Attention":
            return out * (shapes[node.inputs[0]][-1] + 2 * shapes[node.inputs[1]][-2])
    return out


def _activation_bytes(node: Node, shapes: Shapes) -> int:
    """What a node computes, in float32. Attention also holds a number for each head and pair of places."""
    numbers = sum(math.prod(shapes[name]) for name in node.outputs if name)
    if node.operator == "Attention":
        query, key = shapes[node.inputs[0]], shapes[node.inputs[1]]
        heads = query[1] if len(query) == 4 else node.attributes.get("q_num_heads")
        if not isinstance(heads, int):
            raise Malformed(what=GRAPH, why="an Attention that does not say how many heads it has")
        numbers += query[0] * heads * query[-2] * key[-2]
    return 4 * numbers


def _afford(parameters: int, activation_bytes: int, multiply_adds: int, limits: GraphLimits) -> None:
    for what, cost, most in (
        ("weights", parameters, limits.parameters),
        ("bytes of activations a sample", activation_bytes, limits.activation_bytes),
        ("multiplications a sample", multiply_adds, limits.multiply_adds),
    ):
        if cost > most:
            raise Malformed(what=GRAPH, why=f"{cost} {what}, at most {most} are taken on")
