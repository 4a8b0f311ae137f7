"""Networks as strangers write them, in plain PyTorch: what the graph module is compared with."""

from __future__ import annotations

import io
import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def pilotnet() -> tuple[nn.Module, tuple[int, int, int]]:
    """PilotNet with batch norm."""

    def see(i: int, o: int, k: int, s: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(i, o, k, s, bias=False), nn.BatchNorm2d(o), nn.ELU())

    layers = [see(3, 24, 5, 2), see(24, 36, 5, 2), see(36, 48, 5, 2), see(48, 64, 3, 1), see(64, 64, 3, 1)]
    steer = [nn.Linear(1152, 100), nn.ELU(), nn.Dropout(0.2), nn.Linear(100, 10), nn.ELU(), nn.Linear(10, 1)]
    return nn.Sequential(*layers, nn.Flatten(), *steer), (3, 66, 200)


class Basic(nn.Module):
    def __init__(self, i: int, o: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o))
        down = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))
        self.down = nn.Identity() if stride == 1 and i == o else down

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(self.first(x)) + self.down(x))


def resnet18() -> tuple[nn.Module, tuple[int, int, int]]:
    """ResNet-18's layout at a quarter of its width."""
    stem = [nn.Conv2d(3, 16, 7, 2, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    blocks = [Basic(16, 16, 1), Basic(16, 16, 1), Basic(16, 32, 2), Basic(32, 32, 1)]
    blocks += [Basic(32, 64, 2), Basic(64, 64, 1), Basic(64, 128, 2), Basic(128, 128, 1)]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10)), (3, 64, 64)


class Inverted(nn.Module):
    def __init__(self, i: int, o: int, stride: int, expand: int) -> None:
        super().__init__()
        wide = i * expand
        self.kept = stride == 1 and i == o
        self.layers = nn.Sequential(
            *(nn.Conv2d(i, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()),
            *(nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6()),
            *(nn.Conv2d(wide, o, 1, bias=False), nn.BatchNorm2d(o)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.kept else self.layers(x)


def mobilenet() -> tuple[nn.Module, tuple[int, int, int]]:
    """MobileNetV2's blocks with depthwise convolutions, and a hard swish."""
    stem = [nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.Hardswish()]
    blocks = [Inverted(16, 16, 1, 2), Inverted(16, 24, 2, 4), Inverted(24, 24, 1, 4), Inverted(24, 32, 2, 4)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(32, 10)]
    return nn.Sequential(*stem, *blocks, *head), (3, 64, 64)


def _double(i: int, o: int) -> nn.Sequential:
    first = [nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU()]
    return nn.Sequential(*first, nn.Conv2d(o, o, 3, padding=1), nn.GroupNorm(4, o), nn.LeakyReLU(0.1))


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.middle = _double(3, 8), _double(8, 16), _double(16, 32)
        self.up2, self.out2, self.out1 = nn.ConvTranspose2d(32, 16, 2, 2), _double(32, 16), _double(24, 8)
        self.last = nn.Conv2d(8, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        y = self.out2(torch.cat([self.up2(self.middle(F.avg_pool2d(b, 2))), b], 1))
        y = F.interpolate(y, scale_factor=2, mode="bilinear", align_corners=False)
        return self.last(self.out1(torch.cat([y, a], 1))).mean((2, 3))


def unet() -> tuple[nn.Module, tuple[int, int, int]]:
    return UNet(), (3, 32, 48)


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.mix = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.think = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        n, places, width = x.shape
        split = self.qkv(self.before(x)).reshape(n, places, 3, self.heads, width // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, places, width)
        x = x + self.mix(seen)
        return x + self.think(self.after(x))


class ViT(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.place = nn.Parameter(torch.randn(1, 17, width) * 0.02)
        self.blocks = nn.Sequential(Block(width, 4), Block(width, 4))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.place
        return self.head(self.norm(self.blocks(x))[:, 0])


def vit() -> tuple[nn.Module, tuple[int, int, int]]:
    return ViT(), (3, 32, 32)


ORIGINALS = {"pilotnet": pilotnet, "resnet18": resnet18, "mobilenet": mobilenet, "unet": unet, "vit": vit}


def stirred(name: str) -> tuple[nn.Module, tuple[int, int, int]]:
    """The network, with scales and statistics that no longer are all ones and noughts."""
    torch.manual_seed(0)
    network, sample = ORIGINALS[name]()
    with torch.no_grad():
        for key, value in network.state_dict().items():
            if value.is_floating_point() and value.dim() == 1:
                value.add_(torch.rand_like(value) * (0.5 if "var" in key or "weight" in key else 0.1))
    return network, sample


def torchscript(network: nn.Module, sample: tuple[int, int, int], opset: int, keep: bool = True) -> bytes:
    """The TorchScript-based exporter. `keep`: batch norms stay as they are; else they go into the convolutions."""
    file = io.BytesIO()
    mode = torch.onnx.TrainingMode.PRESERVE if keep else torch.onnx.TrainingMode.EVAL
    axes = {"x": {0: "n"}, "out": {0: "n"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(), (torch.zeros(2, *sample),), file, dynamo=False, opset_version=opset,
            input_names=["x"], output_names=["out"], dynamic_axes=axes, training=mode,
        )  # fmt: skip
    return file.getvalue()


def torch_export(network: nn.Module, sample: tuple[int, int, int], opset: int, keep: bool = True) -> bytes:
    """The torch.export-based exporter, with its optimiser or without."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network.eval(), (torch.zeros(2, *sample),), dynamo=True, opset_version=opset, verbose=False,
            dynamic_shapes=({0: torch.export.Dim("n")},), optimize=not keep,
        )  # fmt: skip
    assert program is not None
    return bytes(program.model_proto.SerializeToString())


EXPORTERS = {"torchscript": torchscript, "torch.export": torch_export}
