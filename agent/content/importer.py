"""Files and folders into blocks, with the same CIDs as Kubo.

A file is cut into chunks of one size; the chunks are the leaves of a balanced tree, built from the left,
whose nodes have at most so many links. Nothing larger than a chunk is held: blocks come out one by one,
each after everything that it links to, the root last.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from agent.content import node
from agent.content.node import Link
from agent.core.cid import DAG_PB, RAW, Cid
from agent.errors import Refused

_DIRECTORY_BYTES = 256 * 1024
"""From here on Kubo spreads a directory over several blocks, which bundles never need."""
_THREADS = 2
"""hashlib and reading let go of the interpreter, so that two cores are used where there are two."""
_RUN_BYTES = 2 * 1024 * 1024
"""What a thread reads and hashes at a time. With less, handing over would cost more than the second core gives."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is cut: CID version, raw or dag-pb leaves, bytes in a chunk, links in a node."""

    version: int = 0
    raw_leaves: bool = False
    chunk_bytes: int = 256 * 1024
    links: int = 174


CIDV0 = Layout()
GOOD_LINK = Layout(raw_leaves=True, chunk_bytes=1024 * 1024)
"""Fewer, larger blocks under a CIDv0 root. Raw leaves, because Kubo takes no block above 1 MiB unasked."""
PROFILES = {
    "cidv0": CIDV0,
    "raw": Layout(version=1, raw_leaves=True),
    "unixfs-v1-2025": Layout(version=1, raw_leaves=True, chunk_bytes=1024 * 1024, links=1024),
}
"""Kubo's `ipfs add`, `ipfs add --cid-version=1`, and its profile unixfs-v1-2025."""


class NotStorable(Refused):
    """{what} cannot be stored: {why}"""


@dataclass(frozen=True, slots=True)
class Block:
    """A block and its name. The bytes come in pieces, so that a chunk need not be copied to be framed."""

    cid: Cid
    pieces: tuple[bytes, ...]

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces))

    def to_bytes(self) -> bytes:
        return b"".join(self.pieces)


@dataclass(frozen=True, slots=True)
class _Part:
    """A finished subtree: where it is, its size with and without what the tree costs."""

    cid: Cid
    size: int
    total: int


def root(path: Path, layout: Layout = CIDV0) -> Cid:
    """The CID of a file or folder; stores nothing. Raises NotStorable."""
    return last(_tree(path, layout, keep=False)).cid


def bundle_root(path: Path, layout: Layout = CIDV0) -> Cid:
    """The CID under which a store keeps a folder, or a single file wrapped in one. Raises NotStorable."""
    return last(_bundle(path, layout, keep=False)).cid


def last(stream: Iterable[Block]) -> Block:
    """The root: the last block."""
    (final,) = deque(stream, maxlen=1)
    return final


def blocks(path: Path, layout: Layout = CIDV0) -> Iterator[Block]:
    """Every block of a file or folder, the root last. Raises NotStorable for what a bundle cannot hold."""
    yield from _tree(path, layout, keep=True)


def bundle_blocks(path: Path, layout: Layout = CIDV0) -> Iterator[Block]:
    """Like `blocks`, but a single file is wrapped in a directory: the root is dag-pb in any layout."""
    yield from _bundle(path, layout, keep=True)


def _bundle(path: Path, layout: Layout, keep: bool) -> Iterator[Block]:
    part = yield from _tree(path, layout, keep)
    if path.is_dir():
        return
    yield _directory([Link(part.cid, part.total, _name(path))], layout, path)[0]


def _tree(path: Path, layout: Layout, keep: bool) -> Generator[Block, None, _Part]:
    if path.is_symlink():
        raise NotStorable(what=path, why="it is a symbolic link")
    if path.is_file():
        return (yield from _file(path, layout, keep))
    if not path.is_dir():
        why = "it is neither a file nor a folder" if path.exists() else "there is nothing there"
        raise NotStorable(what=path, why=why)
    links = []
    for entry in sorted(path.iterdir()):
        part = yield from _tree(entry, layout, keep)
        links.append(Link(part.cid, part.total, _name(entry)))
    block, whole = _directory(links, layout, path)
    yield block
    return whole


def _name(path: Path) -> str:
    try:
        os.fsencode(path.name).decode()
    except UnicodeDecodeError:
        raise NotStorable(what=repr(path), why="its name is not UTF-8") from None
    return path.name


def _directory(links: list[Link], layout: Layout, path: Path) -> tuple[Block, _Part]:
    if sum(len(link.name.encode()) + len(link.cid.to_bytes()) for link in links) > _DIRECTORY_BYTES:
        raise NotStorable(what=path, why=f"{len(links)} entries do not fit in one directory block")
    data = node.directory_block(links)
    cid = _cid(DAG_PB, hashlib.sha256(data).digest(), layout)
    return Block(cid, (data,)), _Part(cid, 0, len(data) + sum(link.total for link in links))


def _file(path: Path, layout: Layout, keep: bool) -> Generator[Block, None, _Part]:
    levels: list[list[_Part]] = [[]]
    for leaf, part in _leaves(path, layout, keep):
        yield leaf
        yield from _add(levels, 0, part, layout)
    depth = 0
    while depth < len(levels) - 1 or len(levels[depth]) > 1:
        block, parent = _parent(levels[depth], layout)
        yield block
        depth += 1
        yield from _add(levels, depth, parent, layout)
    return levels[depth][0]


def _add(levels: list[list[_Part]], depth: int, part: _Part, layout: Layout) -> Iterator[Block]:
    """Append to a level of the tree; a level that is full first becomes one node of the level above."""
    if depth == len(levels):
        levels.append([])
    if len(levels[depth]) == layout.links:
        block, parent = _parent(levels[depth], layout)
        levels[depth] = []
        yield block
        yield from _add(levels, depth + 1, parent, layout)
    levels[depth].append(part)


def _parent(parts: list[_Part], layout: Layout) -> tuple[Block, _Part]:
    sizes = [part.size for part in parts]
    data = node.file_block([Link(part.cid, part.total) for part in parts], sizes)
    cid = _cid(DAG_PB, hashlib.sha256(data).digest(), layout)
    return Block(cid, (data,)), _Part(cid, sum(sizes), len(data) + sum(part.total for part in parts))


_Leaf = tuple[Block, _Part]


def _leaves(path: Path, layout: Layout, keep: bool) -> Iterator[_Leaf]:
    """At least one, in order. Without their bytes (`keep` False) they are hashed on two threads."""
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if keep or size <= _RUN_BYTES:
            yield from _run(file, 0, size, layout, keep)
            return
        run_bytes = max(1, _RUN_BYTES // layout.chunk_bytes) * layout.chunk_bytes
        ahead: deque[Future[list[_Leaf]]] = deque()
        with ThreadPoolExecutor(_THREADS, "hash") as threads:
            for start in range(0, size, run_bytes):
                end = min(start + run_bytes, size)
                ahead.append(threads.submit(lambda *run: list(_run(*run)), file, start, end, layout, keep))
                if len(ahead) > _THREADS:
                    yield from ahead.popleft().result()
            while ahead:
                yield from ahead.popleft().result()


def _run(file: FileIO, start: int, end: int, layout: Layout, keep: bool) -> Iterator[_Leaf]:
    """The leaves of one stretch of a file. Raises NotStorable when the file has become shorter."""
    for at in range(start, max(end, start + 1), layout.chunk_bytes):
        size = min(layout.chunk_bytes, end - at)
        chunk = os.pread(file.fileno(), size, at)
        if len(chunk) != size:
            raise NotStorable(what=file.name, why="it changed while it was read")
        yield _leaf(chunk, layout, keep)


def _leaf(chunk: bytes, layout: Layout, keep: bool) -> _Leaf:
    head, tail = (b"", b"") if layout.raw_leaves else node.leaf_frame(len(chunk))
    digest = hashlib.sha256(head)
    digest.update(chunk)
    digest.update(tail)
    cid = _cid(RAW if layout.raw_leaves else DAG_PB, digest.digest(), layout)
    part = _Part(cid, len(chunk), len(head) + len(chunk) + len(tail))
    return Block(cid, (head, chunk, tail) if keep else ()), part


def _cid(codec: int, digest: bytes, layout: Layout) -> Cid:
    return Cid.v0(digest) if layout.version == 0 and codec == DAG_PB else Cid.v1(codec, digest)
