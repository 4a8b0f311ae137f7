"""Localnet stands alone: it can be installed without Milepost, and its own papers say what the project's say."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.localnet.faults import KINDS
from tools.localnet.server import Localnet

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
LOCALNET = ROOT / "tools" / "localnet"
README = (LOCALNET / "README.md").read_text(encoding="utf-8")
MODULES = {
    "click": "click",
    "pynacl": "nacl",
    "starlette": "starlette",
    "stellar-sdk": "stellar_sdk",
    "uvicorn": "uvicorn",
}
"""Distribution -> what it is imported as."""
FOR_PYTEST_ALONE = "fixtures.py"


def project(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def name(requirement: str) -> str:
    return re.split(r"[<>=\[; ]", requirement)[0]


def imported(file: Path) -> Iterator[str]:
    """First words of what a file imports absolutely, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).partition(".")[0]


def test_it_imports_what_it_declares_and_nothing_of_milepost() -> None:
    declared = {MODULES[name(requirement)] for requirement in project(LOCALNET)["dependencies"]}
    for file in LOCALNET.rglob("*.py"):
        theirs = set(imported(file)) - set(sys.stdlib_module_names)
        assert theirs <= declared | ({"pytest"} if file.name == FOR_PYTEST_ALONE else set()), file


def test_its_papers_say_what_the_projects_say() -> None:
    own, whole = project(LOCALNET), project(ROOT)
    assert (own["license"], own["requires-python"]) == (whole["license"], whole["requires-python"])
    assert (LOCALNET / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    extras = [one for extra in whole["optional-dependencies"].values() for one in extra]
    assert set(own["dependencies"]) <= {*whole["dependencies"], *extras}


@pytest.mark.slow
def test_the_readme_names_every_fault_and_nothing_that_is_not_there() -> None:
    faults = README.partition("## Faults")[2].partition("\n## ")[0]
    listed = {line.partition("=")[0] for line in re.findall(r"^\| `([^`]+)`", faults, re.MULTILINE)}
    assert listed == {*KINDS, "delay", "only", "seed"}
    with Localnet() as net:
        assert [call for call in re.findall(r"\bnet\.(\w+)", README) if not hasattr(net, call)] == []


def example() -> str:
    (code,) = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    return str(code)


@pytest.mark.slow
def test_a_strangers_test_runs_where_localnet_alone_is_installed(tmp_path: Path) -> None:
    """The five lines of the README, in an environment that has localnet and not Milepost."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*pip, "hatchling>=1.25"], capture_output=True).returncode:
        pytest.skip("no package index gives hatchling, which builds localnet")
    source = tmp_path / "localnet"
    shutil.copytree(LOCALNET, source)
    subprocess.run([*pip, "--no-build-isolation", "--no-deps", str(source)], check=True)
    (borrowed,) = environment.glob("lib/python*/site-packages")
    # what localnet depends on is borrowed from this environment; its own editable Milepost is not
    (borrowed / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    assert run(str(environment / "bin" / "localnet"), "--help").stdout.startswith("Usage: localnet")
    assert "No module named" in run(str(python), "-c", "import agent.errors").stderr
    (tmp_path / "test_mine.py").write_text(example(), encoding="utf-8")
    answer = run(str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py")
    assert "1 passed" in answer.stdout, answer.stdout + answer.stderr


@pytest.mark.slow
def test_options_of_a_ledger_can_be_chosen_by_a_test(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tools.localnet.fixtures import *\n", encoding="utf-8")
    (tmp_path / "test_mine.py").write_text(
        "def test_two(start_localnet):\n"
        "    one, other = start_localnet(replica=1), start_localnet(passphrase='mine')\n"
        "    assert one.replica_url and other.get('/')['network_passphrase'] == 'mine'\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert "1 passed" in answer.stdout, answer.stdout + answer.stderr
