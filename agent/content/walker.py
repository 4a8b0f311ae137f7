"""From a root's CID to folders and files, believing nothing.

The walk starts at the CID asked for. Each block was hashed before it is looked at; what a block declares
(sizes, names, how many parts) is bounded before anything is asked for or allocated on its word, and checked
against what came. So a hostile bundle costs at most what the limits allow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from agent.content import node
from agent.content.node import DagNode, Link
from agent.core.cid import RAW, Cid
from agent.errors import Malformed, Refused, Unavailable
from agent.ports import BundleLimits

MAX_BLOCK_BYTES = 2 * 1024 * 1024
"""What Kubo's bitswap takes at most."""
_MAX_PARTS = 1024
"""Links of one file node; the widest profile has as many."""
_MAX_TREE = 16
"""Levels of one file's tree; 174 links a node reach any size in 8."""
_MAX_VISITS = 1 << 17
"""Blocks looked at in one walk, repeats included: 32 GiB in chunks of 256 KiB."""
_MAX_NAME_BYTES = 255

EVERYTHING = BundleLimits(total_bytes=1 << 50, files=1 << 20, depth=64)
"""For what one's own store holds."""

Fetch = Callable[[Cid], bytes]
"""Gives a block's bytes, checked against the CID and at most MAX_BLOCK_BYTES. Raises Unavailable."""


class TooMuch(Refused):
    """The bundle {cid} is refused: {why}"""


class TookTooLong(Unavailable):
    """The bundle {cid} was not whole after {seconds:.0f} s. What came is kept; the work waits and goes on."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder begins to exist. The root's path is empty."""

    path: PurePosixPath


@dataclass(frozen=True, slots=True)
class File:
    """A file begins. Its blocks are fetched as `chunks` is read, and not if it is not."""

    path: PurePosixPath
    size: int
    chunks: Iterator[bytes]


Step = Folder | File


def walk(root: Cid, fetch: Fetch, limits: BundleLimits) -> Iterator[Step]:
    """A bundle's folders and files in order. Raises Malformed, Refused (TooMuch), and what `fetch`
    raises."""
    return _Walk(root, fetch, limits).steps()


@dataclass(frozen=True, slots=True)
class Sum:
    """What a walk came to: files and their bytes."""

    files: int
    size: int


def drain(steps: Iterable[Step]) -> Sum:
    """Walk to the end, so that every block was looked at, and keep nothing."""
    files, size = 0, 0
    for step in steps:
        if isinstance(step, File):
            files += 1
            size += sum(map(len, step.chunks))
    return Sum(files, size)


class _Walk:
    """One walk with what it has spent so far."""

    def __init__(self, root: Cid, fetch: Fetch, limits: BundleLimits) -> None:
        self.root = root
        self.limits = limits
        self._fetch = fetch
        self._visits = 0
        self._entries = 0
        self._bytes = 0
        self._ends = None if limits.seconds is None else time.monotonic() + limits.seconds

    def steps(self) -> Iterator[Step]:
        block = self._visit(self.root)
        if self.root.codec == RAW or (top := node.read(block)).kind != node.DIRECTORY:
            raise Refused(what=f"The bundle {self.root}", why="it is a single file, not a folder")
        if _total(block, top) > 2 * self.limits.total_bytes + MAX_BLOCK_BYTES:
            raise self._too_much(f"it claims {_total(block, top)} bytes, at most {self.limits.total_bytes} are taken")
        yield from self._folder(PurePosixPath(), top, 1)

    def _folder(self, path: PurePosixPath, folder: DagNode, depth: int) -> Iterator[Step]:
        yield Folder(path)
        if folder.links and depth > self.limits.depth:
            raise self._too_much(f"folders lie deeper than {self.limits.depth}")
        self._entries += len(folder.links)
        if self._entries > self.limits.files:
            raise self._too_much(f"more than {self.limits.files} files and folders")
        names = [_safe(link.name) for link in folder.links]
        if len(set(names)) != len(names):
            raise Malformed(what=f"the folder {path}", why="a name occurs twice")
        for name, link in zip(names, folder.links, strict=True):
            yield from self._entry(path / name, link, depth)

    def _entry(self, path: PurePosixPath, link: Link, depth: int) -> Iterator[Step]:
        if link.cid.codec == RAW:
            self._charge(link.total)
            yield File(path, link.total, self._whole(link))
            return
        child = self._node(link)
        if child.kind == node.DIRECTORY:
            yield from self._folder(path, child, depth + 1)
        else:
            self._charge(child.size)
            yield File(path, child.size, self._parts(child, 1))

    def _whole(self, link: Link) -> Iterator[bytes]:
        yield self._raw(link, link.total)

    def _parts(self, file: DagNode, level: int) -> Iterator[bytes]:
        """A file's bytes. Its declared size was charged and equals the sum of its parts' declared sizes."""
        if file.data:
            yield file.data
        if level > _MAX_TREE or len(file.links) > _MAX_PARTS:
            raise self._too_much(f"a file's tree is wider than {_MAX_PARTS} or deeper than {_MAX_TREE}")
        for link, size in zip(file.links, file.part_sizes, strict=True):
            if link.name:
                raise Malformed(what="a file", why=f"a part of it has a name: {link.name[:40]!r}")
            if link.cid.codec == RAW:
                yield self._raw(link, size)
                continue
            part = self._node(link)
            if part.kind != node.FILE or part.size != size:
                raise Malformed(what="a file", why=f"a part that should have {size} bytes has {part.size}")
            yield from self._parts(part, level + 1)

    def _raw(self, link: Link, size: int) -> bytes:
        block = self._visit(link.cid)
        if not len(block) == link.total == size:
            raise Malformed(what="a file", why=f"a part that should have {size} bytes has {len(block)}")
        return block

    def _node(self, link: Link) -> DagNode:
        block = self._visit(link.cid)
        child = node.read(block)
        if _total(block, child) != link.total:
            raise Malformed(what="a block", why=f"{link.total} bytes were declared for it, not {_total(block, child)}")
        return child

    def _visit(self, cid: Cid) -> bytes:
        self._visits += 1
        if self._visits > _MAX_VISITS:
            raise self._too_much(f"more than {_MAX_VISITS} blocks")
        if self._ends is not None and time.monotonic() > self._ends:
            raise TookTooLong(cid=self.root, seconds=self.limits.seconds)
        return self._fetch(cid)

    def _charge(self, size: int) -> None:
        self._bytes += size
        if self._bytes > self.limits.total_bytes:
            raise self._too_much(f"its files have more than {self.limits.total_bytes} bytes")

    def _too_much(self, why: str) -> TooMuch:
        return TooMuch(cid=self.root, why=why)


def _total(block: bytes, read: DagNode) -> int:
    return len(block) + sum(link.total for link in read.links)


def _safe(name: str) -> str:
    """A name that stays inside its folder and breaks no terminal. Raises Malformed."""
    if name in ("", ".", "..") or any(sign in "/\\\x7f" or sign < " " for sign in name):
        raise Malformed(what="a folder", why=f"the name {name[:80]!r} is not a plain file name")
    if len(name.encode()) > _MAX_NAME_BYTES:
        raise Malformed(what="a folder", why=f"a name in it has more than {_MAX_NAME_BYTES} bytes")
    return name
