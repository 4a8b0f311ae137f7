"""The training loop.

It is a generator: one step a turn, so that whoever drives it (the child process, or a test) takes frames, obeys orders
and pauses between two steps, and the loop itself knows of none of that.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from agent.core.documents import Round
from agent.errors import MilepostError
from agent.learn import checkpoint, networks
from agent.learn.adam import Adam
from agent.learn.checkpoint import Array, Checkpoint, State
from agent.learn.samples import Reservoir, Samples
from agent.learn.weights import Weights, same_shape
from agent.ports import TrainingTask

Pair = tuple[torch.Tensor, torch.Tensor]

START = 16
"""Samples before the first step: less than a second of driving."""
GIVE_UP = 3
"""Steps gone wrong before training ends with what was good."""


class DeviceLost(MilepostError):
    """The training device {device} failed: {why}. Training goes on on the CPU from the last checkpoint."""


class TooLarge(MilepostError):
    """Memory does not suffice for the network with a single sample: training ends."""


@dataclass(frozen=True, slots=True)
class Options:
    """How this machine trains; nothing here changes what is learnt."""

    device: str = "cpu"
    checkpoint_s: float = 20.0
    say: Callable[[str], None] = lambda sentence: None
    """Called once for each thing that an owner should know."""
    now: Callable[[], float] = time.monotonic


def train(task: TrainingTask, samples: Samples, last: Checkpoint, options: Options) -> Iterator[State]:
    """Train until the planned steps are done; yields after each step, and when there is nothing to train on yet.

    Goes on from `last`, whose state is the one that it yields and that counts on. Ends, with a last checkpoint, when
    the planned steps are done, three went wrong, or `samples.over`. Raises Malformed, DeviceLost, TooLarge.
    """
    recipe, device, state = task.round.recipe, torch.device(options.device), last.state
    network = networks.build(task.round, task.base, task.seed)
    load_weights(network, checkpoint.read_weights(task.base / "weights.safetensors"))
    network.to(device, memory_format=torch.channels_last).train()
    adam = Adam({name: p for name, p in network.named_parameters() if p.requires_grad})
    values = list(adam.parameters.values())
    base = [value.detach().clone() for value in values]
    pull, part = float(recipe.pull), recipe.batch
    if state.steps or state.undone:
        resume(network, adam, last)
    else:
        state.learning_rate = float(recipe.learning_rate)
    precision, loss_scale = autocast(device)
    mirror, loss_of = task.round.task.kind == "steering", objective(task.round)
    saved_at = options.now()

    while not samples.over and state.steps < recipe.steps and state.undone < GIVE_UP:
        if len(samples.trip) < min(START, recipe.batch):
            yield state
            continue
        images, labels = batch(samples, state.steps, recipe.batch, mirror, device)
        try:
            loss = torch.zeros((), device=device)
            for start in range(0, recipe.batch, part):
                with precision():
                    piece = loss_of(network(images[start : start + part]), labels[start : start + part])
                piece = piece.float() * (len(labels[start : start + part]) / recipe.batch)
                (piece * loss_scale).backward()
                loss += piece.detach()
        except RuntimeError as error:
            adam.clear()
            part = smaller(part, error, device, options)
            continue
        gradients = [value.grad for value in values]
        if loss_scale != 1:
            torch._foreach_div_(gradients, loss_scale)
        if pull:
            torch._foreach_add_(gradients, torch._foreach_sub([v.detach() for v in values], base), alpha=pull)
        # One number for both, because asking a GPU for a number waits for it.
        value, size = torch.stack([loss, torch.stack(torch._foreach_norm(gradients)).sum()]).tolist()
        if not math.isfinite(value + size):
            adam.clear()
            state.undone += 1
            state.learning_rate /= 2
            options.say(
                f"Step {state.steps + 1} gave a loss that is no number: undone, learning rate halved."
            )
        else:
            state.steps, state.loss = state.steps + 1, value
            adam.step(state.steps, state.learning_rate)
        if options.now() - saved_at >= options.checkpoint_s:
            save(task, network, adam, samples, state)
            saved_at = options.now()
        yield state

    if state.undone >= GIVE_UP:
        options.say(f"{GIVE_UP} steps gave no usable loss: training ended with what was good.")
    if len(samples.held):
        state.held_back_base = base_figure(task, samples)
    save(task, network, adam, samples, state)


def resume(network: nn.Module, adam: Adam, last: Checkpoint) -> None:
    """Put weights and moments where the checkpoint had them. Raises Malformed."""
    load_weights(network, last.weights)
    for moments, kind in ((adam.first, "first"), (adam.second, "second")):
        kept = {name: last.moments.get(f"{kind}/{name}", np.zeros(0, np.float32)) for name in moments}
        same_shape(kept, {name: array(value) for name, value in moments.items()}, checkpoint.NAME)
        for name, value in moments.items():
            value.copy_(torch.from_numpy(kept[name]))


def save(task: TrainingTask, network: nn.Module, adam: Adam, samples: Samples, state: State) -> None:
    """Write a checkpoint, with the figure on the frames held back."""
    if len(samples.held):
        state.held_back = figure(network, samples.held, task.round)
        state.held_back_samples = len(samples.held)
    moments = {f"first/{name}": array(value) for name, value in adam.first.items()}
    moments |= {f"second/{name}": array(value) for name, value in adam.second.items()}
    checkpoint.save(task.folder, state, weights(network), moments)


def base_figure(task: TrainingTask, samples: Samples) -> float | None:
    """The round's own figure on the frames held back: what training has to beat."""
    network = networks.build(task.round, task.base)
    load_weights(network, checkpoint.read_weights(task.base / "weights.safetensors"))
    return figure(network, samples.held, task.round)


def load_weights(network: nn.Module, values: Weights) -> None:
    """Raises Malformed unless names and shapes are the network's."""
    same_shape(values, weights(network), "weights.safetensors")
    network.load_state_dict({name: torch.from_numpy(value) for name, value in values.items()})


def weights(network: nn.Module) -> dict[str, Array]:
    return {name: array(value) for name, value in network.state_dict().items()}


def array(value: torch.Tensor) -> Array:
    # Plain layout in files: channels-last is this machine's business.
    return np.ascontiguousarray(value.detach().cpu().numpy())


def batch(samples: Samples, step: int, count: int, mirror: bool, device: torch.device) -> Pair:
    """The step's images, (n, channels, height, width) uint8, and labels, on the device."""
    images, labels = (torch.from_numpy(part) for part in samples.draw(step, count, mirror))
    if device.type == "cuda":
        images, labels = (part.pin_memory().to(device, non_blocking=True) for part in (images, labels))
    return images.permute(0, 3, 1, 2), labels


def objective(round: Round) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The loss of a batch: smooth L1 of the scaled angle, or cross entropy."""
    if round.task.kind == "classification":
        return lambda out, labels: F.cross_entropy(out, labels.long())
    scale = float(round.task.scale)
    return lambda out, labels: F.smooth_l1_loss(out[:, 0], labels / scale)


@torch.no_grad()
def figure(network: nn.Module, held: Reservoir, round: Round) -> float | None:
    """The task's figure on samples: RMSE in degrees, or the share that was right. None without samples."""
    if not len(held):
        return None
    device = next(network.parameters()).device
    network.eval()
    out = []
    for start in range(0, len(held), 64):
        images = torch.from_numpy(held.images[start : min(start + 64, len(held))]).to(device)
        out.append(network(images.permute(0, 3, 1, 2)).float().cpu().numpy())
    network.train()
    given, labels = np.concatenate(out), held.labels[: len(held)]
    if round.task.kind == "classification":
        return float((given.argmax(1) == labels).mean())
    return float(np.sqrt(np.mean((given[:, 0] * float(round.task.scale) - labels) ** 2)))


def autocast(device: torch.device) -> tuple[Callable[[], AbstractContextManager[None]], float]:
    """How to compute on this device, and what to multiply the loss by so that half floats hold its gradients."""
    if device.type != "cuda":
        return nullcontext, 1.0
    if torch.cuda.is_bf16_supported():
        return lambda: torch.autocast("cuda", torch.bfloat16), 1.0
    return lambda: torch.autocast("cuda", torch.float16), 128.0


def smaller(part: int, error: RuntimeError, device: torch.device, options: Options) -> int:
    """Half of the part of a batch that goes through the network at once. Raises what more memory would not help."""
    if not out_of_memory(error):
        if device.type == "cuda":
            raise DeviceLost(device=device, why=str(error).splitlines()[0]) from error
        raise error
    if part == 1:
        if device.type == "cuda":
            raise DeviceLost(device=device, why="its memory does not hold one sample") from error
        raise TooLarge() from error
    if device.type == "cuda":
        torch.cuda.empty_cache()
    options.say(
        f"Memory did not suffice for {part} samples at once: {part // 2} are tried, with the same batch."
    )
    return part // 2


def out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)
