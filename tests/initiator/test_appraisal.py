"""Somebody brings a network of their own and asks what would become of it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from agent.cli import cli
from agent.host import profile
from agent.initiator.appraisal import BATCH, appraise
from agent.learn import networks
from agent.learn.export import export
from tools.bench.plain_round import plain_round
from tools.simulation.shapes import SPEC, TASK


def a_network() -> onnx.ModelProto:
    """A convolution and a linear layer, with what an exporter notes down beside them."""
    weights = {"conv": np.ones((8, 3, 5, 5), np.float32), "fc": np.ones((8, 1), np.float32)}
    nodes = [
        helper.make_node("Conv", ["x", "conv"], ["seen"]),
        helper.make_node("GlobalAveragePool", ["seen"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "fc"], ["out"]),
    ]
    nodes[0].metadata_props.add(key="pkg.torch.onnx.stack_trace", value='File "/home/ada/net.py", line 3')
    nodes[1].doc_string = "the mean of what was seen"
    made = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["n", 3, 66, 200])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 1])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    nodes_in = made.node
    nodes_in.insert(0, helper.make_node("Cast", ["x"], ["pixels"], to=TensorProto.FLOAT))
    nodes_in[1].input[0] = "pixels"
    opsets = [helper.make_opsetid("", 18)]
    return helper.make_model(made, opset_imports=opsets, ir_version=10, producer_name="pytorch", producer_version="2.9")


def written(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "mine.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_one_screen_says_what_is_taken_what_it_costs_and_what_is_stripped(tmp_path: Path) -> None:
    asked = CliRunner().invoke(cli, ["initiator", "check", str(written(a_network(), tmp_path))], standalone_mode=False)
    assert (asked.exception, asked.return_value) == (None, 0)
    lines = asked.output.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 120
    assert lines[0].startswith("mine.onnx: taken")
    assert "file format 10, operator set 18, by pytorch 2.9" in lines[1]
    assert "file format 9, operator set 18: onnxruntime from 1.17 on" in lines[2]
    assert "steering, from 3 x 66 x 200 bytes" in lines[3]
    (stripped,) = [line for line in lines if "stripped" in line]
    assert "1 stack traces" in stripped and "1 doc strings" in stripped and "/home/ada/net.py" in stripped
    assert {name for name in (board.name for board in profile.every()) if name in asked.output} == {
        board.name for board in profile.every()
    }
    assert lines[-1].split() == ["change", "nothing"]


def test_the_cost_on_a_board_follows_from_what_was_measured_there(tmp_path: Path) -> None:
    asked = CliRunner().invoke(
        cli, ["initiator", "check", "--json", str(written(a_network(), tmp_path))], standalone_mode=False
    )
    facts = json.loads(asked.output)
    boards = {board["profile"]: board for board in facts["boards"]}
    work = 3 * BATCH * facts["network"]["multiply_adds"]
    assert boards["x86-cpu"]["steps_per_s_estimated"] == pytest.approx(60e9 / work, rel=0.01)
    assert boards["jetson-agx-thor"]["steps_per_s_estimated"] is None
    assert boards["jetson-orin-nano"]["memory_mb"] == 1536
    assert all(board["fits"] for board in boards.values())


def test_a_grid_of_boxes_is_seen_to_be_one(tmp_path: Path) -> None:
    round_ = plain_round(network="smallfcos", task=TASK, sample=SPEC)
    path = tmp_path / "mine.onnx"
    path.write_bytes(export(networks.build(round_), SPEC))
    assert any("or detection of 3 classes, from 3 x 64 x 96 bytes" in line for line in appraise(path).lines())


@pytest.mark.slow
def test_a_network_that_a_small_board_has_no_memory_for_is_said_to_be(tmp_path: Path) -> None:
    model = a_network()
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.ones((8, 4_000_000), np.float32), "fc"))
    costs = {board.profile: board for board in appraise(written(model, tmp_path)).boards}
    assert not costs["arm64-generic"].fits and costs["jetson-agx-orin"].fits


def _future(model: onnx.ModelProto) -> None:
    model.ir_version = 99


def _unknown(model: onnx.ModelProto) -> None:
    model.graph.node[1].op_type = "NonMaxSuppression"
    model.graph.node[2].domain = "com.microsoft"


def _dynamic(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"


def _external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def _shares(model: onnx.ModelProto) -> None:
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.ones((8, 4), np.float32), "fc"))
    model.graph.node[-1].output[0] = "logits"
    model.graph.node.append(helper.make_node("Softmax", ["logits"], ["out"]))


@pytest.mark.parametrize(
    ("spoil", "change"),
    [
        (_future, "file format 99, 4 to 13 are read: load it with the onnx package, set model.ir_version = 9"),
        (_unknown, "NonMaxSuppression was refused"),
        (_dynamic, "its input is (n, 3, height, 200)"),
        (_external, "external_data=False"),
        (_shares, "ends in Softmax, and the loss takes logits: export it without that last layer"),
    ],
)
def test_what_is_to_be_changed_is_said_in_a_sentence(
    tmp_path: Path, spoil: Callable[[onnx.ModelProto], None], change: str
) -> None:
    model = a_network()
    spoil(model)
    asked = CliRunner().invoke(cli, ["initiator", "check", str(written(model, tmp_path))], standalone_mode=False)
    assert asked.return_value == 1
    assert change in asked.output.splitlines()[-1]


def test_every_operator_that_no_round_can_have_is_named_at_once(tmp_path: Path) -> None:
    model = a_network()
    _unknown(model)
    assert appraise(written(model, tmp_path)).found.unknown == ("NonMaxSuppression", "com.microsoft.GlobalAveragePool")


def _archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model/data.pkl", b"")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "change"),
    [
        (b"", "it is empty"),
        (b"import torch\n", "it is not an ONNX file"),
        (_archive(), "it is a file of PyTorch or another archive"),
        (b"\x80\x02}q\x00.", "it is a Python pickle"),
        (b"\x89HDF\r\n\x1a\n", "it is a Keras or HDF5 file"),
        (b"\x1c\0\0\0TFL3", "it is a TensorFlow Lite file"),
        (b"\x40\0\0\0\0\0\0\0" + b'{"w":{}}', "it is a safetensors file"),
    ],
)
def test_a_file_of_another_kind_is_called_by_its_name(tmp_path: Path, data: bytes, change: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    found = appraise(path)
    assert change in (found.found.fault or "") and found.boards == ()
    assert next(found.lines()).startswith("net.onnx: not taken")


def test_a_file_without_an_end_is_given_up_at_the_bound() -> None:
    assert "larger than" in (appraise(Path("/dev/zero")).found.fault or "")
