"""The only durable writes: a file is there whole or as it was, also after a power cut.

Written aside, synced, given its name, and the folder synced after: a file's name is safe only once its folder is.
What the disk refuses is a sentence: nothing half-written is left, and the work goes on when the disk does.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from agent.errors import MilepostError
from agent.troubles import DiskFails as DiskFails
from agent.troubles import DiskFull as DiskFull
from agent.troubles import DiskReadOnly as DiskReadOnly

PART = ".part"
GOING = ".going"
PRIVATE = 0o600


class AlreadyThere(MilepostError):
    """{path} is there already, and it is never replaced. Choose another name."""


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """What the disk refuses under `path`, as a sentence: DiskFull, DiskReadOnly, or DiskFails."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(path=path) from error
        if error.errno == errno.EROFS:
            raise DiskReadOnly(path=path) from error
        raise DiskFails(path=path, why=error.strerror or error) from error


def write_whole(path: Path, data: bytes, mode: int = PRIVATE, aside: Path | None = None) -> None:
    """Put the bytes under `path` in place of what is there. For one writer: what a power cut left of an earlier try is
    written over. `aside`: where they are until then, on the same disk, if not beside it. Raises what `room_for`
    says."""
    part = aside or path.with_name(path.name + PART)
    with room_for(path.parent):
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with _filled(handle, part, (data,), mode):
            part.replace(path)
        sync_folder(path.parent)


def write_new(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """As `write_whole`, for what must never be replaced. Raises AlreadyThere as well."""
    with room_for(path.parent):
        handle, part = _of_its_own(path)
        with _filled(handle, part, (data,), mode):
            try:
                os.link(part, path)
            except FileExistsError:
                raise AlreadyThere(path=path) from None
        sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are lacking; their names survive a power cut. Idempotent. Raises what
    `room_for` says."""
    with room_for(path):
        lacking = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for folder in reversed(lacking):
            sync_folder(folder.parent)


def remove_folder(path: Path) -> None:
    """Take a folder away, so that no power cut leaves half of it under its name. Idempotent. Raises what `room_for`
    says."""
    with room_for(path):
        if path.is_dir():
            aside = path.with_name(f".{path.name}{GOING}")
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
            sync_folder(path.parent)
            shutil.rmtree(aside, ignore_errors=True)


def write_folder(path: Path, contents: Mapping[str, bytes | Path]) -> None:
    """Put a folder of these files, bytes or copies, in place of what is there; a power cut leaves the one, the other or
    none, and never half. For one writer. Raises what `room_for` says."""
    part = path.with_name(path.name + PART)
    try:
        with room_for(path.parent):
            shutil.rmtree(part, ignore_errors=True)
            make_folder(part.parent)
            part.mkdir()
            for name, content in contents.items():
                if isinstance(content, Path):
                    shutil.copyfile(content, part / name)
                else:
                    (part / name).write_bytes(content)
                with (part / name).open("rb") as file:
                    os.fsync(file.fileno())
            sync_folder(part)
            remove_folder(path)
            part.rename(path)
            sync_folder(path.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_one_of_many(path: Path, pieces: Iterable[bytes]) -> None:
    """For a folder that several writers share. The caller calls `sync_folder` once all its files are in. Raises
    OSError."""
    handle, part = _of_its_own(path)
    with _filled(handle, part, pieces, PRIVATE):
        part.replace(path)


def sync_folder(path: Path) -> None:
    """Make the names in a folder survive a power cut. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _of_its_own(path: Path) -> tuple[int, Path]:
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:16]}-", suffix=PART)
    return handle, Path(part)


@contextmanager
def _filled(handle: int, part: Path, pieces: Iterable[bytes], mode: int) -> Iterator[None]:
    """The pieces are on the disk; `part` is gone afterwards, whatever happens."""
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(handle)
        yield
    finally:
        part.unlink(missing_ok=True)
