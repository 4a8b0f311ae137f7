"""The vectors are what this code answers, every rule and form has its questions, and a wrong answer is found."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent.core.documents import Document
from agent.learn import encoding, fusion
from tools.vectors import files
from tools.vectors.__main__ import vectors
from tools.vectors.kind import REFUSED, Kind
from tools.vectors.table import KINDS

HERE = Path(__file__).parent
README = (HERE / "README.md").read_text(encoding="utf-8")
NAMES = [kind.name for kind in KINDS]


def held(kind: Kind) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HERE / f"{kind.name}.json").read_text(encoding="utf-8"))
    return found


def run(*arguments: str) -> Result:
    return CliRunner().invoke(vectors, [*arguments])


def test_every_answer_is_the_one_that_this_code_gives() -> None:
    answer = run("check", str(HERE))
    assert answer.exit_code == 0, answer.output
    assert "0 answered otherwise" in answer.output


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_the_files_are_those_that_make_writes(kind: Kind) -> None:
    """What is packed by zstd may be packed otherwise by another version of it: names and answers are compared."""
    made, there = files.made(kind), held(kind)
    assert there["about"] == made["about"]
    assert {case["name"]: case["answer"] for case in there["cases"]} == {
        case["name"]: case["answer"] for case in made["cases"]
    }


def test_there_is_a_file_for_each_kind_and_none_besides() -> None:
    assert sorted(path.stem for path in HERE.glob("*.json")) == sorted(NAMES)
    assert sum(path.stat().st_size for path in HERE.glob("*.json")) < 300_000


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_what_must_be_refused_says_so_in_its_name(kind: Kind) -> None:
    for case in held(kind)["cases"]:
        assert case["name"].startswith("refused: ") == (case["answer"] == REFUSED), case["name"]


def test_every_document_encoding_and_rule_has_questions() -> None:
    documents = {
        "record" if type_.__name__ == "SettlementRecord" else type_.__name__.lower() for type_ in every(Document)
    }
    asked = {kind.name: {case["name"] for case in held(kind)["cases"]} for kind in KINDS}
    assert documents <= asked.keys()
    assert {*fusion.SHARE_RULES, *fusion.COORDINATE_RULES} <= asked["fusion"]
    assert set(encoding.DENSE) <= asked["encoding"] & asked["update"]


def every(type_: type[Document]) -> set[type[Document]]:
    """The documents that the package itself has."""
    return {found for found in type_.__subclasses__() if found.__module__ == Document.__module__}


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_an_answer_of_another_implementation_that_differs_is_named(kind: Kind, tmp_path: Path) -> None:
    content = held(kind)
    first = content["cases"][0]
    first["answer"] = REFUSED
    (tmp_path / "theirs.json").write_text(json.dumps(content), encoding="utf-8")
    checked = files.check(tmp_path)
    assert [difference.case for difference in checked.differences] == [first["name"]]
    assert run("check", str(tmp_path)).exit_code == 1


@pytest.mark.parametrize(
    "case", [{"name": "odd", "given": {}, "answer": {}}, {"name": "odd"}, "odd", {"given": None, "answer": {}}]
)
@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_what_is_no_question_is_named_and_stops_nothing(kind: Kind, case: Any, tmp_path: Path) -> None:
    cases = [case, held(kind)["cases"][0]]
    (tmp_path / "theirs.json").write_text(json.dumps({"kind": kind.name, "cases": cases}), encoding="utf-8")
    checked = files.check(tmp_path)
    assert checked.questions == 2
    (difference,) = checked.differences
    assert "no question of this kind" in str(difference)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": "unknown", "cases": []}', '{"kind": "cid", "cases": 7}'])
def test_a_file_that_holds_no_vectors_is_a_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "theirs.json").write_text(text, encoding="utf-8")
    answer = run("check", str(tmp_path))
    assert answer.exit_code == 1
    assert "theirs.json" in answer.output


def test_a_folder_without_vectors_is_not_passed(tmp_path: Path) -> None:
    assert run("check", str(tmp_path)).exit_code == 1


def test_the_page_names_every_kind() -> None:
    told = re.findall(r"`([\w-]+)`", "".join(re.findall(r"^## .*", README, re.MULTILINE)))
    assert sorted(told) == sorted(NAMES)
