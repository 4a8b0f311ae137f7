"""What vehicles learnt: weights as a file, updates as files, and what becomes of them together."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray
from safetensors.numpy import save

from agent.learn import encoding, fusion, update
from agent.learn import weights as files
from tools.vectors.kind import Answer, Given, Kind, data, must_be, row, tensors, text, untensors
from tools.vectors.people import numbers

SHAPES = {"bias": (5,), "empty": (0,), "layer.0": (2, 3), "layer.1": (4, 1)}
SIZES = [5, 0, 6, 4]
ENCODINGS = (*encoding.DENSE, "topk50-int8", "topk0.5-int8", "topk50-int4", "topk20-int4")
BASE: dict[str, NDArray[np.float32]] = {}
for _name, _shape in SHAPES.items():
    BASE[_name] = numbers(int(np.prod(_shape)), 100 * len(BASE)).reshape(_shape)


FUSED = {name: BASE[name] for name in ("bias", "layer.0")}


def _delta(number: int, base: Mapping[str, NDArray[np.float32]] = BASE) -> dict[str, NDArray[np.float32]]:
    return {
        name: numbers(each.size, 1000 * (number + 1)).reshape(each.shape) / np.float32(8) for name, each in base.items()
    }


# --- weights --------------------------------------------------------------------------------------------------


def _weights() -> dict[str, Given]:
    good = files.dump(BASE)
    return {
        "four tensors, one of them empty": {"file": text(good)},
        "refused: cut short": {"file": text(good[:-1])},
        "refused: half precision": {"file": text(save({"bias": BASE["bias"].astype(np.float16)}))},
        "refused: a number that is not finite": {"file": text(save({"bias": np.array([1, np.nan], np.float32)}))},
        "refused: a header longer than the file": {"file": text((1 << 20).to_bytes(8, "little") + good[8:])},
    }


def _weights_of(given: Given) -> Answer:
    return {"tensors": tensors(files.load(data(given["file"])))}


def _dumps() -> dict[str, Given]:
    return {"four tensors, one of them empty": {"tensors": tensors(BASE)}}


def _dumped(given: Given) -> Answer:
    return {"file": text(files.dump(untensors(given["tensors"])))}


# --- updates --------------------------------------------------------------------------------------------------


def _encodings() -> dict[str, Given]:
    sizes = np.array(SIZES, np.int64)
    values = files.flat(_delta(0))
    found: dict[str, Given] = {}
    for name in ENCODINGS:
        payload = encoding.named(name).write(values, sizes)
        found[name] = {"encoding": name, "sizes": SIZES, "payload": text(payload)}
    largest = bytearray(data(found["topk50-int8"]["payload"]))
    largest[1] = 0  # the second gap's lowest byte
    outside = bytearray(data(found["topk50-int8"]["payload"]))
    outside[0] = 200
    return {
        **found,
        "refused: a place named twice": {**found["topk50-int8"], "payload": text(bytes(largest))},
        "refused: a place outside the network": {**found["topk50-int8"], "payload": text(bytes(outside))},
        "refused: a byte too few": {**found["dense-int8"], "payload": text(data(found["dense-int8"]["payload"])[:-1])},
        "refused: an encoding that is not known": {**found["dense-int8"], "encoding": "dense-int7"},
        "refused: more than 99 per cent": {**found["dense-int8"], "encoding": "topk100-int8"},
        "refused: no per cent": {**found["dense-int8"], "encoding": "topk0-int8"},
    }


def _encoding(given: Given) -> Answer:
    chosen, payload = encoding.named(given["encoding"]), data(given["payload"])
    sizes = np.array(given["sizes"], np.int64)
    must_be(len(payload) == chosen.length(sizes), "a payload", f"{len(payload)} bytes, not {chosen.length(sizes)}")
    return {"f32": row(chosen.read(payload, sizes))}


def _updates() -> dict[str, Given]:
    base = tensors(BASE)
    trained = {name: each + _delta(0)[name] for name, each in BASE.items()}

    def asked(file: bytes, said: str) -> Given:
        return {"base": base, "said": said, "file": text(file)}

    def with_frame(frame: bytes, name: str = "update") -> bytes:
        return bytes(save({name: np.frombuffer(frame, np.uint8)}, metadata={"encoding": "dense-fp32"}))

    payload = encoding.named("dense-fp32").write(files.flat(_delta(0)), np.array(SIZES, np.int64))
    infinite = np.full(len(payload) // 4, np.inf, np.float32).tobytes()
    pack = zstandard.ZstdCompressor().compress
    good = {name: asked(update.encode(name, BASE, trained).data, name) for name in ENCODINGS}
    return {
        **good,
        "refused: another encoding than was said": asked(with_frame(pack(payload)), "dense-fp16"),
        "refused: it unpacks to another length": asked(with_frame(pack(payload + b"\0")), "dense-fp32"),
        "refused: a number that is not finite": asked(with_frame(pack(infinite)), "dense-fp32"),
        "refused: bytes behind the frame": asked(with_frame(pack(payload) + b"\0"), "dense-fp32"),
        "refused: a tensor of another name": asked(with_frame(pack(payload), "delta"), "dense-fp32"),
        "refused: not packed": asked(with_frame(payload), "dense-fp32"),
    }


def _update(given: Given) -> Answer:
    return {"tensors": tensors(update.decode(data(given["file"]), untensors(given["base"]), given["said"]))}


# --- fusion ---------------------------------------------------------------------------------------------------


def _fusions() -> dict[str, Given]:
    base = tensors(FUSED)
    deltas = [tensors(_delta(number, FUSED)) for number in range(5)]
    weights = ["0.5", "1", "0.25", "0.1234567", "0.3"]
    found: dict[str, Given] = {}
    for rule in (*fusion.SHARE_RULES, *fusion.COORDINATE_RULES):
        found[rule] = {"rule": rule, "base": base, "deltas": deltas, "weights": weights}
        found[f"{rule}, of two"] = {"rule": rule, "base": base, "deltas": deltas[:2], "weights": weights[:2]}
        found[f"{rule}, of one"] = {"rule": rule, "base": base, "deltas": deltas[:1], "weights": ["1"]}
    first = found["weighted-mean"]
    before = tensors({name: each - _delta(9)[name] for name, each in FUSED.items()})
    infinite = tensors({**_delta(0, FUSED), "bias": np.full(5, np.inf, np.float32)})
    return {
        **found,
        "weighted-mean with momentum": {**first, "momentum": {"share": "0.6", "before": before}},
        "refused: no weight": {**first, "weights": ["0"] * 5},
        "refused: a weight below nought": {**first, "weights": ["-1", *weights[1:]]},
        "refused: a number that is not finite": {**first, "deltas": [infinite, *deltas[1:]]},
        "refused: other names": {**first, "deltas": [{**deltas[0], "more": deltas[0]["bias"]}, *deltas[1:]]},
        "refused: a rule that is not known": {**first, "rule": "loudest"},
    }


def _fusion(given: Given) -> Answer:
    asked: Mapping[str, Any] = given.get("momentum") or {}
    fused = fusion.fuse(
        given["rule"],
        untensors(given["base"]),
        [untensors(delta) for delta in given["deltas"]],
        [Decimal(weight) for weight in given["weights"]],
        fusion.Momentum(Decimal(asked["share"]), untensors(asked["before"])) if asked else None,
    )
    return {"tensors": tensors(fused), "sha256": sha256(files.dump(fused)).hexdigest()}


KINDS = (
    Kind(
        "weights",
        "`weights.safetensors`, read. Given: `file` in base64. Answered: its `tensors`.",
        _weights,
        _weights_of,
    ),
    Kind(
        "weights-file",
        "`weights.safetensors`, written. Given: `tensors`. Answered: the `file` in base64.",
        _dumps,
        _dumped,
    ),
    Kind(
        "encoding",
        "An update's numbers out of few bytes. Given: the `encoding`'s name, the `sizes` of the tensors in the order of"
        " their names, and the `payload` in base64. Answered: all numbers in one row, `f32`.",
        _encodings,
        _encoding,
    ),
    Kind(
        "update",
        "`update.safetensors`, once it is unsealed. Given: the `base`'s tensors, the encoding that the contribution"
        " `said`, and the `file` in base64. Answered: the difference to the base as `tensors`.",
        _updates,
        _update,
    ),
    Kind(
        "fusion",
        "The next round's weights. Given: the `rule`, the `base`, the `deltas` in the order of their CIDs, a decimal of"
        " `weights` for each, and where there is one the `momentum`: its `share` and the weights `before` the base."
        " Answered: the `tensors`, and the `sha256` of `weights.safetensors`.",
        _fusions,
        _fusion,
    ),
)
