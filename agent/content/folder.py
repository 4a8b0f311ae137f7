"""A content store in a folder that several parties can reach: same CIDs as an IPFS node, no daemon."""

from __future__ import annotations

from pathlib import Path

from agent.content import exporter, importer
from agent.content.blockfolder import BlockFolder
from agent.content.source import BlockMissing
from agent.content.walker import EVERYTHING, drain, walk
from agent.core.cid import Cid
from agent.ports import BundleLimits


class FolderStore:
    """`ContentStore` over a shared folder of blocks. A rotten block is noticed when it is read."""

    def __init__(self, folder: Path) -> None:
        self._blocks = BlockFolder(folder)

    def __repr__(self) -> str:
        return f"FolderStore({str(self._blocks.folder)!r})"

    def close(self) -> None:
        """Nothing is held open."""

    def put(self, folder: Path) -> Cid:
        """Twice is harmless: blocks are named by what they hold."""
        for block in importer.bundle_blocks(folder):
            self._blocks.put(block)
        self._blocks.sync()
        return block.cid

    def get(self, cid: Cid, into: Path, limits: BundleLimits) -> None:
        if not exporter.holds(into, cid):
            exporter.export(walk(cid, self.fetch, limits), into)

    def has(self, cid: Cid) -> bool:
        try:
            drain(walk(cid, self.fetch, EVERYTHING))
        except BlockMissing:
            return False
        return True

    def drop(self, folder: Path) -> None:
        for block in importer.bundle_blocks(folder):
            self._blocks.drop(block.cid)

    def fetch(self, cid: Cid) -> bytes:
        """One block, checked. Raises BlockMissing."""
        data = self._blocks.read(cid)
        if data is None:
            raise BlockMissing(what=f"The block {cid}")
        return data
