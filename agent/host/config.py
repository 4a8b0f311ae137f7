"""The configuration as the agent uses it: flag > environment > file > firmware profile > default.

The layers are laid over one another, checked once, and frozen. A mistake is shown where it was made: the
file's line, the variable, the flag or the profile that it came from.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agent import toml
from agent.host import profile
from agent.host.layers import Layer, from_environment, highest, merge, nest
from agent.host.mistakes import WrongSetting, explain
from agent.host.sections import Config
from agent.toml import Key

__all__ = ["Config", "Loaded", "WrongSetting", "load", "trace"]

STANDARD_PATH = Path("/etc/milepost/milepost.toml")
KEY_NAME = "stellar-key"
INSTALLED_KEY = Path("/etc/milepost/credentials") / KEY_NAME


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, the firmware profile under it, and the layers it came from, lowest first."""

    config: Config
    board: profile.Profile
    layers: tuple[Layer, ...]

    def origin(self, key: Key) -> str:
        """Where a key's value comes from, in words."""
        layer = highest(self.layers, key)
        return layer.where(key) if layer else "default"


def load(path: str | Path | None = None, overrides: Mapping[str, object] | None = None) -> Config:
    """The configuration, from `path` or the standard place. `overrides`: {"mqtt.host": "…"}, from flags.

    Raises ConfigError (exit 78).
    """
    return trace(path, overrides).config


def trace(
    path: str | Path | None = None,
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Loaded:
    """As `load`, keeping where each value came from."""
    above = [_file(path), from_environment(environ), Layer("flag", nest(overrides or {}))]
    board = profile.choose(_profile_name(above))
    layers = (Layer(f"profile {board.name}", board.settings, board.document), *above)
    values = _complete(merge(layers), board, environ)
    try:
        return Loaded(Config.model_validate(values), board, layers)
    except ValidationError as error:
        raise explain(error, Config, layers) from None


def _file(path: str | Path | None) -> Layer:
    if path is None and not STANDARD_PATH.exists():
        return Layer("file", {})
    document = toml.read(Path(path or STANDARD_PATH))
    return Layer("file", _first_camera(document.values), document)


def _first_camera(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """An array of cameras as the first with the others beside it, so that layers below and above can be joined."""
    cameras = values.get("camera")
    if not isinstance(cameras, list) or not all(isinstance(camera, dict) for camera in cameras):
        return values
    first, *others = cameras
    return {**values, "camera": {**first, "others": [*others, *first.get("others", ())]}}


def _profile_name(layers: list[Layer]) -> str:
    agent = merge(layers).get("agent")
    name = agent.get("profile", "auto") if isinstance(agent, dict) else "auto"
    return name if isinstance(name, str) else "auto"  # of another type: the check below refuses it with its line


def _complete(values: dict[str, Any], board: profile.Profile, environ: Mapping[str, str]) -> dict[str, Any]:
    """Fill in the defaults that depend on the machine: host name, the profile that fits, systemd's directories."""
    agent = values.setdefault("agent", {})
    if isinstance(agent, dict):
        agent.setdefault("id", _host_name())
        if agent.get("profile", "auto") == "auto":
            agent["profile"] = board.name
        agent.setdefault("state_dir", environ.get("STATE_DIRECTORY", "/var/lib/milepost").split(":")[0])
        agent.setdefault("key_file", str(_key_file(Path(str(agent["state_dir"])), environ)))
        validator = values.setdefault("validator", {})
        if isinstance(validator, dict):
            validator.setdefault("key_file", agent["key_file"])
    return values


def _key_file(state_dir: Path, environ: Mapping[str, str]) -> Path:
    """Where systemd hands it over; else with the state; else where the installer put it, for root at a terminal."""
    if folder := environ.get("CREDENTIALS_DIRECTORY"):
        return Path(folder) / KEY_NAME
    own = state_dir / KEY_NAME
    return INSTALLED_KEY if not os.access(own, os.R_OK) and os.access(INSTALLED_KEY, os.R_OK) else own


def _host_name() -> str:
    name = "".join(
        sign if sign in "abcdefghijklmnopqrstuvwxyz0123456789._-" else "-" for sign in socket.gethostname().lower()
    )
    return name.strip("._-")[:63] or "vehicle"
