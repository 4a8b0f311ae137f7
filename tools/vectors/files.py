"""Kinds as files: made here, and checked wherever they come from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.errors import Malformed
from tools.vectors.kind import Kind
from tools.vectors.table import KINDS

MOST_BYTES = 16 << 20
"""Of one file."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A question that was answered otherwise than its file says, or that could not be read."""

    file: str
    case: str
    why: str

    def __str__(self) -> str:
        return f"{self.file}: {self.case}: {self.why}"


@dataclass(frozen=True, slots=True)
class Checked:
    """How many questions were asked, and what was found."""

    questions: int
    differences: tuple[Difference, ...]


def made(kind: Kind) -> dict[str, Any]:
    """The content of a kind's file."""
    cases = [{"name": name, "given": given, "answer": kind.answered(given)} for name, given in kind.questions().items()]
    return {"kind": kind.name, "about": kind.about, "cases": cases}


def make(folder: Path) -> list[Path]:
    """Write every kind's file."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for kind in KINDS:
        path = folder / f"{kind.name}.json"
        path.write_text(json.dumps(made(kind), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(path)
    return written


def check(folder: Path) -> Checked:
    """Answer every question in a folder of vectors, whoever made them. Raises Malformed for a file that is none."""
    questions, found = 0, list[Difference]()
    for path in sorted(folder.glob("*.json")):
        kind, cases = _read(path)
        questions += len(cases)
        found.extend(_differences(path.name, kind, cases))
    return Checked(questions, tuple(found))


def _read(path: Path) -> tuple[Kind, list[Any]]:
    if path.stat().st_size > MOST_BYTES:
        raise Malformed(what=path.name, why=f"more than {MOST_BYTES} bytes")
    try:
        content = json.loads(path.read_bytes())
        name, cases = content["kind"], content["cases"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Malformed(what=path.name, why=f"no kind and cases in JSON ({error!r})") from None
    kind = next((kind for kind in KINDS if kind.name == name), None)
    if kind is None or not isinstance(cases, list):
        raise Malformed(what=path.name, why=f"the kinds are {', '.join(kind.name for kind in KINDS)}")
    return kind, cases


def _differences(file: str, kind: Kind, cases: list[Any]) -> Iterator[Difference]:
    for number, case in enumerate(cases):
        name = str(case.get("name", number)) if isinstance(case, dict) else str(number)
        try:
            expected, answer = case["answer"], kind.answered(case["given"])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            yield Difference(file, name, f"no question of this kind ({error!r})")
            continue
        if answer != expected:
            yield Difference(file, name, f"{_short(answer)} here, {_short(expected)} there")


def _short(answer: Any) -> str:
    text = json.dumps(answer, ensure_ascii=False)
    return text if len(text) <= 200 else text[:200] + "…"
