"""Updates: small, exact to the bit, and safe to read from a stranger."""

from __future__ import annotations

import hashlib
import os

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from agent.errors import Malformed, Refused
from agent.learn.encoding import UnknownEncoding
from agent.learn.update import decode, encode, open_residual, seal_residual

ENCODINGS = [
    "dense-fp32",
    "dense-fp16",
    "dense-int8",
    "topk1-int8",
    "topk1-int4",
    "topk0.5-int8",
    "topk25-int4",
]
Weights = dict[str, np.ndarray]


def _network(seed: int, scale: float = 1.0) -> Weights:
    rng = np.random.default_rng(seed)
    shapes = {"conv.weight": (10, 1, 3, 3), "conv.bias": (10,), "fc.weight": (128, 196), "fc.bias": (128,)}
    return {n: (rng.integers(-4096, 4096, s) / 65536 * scale).astype(np.float32) for n, s in shapes.items()}


def _plus(base: Weights, delta: Weights) -> Weights:
    return {name: base[name] + delta[name] for name in base}


@pytest.mark.parametrize(
    ("name", "worst", "ratio"),
    [
        ("dense-fp32", 0.0, 1.0),
        ("dense-fp16", 0.0005, 1.9),
        ("dense-int8", 0.01, 3.9),
        ("topk1-int8", 0.99, 140),
        ("topk1-int4", 0.99, 180),
    ],
)
def test_an_update_comes_back_within_its_error_and_in_its_size(name: str, worst: float, ratio: float) -> None:
    base, trained = _network(0), _network(1)
    encoded = encode(name, base, trained)
    back = decode(encoded.data, base)
    whole = np.concatenate([(trained[n] - base[n]).ravel() for n in sorted(base)])
    left = np.concatenate([(trained[n] - base[n] - back[n]).ravel() for n in sorted(base)])
    share = float(np.linalg.norm(left) / np.linalg.norm(whole))
    assert share <= worst
    assert float(encoded.error) == pytest.approx(share, abs=1e-5)
    assert 4 * whole.size / len(encoded.data) >= ratio


@pytest.mark.parametrize("name", ENCODINGS)
def test_what_is_left_out_is_the_residual_and_goes_into_the_next_update(name: str) -> None:
    base, trained = _network(0), _network(1)
    encoded = encode(name, base, trained)
    back = decode(encoded.data, base)
    for tensor in base:
        np.testing.assert_array_equal(encoded.residual[tensor], trained[tensor] - base[tensor] - back[tensor])
    # Trips in which nothing new is learnt: what was left out drains away.
    residual, sizes = encoded.residual, []
    for _ in range(30):
        again = encode(name, base, base, residual)
        residual = again.residual
        sizes.append(sum(float(np.square(array).sum()) for array in residual.values()))
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dense-fp32", "372a42846c0fd63d"),
        ("dense-fp16", "4b401cf959227b30"),
        ("dense-int8", "981769b85ac5174f"),
        ("topk1-int8", "8d02a2c90f8d28fe"),
        ("topk1-int4", "72164a95521c6f02"),
        ("topk0.5-int8", "5a14d6f5a167db29"),
        ("topk25-int4", "1867b921ad6a90ef"),
    ],
)
def test_every_machine_decodes_to_the_same_bits(name: str, expected: str) -> None:
    base = _network(0)
    back = decode(encode(name, base, _network(1)).data, base)
    sha = hashlib.sha256(b"".join(back[n].tobytes() for n in sorted(back)))
    assert sha.hexdigest()[:16] == expected


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_network_of_one_number_and_an_update_of_nothing_are_fine(name: str) -> None:
    base = {"w": np.ones((1,), np.float32), "empty": np.zeros((0, 3), np.float32)}
    encoded = encode(name, base, base)
    assert encoded.error == 0
    assert decode(encoded.data, base)["w"] == 0
    assert decode(encode(name, base, {**base, "w": np.array([3.0], np.float32)}).data, base)["w"] == 2


@pytest.mark.parametrize("name", ["", "topk0-int8", "topk100-int8", "topk-int8", "pickle", "topk1-int2", "a" * 9999])
def test_an_unknown_encoding_is_refused_by_name(name: str) -> None:
    with pytest.raises(UnknownEncoding):
        encode(name, _network(0), _network(1))
    with pytest.raises(UnknownEncoding):
        decode(_file(b"x", name), _network(0))


def _file(frame: bytes, name: str = "topk1-int8", **extra: np.ndarray) -> bytes:
    tensors = {"update": np.frombuffer(frame, np.uint8), **extra}
    return save(tensors, metadata={"encoding": name})


def _packed(payload: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(payload)


ONE = {"w": np.zeros(1000, np.float32)}
"""topk1 of it: 11 places, so 44 bytes of gaps, a scale of 4 and 11 values."""


def _topk(gaps: list[int], scale: float = 1.0) -> bytes:
    planes = np.array(gaps, "<u4").view(np.uint8).reshape(len(gaps), 4).T
    return planes.tobytes() + np.float32(scale).tobytes() + bytes(len(gaps))


HOSTILE: dict[str, bytes] = {
    "nothing at all": b"",
    "a header longer than the file": (2**40).to_bytes(8, "little") + b"{}",
    "no JSON": (4).to_bytes(8, "little") + b"}}}}",
    "a header that is a list": (2).to_bytes(8, "little") + b"[]",
    "no metadata": save({"update": np.zeros(3, np.uint8)}),
    "a second tensor": _file(_packed(_topk([1] * 11)), more=np.zeros(1, np.uint8)),
    "a tensor of floats": save({"update": np.zeros(3, np.float32)}, metadata={"encoding": "topk1-int8"}),
    "not zstd": _file(b"abcdef"),
    "a zstd bomb": _file(_packed(bytes(50_000_000))),
    "a zstd frame of unknown size": _file(zstandard.ZstdCompressor(write_content_size=False).compress(_topk([1] * 11))),
    "something behind the frame": _file(_packed(_topk([1] * 11)) + b"more"),
    "too short a payload": _file(_packed(_topk([1] * 10))),
    "a place named twice": _file(_packed(_topk([1] * 10 + [0]))),
    "a place outside the network": _file(_packed(_topk([1] * 10 + [991]))),
    "a gap that would wrap around": _file(_packed(_topk([1] * 9 + [2**32 - 1] * 2))),
    "a scale that is not a number": _file(_packed(_topk([1] * 11, float("nan")))),
    "an infinite scale": _file(_packed(_topk([1] * 11, float("inf")))),
    "infinite numbers": _file(_packed(np.full(1000, np.inf, "<f4").tobytes()), "dense-fp32"),
    "a power of two beyond float32": _file(
        _packed(np.int16(30000).tobytes() + np.ones(1000, "<f2").tobytes()), "dense-fp16"
    ),
    "more bytes than the network could need": os.urandom(100_000),
}


@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_update_is_malformed(case: str) -> None:
    with pytest.raises(Malformed):
        decode(HOSTILE[case], ONE)


def test_the_hostile_cases_differ_from_a_good_update_in_one_thing_only() -> None:
    assert decode(_file(_packed(_topk([1] * 10 + [990]))), ONE)["w"].shape == (1000,)


@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
@given(st.binary(max_size=200))
def test_random_bytes_are_refused_and_never_crash(noise: bytes) -> None:
    for data in (noise, _file(noise), _file(_packed(noise)), len(noise).to_bytes(8, "little") + noise):
        with pytest.raises(Refused):
            decode(data, ONE)


def test_a_network_that_diverged_is_not_encoded() -> None:
    base = _network(0)
    with pytest.raises(Malformed, match="not finite"):
        encode("topk1-int8", base, {**base, "fc.bias": np.full(128, np.nan, np.float32)})
    with pytest.raises(Malformed, match="same tensors"):
        encode("topk1-int8", base, {"fc.bias": base["fc.bias"]})


def test_the_residual_rests_under_the_cars_key() -> None:
    key, base = os.urandom(32), _network(0)
    sealed = seal_residual(base, key)
    assert base["fc.weight"].tobytes()[:64] not in sealed
    back = open_residual(sealed, key, base)
    assert all((back[name] == base[name]).all() for name in base)
    for data, other_key, other_base in (
        (sealed[:-1] + bytes([sealed[-1] ^ 1]), key, base),
        (sealed, os.urandom(32), base),
        (sealed, key, ONE),
    ):
        with pytest.raises(Malformed):
            open_residual(data, other_key, other_base)
