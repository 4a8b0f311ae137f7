"""Blocks from whoever has them, checked, and kept on disk until the whole is there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from agent.content import node
from agent.content.blockfolder import BlockFolder
from agent.content.gateway import Gateway
from agent.content.importer import Block
from agent.content.source import BlockMissing, Source
from agent.core.cid import DAG_PB, Cid
from agent.core.pauses import Backoff
from agent.errors import Refused, Unavailable
from agent.files import DiskFull, DiskReadOnly
from agent.troubles import NoSource as NoSource

PAUSES_S = Backoff(0.5, 4.0).few(4)
"""Between attempts. After the last the caller's job waits, and calls again."""
_MAX_WANTED = 1 << 17
"""Blocks of one tree still looked for while a gateway sends it."""


class Download:
    """One bundle on its way down. A source that fails goes to the end of the queue; a good one is asked
    again."""

    def __init__(self, sources: Sequence[Source], partial: BlockFolder, sleep: Callable[[float], None]) -> None:
        self._sources = deque(sources)
        self._partial = partial
        self._sleep = sleep
        self._kept: set[Cid] = set()

    def fetch(self, cid: Cid) -> bytes:
        """A block, from disk or else from the first source that has it.

        Raises BlockMissing when every source answered and has it not, NoSource when one did not answer,
        DiskFull.
        """
        data = self._partial.read(cid)
        if data is None:
            data = self._from_sources(cid)
            self._partial.put(Block(cid, (data,)))
        self._kept.add(cid)
        return data

    def _from_sources(self, cid: Cid) -> bytes:
        for pause in (*PAUSES_S, None):
            failures: list[Unavailable] = []
            for _ in range(len(self._sources)):
                try:
                    return self._sources[0].get(cid)
                except Unavailable as error:
                    failures.append(error)
                    self._sources.rotate(-1)
            if all(isinstance(failure, BlockMissing) for failure in failures):
                raise BlockMissing(what=f"The block {cid}")
            if pause is not None:
                self._sleep(pause)
        raise NoSource(cid=cid, why="; ".join(str(failure).split(". ")[0] for failure in failures))

    def take_trees(self, gateways: Sequence[Gateway], root: Cid, limit: int) -> None:
        """Ask each gateway for the whole tree at once, until one sends all of it: one round trip, not one a
        block.

        Nothing hangs on it: what does not come this way is fetched block by block.
        """
        for gateway in gateways:
            try:
                self._take_tree(gateway, root, limit)
                return
            except (DiskFull, DiskReadOnly):
                raise
            except (Unavailable, Refused):
                continue

    def _take_tree(self, gateway: Gateway, root: Cid, limit: int) -> None:
        """Keep what is linked from what was asked for; drop every other block."""
        if self._partial.read(root) is not None:
            return
        wanted = {root.digest}
        for block in gateway.tree(root, limit):
            if block.cid.digest not in wanted or len(wanted) > _MAX_WANTED:
                continue
            wanted.remove(block.cid.digest)
            self._partial.put(block)
            if block.cid.codec == DAG_PB:
                wanted |= {link.cid.digest for link in node.read(block.to_bytes()).links}

    def forget(self) -> None:
        """The whole is there, or will never be wanted: give the disk back."""
        for cid in self._kept:
            self._partial.drop(cid)
