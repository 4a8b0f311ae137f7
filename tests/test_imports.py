"""The one-way law (ARCHITECTURE, Rooms): who may import whom, read from the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

AGENT = Path(__file__).resolve().parents[1] / "agent"
LEVELS = (
    {"errors", "sentences"},
    {"core", "troubles"},
    {"ports", "files", "toml", "credential", "commit"},
    {"journal", "sense", "learn", "content", "ledger", "fleet", "host"},
    {"market"},
    {"vehicle", "validator", "initiator", "disputes"},
    {"compose"},
    {"cli"},
    {"__main__"},
)
"""A room imports from itself and from the levels above it in this list, never from its own level's other rooms."""
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
EVERYWHERE = {"__init__"}
"""`from agent import __version__`."""
DECISIONS = {
    "__future__", "abc", "ast", "base64", "binascii", "collections", "dataclasses", "datetime", "decimal", "enum",
    "fractions", "functools", "hashlib", "itertools", "json", "math", "operator", "re", "typing", "pydantic", "agent",
}  # fmt: skip
"""What core may import: nothing that reads a clock, a file, a socket or a random number."""
HEAVY = {"torch", "cv2", "onnxruntime", "onnx"}
TOOLS = {"tools", "tests"}
CONFIGURATION = {"agent.host.config", "agent.host.sections"}
WHO_SEES_IT = {"compose", "cli", "host"}
"""All others are told what concerns them, in types of their own."""

FILES = sorted(AGENT.rglob("*.py"))


def room_of(file: Path) -> str:
    return file.relative_to(AGENT).parts[0].removesuffix(".py")


@cache
def imported(file: Path, *, top: bool = False) -> tuple[str, ...]:
    """Dotted names that a file imports; `top`: only those it imports when it is itself imported."""
    return tuple(_imported(file, top))


def _imported(file: Path, top: bool) -> Iterator[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    later = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or _is_for_types(node)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if top and id(node) in later:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def name(file: Path) -> str:
    return str(file.relative_to(AGENT.parent))


@pytest.mark.parametrize("file", FILES, ids=name)
def test_imports_run_one_way(file: Path) -> None:
    mine = room_of(file)
    if mine in EVERYWHERE:
        return
    for module in imported(file):
        first, _, rest = module.partition(".")
        assert first not in TOOLS, f"{name(file)} imports {module}"
        if first != "agent":
            continue
        theirs = rest.partition(".")[0]
        if theirs in (mine, "", "__version__"):
            continue
        assert LEVEL[theirs] < LEVEL[mine], f"{name(file)} imports {module}: {theirs} is not below {mine}"


@pytest.mark.parametrize("file", [f for f in FILES if room_of(f) == "core"], ids=name)
def test_core_decides_and_does_nothing_else(file: Path) -> None:
    assert {module.partition(".")[0] for module in imported(file)} <= DECISIONS


@pytest.mark.parametrize("file", [f for f in FILES if room_of(f) not in ("learn", "sense")], ids=name)
def test_what_is_slow_to_import_is_imported_where_it_is_used(file: Path) -> None:
    assert not {module.partition(".")[0] for module in imported(file, top=True)} & HEAVY


@pytest.mark.parametrize("file", [f for f in FILES if room_of(f) not in WHO_SEES_IT], ids=name)
def test_the_configuration_is_seen_where_the_parts_are_put_together_and_nowhere_else(file: Path) -> None:
    assert not {module.rpartition(".")[0] for module in imported(file)} & CONFIGURATION


def test_every_room_has_its_level() -> None:
    assert {room_of(file) for file in FILES} <= set(LEVEL) | EVERYWHERE
