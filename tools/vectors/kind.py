"""A kind of question, and the form in which bytes and numbers stand in JSON."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.errors import Malformed, Refused

Given = Mapping[str, Any]
Answer = dict[str, Any]

REFUSED: Answer = {"refused": True}
"""Why is not part of an answer: sentences are each implementation's own."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`{name}.json`. Two implementations agree when they give the same answer to every question."""

    name: str
    about: str
    """What is given, and what is answered."""
    questions: Callable[[], dict[str, Given]]
    """By name: what is given. The same ones each time."""
    answer: Callable[[Given], Answer]
    """Raises Refused for what must be refused; KeyError, TypeError or ValueError for what is no question."""

    def answered(self, given: Given) -> Answer:
        try:
            return self.answer(given)
        except Refused:
            return REFUSED


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def data(written: str) -> bytes:
    try:
        return base64.b64decode(written, validate=True)
    except binascii.Error as error:
        raise ValueError(f"{written[:40]} is not base64: {error}") from None


def tensors(weights: Mapping[str, NDArray[np.float32]]) -> dict[str, Any]:
    """Each tensor as its shape and its numbers: little-endian float32 in base64, so that every bit is compared."""
    return {name: {"shape": list(array.shape), "f32": row(array)} for name, array in sorted(weights.items())}


def untensors(written: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
    return {name: unrow(each["f32"]).reshape(each["shape"]) for name, each in written.items()}


def row(numbers: NDArray[np.float32]) -> str:
    return text(np.ascontiguousarray(numbers, "<f4").tobytes())


def unrow(written: str) -> NDArray[np.float32]:
    return np.frombuffer(data(written), "<f4").astype(np.float32)


def must_be(fits: bool, what: str, why: str) -> None:
    if not fits:
        raise Malformed(what=what, why=why)
