"""Files that are whole or not there: written as `.part`, synced, renamed, and the folder synced after."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.errors import Unavailable

PART = ".part"


class DiskFull(Unavailable):
    """The disk under {path} is full. Nothing half-written is left; the work goes on when there is room."""


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Turns a full disk into DiskFull, and a disk that fails or is gone into Unavailable."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(path=path) from error
        raise Unavailable(what=f"The folder {path} ({error.strerror or error})") from error


def write_whole(path: Path, pieces: Iterable[bytes]) -> None:
    """Put the bytes under `path`, all or none. The caller syncs the folder once all its files are in."""
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:16]}-", suffix=PART)
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def sync_folder(path: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
