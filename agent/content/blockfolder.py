"""Blocks as files in one folder, each named by its digest: a folder store, or what a download has so far."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from agent import files
from agent.content.importer import Block
from agent.core.cid import Cid

_STALE_SECONDS = 24 * 3600
"""A `.part` as old as this belongs to a writer that lost power."""


class BlockFolder:
    """Several processes may share the folder: a file under its name is whole and never changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        files.make_folder(folder)
        with files.room_for(folder):
            for part in folder.glob(f".*{files.PART}"):
                if time.time() - part.stat().st_mtime > _STALE_SECONDS:
                    part.unlink(missing_ok=True)

    def __repr__(self) -> str:
        return f"BlockFolder({str(self.folder)!r})"

    def _path(self, cid: Cid) -> Path:
        return self.folder / cid.digest.hex()

    def put(self, block: Block) -> None:
        """Keep a block; `sync` makes it last. Idempotent, and heals a file that rotted. Raises DiskFull."""
        if self.read(block.cid) is None:
            with files.room_for(self.folder):
                files.write_one_of_many(self._path(block.cid), block.pieces)

    def sync(self) -> None:
        """What was put survives a power cut from here on."""
        with files.room_for(self.folder):
            files.sync_folder(self.folder)

    def read(self, cid: Cid) -> bytes | None:
        """The block, checked against its digest; None when it is not here or has rotted."""
        with files.room_for(self.folder):
            try:
                data = self._path(cid).read_bytes()
            except FileNotFoundError:
                return None
        return data if hashlib.sha256(data).digest() == cid.digest else None

    def drop_older(self, seconds: float) -> None:
        """Forget what has lain here for so long."""
        with files.room_for(self.folder):
            for file in self.folder.iterdir():
                if time.time() - file.stat().st_mtime > seconds:
                    file.unlink(missing_ok=True)

    def drop(self, cid: Cid) -> None:
        """Forget a block. Idempotent."""
        with files.room_for(self.folder):
            self._path(cid).unlink(missing_ok=True)
