"""The content store over IPFS nodes and gateways, made for a link that breaks.

Up: the blocks are computed here; what was sent is written down; the root goes last and is then pinned and
read back. Down: block by block from whoever has it, each hashed, and kept until the whole is there. Either
way a run that was killed goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from agent.content import exporter, importer
from agent.content.blockfolder import BlockFolder
from agent.content.download import PAUSES_S, Download
from agent.content.gateway import Gateway
from agent.content.importer import CIDV0, GOOD_LINK, Block, Layout
from agent.content.kubo import Kubo, NotHere
from agent.content.outgoing import Outgoing
from agent.content.pinning import PinningService
from agent.content.source import BlockMissing
from agent.content.walker import MAX_BLOCK_BYTES, drain, walk
from agent.core.cid import Cid
from agent.errors import Refused, Unavailable
from agent.ports import BundleLimits

_ABANDONED_SECONDS = 14 * 24 * 3600
"""Half a download that nobody came back for."""

T = TypeVar("T")


class Changed(Refused):
    """{folder} changed while it was sent. Store it again once it is at rest."""


class NodeStore:
    """`ContentStore` over RPC nodes (the fleet's first), gateways to read from, and pinning services."""

    def __init__(
        self,
        state: Path,
        nodes: Sequence[Kubo],
        gateways: Sequence[Gateway] = (),
        services: Sequence[PinningService] = (),
        good_link: Callable[[], bool] = lambda: False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`state`: a folder of our own for notes and half a download. `good_link`: asked when a bundle is
        first stored; True cuts it into blocks of 1 MiB instead of 256 KiB."""
        self._nodes = nodes
        self._gateways = gateways
        self._services = services
        self._good_link = good_link
        self._sleep = sleep
        self._outgoing = Outgoing(state / "outgoing.sqlite")
        self._partial = BlockFolder(state / "partial")
        self._partial.drop_older(_ABANDONED_SECONDS)

    def __repr__(self) -> str:
        return f"NodeStore({[*self._nodes, *self._gateways, *self._services]})"

    def close(self) -> None:
        self._outgoing.close()
        for node in self._nodes:
            node.close()
        for gateway in self._gateways:
            gateway.close()
        for service in self._services:
            service.close()

    # --- up -----------------------------------------------------------------------------------------------

    def put(self, folder: Path) -> Cid:
        """At the first node that takes it. Twice is harmless: what is noted as stored is only looked up."""
        layout, root = self._plan(folder)
        refusals = []
        for endpoint in self._nodes:
            try:
                self._store_at(endpoint, folder, layout, root)
                self._ask_pins(endpoint)
                return root
            except Unavailable as error:
                refusals.append(error)
        if not refusals:
            raise Unavailable(what="A node to store at (none is configured)")
        raise refusals[0]

    def drop(self, folder: Path) -> None:
        """At every node; what one has not is dropped there already."""
        layout, root = self._plan(folder)
        for endpoint in self._nodes:
            if self._again(partial(endpoint.pinned, root)):
                endpoint.unpin(root)
            for block in importer.bundle_blocks(folder, layout):
                if self._again(partial(endpoint.has, block.cid)):
                    endpoint.remove(block.cid)
            self._outgoing.dropped(endpoint.url, root)

    def _plan(self, folder: Path) -> tuple[Layout, Cid]:
        plain = importer.bundle_root(folder)
        if not self._outgoing.wide(plain, self._good_link()):
            return CIDV0, plain
        return GOOD_LINK, importer.bundle_root(folder, GOOD_LINK)

    def _store_at(self, endpoint: Kubo, folder: Path, layout: Layout, root: Cid) -> None:
        if self._outgoing.is_stored(endpoint.url, root) and self._again(partial(endpoint.pinned, root)):
            return
        self._send(endpoint, folder, layout, root)
        try:
            self._again(partial(endpoint.pin, root), stop=NotHere)
        except NotHere:
            # It lost blocks that it once took (a new disk, a collected repository).
            for block in importer.bundle_blocks(folder, layout):
                if not self._again(partial(endpoint.has, block.cid)):
                    self._outgoing.forget(endpoint.url, root, block.cid)
            self._send(endpoint, folder, layout, root)
            self._again(partial(endpoint.pin, root))
        self._again(partial(endpoint.get, root))
        self._outgoing.stored(endpoint.url, root, [service.url for service in self._services])

    def _send(self, endpoint: Kubo, folder: Path, layout: Layout, root: Cid) -> None:
        """Every block not noted as sent, the root last. Raises Changed before a root of something else is
        sent."""
        held: Block | None = None
        for block in importer.bundle_blocks(folder, layout):
            if held is not None:
                self._send_block(endpoint, held, root)
            held = block
        if held is None or held.cid != root:
            raise Changed(folder=folder)
        self._send_block(endpoint, held, root)

    def _send_block(self, endpoint: Kubo, block: Block, root: Cid) -> None:
        state = self._outgoing.state(endpoint.url, root, block.cid)
        if state == "sent":
            return
        self._outgoing.note(endpoint.url, root, block.cid, "sending")
        self._again(_Sending(endpoint, block, perhaps_there=state == "sending"))
        self._outgoing.note(endpoint.url, root, block.cid, "sent")

    def _ask_pins(self, endpoint: Kubo) -> None:
        """A service that is away is owed the question; the bundle is stored all the same."""
        for service in self._services:
            for root in self._outgoing.pins_owed(service.url):
                try:
                    service.ask(root, endpoint.addresses())
                except Unavailable:
                    break
                self._outgoing.pin_asked(service.url, root)

    def _again(self, attempt: Callable[[], T], stop: type[Unavailable] | tuple[()] = ()) -> T:
        """Try, and try again after each pause, unless `stop` is raised. An attempt may be repeated
        without harm."""
        for pause in PAUSES_S:
            try:
                return attempt()
            except stop:
                raise
            except Unavailable:
                self._sleep(pause)
        return attempt()

    # --- down ---------------------------------------------------------------------------------------------

    def get(self, cid: Cid, into: Path, limits: BundleLimits) -> None:
        if exporter.holds(into, cid):
            return
        download = self._download()
        if not self._nodes:
            download.take_trees(self._gateways, cid, 2 * limits.total_bytes + MAX_BLOCK_BYTES)
        try:
            exporter.export(walk(cid, download.fetch, limits), into)
        except Refused:
            download.forget()
            raise
        download.forget()

    def has(self, cid: Cid) -> bool:
        """Pinned at one of the nodes; or else had, by fetching what is missing here (kept for `get`)."""
        if any(self._again(partial(endpoint.pinned, cid)) for endpoint in self._nodes):
            return True
        download = self._download()
        try:
            drain(walk(cid, download.fetch, BundleLimits()))
        except BlockMissing:
            return False
        return True

    def _download(self) -> Download:
        return Download((*self._nodes, *self._gateways), self._partial, self._sleep)

    def fetch(self, cid: Cid) -> bytes:
        """One block, checked. Raises NoSource or BlockMissing."""
        return self._download().fetch(cid)


class _Sending:
    """One block on its way. Asks first where an earlier attempt may have arrived, so that it is sent
    once."""

    def __init__(self, endpoint: Kubo, block: Block, perhaps_there: bool) -> None:
        self._endpoint = endpoint
        self._block = block
        self._perhaps_there = perhaps_there

    def __call__(self) -> None:
        if self._perhaps_there and self._endpoint.has(self._block.cid):
            return
        self._perhaps_there = True
        self._endpoint.put(self._block)
