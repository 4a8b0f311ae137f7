"""A walk written to disk: the folder appears under its name when it is whole, and not before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from agent import files
from agent.content import importer
from agent.content.importer import CIDV0, GOOD_LINK
from agent.content.walker import File, Step
from agent.core.cid import Cid


def holds(into: Path, cid: Cid) -> bool:
    """Whether an earlier export of `cid` lies there whole, cut in one of the ways that Milepost cuts."""
    if not into.is_dir() or not any(into.iterdir()):
        return False
    try:
        return any(importer.root(into, layout) == cid for layout in (CIDV0, GOOD_LINK))
    except importer.NotStorable:
        return False


def export(steps: Iterable[Step], into: Path) -> None:
    """Write a walk so that `into` holds it, whole or not at all; what lay there is replaced.

    Raises DiskFull, and what the walk raises.
    """
    part = into.with_name(f".{into.name}{files.PART}")
    with files.room_for(into):
        shutil.rmtree(part, ignore_errors=True)
        files.make_folder(into.parent)
    try:
        _write(steps, part)
        with files.room_for(into):
            files.remove_folder(into)
            part.rename(into)
            files.sync_folder(into.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(steps: Iterable[Step], part: Path) -> None:
    folders = []
    for step in steps:
        if isinstance(step, File):
            _write_file(part / step.path, step.chunks)
        else:
            folders.append(part / step.path)
            with files.room_for(part):
                folders[-1].mkdir()
    with files.room_for(part):
        for folder in reversed(folders):
            files.sync_folder(folder)


def _write_file(path: Path, chunks: Iterable[bytes]) -> None:
    with files.room_for(path):
        file = path.open("xb", buffering=0)
    with file:
        for chunk in chunks:
            with files.room_for(path):
                file.write(chunk)
        with files.room_for(path):
            os.fsync(file.fileno())
