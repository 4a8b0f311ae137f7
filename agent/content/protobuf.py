"""The little of protobuf that dag-pb and UnixFS need: varints and fields with a length, within bounds."""

from __future__ import annotations

from collections.abc import Iterator

from agent.errors import Malformed

_VARINT, _LENGTH = 0, 2
"""Wire types. UnixFS times also use fixed 32 bits (5), which nothing here needs."""


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    return varint(field << 3 | _VARINT) + varint(value)


def length_prefix(field: int, size: int) -> bytes:
    """What stands before `size` bytes of payload."""
    return varint(field << 3 | _LENGTH) + varint(size)


def payload(field: int, data: bytes) -> bytes:
    return length_prefix(field, len(data)) + data


def read_varint(data: bytes, start: int) -> tuple[int, int]:
    """The number at `start` (below 2**64) and where it ends. Raises Malformed."""
    value = 0
    for position in range(10):
        if start + position >= len(data):
            break
        byte = data[start + position]
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            if value >= 1 << 64:
                break
            return value, start + position + 1
    raise Malformed(what="a block", why="a number in it is cut short or too long")


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Each field's number and value, in the order of the bytes. Raises Malformed."""
    position = 0
    while position < len(data):
        key, position = read_varint(data, position)
        if key & 7 == _VARINT:
            value, position = read_varint(data, position)
            yield key >> 3, value
        elif key & 7 == _LENGTH:
            size, position = read_varint(data, position)
            if size > len(data) - position:
                raise Malformed(what="a block", why=f"a field claims {size} bytes and the block ends before")
            yield key >> 3, data[position : position + size]
            position += size
        else:
            raise Malformed(what="a block", why=f"wire type {key & 7} has no place in it")
