"""Names of content: CIDs as text, and the CID of a bundle."""

from __future__ import annotations

from base64 import b32encode
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from agent.content import importer
from agent.core.cid import DAG_PB, RAW, Cid
from tools.vectors.kind import Answer, Given, Kind, data, text
from tools.vectors.people import seed

DIGEST = seed("content")


def _cids() -> dict[str, Given]:
    v0, raw = str(Cid.v0(DIGEST)), Cid.v1(RAW, DIGEST)
    cut = "b" + b32encode(Cid.v1(DAG_PB, DIGEST).to_bytes()[:-1]).decode().rstrip("=").lower()
    blake = bytes((1, RAW)) + b"\x1e\x20" + DIGEST
    json_codec = bytes((1, 0x80, 0x04)) + b"\x12\x20" + DIGEST
    texts = {
        "version 0": v0,
        "version 1, dag-pb, base32": str(Cid.v1(DAG_PB, DIGEST)),
        "version 1, raw, base32": str(raw),
        "version 1, raw, base32 in capitals": "B" + str(raw)[1:].upper(),
        "version 1, raw, base16": "f" + raw.to_bytes().hex(),
        "refused: version 0 under a prefix": "f" + Cid.v0(DIGEST).to_bytes().hex(),
        "refused: another hash": "f" + blake.hex(),
        "refused: another codec": "f" + json_codec.hex(),
        "refused: a number that is not in its shortest form": "f8100" + raw.to_bytes()[1:].hex(),
        "refused: cut short": cut,
        "refused: a byte too many": "f" + raw.to_bytes().hex() + "00",
        "refused: a sign that the base has not": v0[:-1] + "0",
        "refused: no CID": "hello",
    }
    return {name: {"text": written} for name, written in texts.items()}


def _cid(given: Given) -> Answer:
    cid = Cid.parse(given["text"])
    return {"version": cid.version, "codec": cid.codec, "sha256": cid.digest.hex(), "bytes": cid.to_bytes().hex()}


def _bundles() -> dict[str, Given]:
    folders: dict[str, dict[str, Any]] = {
        "one small file": {"record.json": {"base64": text(b'{"protocol":1}')}},
        "two files, in the order of their names": {
            "update.sealed": {"base64": text(bytes(range(100)))},
            "contribution.json": {"base64": text(b"{}")},
        },
        "an empty file": {"set.sealed": {"base64": ""}},
        "a chunk, and a byte of the next": {"weights.safetensors": {"zeros": 256 * 1024 + 1}},
        "a full node of 174 links, and one more": {"weights.safetensors": {"zeros": 256 * 1024 * 174 + 5}},
        "a folder without files": {},
    }
    return {name: {"files": files} for name, files in folders.items()}


def _bundle(given: Given) -> Answer:
    with TemporaryDirectory() as folder:
        for name, what in given["files"].items():
            if Path(name).name != name:
                raise ValueError(f"{name} is no file name")
            Path(folder, name).write_bytes(bytes(what["zeros"]) if "zeros" in what else data(what["base64"]))
        blocks = {str(block.cid): block.size for block in importer.bundle_blocks(Path(folder))}
    root = [*blocks][-1]
    return {"cid": root, "sha256": Cid.parse(root).digest.hex(), "blocks": blocks}


KINDS = (
    Kind(
        "cid",
        "A content identifier. Given: `text`. Answered: `version`, `codec` (112 dag-pb, 85 raw), the block's `sha256`,"
        " and the CID's own `bytes`, in hex.",
        _cids,
        _cid,
    ),
    Kind(
        "bundle",
        "A folder's CIDv0. Given: `files` by name, each in `base64` or as so many `zeros`. Answered: `cid`, its"
        " `sha256`, and every one of its `blocks` with its size, each named once, after all that it links to.",
        _bundles,
        _bundle,
    ),
)
