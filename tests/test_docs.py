"""What the documents say about commands, files and exit codes is so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from agent import errors
from agent.cli import cli
from agent.initiator import plan

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("t*/*/README.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", prose) if ":" not in target]
    assert [target for target in targets if target and not (page.parent / target).exists()] == []


@pytest.mark.parametrize(("name", "least"), [("threats", 50), ("cases", 50)])
def test_every_test_that_a_page_names_is_there(name: str, least: int) -> None:
    """Each line that is said to be stopped, or mended, is tried by the test it names."""
    page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    files = set(re.findall(r"`(tests/[\w/]+\.py)`", page))
    names = set(re.findall(r"`(test_\w+)`", page))
    written = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    assert {file for file in files if not (ROOT / file).is_file()} == set()
    assert {name for name in names if f"def {name}(" not in written} == set()
    assert len(names) > least


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"^\| \[(\d{3})\]\(([^)]+)\)", (folder / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    notes = sorted(note.name for note in folder.glob("[0-9]*.md"))
    assert [name for _, name in listed] == notes
    assert all(name.startswith(number) for number, name in listed)


def commands(text: str) -> Iterator[str]:
    """What follows `milepost` where it is a command: in code spans and at the beginning of a line of a code block."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    for block in blocks:
        yield from re.findall(r"^(?:sudo )?milepost ((?:\S+ ?)+)", block, re.MULTILINE)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    yield from re.findall(r"`(?:sudo )?milepost\s+([^`]+)`", prose)


def unknown(line: str) -> str:
    """The first word of a command line that is neither a verb nor an option nor an argument; '' when all are known."""
    command: click.Command = cli
    for word in re.sub(r"--config \S+", "", line).replace(",", " ").split():
        context = click.Context(command)
        if word.startswith("--"):
            known = {option for parameter in command.get_params(context) for option in parameter.opts}
            if word.partition("=")[0].rstrip("]") not in known:
                return word
        elif isinstance(command, click.Group) and word != "…":
            found = command.get_command(context, word)
            if found is None:
                return word
            command = found
        elif not isinstance(command, click.Group) and "#" in word:
            break
    return ""


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_that_is_mentioned_can_be_called(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert {line: word for line in commands(text) if (word := unknown(line))} == {}


def test_every_command_that_a_message_names_can_be_called() -> None:
    """An error that says "run this" names something that runs."""
    wrong = {}
    for module in sorted((ROOT / "agent").rglob("*.py")):
        for line in re.findall(r"`milepost\s+([^`]+)`", module.read_text(encoding="utf-8")):
            if word := unknown(line):
                wrong[f"{module.relative_to(ROOT)}: milepost {line}"] = word
    assert wrong == {}


def test_every_verb_is_in_the_changelog_or_the_readme() -> None:
    told = (ROOT / "README.md").read_text(encoding="utf-8") + (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    verbs = set(cli.list_commands(click.Context(cli))) - {"version"}
    assert {verb for verb in verbs if not re.search(rf"`(?:milepost )?{verb}[` ]|milepost {verb}", told)} == set()


def test_the_exit_codes_are_those_of_the_errors() -> None:
    codes = {value for name, value in vars(errors).items() if name.isupper() and isinstance(value, int)}
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    table = page.partition("## Exit codes")[2].partition("\n## ")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == codes


def test_the_plan_in_the_readme_is_one_that_publish_takes(tmp_path: Path) -> None:
    blocks = re.findall(
        r"^```toml\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    (shown,) = [block for block in blocks if "committee" in block]
    file = tmp_path / "plan.toml"
    file.write_text(re.sub(r"G[A-Z]+\d?…", "G" + "A" * 52 + "WHF", shown), encoding="utf-8")
    assert plan.read(file).name == "road"
