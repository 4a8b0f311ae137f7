"""Writes the commit into what hatchling builds, so that `milepost --version` knows it where there is no checkout."""

from __future__ import annotations

import runpy
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Stamp(BuildHookInterface):  # type: ignore[misc]
    """A build that is not editable gets `agent/commit.txt`; one from an sdist has it already."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        agent = Path(self.root) / "agent"
        if version == "editable" or (agent / "commit.txt").exists():
            return
        if commit := runpy.run_path(str(agent / "commit.py"))["commit"]():
            self._folder = tempfile.TemporaryDirectory()
            file = Path(self._folder.name) / "commit.txt"
            file.write_text(f"{commit}\n")
            build_data["force_include"][str(file)] = "agent/commit.txt"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if hasattr(self, "_folder"):
            self._folder.cleanup()
