"""requirements/*.txt pin what is installed, by its hashes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent import toml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "requirements").glob("*.txt"))
PIN = re.compile(
    r"^([a-z0-9][a-z0-9._-]*)==\S+(?: ; [^\\]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M
)
BOARDS_OWN = {"torch"}
"""Which build is right is the machine's matter."""


def pinned(file: str) -> set[str]:
    text = (ROOT / "requirements" / f"{file}.txt").read_text(encoding="utf-8")
    return {pin[1] for pin in PIN.finditer(text)}


def wanted(*extras: str) -> set[str]:
    """What pyproject.toml asks for by itself, by name."""
    project = toml.read(ROOT / "pyproject.toml").values["project"]
    lines = [*project["dependencies"], *(line for e in extras for line in project["optional-dependencies"][e])]
    names = {re.split(r"[\[<>=~;\s]", line)[0].lower().replace("_", "-") for line in lines}
    return names - BOARDS_OWN - {"milepost"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_line_is_a_pin_with_its_hashes_and_names_no_place(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert PIN.sub("", text.partition("\n")[2]) == ""
    assert "://" not in text
    assert text.startswith("# Made by `make lock`")


@pytest.mark.parametrize(
    ("file", "extras"),
    [
        ("car", ("can", "web")),
        ("car-numpy1", ("can", "web")),
        ("train", ("can", "web", "train")),
        ("dev", ("can", "web", "train", "dev")),
    ],
)
def test_whatever_the_project_asks_for_is_pinned(file: str, extras: tuple[str, ...]) -> None:
    """Where this fails, somebody added a dependency: `make lock`."""
    assert wanted(*extras) - pinned(file) == set()


def test_what_builds_the_project_is_pinned() -> None:
    asked = toml.read(ROOT / "pyproject.toml").values["build-system"]["requires"]
    assert {re.split(r"[<>=]", line)[0] for line in asked} <= pinned("build")


def test_no_file_pins_what_is_the_boards_own() -> None:
    assert {
        name for path in FILES for name in pinned(path.stem) if re.match(r"torch$|triton$|nvidia-|cuda-", name)
    } == set()
