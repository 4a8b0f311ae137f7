"""The layers: convolutions, matrix products, normalisation, pooling and resizing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from agent.learn.graph.reading import Attributes, Inputs, each, innermost_first, ints, pads

CONV = (F.conv1d, F.conv2d, F.conv3d)
TURNED = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
MAX_POOL = (F.max_pool1d, F.max_pool2d, F.max_pool3d)
MEAN_POOL = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)
INTERPOLATIONS = {"nearest": "nearest", "linear": ("linear", "bilinear", "trilinear"), "cubic": "bicubic"}


def conv(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x, weight, bias = (*inputs, None)[:3]
    spatial = x.dim() - 2
    strides, dilations = each(a, "strides", spatial), each(a, "dilations", spatial)
    before, after = pads(a, spatial)
    if a.get("auto_pad", "NOTSET").startswith("SAME"):
        before, after = same(x.shape[2:], weight.shape[2:], strides, dilations, a["auto_pad"])
    if before != after:
        x, before = F.pad(x, innermost_first(before, after)), [0] * spatial
    return CONV[spatial - 1](x, weight, bias, strides, before, dilations, a.get("group", 1))


def conv_transpose(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x, weight, bias = (*inputs, None)[:3]
    spatial = x.dim() - 2
    before, after = pads(a, spatial)
    # A larger pad behind cuts more away there, which torch says as a negative output padding.
    extra = [more + p - q for more, p, q in zip(each(a, "output_padding", spatial, 0), before, after, strict=True)]
    cut = [min(0, value) for value in extra]
    out = TURNED[spatial - 1](
        x,
        weight,
        bias,
        each(a, "strides", spatial),
        before,
        [max(0, value) for value in extra],
        a.get("group", 1),
        each(a, "dilations", spatial),
    )
    return F.pad(out, innermost_first([0] * spatial, cut)) if any(cut) else out


def gemm(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x, y, z = (*inputs, None)[:3]
    x = x.T if a.get("transA", 0) else x
    alpha, beta = a.get("alpha", 1.0), a.get("beta", 1.0)
    if a.get("transB", 0) and alpha == beta == 1.0 and (z is None or z.dim() == 1):
        return F.linear(x, y, z)
    out = x @ (y.T if a.get("transB", 0) else y) * alpha
    return out if z is None else out + beta * z


def batch_norm(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x, scale, offset, mean, variance = inputs
    momentum = 1.0 - a.get("momentum", 0.9)
    return F.batch_norm(x, mean, variance, scale, offset, training, momentum, a.get("epsilon", 1e-5))


def instance_norm(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x, scale, offset = inputs
    return F.instance_norm(x, weight=scale, bias=offset, eps=a.get("epsilon", 1e-5))


def layer_norm(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x, scale, offset = (*inputs, None)[:3]
    shape = x.shape[a.get("axis", -1) :]
    return F.layer_norm(x, shape, scale.expand(shape), offset, a.get("epsilon", 1e-5))


def group_norm(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    """Operator set 18 has a scale and an offset for each group, later ones for each channel."""
    x, scale, offset = inputs
    groups, channels = a["num_groups"], x.shape[1]
    scale, offset = (value.repeat_interleave(channels // value.numel()) for value in (scale, offset))
    return F.group_norm(x, groups, scale, offset, a.get("epsilon", 1e-5))


def rms_norm(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x, scale = inputs
    shape = x.shape[a.get("axis", -1) :]
    return F.rms_norm(x, shape, scale.expand(shape), a.get("epsilon", 1e-5))


def attention(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    """(n, heads, places, width), or (n, places, heads x width) with the heads as attributes."""
    query, key, value, mask = (*inputs, None)[:4]
    flat = query.dim() == 3
    if flat:
        heads = (a["q_num_heads"], a["kv_num_heads"], a["kv_num_heads"])
        query, key, value = (
            x.unflatten(2, (count, -1)).transpose(1, 2) for x, count in zip((query, key, value), heads, strict=True)
        )
    out = F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=None if mask is None else mask.to(query.device),
        is_causal=bool(a.get("is_causal", 0)),
        scale=a.get("scale"),
        enable_gqa=query.shape[1] != key.shape[1],
    )
    return out.transpose(1, 2).flatten(2) if flat else out


def max_pool(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x = inputs[0]
    spatial = x.dim() - 2
    before, after = pads(a, spatial)
    if before != after:
        x, before = F.pad(x, innermost_first(before, after), value=-math.inf), [0] * spatial
    strides, dilations = each(a, "strides", spatial), each(a, "dilations", spatial)
    kernel, up = list(a["kernel_shape"]), bool(a.get("ceil_mode", 0))
    return MAX_POOL[spatial - 1](x, kernel, strides, before, dilations, up)


def mean_pool(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x = inputs[0]
    spatial = x.dim() - 2
    before, after = pads(a, spatial)
    counted = bool(a.get("count_include_pad", 0))
    kernel, strides, up = list(a["kernel_shape"]), each(a, "strides", spatial), bool(a.get("ceil_mode", 0))
    if before == after:
        return MEAN_POOL[spatial - 1](x, kernel, strides, before, up, counted)
    padding = innermost_first(before, after)
    out = MEAN_POOL[spatial - 1](F.pad(x, padding), kernel, strides, 0, up)
    if counted:
        return out
    inside = F.pad(torch.ones_like(x[:1, :1]), padding)
    return out / MEAN_POOL[spatial - 1](inside, kernel, strides, 0, up)


def resize(inputs: Inputs, a: Attributes, training: bool) -> Tensor:
    x, _, scales, sizes = (*inputs, None, None, None)[:4]
    mode, place = a.get("mode", "nearest"), a.get("coordinate_transformation_mode", "half_pixel")
    name = INTERPOLATIONS[mode]
    options: dict[str, Any] = {"mode": name if isinstance(name, str) else name[x.dim() - 3]}
    if mode != "nearest":
        options["align_corners"] = place == "align_corners"
    if sizes is not None and sizes.numel():
        return F.interpolate(x, size=ints(sizes)[2:], **options)
    return F.interpolate(x, scale_factor=scales.tolist()[2:], **options)


def same(
    size: Sequence[int], kernel: Sequence[int], strides: list[int], dilations: list[int], rule: str
) -> tuple[list[int], list[int]]:
    """Padding so that the output is the input's size over the stride; the odd one goes behind for
    SAME_UPPER."""
    less, more = [], []
    for n, k, s, d in zip(size, kernel, strides, dilations, strict=True):
        total = max(0, (-(-n // s) - 1) * s + (k - 1) * d + 1 - n)
        less.append(total // 2)
        more.append(total - total // 2)
    return (less, more) if rule == "SAME_UPPER" else (more, less)
