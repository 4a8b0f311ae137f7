"""Built-in networks by name, with checked hyper-parameters; or the round's own ONNX graph.

Every network takes uint8 samples, (n, channels, height, width), and scales them to [-1, 1] itself, so
that there is one place where pixels become numbers. Steering has one output: 1.0 is `task.scale` degrees.
Classification has one logit a class. Detection has a grid of them (`kinds.detection`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

from agent.core.bundle_files import GRAPH
from agent.core.round import Round
from agent.errors import Malformed
from agent.learn import architecture
from agent.learn.kinds.detection import cells


def build(round: Round, bundle: Path | None = None, seed: int = 0) -> nn.Module:
    """The round's network with initial weights that follow from `seed` alone. `bundle` holds `model.onnx`
    where the architecture is the round's own graph. Raises Malformed."""
    if round.architecture.name == "onnx":
        if bundle is None:
            raise Malformed(what="the round", why="its network is model.onnx, and no bundle was given")
        from agent.learn import graph

        module: nn.Module = graph.module(bundle / GRAPH)
        return module
    hyper = architecture.hyper(round)
    sample = round.input.sample
    with torch.device("meta"):
        network = BUILTIN[round.architecture.name](sample, architecture.outputs(round), **hyper)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    if parameters > architecture.MOST_PARAMETERS:
        most = architecture.MOST_PARAMETERS
        raise Malformed(what="the round", why=f"{parameters} parameters, at most {most} are built")
    return _initialised(network.to_empty(device="cpu"), seed)


def _initialised(network: nn.Module, seed: int) -> nn.Module:
    """He initialisation (He et al. 2015), drawn in the order of the layers from one seed."""
    generator = torch.Generator().manual_seed(seed)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.zeros_(layer.bias)
    for layer in network.modules():
        if isinstance(layer, Residual):
            # Each block starts as the identity, which is what makes depth trainable without batch statistics.
            nn.init.zeros_(layer.second.weight)
        if isinstance(layer, BoxHead):
            layer.start(generator)
    return network


class Pixels(nn.Module):  # type: ignore[misc]
    """uint8 to [-1, 1]."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.to(torch.float32) / 127.5 - 1.0


class Residual(nn.Module):  # type: ignore[misc]
    """x + conv(relu(conv(relu(x)))). No batch norm: running statistics of different roads do not average
    well."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(filters, filters, 3, padding=1)
        self.second = nn.Conv2d(filters, filters, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.second(torch.relu(self.first(torch.relu(x))))


class BoxHead(nn.Module):  # type: ignore[misc]
    """What each cell says of classes and boxes, in one row."""

    def __init__(self, filters: int, out: int) -> None:
        super().__init__()
        self.look, self.say = nn.Conv2d(filters, filters, 3, padding=1), nn.Conv2d(filters, out, 1)

    def start(self, generator: torch.Generator) -> None:
        """Each cell begins with a confidence of 1 % for each class, or the many empty ones would drown the few others
        (Lin et al. 2017, 4.1), and with a box of its own size."""
        nn.init.normal_(self.say.weight, std=0.01, generator=generator)
        nn.init.zeros_(self.say.bias)
        nn.init.constant_(self.say.bias[:-4], -math.log(99))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.flatten(self.say(torch.relu(self.look(torch.relu(x)))), 1)


def _flat(sample: tuple[int, int, int], *layers: nn.Module) -> int:
    """How many numbers come out of `layers` for one sample."""
    try:
        with torch.no_grad():
            return math.prod(nn.Sequential(*layers)(torch.empty(1, *sample, device="meta")).shape)
    except RuntimeError:
        raise Malformed(what="the round", why=f"samples of {sample} are too small for its network") from None


def pilotnet(sample: tuple[int, int, int], out: int, width_percent: int) -> nn.Module:
    """Bojarski et al. 2016, figure 4; made for 66 x 200 YUV. ELU, since ReLU units of the narrow last layers die on
    short drives and take the network's output with them."""
    c = [max(1, n * width_percent // 100) for n in (24, 36, 48, 64, 64, 100, 50, 10)]
    see = [
        *(nn.Conv2d(sample[0], c[0], 5, 2), nn.ELU()),
        *(nn.Conv2d(c[0], c[1], 5, 2), nn.ELU()),
        *(nn.Conv2d(c[1], c[2], 5, 2), nn.ELU()),
        *(nn.Conv2d(c[2], c[3], 3), nn.ELU()),
        *(nn.Conv2d(c[3], c[4], 3), nn.ELU()),
    ]
    steer = [
        *(nn.Linear(_flat(sample, *see), c[5]), nn.ELU()),
        *(nn.Linear(c[5], c[6]), nn.ELU()),
        *(nn.Linear(c[6], c[7]), nn.ELU()),
        nn.Linear(c[7], out),
    ]
    return nn.Sequential(Pixels(), *see, nn.Flatten(), *steer)


def smallres(sample: tuple[int, int, int], out: int, filters: int, blocks: int) -> nn.Module:
    """Three stages of residual blocks, each at half the size and twice the filters of the one before."""
    stages = _stages(sample[0], filters, blocks)
    return nn.Sequential(
        Pixels(), *stages, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * filters, out)
    )


def deepchain(sample: tuple[int, int, int], out: int, filters: int, hidden: int) -> nn.Module:
    """The MNIST network of Weng et al. (DeepChain), section 5: at 28 x 28, 10 filters, 1960 to 128 to 10."""
    see = [nn.Conv2d(sample[0], filters, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(
        Pixels(),
        *see,
        nn.Flatten(),
        nn.Linear(_flat(sample, *see), hidden),
        nn.ReLU(),
        nn.Linear(hidden, out),
    )


def smallfcos(sample: tuple[int, int, int], out: int, filters: int, blocks: int) -> nn.Module:
    """`smallres` down to cells of 8 x 8 pixels, and a head of its own on each (Tian et al. 2019, on one level)."""
    rows, columns = cells(sample)
    stages = _stages(sample[0], filters, blocks)
    return nn.Sequential(Pixels(), *stages, BoxHead(4 * filters, out // (rows * columns)))


def _stages(channels: int, filters: int, blocks: int) -> list[nn.Module]:
    """Residual stages of `filters`, twice and four times as many channels, each at half the size of the one before."""
    stages: list[nn.Module] = []
    for before, width in pairwise((channels, filters, 2 * filters, 4 * filters)):
        stages += [nn.Conv2d(before, width, 3, 2, padding=1), *(Residual(width) for _ in range(blocks))]
    return stages


BUILTIN: dict[str, Callable[..., Any]] = {
    "pilotnet": pilotnet,
    "smallres": smallres,
    "deepchain": deepchain,
    "smallfcos": smallfcos,
}
