"""Every word of the glossary is embodied: its type is in the room, its file is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROWS = re.findall(
    r"^\| (?!word|---)([^|]+) \| ([^|]+) \| ([^|]+) \|$",
    (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def defined(file: Path) -> Iterator[str]:
    """What a file defines at its top."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


@cache
def within(room: str) -> frozenset[str]:
    return frozenset(name for file in (ROOT / room).rglob("*.py") for name in defined(file))


@pytest.mark.parametrize(("word", "where"), [(word, where) for word, _, where in ROWS], ids=[row[0] for row in ROWS])
def test_every_word_lives_in_the_code(word: str, where: str) -> None:
    typed = re.fullmatch(r"`(\w+)` in `([\w/]+)`", where)
    if typed:
        assert typed[1] in within(typed[2]), f"{typed[2]} defines no {typed[1]}"
    else:
        assert (ROOT / where.strip("`")).exists(), where


def test_every_word_has_one_line() -> None:
    assert len(ROWS) > 70
    assert sorted({word for word, _, _ in ROWS}) == sorted(word for word, _, _ in ROWS)
