"""dag-pb nodes and the UnixFS message in them: how files and directories become blocks with links.

Sources: the dag-pb specification (links are written before data) and UnixFS's `unixfs.proto`. Sizes in
bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.content import protobuf
from agent.core.cid import Cid
from agent.errors import Malformed, Refused

DIRECTORY, FILE = 1, 2
_KINDS = {0: "raw data", 3: "metadata", 4: "a symbolic link", 5: "a sharded directory"}
"""UnixFS kinds that are never read here; 0 is a leaf of old importers and is read as a file."""
_RAW_LEAF = 0


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a block: `total` is the size of that block and of everything below it (dag-pb's Tsize)."""

    cid: Cid
    total: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class DagNode:
    """A dag-pb block, read: a directory with named links, or a file with its bytes or its parts."""

    kind: int
    links: tuple[Link, ...]
    data: bytes
    size: int
    """Of the file below this node; 0 for a directory."""
    part_sizes: tuple[int, ...]
    """Bytes of the file below each link."""


def leaf_frame(size: int) -> tuple[bytes, bytes]:
    """What stands before and after `size` bytes of a file in a dag-pb leaf."""
    head = protobuf.number(1, FILE)
    if size:
        head += protobuf.length_prefix(2, size)
    tail = protobuf.number(3, size)
    return protobuf.length_prefix(1, len(head) + size + len(tail)) + head, tail


def file_block(links: Sequence[Link], part_sizes: Sequence[int]) -> bytes:
    """The block of a file that is made of parts."""
    message = protobuf.number(1, FILE) + protobuf.number(3, sum(part_sizes))
    message += b"".join(protobuf.number(4, size) for size in part_sizes)
    return _links(links) + protobuf.payload(1, message)


def directory_block(links: Sequence[Link]) -> bytes:
    """The block of a directory; entries stand in the order of their names' UTF-8 bytes."""
    ordered = sorted(links, key=lambda link: link.name.encode())
    return _links(ordered) + protobuf.payload(1, protobuf.number(1, DIRECTORY))


def _links(links: Sequence[Link]) -> bytes:
    return b"".join(
        protobuf.payload(
            2,
            protobuf.payload(1, link.cid.to_bytes())
            + protobuf.payload(2, link.name.encode())
            + protobuf.number(3, link.total),
        )
        for link in links
    )


def read(block: bytes) -> DagNode:
    """A dag-pb block from outside. Raises Malformed, or Refused for a kind that bundles do not have."""
    links: list[Link] = []
    message: bytes | None = None
    for field, value in protobuf.fields(block):
        if field == 2 and isinstance(value, bytes):
            links.append(_read_link(value))
        elif field == 1 and isinstance(value, bytes) and message is None:
            message = value
        else:
            raise Malformed(what="a dag-pb block", why=f"field {field} does not belong there")
    if message is None:
        raise Malformed(what="a dag-pb block", why="it holds neither a file nor a directory")
    return _read_unixfs(tuple(links), message)


def _read_link(data: bytes) -> Link:
    cid: Cid | None = None
    name, total = "", 0
    for field, value in protobuf.fields(data):
        if field == 1 and isinstance(value, bytes):
            cid = Cid.from_bytes(value)
        elif field == 2 and isinstance(value, bytes):
            try:
                name = value.decode()
            except UnicodeDecodeError:
                raise Malformed(what="a link", why="its name is not UTF-8") from None
        elif field == 3 and isinstance(value, int):
            total = value
        else:
            raise Malformed(what="a link", why=f"field {field} does not belong there")
    if cid is None:
        raise Malformed(what="a link", why="it leads nowhere")
    return Link(cid, total, name)


def _read_unixfs(links: tuple[Link, ...], message: bytes) -> DagNode:
    kind, data, size = -1, b"", 0
    part_sizes: list[int] = []
    for field, value in protobuf.fields(message):
        if field == 2 and isinstance(value, bytes):
            data = value
        elif field == 1 and isinstance(value, int):
            kind = value
        elif field == 3 and isinstance(value, int):
            size = value
        elif field == 4 and isinstance(value, int):
            part_sizes.append(value)
    if kind == DIRECTORY:
        return DagNode(DIRECTORY, links, b"", 0, ())
    if kind != FILE and not (kind == _RAW_LEAF and not links):
        raise Refused(what="a block", why=f"it holds {_KINDS.get(kind, f'kind {kind}')}, not a file or a directory")
    if len(part_sizes) != len(links):
        raise Malformed(what="a file", why=f"it has {len(links)} parts and {len(part_sizes)} sizes")
    if links and data:
        raise Malformed(what="a file", why="it has both parts and bytes of its own")
    if size != sum(part_sizes) + len(data):
        raise Malformed(what="a file", why=f"it claims {size} bytes and has {sum(part_sizes) + len(data)}")
    return DagNode(FILE, links, data, size, tuple(part_sizes))
