"""Running a checked graph with onnxruntime: on a validator, for a teacher's labels, and in shadow on the
car."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.core.bundle_files import GRAPH
from agent.errors import Malformed
from agent.learn.device import HERE, Device
from agent.learn.graph.check import MANY_SAMPLES, Graph
from agent.learn.graph.weights import put
from agent.learn.weights import Weights

Samples = NDArray[np.uint8]
"""(n, channels, height, width)."""
Labels = NDArray[np.float32]
"""(n, *label_shape): degrees, class indices, or boxes (`learn.kinds`)."""
Outputs = NDArray[np.float32]
"""(n, outputs)."""

PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}


CACHED_BYTES = 8 << 20
"""Of activations that a CPU works on at once: they stay in its cache, and no session has to ask the system for clean
memory, which took a third of the time of scoring 50 samples."""


class Runner:
    """One graph with one set of weights, by default its own, ready to run."""

    def __init__(self, graph: Graph, weights: Weights | None = None, machine: Device = HERE) -> None:
        self._graph = graph
        cached = CACHED_BYTES // max(1, graph.activation_bytes)
        self._at_once = min(MANY_SAMPLES, max(1, cached)) if machine.provider == "cpu" else MANY_SAMPLES
        self._session = _session(put(graph, graph.weights if weights is None else weights), machine)

    def __repr__(self) -> str:
        return f"<Runner {self._graph.sample} to {self._graph.outputs} on {self.provider}>"

    @property
    def sample(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        return self._graph.sample

    @property
    def provider(self) -> str:
        """What it really runs on."""
        return str(self._session.get_providers()[0])

    def run(self, samples: Samples) -> Outputs:
        """(n, outputs) float32. Raises Malformed when the samples are not the graph's, or it fails on
        them."""
        if samples.dtype != np.uint8 or samples.shape[1:] != self._graph.sample:
            given = f"{samples.dtype} {samples.shape[1:]}"
            raise Malformed(what="samples", why=f"{given}, where the graph takes uint8 {self._graph.sample}")
        parts = [self._run(samples[at : at + self._at_once]) for at in range(0, len(samples), self._at_once)]
        return np.concatenate([np.zeros((0, self._graph.outputs), np.float32), *parts])

    def _run(self, samples: Samples) -> Outputs:
        given: NDArray[Any] = np.ascontiguousarray(samples)
        if not self._graph.takes_bytes:
            given = given.astype(np.float32) / np.float32(127.5) - np.float32(1.0)
        try:
            out: Outputs = self._session.run([self._graph.output], {self._graph.input: given})[0]
        except _failures() as error:
            raise Malformed(what=GRAPH, why=" ".join(str(error).split())[:200]) from None
        return out


def _session(data: bytes, machine: Device) -> Any:
    # Validators with and without a card must agree to 1e-4; by default NVIDIA's libraries keep ten bits of an fp32
    # number. They read this when they are loaded: onnxruntime's versions have no option for it in common.
    os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = machine.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.use_deterministic_compute = True
    there = set(ort.get_available_providers())
    providers = [name for name in PROVIDERS[machine.provider] if name in there]
    try:
        return ort.InferenceSession(data, options, providers=providers)
    except _failures() as error:
        raise Malformed(what=GRAPH, why=" ".join(str(error).split())[:200]) from None


def _failures() -> tuple[type[Exception], ...]:
    """onnxruntime's errors, which have no root of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = "Fail InvalidArgument InvalidGraph InvalidProtobuf NotImplemented RuntimeException EPFail"
    return tuple(getattr(state, name) for name in names.split())
