"""CAR v1: a header, then blocks, each after its length and CID (ipld.io/specs/transport/car/carv1).

The header names roots. They are somebody's claim and are not looked at: a reader knows the root it asked
for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agent.content import protobuf
from agent.content.importer import Block
from agent.content.source import checked
from agent.content.walker import MAX_BLOCK_BYTES
from agent.core.cid import Cid
from agent.errors import Malformed

_MAX_HEADER_BYTES = 64 * 1024
_MAX_CID_BYTES = 64
_VERSION_1 = b"\x67version\x01"
"""The header's entry in DAG-CBOR: a text of 7 characters, then the number."""


def write(root: Cid, blocks: Iterable[Block]) -> Iterator[bytes]:
    """The bytes of a CAR, piece by piece."""
    link = b"\x00" + root.to_bytes()
    header = b"\xa2\x65roots\x81\xd8\x2a\x58" + bytes((len(link),)) + link + _VERSION_1
    yield protobuf.varint(len(header)) + header
    for block in blocks:
        name = block.cid.to_bytes()
        yield protobuf.varint(len(name) + block.size) + name
        yield from block.pieces


def read(source: object, pieces: Iterable[bytes]) -> Iterator[Block]:
    """Each block, checked. Raises Malformed, WrongBytes (naming `source`), and what `pieces` raises."""
    stream = _Stream(pieces)
    header = stream.take(stream.length(_MAX_HEADER_BYTES))
    if _VERSION_1 not in header:
        raise Malformed(what="a CAR", why="it is not of version 1")
    while not stream.at_end():
        section = stream.take(stream.length(MAX_BLOCK_BYTES + _MAX_CID_BYTES))
        cid, start = Cid.at(section, 0)
        yield Block(cid, (checked(source, cid, section[start:]),))


class _Stream:
    """Takes exact lengths out of pieces of any length."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._held = bytearray()

    def at_end(self) -> bool:
        return not self._fill(1)

    def length(self, most: int) -> int:
        """The varint that comes next. Raises Malformed above `most`."""
        self._fill(10)
        value, end = protobuf.read_varint(bytes(self._held[:10]), 0)
        del self._held[:end]
        if value > most:
            raise Malformed(what="a CAR", why=f"a part of it claims {value} bytes, at most {most} are read")
        return value

    def take(self, size: int) -> bytes:
        if not self._fill(size):
            raise Malformed(what="a CAR", why="it is cut short")
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken

    def _fill(self, size: int) -> bool:
        """Hold at least `size` bytes, if they come."""
        while len(self._held) < size and (piece := next(self._pieces, None)) is not None:
            self._held += piece
        return len(self._held) >= size
