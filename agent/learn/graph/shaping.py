"""What only moves numbers about: shapes, slices, padding."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from agent.learn.graph.reading import Attributes, Inputs, innermost_first, ints, together


def constant_of_shape(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    value = a.get("value")
    fill = torch.zeros(1) if value is None else torch.from_numpy(value.copy())
    return fill.reshape(1).expand(ints(inputs[0])).clone()


def shape(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    return torch.tensor(list(inputs[0].shape)[a.get("start", 0) : a.get("end")], dtype=torch.int64)


def reshape(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x, shape = inputs[0], ints(inputs[1])
    kept = not a.get("allowzero", 0)
    return torch.reshape(x, [x.shape[i] if size == 0 and kept else size for i, size in enumerate(shape)])


def flatten(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x = inputs[0]
    axis = a.get("axis", 1) % x.dim() if a.get("axis", 1) != x.dim() else x.dim()
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


def transpose(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x = inputs[0]
    return x.permute(a.get("perm", tuple(reversed(range(x.dim())))))


def squeeze(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x, axes = (*inputs, None)[:2]
    return x.squeeze() if axes is None else x.squeeze(tuple(ints(axes)))


def unsqueeze(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x, axes = inputs[0], ints(inputs[1])
    for axis in sorted(axis % (x.dim() + len(axes)) for axis in axes):
        x = x.unsqueeze(axis)
    return x


def concat(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    return torch.cat(together(inputs), dim=a["axis"])


def split(inputs: Inputs, a: Attributes, training: bool) -> tuple[Tensor, ...]:
    x, sizes = (*inputs, None)[:2]
    axis = a.get("axis", 0)
    each = -(-x.shape[axis] // a["num_outputs"]) if sizes is None else ints(sizes)
    parts: tuple[Tensor, ...] = torch.split(x, each, dim=axis)
    return parts


def cut(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x, starts, ends, axes, steps = (*inputs, None, None)[:5]
    first, last = ints(starts), ints(ends)
    along = list(range(len(first))) if axes is None else ints(axes)
    by = [1] * len(first) if steps is None else ints(steps)
    for axis, start, end, step in zip(along, first, last, by, strict=True):
        # Python's own slices have ONNX's rules for what is negative or out of range, but for one: an end
        # below -size with a negative step means "through the first one".
        size = x.shape[axis]
        stop = None if step < 0 and end < -size else end
        places = range(size)[start:stop:step]
        if step == 1:
            x = x.narrow(axis, places.start if len(places) else 0, len(places))
        else:
            x = x.index_select(axis, torch.tensor(list(places), dtype=torch.int64, device=x.device))
    return x


def gather(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x, places = inputs[0], inputs[1].to(inputs[0].device)
    axis = a.get("axis", 0) % x.dim()
    size = x.shape[axis]
    chosen = x.index_select(axis, torch.where(places < 0, places + size, places).reshape(-1))
    return chosen.reshape([*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]])


def expand(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x = inputs[0]
    return x.expand(torch.broadcast_shapes(x.shape, tuple(ints(inputs[1]))))


def tile(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    return inputs[0].repeat(ints(inputs[1]))


def progression(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    start, limit, delta = (value.item() for value in inputs)
    return torch.arange(start, limit, delta, dtype=inputs[0].dtype)


def pad(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x, pads, value, axes = (*inputs, None, None)[:4]
    widths = ints(pads)
    along = list(range(x.dim())) if axes is None else [axis % x.dim() for axis in ints(axes)]
    before, after = [0] * x.dim(), [0] * x.dim()
    for i, axis in enumerate(along):
        before[axis], after[axis] = widths[i], widths[i + len(along)]
    mode = a.get("mode", "constant")
    if mode == "constant":
        return F.pad(x, innermost_first(before, after), value=0.0 if value is None else value.item())
    # torch pads by reflection and edge along the spatial axes only.
    return F.pad(x, innermost_first(before[2:], after[2:]), mode={"reflect": "reflect", "edge": "replicate"}[mode])


def depth_to_space(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x, block = inputs[0], a["blocksize"]
    if a.get("mode", "DCR") == "CRD":
        return F.pixel_shuffle(x, block)
    n, c, h, w = x.shape
    parts = x.reshape(n, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(n, c // block**2, h * block, w * block)


def space_to_depth(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x, block = inputs[0], a["blocksize"]
    n, c, h, w = x.shape
    parts = x.reshape(n, c, h // block, block, w // block, block).permute(0, 3, 5, 1, 2, 4)
    return parts.reshape(n, c * block**2, h // block, w // block)
