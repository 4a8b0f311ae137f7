"""The losses of `learn.kinds` for torch, by kind: a batch's outputs and targets in, one number out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from agent.core.round import Round
from agent.learn.kinds import Kind, of
from agent.learn.kinds.classification import Classification
from agent.learn.kinds.detection import ALPHA, CELL, GAMMA, LARGEST, SMALLEST, Detection
from agent.learn.kinds.steering import Steering

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def objective(round_: Round) -> Loss:
    """The mean loss of a batch: outputs (n, k) and targets as `Kind.targets` makes them. A batch in parts has the mean
    of its parts' losses."""
    kind: Any = of(round_.task, round_.input.sample)
    return LOSSES[type(kind)](kind)


def _steering(kind: Steering) -> Loss:
    return lambda out, targets: F.smooth_l1_loss(out[:, 0], targets / kind.scale)


def _classification(kind: Classification) -> Loss:
    return lambda out, targets: F.cross_entropy(out, targets.long())


def _detection(kind: Detection) -> Loss:
    centres = torch.from_numpy(kind.centres).to(torch.float32)

    def loss(out: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        each = out.float().reshape(len(out), kind.classes + 4, -1).transpose(1, 2)
        logits, numbers = each[..., : kind.classes], each[..., kind.classes :]
        wanted, to_find = targets[..., 0].long(), targets[..., 0] >= 0
        truth = wanted[..., None] == torch.arange(kind.classes, device=out.device)
        towards = torch.where(truth, -logits, logits)
        weight = torch.where(truth, ALPHA, 1 - ALPHA) * torch.sigmoid(towards) ** GAMMA
        focal = (weight * F.softplus(towards)).sum((1, 2))
        centre = centres.to(out.device) + CELL * numbers[..., :2]
        half = CELL * numbers[..., 2:].clamp(SMALLEST, LARGEST).exp() / 2
        boxes = torch.cat([centre - half, centre + half], dim=-1)
        apart = torch.where(to_find, 1 - giou(boxes, targets[..., 1:]), 0.0).sum(1)
        return ((focal + apart) / to_find.sum(1).clamp(min=1)).mean()

    return loss


def giou(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """As `kinds.precision.giou`."""
    overlap = _area(torch.maximum(one[..., :2], other[..., :2]), torch.minimum(one[..., 2:], other[..., 2:]))
    union = _area(one[..., :2], one[..., 2:]) + _area(other[..., :2], other[..., 2:]) - overlap
    around = _area(torch.minimum(one[..., :2], other[..., :2]), torch.maximum(one[..., 2:], other[..., 2:]))
    tiny = 1e-9
    return (overlap + tiny) / (union + tiny) - (around - union) / (around + tiny)


def _area(low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    sides = (high - low).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


LOSSES: dict[type[Kind], Callable[[Any], Loss]] = {
    Steering: _steering,
    Classification: _classification,
    Detection: _detection,
}
