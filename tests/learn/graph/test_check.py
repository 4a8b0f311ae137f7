"""Graphs from strangers that are not what they should be: refused with a reason before anything is at risk."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from agent.core.round import Input, Round, Task
from agent.errors import Malformed, Refused
from agent.learn import graph
from agent.learn.graph import GraphLimits, UnknownOperator
from agent.learn.graph.operators import APPLY
from agent.learn.graph.table import OPERATORS

FLOAT = TensorProto.FLOAT
ROOT = Path(__file__).resolve().parents[3]


def a_model() -> onnx.ModelProto:
    """A convolution, a mean over the picture and a linear layer: what every case below spoils in one place."""
    weights = {
        "conv.weight": np.ones((4, 3, 3, 3), np.float32),
        "fc.weight": np.ones((2, 4), np.float32),
        "fc.bias": np.zeros(2, np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight"], ["seen"]),
        helper.make_node("Relu", ["seen"], ["felt"]),
        helper.make_node("GlobalAveragePool", ["felt"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "fc.weight", "fc.bias"], ["out"], transB=1),
    ]
    made = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("out", FLOAT, ["n", 2])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _insert(model: onnx.ModelProto, *nodes: onnx.NodeProto, constants: dict[str, np.ndarray] | None = None) -> None:
    """Put nodes between "felt" and the pooling; the last one's output is pooled."""
    kept = list(model.graph.node)
    kept[2].input[0] = nodes[-1].output[0]
    del model.graph.node[:]
    model.graph.node.extend([*kept[:2], *nodes, *kept[2:]])
    for name, array in (constants or {}).items():
        model.graph.initializer.append(numpy_helper.from_array(array, name))


def _operator(model: onnx.ModelProto) -> None:
    model.graph.node[1].op_type = "NonMaxSuppression"


def _domain(model: onnx.ModelProto) -> None:
    model.graph.node[1].domain = "com.microsoft"


def _attribute(model: onnx.ModelProto) -> None:
    model.graph.node[4].attribute.append(helper.make_attribute("mystery", 1))


def _choice(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("auto_pad", "SOMEHOW"))


def _loop(model: onnx.ModelProto) -> None:
    _insert(model, helper.make_node("Loop", ["", "", "felt"], ["looped"], body=model.graph))


def _subgraph(model: onnx.ModelProto) -> None:
    model.graph.node[1].attribute.append(helper.make_attribute("alpha", model.graph))
    model.graph.node[1].op_type = "Elu"


def _cycle(model: onnx.ModelProto) -> None:
    model.graph.node[1].input[0] = "flat"


def _twice(model: onnx.ModelProto) -> None:
    model.graph.node[2].output[0] = "felt"


def _external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def _short(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].raw_data = b"\0" * 8


def _huge_dims(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[0] = 2**40


def _negative_dims(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[0] = -4
    model.graph.initializer[0].dims[1] = -3


def _nan(model: onnx.ModelProto) -> None:
    model.graph.initializer[2].raw_data = np.full(2, np.nan, np.float32).tobytes()


def _sparse(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add()


def _functions(model: onnx.ModelProto) -> None:
    model.functions.add(name="mine", domain="mine")


def _old(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 11


def _two_inputs(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("y", FLOAT, ["n", 3, 8, 8]))


def _two_outputs(model: onnx.ModelProto) -> None:
    model.graph.output.append(helper.make_tensor_value_info("flat", FLOAT, ["n", 4]))


def _fixed_batch(model: onnx.ModelProto) -> None:
    """Made for one sample, with that number written into the calculation."""
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    _insert(
        model, helper.make_node("Reshape", ["felt", "shape"], ["shaped"]), constants={"shape": np.array([1, 4, 6, 6])}
    )


def _groups(model: onnx.ModelProto) -> None:
    node = helper.make_node("GroupNormalization", ["felt", "scale", "scale"], ["even"], num_groups=3)
    _insert(model, node, constants={"scale": np.ones(4, np.float32)})
    model.opset_import[0].version = 21


def _open_size(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "h"


def _wrong_shapes(model: onnx.ModelProto) -> None:
    model.graph.initializer[1].dims[:] = [4, 2]


def _expanded(model: onnx.ModelProto) -> None:
    shape = {"shape": np.array([1, 4, 60000, 60000])}
    one = helper.make_node("GlobalMaxPool", ["felt"], ["one"])
    _insert(model, one, helper.make_node("Expand", ["one", "shape"], ["huge"]), constants=shape)


def _tiled(model: onnx.ModelProto) -> None:
    repeats = {"repeats": np.array([1, 1, 20000, 20000])}
    _insert(model, helper.make_node("Tile", ["felt", "repeats"], ["huge"]), constants=repeats)


def _padded(model: onnx.ModelProto) -> None:
    pads = {"pads": np.array([0, 0, 50000, 50000, 0, 0, 50000, 50000])}
    _insert(model, helper.make_node("Pad", ["felt", "pads"], ["huge"]), constants=pads)


def _resized(model: onnx.ModelProto) -> None:
    scales = {"scales": np.array([1, 1, 9999, 9999], np.float32)}
    node = helper.make_node("Resize", ["felt", "", "scales"], ["huge"], mode="linear")
    _insert(model, node, constants=scales)


def _filled(model: onnx.ModelProto) -> None:
    value = helper.make_tensor("value", FLOAT, [1], [0.0])
    one = helper.make_node("GlobalMaxPool", ["felt"], ["one"])
    fill = helper.make_node("ConstantOfShape", ["shape"], ["zeros"], value=value)
    add = helper.make_node("Add", ["one", "zeros"], ["huge"])
    _insert(model, one, fill, add, constants={"shape": np.array([1, 1, 40000, 99999])})


def _grows(model: onnx.ModelProto) -> None:
    """As many rows as samples times samples."""
    nodes = [
        helper.make_node("Shape", ["felt"], ["count"], start=0, end=1),
        helper.make_node("Concat", ["count", "ones"], ["repeats"], axis=0),
        helper.make_node("Tile", ["felt", "repeats"], ["many"]),
        helper.make_node("Slice", ["many", "first", "count", "first"], ["few"]),
    ]
    _insert(model, *nodes, constants={"ones": np.array([1, 1, 1]), "first": np.array([0])})


def _data_dependent(model: onnx.ModelProto) -> None:
    nodes = [
        helper.make_node("ReduceSum", ["felt", "axes"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["sum"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Expand", ["felt", "whole"], ["unknown"]),
    ]
    _insert(model, *nodes, constants={"axes": np.array([1, 2, 3])})


CASES: dict[str, tuple[Callable[[onnx.ModelProto], None], type[Refused], str]] = {
    "an unknown operator": (_operator, UnknownOperator, "NonMaxSuppression"),
    "another vendor's operators": (_domain, UnknownOperator, "com.microsoft"),
    "an unknown attribute": (_attribute, UnknownOperator, "mystery"),
    "an unknown choice": (_choice, UnknownOperator, "SOMEHOW"),
    "a loop": (_loop, UnknownOperator, "Loop"),
    "a graph in an attribute": (_subgraph, Malformed, "graph"),
    "a cycle": (_cycle, Malformed, "before it is defined"),
    "a value defined twice": (_twice, Malformed, "twice"),
    "weights in another file": (_external, Malformed, "another file"),
    "too few numbers": (_short, Malformed, "numbers for its shape"),
    "a shape of a terabyte": (_huge_dims, Malformed, "numbers for its shape"),
    "negative sizes": (_negative_dims, Malformed, "numbers for its shape"),
    "weights that are no numbers": (_nan, Malformed, "not finite"),
    "sparse weights": (_sparse, Malformed, "sparse"),
    "functions": (_functions, Malformed, "functions"),
    "an old operator set": (_old, Malformed, "operator set 11"),
    "two inputs": (_two_inputs, Malformed, "2 inputs"),
    "two outputs": (_two_outputs, Malformed, "2 outputs"),
    "a fixed number of samples": (_fixed_batch, Malformed, "model.onnx"),
    "groups that do not divide the channels": (_groups, Malformed, "4 channels in 3 groups"),
    "an open size": (_open_size, Malformed, "any number of samples"),
    "shapes that do not fit": (_wrong_shapes, Malformed, "model.onnx"),
    "an expansion to gigabytes": (_expanded, Malformed, "activations"),
    "a tiling to gigabytes": (_tiled, Malformed, "activations"),
    "a padding to gigabytes": (_padded, Malformed, "activations"),
    "a resize to gigabytes": (_resized, Malformed, "activations"),
    "a fill to gigabytes": (_filled, Malformed, "activations"),
    "rows that multiply": (_grows, Malformed, "faster than the number of samples"),
    "a size that follows from the picture": (_data_dependent, Malformed, "cannot be known ahead"),
}


def test_the_unspoilt_model_is_taken_with_its_costs() -> None:
    checked = graph.check(a_model().SerializeToString())
    assert (checked.sample, checked.outputs, checked.takes_bytes) == ((3, 8, 8), 2, False)
    assert checked.weights.keys() == {"conv.weight", "fc.weight", "fc.bias"}
    assert checked.multiply_adds == pytest.approx(6 * 6 * 4 * 27 + 2 * 4, rel=0.1)


def test_a_model_that_was_exported_for_one_sample_is_taken_for_any_number_where_it_holds() -> None:
    model = a_model()
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    checked = graph.check(model.SerializeToString())
    data = graph.put(checked, checked.weights)
    (out,) = ort.InferenceSession(data).run(None, {"x": np.zeros((7, 3, 8, 8), np.float32)})
    assert out.shape == (7, 2)


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_graph_is_refused_with_its_reason(case: str) -> None:
    spoil, error, reason = CASES[case]
    model = a_model()
    spoil(model)
    with pytest.raises(error, match=reason):
        graph.check(model.SerializeToString())


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (GraphLimits(file_bytes=100), "bytes"),
        (GraphLimits(structure_bytes=100), "besides its weights"),
        (GraphLimits(nodes=4), "nodes"),
        (GraphLimits(parameters=50), "weights"),
        (GraphLimits(activation_bytes=1000), "activations"),
        (GraphLimits(multiply_adds=1000), "multiplications"),
    ],
)
def test_a_graph_beyond_what_the_machine_takes_on_is_refused(limits: GraphLimits, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        graph.check(a_model().SerializeToString(), limits)


def test_a_million_empty_nodes_are_refused_before_they_are_parsed() -> None:
    bomb = b"\x0a\x00" * 10_000_000
    size = len(bomb)
    length = bytes([(size & 127) | 128, (size >> 7 & 127) | 128, (size >> 14 & 127) | 128, size >> 21])
    with pytest.raises(Malformed, match="besides its weights"):
        graph.check(b"\x3a" + length + bomb, GraphLimits(structure_bytes=100_000))


@given(st.binary(max_size=300))
def test_random_bytes_are_no_graph(data: bytes) -> None:
    with pytest.raises(Malformed):
        graph.check(data)


@given(st.data())
def test_a_file_with_bytes_changed_is_refused_or_still_safe(data: st.DataObject) -> None:
    file = bytearray(a_model().SerializeToString())
    for place in data.draw(st.lists(st.integers(0, len(file) - 1), min_size=1, max_size=4)):
        file[place] = data.draw(st.integers(0, 255))
    try:
        checked = graph.check(bytes(file))
    except Refused:
        return
    assert checked.activation_bytes <= GraphLimits().activation_bytes


def test_the_graph_must_fit_the_round() -> None:
    checked = graph.check(a_model().SerializeToString())
    two = Task(kind="classification", classes=("left", "right"))
    graph.fits(checked, Round.model_construct(task=two, input=Input(height=8, width=8)))
    with pytest.raises(Malformed, match="takes samples"):
        graph.fits(checked, Round.model_construct(task=two, input=Input(height=16, width=8)))
    with pytest.raises(Malformed, match="needs 1"):
        graph.fits(checked, Round.model_construct(task=Task(kind="steering"), input=Input(height=8, width=8)))


def test_every_operator_that_is_let_in_has_a_meaning() -> None:
    assert set(APPLY) | {"Constant"} == set(OPERATORS)


def test_a_graph_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(a_model().SerializeToString())
    assert graph.module(path)(torch.zeros(2, 3, 8, 8)).shape == (2, 2)


def test_the_documented_export_is_taken_as_it_stands(tmp_path: Path) -> None:
    page = (ROOT / "docs/learning.md").read_text(encoding="utf-8")
    snippet = page.split("```python", 1)[1].split("```", 1)[0].replace("model.onnx", str(tmp_path / "model.onnx"))
    layers = (torch.nn.Conv2d(3, 4, 5, 4), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(3136, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about its older exporter
        exec(snippet, {"torch": torch, "net": torch.nn.Sequential(*layers)})
    checked = graph.check(tmp_path / "model.onnx")
    assert (checked.sample, checked.outputs, len(checked.weights)) == ((3, 66, 200), 1, 8)


def test_weights_beside_the_file_are_refused_with_what_to_add(shared: Path) -> None:
    with pytest.raises(Malformed, match="external_data=False"):
        graph.check(shared / "cases/onnx/readme.onnx")


@pytest.mark.parametrize(("said", "read"), [(17, 17), (20, 20), (23, 20)])
def test_what_is_published_is_read_by_the_oldest_allowed_runtime(said: int, read: int) -> None:
    model = a_model()
    model.ir_version, model.opset_import[0].version = 13, said
    published = onnx.load_from_string(graph.published(graph.check(model.SerializeToString())))
    assert (published.ir_version, published.opset_import[0].version) == (9, read)
    ort.InferenceSession(published.SerializeToString())


def test_an_operator_that_means_something_else_since_keeps_its_operator_set() -> None:
    model = a_model()
    node = helper.make_node("GroupNormalization", ["felt", "scale", "scale"], ["even"], num_groups=2)
    _insert(model, node, constants={"scale": np.ones(4, np.float32)})
    model.opset_import[0].version = 23
    published = onnx.load_from_string(graph.published(graph.check(model.SerializeToString())))
    assert published.opset_import[0].version == 21


def test_nothing_of_the_exporting_computer_is_published() -> None:
    model, secret = a_model(), "/home/ada/secret/net.py"
    model.doc_string = model.graph.doc_string = model.producer_name = secret
    for part in (model, model.graph, model.graph.node[0], model.graph.input[0], model.graph.initializer[0]):
        part.doc_string = secret
        part.metadata_props.add(key="pkg.torch.onnx.stack_trace", value=secret)
    model.graph.node[4].attribute[0].doc_string = secret
    of_no_version = b"\xa2\x06" + bytes([len(secret)]) + secret.encode()  # field 100
    published = graph.published(graph.check(model.SerializeToString() + of_no_version))
    assert secret.encode() not in published and b"stack_trace" not in published
    assert graph.published(graph.check(published)) == published


@pytest.mark.parametrize("behind", [(), ("Identity",), ("Flatten", "Identity")])
@pytest.mark.parametrize("operator", ["Softmax", "Sigmoid", "HardSigmoid"])
def test_shares_where_logits_are_wanted_are_refused_by_name(operator: str, behind: tuple[str, ...]) -> None:
    model = a_model()
    model.graph.node[-1].output[0] = "logits"
    names = ["logits", *(f"step{number}" for number in range(len(behind))), "out"]
    for place, kind in enumerate((operator, *behind)):
        model.graph.node.append(helper.make_node(kind, [names[place]], [names[place + 1]]))
    checked = graph.check(model.SerializeToString())
    two = Task(kind="classification", classes=("left", "right"))
    with pytest.raises(Malformed, match=f"ends in {operator}.*logits"):
        graph.fits(checked, Round.model_construct(task=two, input=Input(height=8, width=8)))


def test_a_graph_of_channels_last_is_told_so() -> None:
    model = a_model()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 8
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 3
    model.graph.node.insert(0, helper.make_node("Transpose", ["x"], ["first"], perm=[0, 3, 1, 2]))
    model.graph.node[1].input[0] = "first"
    with pytest.raises(Malformed, match=r"channels-last.*inputs-as-nchw x"):
        graph.check(model.SerializeToString())


def test_half_precision_is_refused_by_its_name() -> None:
    model = a_model()
    half = numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float16), "conv.weight")
    model.graph.initializer[0].CopyFrom(half)
    with pytest.raises(Malformed, match=r"conv\.weight holds float16.*float32"):
        graph.check(model.SerializeToString())
