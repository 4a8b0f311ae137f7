"""Statements of the pages that were once wrong, or could be by tomorrow, held against the code."""

from __future__ import annotations

import ast
import re
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

from agent.compose import doctor
from agent.compose.remote import CHANGEABLE
from agent.content import nodes, walker
from agent.core import gates, mileage, trip
from agent.core.round import Architecture
from agent.fleet import commands
from agent.host import sections
from agent.host.config import trace
from agent.learn import architecture, process, result, samples, settings
from agent.market import bundle
from agent.sense import sight
from agent.troubles import TROUBLES
from agent.vehicle import daemon
from agent.vehicle.settings import Preferences, Resources

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "agent").rglob("*.py"))


def page(name: str) -> str:
    """The page, its line ends as spaces."""
    return " ".join((ROOT / "docs" / name).read_text(encoding="utf-8").split())


def table(name: str, header: str) -> list[list[str]]:
    """The cells of the table that begins with `header`, row by row."""
    text = (ROOT / "docs" / name).read_text(encoding="utf-8").partition(header)[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines()[2:]]


@cache
def calls() -> tuple[ast.Call, ...]:
    trees = (ast.parse(file.read_text(encoding="utf-8")) for file in FILES)
    return tuple(node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))


def called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def text_of(node: ast.expr) -> str:
    """A text that stands in the code, with what it is filled with as *."""
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "*" for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else "*"


def words_of_core() -> set[str]:
    """Every text and class of the rules, in small letters: the kinds of events are among them."""
    nodes = [n for f in FILES if f.is_relative_to(ROOT / "agent/core") for n in ast.walk(ast.parse(f.read_text()))]
    texts = {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    return texts | {n.name.lower() for n in nodes if isinstance(n, ast.ClassDef)}


def test_the_log_lines_that_operations_shows_are_written() -> None:
    written = {
        text_of(call.args[0])
        for call in calls()
        if called(call) in ("event", "warning", "error", "detail") and call.args
    }
    kinds = {f"job.{kind}" for kind in words_of_core()}
    (comment,) = re.findall(
        r"^journalctl -u milepost +# (.*)$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE
    )
    shown = re.findall(r"\b[a-z_]+\.[a-z_]+\b", comment)
    assert shown
    assert "job.*" in written
    assert [line for line in shown if line not in written | kinds] == []


def test_each_of_doctors_checks_is_explained_and_no_other() -> None:
    checks = [check.name for check in doctor.checks(trace(environ={}))]
    assert sorted(row[0] for row in table("operations.md", "| check | wrong means |")) == sorted(checks)


def test_every_trouble_that_is_told_stands_in_operations_in_its_own_words() -> None:
    said = [[part, *sentence] for part, *sentence in table("operations.md", "| of | sentence |")]
    words = {part: [" ".join((each.__doc__ or "").split()) for each in told] for part, told in TROUBLES.items()}
    assert said == [[f"| {part}".strip("| "), re.sub(r"{[^{}]*}", "…", each)] for part in words for each in words[part]]


def test_a_bundles_files_are_those_that_the_protocol_names() -> None:
    rows = {row[0]: (set(re.findall(r"`([\w.]+\.\w+)`", row[1])) - {"task.labels"}, row[2]) for row in BUNDLES}
    assert rows["round"][0] == {bundle.ROUND, bundle.WEIGHTS, bundle.GRAPH, bundle.TEACHER, bundle.ROOT}
    assert rows["contribution"][0] == {bundle.CONTRIBUTION, bundle.UPDATE}
    assert rows["test set"][0] == {bundle.TEST_SET}
    assert rows["settlement record"][0] == {bundle.RECORD}
    for what, limits in (
        ("round", bundle.ROUND_LIMITS),
        ("contribution", bundle.CONTRIBUTION_LIMITS),
        ("test set", bundle.SET_LIMITS),
        ("settlement record", bundle.RECORD_LIMITS),
    ):
        assert f"{limits.files} file" in rows[what][1]
        size = f"{limits.total_bytes >> 30} GiB" if limits.total_bytes >> 30 else f"{limits.total_bytes >> 20} MiB"
        assert size in rows[what][1]


BUNDLES = table("protocol.md", "| bundle | files | a reader takes at most |")


def test_each_thread_has_a_name_and_stands_in_the_architecture() -> None:
    """What `py-spy dump` or /proc shows can be looked up."""
    told = page("architecture.md").partition("## What runs")[2].partition("## Doors")[0]
    names = {}
    for call in calls():
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        if called(call) == "Thread":
            names[call.lineno] = text_of(given["name"])
        elif called(call) == "ThreadPoolExecutor":
            names[call.lineno] = text_of(given["thread_name_prefix"] if len(call.args) < 2 else call.args[1])
    unexplained = {name for name in names.values() if f"`{name.rstrip('*')}`" not in told}
    assert unexplained <= {"*"}  # the doctor's checks, each by its own name
    assert len(names) > 8


def test_the_built_in_networks_are_the_same_wherever_they_are_listed() -> None:
    assert set(get_args(Architecture.model_fields["name"].annotation)) == set(architecture.HYPER)


def test_a_gates_thresholds_are_keys_and_the_fleets_to_make_stricter() -> None:
    limits = [field.name for field in fields(gates.GateLimits)]
    assert list(sections.Gates.model_fields) == limits
    assert {f"gates.{name}" for name in limits} == {key for key in CHANGEABLE if key.startswith("gates.")}


@pytest.mark.parametrize(
    ("narrow", "section"),
    [
        (gates.GateLimits, sections.Gates),
        (trip.TripRules, sections.Trip),
        (mileage.Bounds, sections.Trip),
        (settings.Settings, sections.Train),
        (Preferences, sections.Market),
        (Resources, sections.Train),
    ],
)
def test_a_default_stands_in_the_configuration_and_nowhere_else(narrow: type, section: type[sections.Section]) -> None:
    shared = [field for field in fields(narrow) if field.name in section.model_fields]
    assert shared
    assert [field.name for field in shared if field.default is not MISSING] == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("architecture.md", f"{1 / daemon.TURN_S:.0f} turns a second"),
        ("architecture.md", f"status and fleet every {daemon.QUIET_S} s at the latest"),
        ("architecture.md", f"the status file every {daemon.STATUS_S:.0f} s"),
        ("content.md", f"at most {walker.MAX_BLOCK_BYTES >> 20} MiB a block, {walker._MAX_PARTS} parts a node"),
        (
            "content.md",
            f"{walker._MAX_TREE} levels a file, {walker._MAX_VISITS // 1000} {walker._MAX_VISITS % 1000:03} blocks",
        ),
        ("content.md", f"left unfinished for {nodes._ABANDONED_SECONDS // 86_400} days is dropped"),
        ("learning.md", "every tenth block of two seconds is never trained on"),
        ("learning.md", f"(a quarter worse, on {result.ENOUGH} frames or more)"),
        ("learning.md", "given up after three deaths without a step"),
        ("fleet.md", f"The last {commands.REMEMBERED} are remembered"),
        ("sensing.md", f"A black image (a covered lens) for {sight.BLACK_S:.0f} s"),
        ("operations.md", "1 for the state that a job came to last."),
        ("operations.md", "*Healthy*: it says itself that it has no troubles"),
    ],
)
def test_a_number_on_a_page_is_the_codes(name: str, sentence: str) -> None:
    assert sentence in page(name)


def test_numbers_that_pages_spell_are_the_codes() -> None:
    """For the sentences above that have words for them."""
    assert (samples.EVERY, samples.BLOCK_S, result.WORSE, process.DEATHS) == (10, 2.0, 1.25, 3)
    assert (commands.BURST, commands.PER_SECOND) == (20, 1)


def test_the_helpers_that_contributing_names_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(tests/\S+?)`.*$", text, re.MULTILINE)
    assert [row for row in rows if not (ROOT / row).exists()] == []
    for path, helper in re.findall(r"^\| `(tests/\S+\.py)` \| helper `(\w+)`", text, re.MULTILINE):
        assert f"class {helper}" in (ROOT / path).read_text(encoding="utf-8")
    assert len(rows) > 8
