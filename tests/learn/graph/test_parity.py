"""A stranger's network, through either exporter, is the same network here: outputs, gradients and written weights."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

from agent.learn import graph

sys.path.insert(0, str(Path(__file__).parent))
from originals import EXPORTERS, ORIGINALS, stirred

pytestmark = pytest.mark.slow

CASES = [
    *((name, "torchscript", opset, True) for name in ORIGINALS for opset in (17, 20)),
    *((name, "torch.export", opset, True) for name in ORIGINALS for opset in (18, 21, 23)),
    *((name, exporter, 18, False) for name in ORIGINALS for exporter in EXPORTERS),
]


def _close(a: torch.Tensor, b: torch.Tensor, within: float) -> bool:
    return float((a - b).abs().max()) <= within * max(1.0, float(b.abs().max()))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "exporter", "opset", "keep"), CASES)
def test_a_strangers_network_computes_and_learns_as_the_original(
    name: str, exporter: str, opset: int, keep: bool
) -> None:
    original, sample = stirred(name)
    data = EXPORTERS[exporter](original, sample, opset, keep)
    checked = graph.check(data)
    network = graph.module(data).eval()
    x = torch.randn(5, *sample, requires_grad=True)
    twin = x.detach().clone().requires_grad_()

    there = ort.InferenceSession(data).run(None, {checked.input: x.detach().numpy()})[0]
    assert np.abs(network(x).detach().numpy() - there).max() <= 1e-4 * max(1.0, np.abs(there).max())

    original.eval()
    for module, value in ((network, x), (original, twin)):
        module(value).square().sum().backward()
    assert x.grad is not None and twin.grad is not None
    assert _close(x.grad, twin.grad, 1e-3)
    theirs = {key: value for key, value in original.named_parameters() if value.grad is not None}
    ours = dict(network.named_parameters())
    same = [key for key in theirs if key in ours and torch.equal(theirs[key], ours[key])]
    for key in same:
        assert _close(ours[key].grad, theirs[key].grad, 1e-3), key
    if keep and exporter == "torch.export":
        assert set(same) == set(theirs), "without folding, every parameter is there by name"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in ORIGINALS if name not in ("vit", "pilotnet", "mobilenet")])
def test_batch_norm_learns_its_statistics_as_the_original(name: str) -> None:
    original, sample = stirred(name)
    network = graph.module(EXPORTERS["torch.export"](original, sample, 18, True)).train()
    original.train()
    x = torch.randn(6, *sample)
    for module in (network, original):
        module(x).square().sum().backward()
    ours = network.state_dict()
    for key, value in original.state_dict().items():
        if "running" in key:
            assert _close(ours[key], value, 1e-3), key
    for key, parameter in original.named_parameters():
        assert _close(dict(network.named_parameters())[key].grad, parameter.grad, 1e-3), key


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("name", ORIGINALS)
def test_what_was_trained_goes_back_into_the_graph(name: str, exporter: str) -> None:
    original, sample = stirred(name)
    data = EXPORTERS[exporter](original, sample, 18, True)
    network = graph.module(data).train()
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3)
    network(torch.randn(6, *sample)).square().mean().backward()
    optimiser.step()
    network.eval()

    checked = graph.check(data)
    weights = {key: value.numpy() for key, value in network.state_dict().items()}
    assert weights.keys() == checked.weights.keys()
    written = graph.put(checked, weights)
    x = torch.randn(3, *sample)
    there = ort.InferenceSession(written).run(None, {checked.input: x.numpy()})[0]
    with torch.no_grad():
        assert np.abs(network(x).numpy() - there).max() <= 1e-4 * max(1.0, np.abs(there).max())
    again = graph.taken(graph.check(written))
    assert all((again[key] == weights[key]).all() for key in weights)
