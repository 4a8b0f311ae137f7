"""The prepared run for a card: what it says where there is none."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from agent.errors import FAILED, OK, TRY_AGAIN
from tools.bench import cuda
from tools.bench.cuda import checks, command

OK_, NOT_RUN, BROKEN = {"state": "ok"}, {"state": "not run"}, {"state": "failed"}
BARE = {"torch", "torchgen", "functorch", "sympy", "mpmath", "numpy", "cv2", "onnxruntime", "safetensors"}
"""What a bare machine has, with what torch itself needs."""
AS_INSTALLED = {"google": "protobuf", "ml_dtypes": "ml-dtypes", "onnx_ir": "onnx-ir", "pydantic_core": "pydantic-core"}


def test_each_check_has_its_time_and_all_of_them_together_six_minutes() -> None:
    assert list(command.CHECKS) == list(checks.CHECKS)
    assert set(command.CPU_HAS_NONE) < set(command.CHECKS)
    assert command.ALL_S < 360


@pytest.mark.parametrize(
    ("device", "found", "code"),
    [
        ("cuda", {"fp32": OK_, "bf16": OK_}, OK),
        ("cuda", {"fp32": OK_, "bf16": NOT_RUN}, TRY_AGAIN),
        ("cuda", {"fp32": BROKEN, "bf16": NOT_RUN}, FAILED),
        ("cpu", {"fp32": OK_, "bf16": NOT_RUN}, OK),
        ("cpu", {"fp32": NOT_RUN, "bf16": NOT_RUN}, TRY_AGAIN),
    ],
)
def test_the_exit_code_says_what_came_of_it(device: str, found: dict[str, dict[str, str]], code: int) -> None:
    assert command.exit_code(device, found) == code


def test_a_check_for_which_no_time_is_left_is_not_run() -> None:
    assert command.made("fp32", "cpu", 1.0)["state"] == "not run"


@pytest.mark.slow
def test_a_check_that_has_no_card_says_so_and_the_others_go_on() -> None:
    words = ["-m", "tools.bench", "cuda", "--json", "--only", "fault", "--only", "pinned", "--device", "cpu"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=120, check=True)
    said = json.loads(done.stdout.splitlines()[-1])
    assert (said["ok"], said["failed"], said["not_run"]) == (0, 0, 2)
    assert said["checks"]["fault"]["why"] == "it takes a card to fail"


@pytest.mark.slow
def test_all_that_is_imported_beside_a_bare_machine_is_named_as_a_wheel_to_carry() -> None:
    seen = """
import sys, tools.bench.__main__, tools.bench.cuda.checks, agent.learn.child, agent.learn.loop, agent.learn.score
from agent.learn import export, graph, networks
from tools.bench.plain_round import plain_round
spec = plain_round()
graph.check(export.export(networks.build(spec, seed=1), spec.input))
for name, module in list(sys.modules.items()):
    if "site-packages" in (getattr(module, "__file__", None) or "") and "." not in name:
        print(name)
"""
    done = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, timeout=120, check=True)
    listed = (cuda.__doc__ or "").split()
    beside = {AS_INSTALLED.get(name, name.replace("_", "-")) for name in done.stdout.split() if name[0] != "_"} - BARE
    assert {name for name in beside if name not in listed} == set()
