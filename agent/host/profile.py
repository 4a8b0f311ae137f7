"""Firmware profiles: what a board's defaults are, and how the board is known.

A profile is a configuration file that may fill only the tables a board has a say in, headed by [profile].
Rules of detection: every condition of [profile.detect] must hold; of the profiles that fit, the one with the
most conditions wins. A profile that the configuration names must fit as well: another board's is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from agent import toml
from agent.errors import ConfigError
from agent.host.board import Board, inspect
from agent.host.layers import Layer
from agent.host.mistakes import explain
from agent.host.sections import Camera, Gates, Inference, Machine, Odometer, Section, Train


class WrongProfile(ConfigError):
    """The firmware profile '{name}' cannot be used: {why}. `milepost profile detect` shows what fits here."""


class Detect(Section):
    """The conditions under which a profile fits."""

    machine: str
    compatible: tuple[str, ...] = ()
    cuda: bool = False


class ProfileHead(Section):
    name: str = Field(pattern=r"^[a-z0-9-]+$")
    title: str
    detect: Detect
    multiply_adds_per_s: float | None = Field(default=None, gt=0)
    """Of training, forward and backward, as measured on such a board; None: nobody has."""


class ProfileFile(Section):
    """The schema: a head, and the tables that depend on the board."""

    profile: ProfileHead
    camera: Camera = Camera()
    odometer: Odometer = Odometer()
    train: Train = Train()
    inference: Inference = Inference()
    gates: Gates = Gates()
    machine: Machine = Machine()


@dataclass(frozen=True, slots=True)
class Profile:
    """A checked profile. `settings` holds only the keys that the file sets."""

    name: str
    title: str
    detect: Detect
    settings: dict[str, Any] = field(default_factory=dict)
    document: toml.TomlDocument | None = None
    multiply_adds_per_s: float | None = None


NONE = Profile("none", "no profile: built-in defaults", Detect(machine=""))


def folder() -> Path:
    """Where the profiles lie: in the installed package, or at the top of a checkout."""
    packaged = Path(__file__).parent / "firmware_profiles"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "firmware_profiles"


def read(path: Path) -> Profile:
    """Raises ConfigError with the line of a mistake."""
    document = toml.read(path)
    try:
        checked = ProfileFile.model_validate(document.values)
    except ValidationError as error:
        raise explain(error, ProfileFile, [Layer("profile", document.values, document)]) from None
    settings = {table: keys for table, keys in document.values.items() if table != "profile"}
    head = checked.profile
    return Profile(head.name, head.title, head.detect, settings, document, head.multiply_adds_per_s)


@cache
def every() -> tuple[Profile, ...]:
    """All profiles, by name."""
    return tuple(sorted((read(path) for path in folder().glob("*.toml")), key=lambda profile: profile.name))


def named(name: str) -> Profile:
    """Raises WrongProfile."""
    for profile in every():
        if profile.name == name:
            return profile
    raise WrongProfile(name=name, why=f"there is none of that name, only {', '.join(p.name for p in every())}")


def choose(name: str) -> Profile:
    """The profile of that name if it fits the board; 'auto': the one that fits best. Raises WrongProfile."""
    board = inspect()
    if name == "auto":
        return detect(board)
    profile = named(name)
    if reason := unfit(profile.detect, board):
        raise WrongProfile(name=name, why=reason)
    return profile


def detect(board: Board) -> Profile:
    """The profile that says most about this board; NONE where nothing fits."""
    fitting = [profile for profile in every() if not unfit(profile.detect, board)]
    return max(fitting, key=lambda profile: len(profile.detect.model_fields_set), default=NONE)


def unfit(want: Detect, board: Board) -> str | None:
    """Why a profile is not for this board, or None when it is."""
    if want.machine != board.machine:
        return f"it is for {want.machine}, and this machine is {board.machine}"
    if want.compatible and not set(want.compatible) & set(board.compatible):
        return f"it is for {' or '.join(want.compatible)}, and this is {board.model or 'no device-tree board'}"
    if want.cuda and not board.cuda:
        return "it needs a CUDA driver, and none is loaded"
    return None
