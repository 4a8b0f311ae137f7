"""Labelled samples to measure on: the global test set, a validator's private one, frames held back.

A file is safetensors with `images` (uint8: samples, channels, height, width, as the network takes them) and `labels`
(float32: degrees, class index, or boxes as `kinds.detection` has them; whether they are the task's is seen as they are
measured on).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.core.round import Input
from agent.errors import Malformed
from agent.learn.weights import tensors_and_metadata

WHAT = "a test set"


@dataclass(frozen=True, slots=True)
class TestSet:
    images: NDArray[np.uint8]
    labels: NDArray[np.float32]

    __test__ = False  # pytest: not a test

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"<TestSet of {len(self)}>"

    def dump(self) -> bytes:
        """The same samples give the same bytes."""
        from safetensors.numpy import save

        labels = np.ascontiguousarray(self.labels, "<f4")
        return bytes(save({"images": np.ascontiguousarray(self.images), "labels": labels}))

    @classmethod
    def load(cls, data: bytes, spec: Input) -> TestSet:
        """Raises Malformed unless the samples are of the round's form."""
        tensors, _ = tensors_and_metadata(data, WHAT)
        if tensors.keys() != {"images", "labels"}:
            raise Malformed(what=WHAT, why="it holds something else than images and labels")
        images, labels = tensors["images"], tensors["labels"]
        if images.dtype != np.uint8 or labels.dtype != np.float32:
            raise Malformed(what=WHAT, why=f"images are {images.dtype} and labels {labels.dtype}")
        wanted = (spec.channels, spec.height, spec.width)
        if images.ndim != 4 or images.shape[1:] != wanted or labels.shape[:1] != images.shape[:1] or not len(labels):
            raise Malformed(what=WHAT, why=f"images are {images.shape}, labels {labels.shape}, wanted {wanted} each")
        if not np.isfinite(labels.astype(np.float32, copy=False)).all():
            raise Malformed(what=WHAT, why="a label is not finite")
        return cls(images.astype(np.uint8, copy=False), labels.astype(np.float32, copy=False))
