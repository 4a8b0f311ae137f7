"""Content identifiers: the name of a block is the hash of its bytes (multiformats CID, versions 0 and 1).

Milepost speaks one hash, sha2-256, and two codecs: dag-pb (nodes with links) and raw (plain bytes). A CIDv0
is always dag-pb, so it and its 32-byte digest determine one another; that is why roots in a hash memo are
CIDv0.
"""

from __future__ import annotations

from base64 import b32decode, b32encode
from collections.abc import Callable
from dataclasses import dataclass

from agent.core.ids import CidText
from agent.errors import Malformed

RAW = 0x55
DAG_PB = 0x70
CODECS = {RAW: "raw", DAG_PB: "dag-pb"}

_SHA2_256 = b"\x12\x20"
"""The multihash prefix: function 0x12, 32 bytes of digest."""
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_LONGEST = 128
"""Characters. The longest text of a sha2-256 CID (base16) has 73."""


@dataclass(frozen=True, slots=True)
class Cid:
    """The identifier of a block: CID version, codec and the block's sha2-256 digest (32 bytes)."""

    version: int
    codec: int
    digest: bytes

    def __post_init__(self) -> None:
        if len(self.digest) != 32:
            raise Malformed(what="a CID", why=f"a sha2-256 digest has 32 bytes, not {len(self.digest)}")

    @classmethod
    def v0(cls, digest: bytes) -> Cid:
        """The CIDv0 of a dag-pb block, from the digest that a hash memo carries."""
        return cls(0, DAG_PB, digest)

    @classmethod
    def v1(cls, codec: int, digest: bytes) -> Cid:
        return cls(1, codec, digest)

    @classmethod
    def parse(cls, text: str) -> Cid:
        """Read a CID in any usual base (58, 32, 36, 16). Raises Malformed; another hash or codec is named."""
        what = f"the CID {text[:80]!r}"
        if not 2 <= len(text) <= _LONGEST:
            raise Malformed(what=what, why=f"{len(text)} characters")
        try:
            if len(text) == 46 and text.startswith("Qm"):
                return cls.from_bytes(_from_digits(text, _BASE58))
            if text[0] not in _BASES:
                raise Malformed(what=what, why=f"the base {text[0]!r} is not known")
            cid = cls.from_bytes(_BASES[text[0]](text[1:]))
        except Malformed:
            raise
        except ValueError as error:
            raise Malformed(what=what, why=str(error)) from None
        if cid.version == 0:
            raise Malformed(what=what, why="a version 0 CID is written in base58 without a prefix")
        return cid

    @classmethod
    def from_bytes(cls, data: bytes) -> Cid:
        """The inverse of `to_bytes`. Raises Malformed."""
        cid, end = cls.at(data, 0)
        if end != len(data):
            raise Malformed(what="a CID", why=f"{len(data) - end} bytes too many")
        return cid

    @classmethod
    def at(cls, data: bytes, start: int) -> tuple[Cid, int]:
        """The CID that begins at `start`, and where it ends. Raises Malformed."""
        if data[start : start + 2] == _SHA2_256:
            return cls.v0(data[start + 2 : start + 34]), start + 34
        version, after = _short_varint(data, start)
        if version != 1:
            raise Malformed(what="a CID", why=f"version {version} is not known")
        codec, after = _short_varint(data, after)
        if codec not in CODECS:
            raise Malformed(what="a CID", why=f"codec 0x{codec:x} is not read here, only dag-pb and raw")
        if data[after : after + 2] != _SHA2_256:
            raise Malformed(what="a CID", why=f"hash {data[after : after + 2].hex()} is not sha2-256 of 32 bytes")
        return cls.v1(codec, data[after + 2 : after + 34]), after + 34

    def to_bytes(self) -> bytes:
        if self.version == 0:
            return _SHA2_256 + self.digest
        return bytes((1, self.codec)) + _SHA2_256 + self.digest

    def names_same_block(self, other: Cid) -> bool:
        """Whether both name the same bytes under the same codec, in whatever version."""
        return self.digest == other.digest and self.codec == other.codec

    @property
    def text(self) -> CidText:
        """As documents and the journal write it."""
        return CidText(str(self))

    def __str__(self) -> str:
        if self.version == 0:
            return _to_digits(self.to_bytes(), _BASE58)
        return "b" + b32encode(self.to_bytes()).decode().rstrip("=").lower()

    def __repr__(self) -> str:
        return f"Cid({self})"


def _short_varint(data: bytes, start: int) -> tuple[int, int]:
    """An unsigned varint of at most four bytes, in its shortest form."""
    value = 0
    for position, byte in enumerate(data[start : start + 4]):
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            if byte == 0 and position > 0:
                raise Malformed(what="a CID", why="a number is not in its shortest form")
            return value, start + position + 1
    raise Malformed(what="a CID", why="it is cut short")


def _from_digits(text: str, alphabet: str) -> bytes:
    value = 0
    for character in text:
        value = value * len(alphabet) + alphabet.index(character)
    leading = len(text) - len(text.lstrip(alphabet[0]))
    return bytes(leading) + value.to_bytes((value.bit_length() + 7) // 8, "big")


def _to_digits(data: bytes, alphabet: str) -> str:
    value, digits = int.from_bytes(data, "big"), ""
    while value:
        value, digit = divmod(value, len(alphabet))
        digits = alphabet[digit] + digits
    return digits


def _from_base32(text: str) -> bytes:
    return b32decode(text.upper() + "=" * (-len(text) % 8))


_BASES: dict[str, Callable[[str], bytes]] = {
    "z": lambda text: _from_digits(text, _BASE58),
    "k": lambda text: _from_digits(text, _BASE36),
    "b": _from_base32,
    "B": _from_base32,
    "f": bytes.fromhex,
    "F": bytes.fromhex,
}
"""Multibase prefix to decoder."""
