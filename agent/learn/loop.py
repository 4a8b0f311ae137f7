"""The training loop.

It is a generator: one step a turn, so that whoever drives it (the child process, or a test) takes frames,
obeys orders and pauses between two steps, and the loop itself knows of none of that.
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

from agent.core import decay
from agent.core.bundle_files import WEIGHTS
from agent.core.round import Round
from agent.errors import MilepostError
from agent.learn import checkpoint, heap, kinds, networks
from agent.learn.adam import Adam
from agent.learn.checkpoint import Array, Checkpoint, TrainingState
from agent.learn.kinds import Kind
from agent.learn.objective import Loss, objective
from agent.learn.samples import Reservoir, Samples, planes
from agent.learn.settings import Precision
from agent.learn.weights import Weights, same_shape
from agent.ports import TrainingTask

Pair = tuple[torch.Tensor, torch.Tensor]
Casting = Callable[[], AbstractContextManager[None]]
"""Computes within it as the device does best."""

WARM_UP = 5
"""Steps over which the learning rate rises. Adam's first steps move every weight by the whole rate, however small its
gradient, and every round begins with first steps."""
GIVE_UP = 3
"""Steps gone wrong before training ends with what was good."""


class TooLarge(MilepostError):
    """Memory does not suffice for the network with a single sample: training ends."""


@dataclass(frozen=True, slots=True)
class Options:
    """How this machine trains; nothing here changes what is learnt."""

    device: str = "cpu"
    precision: Precision = "auto"
    checkpoint_s: float = math.inf
    """By default the last one is the only one."""
    say: Callable[[str], None] = lambda sentence: None
    """Called once for each thing that an owner should know."""
    now: Callable[[], float] = time.monotonic


def train(task: TrainingTask, samples: Samples, last: Checkpoint, options: Options) -> Iterator[TrainingState]:
    """Train until the planned steps are done; yields after each step, and when there is nothing to train
    on yet.

    Goes on from `last`, whose state is the one that it yields and that counts on. Ends, with a last
    checkpoint, when the planned steps are done, three went wrong, or `samples.over`. Raises Malformed,
    TooLarge; RuntimeError where CUDA fails.
    """
    recipe, device, state = task.round.recipe, torch.device(options.device), last.state
    network = networks.build(task.round, task.base, task.seed)
    load_weights(network, checkpoint.read_weights(task.base / WEIGHTS))
    network.to(device, memory_format=torch.channels_last).train()
    adam = Adam({name: p for name, p in network.named_parameters() if p.requires_grad})
    base = [value.detach().clone() for value in adam.parameters.values()]
    pull, part = float(recipe.pull), recipe.batch
    if state.steps or state.undone:
        resume(network, adam, last)
    else:
        state.learning_rate = decay.rate(recipe, task.round.figure)
    precision, loss_scale = autocast(device, options.precision)
    kind, loss_of = kinds.of(task.round.task, task.round.input.sample), objective(task.round)
    drawn, saved_at, ready = staging(task.round, device), options.now(), None

    while not samples.over and state.steps < recipe.steps and state.undone < GIVE_UP:
        if not samples.suffice(recipe, state):
            yield state
            continue
        turn = state.steps + state.undone
        ready = ready or batch(samples, turn, drawn[turn % 2], kind, device)
        # In a function, so that nothing of what went through the network outlives the error.
        try:
            loss, fits = descend(network, loss_of, ready, part, precision, loss_scale), part
        except RuntimeError as error:
            fits = smaller(part, error, options)
        if fits < part:  # only now is what the error held gone
            part = fits
            adam.clear()
            release(device)
            continue
        # Drawn while a GPU still computes; after the last step there is none.
        more = state.steps + 1 < recipe.steps
        ready = batch(samples, turn + 1, drawn[(turn + 1) % 2], kind, device) if more else None
        gradients = whole(adam, loss_scale, base, pull)
        # All at once, because asking a GPU for a number waits for it.
        value, *sizes = torch.stack([loss, *torch._foreach_norm(gradients)]).tolist()
        if not math.isfinite(value + sum(sizes)):
            adam.clear()
            state.undone += 1
            state.learning_rate /= 2
            options.say(f"Step {state.steps + 1} gave a loss that is no number: undone, learning rate halved.")
        else:
            state.steps, state.loss = state.steps + 1, value
            adam.step(state.steps, state.learning_rate * min(1.0, state.steps / WARM_UP))
        if options.now() - saved_at >= options.checkpoint_s:
            save(task, network, adam, samples, state)
            saved_at = options.now()
        yield state

    if state.undone >= GIVE_UP:
        options.say(f"{GIVE_UP} steps gave no usable loss: training ended with what was good.")
    if len(samples.held):
        state.held_back_base = base_figure(task, samples)
    save(task, network, adam, samples, state)


def descend(
    network: nn.Module, loss_of: Loss, ready: Pair, part: int, precision: Casting, loss_scale: float
) -> torch.Tensor | float:
    """The loss of a batch, `part` samples at a time. Its gradients, times `loss_scale`, are added to the network's."""
    images, labels = ready
    loss: torch.Tensor | float = 0.0
    for start in range(0, len(images), part):
        with precision():
            piece = loss_of(network(images[start : start + part]), labels[start : start + part])
        share = min(part, len(images) - start) / len(images)
        piece.backward(torch.full_like(piece, share * loss_scale))
        loss = loss + piece.detach() * share
    return loss


def whole(adam: Adam, loss_scale: float, base: list[torch.Tensor], pull: float) -> list[torch.Tensor]:
    """The gradients, without the scale that half floats needed and with the pull to the round's own weights."""
    gradients = adam.gradients()
    if loss_scale != 1:
        torch._foreach_div_(gradients, loss_scale)
    if pull:
        away = torch._foreach_sub([value.detach() for value in adam.parameters.values()], base)
        torch._foreach_add_(gradients, away, alpha=pull)
    return gradients


def resume(network: nn.Module, adam: Adam, last: Checkpoint) -> None:
    """Put weights and moments where the checkpoint had them. Raises Malformed."""
    load_weights(network, last.weights)
    for moments, kind in ((adam.first, "first"), (adam.second, "second")):
        kept = {name: last.moments.get(f"{kind}/{name}", np.zeros(0, np.float32)) for name in moments}
        same_shape(kept, {name: array(value) for name, value in moments.items()}, checkpoint.NAME)
        for name, value in moments.items():
            value.copy_(torch.from_numpy(kept[name]))


def save(task: TrainingTask, network: nn.Module, adam: Adam, samples: Samples, state: TrainingState) -> None:
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
    load_weights(network, checkpoint.read_weights(task.base / WEIGHTS))
    return figure(network, samples.held, task.round)


def load_weights(network: nn.Module, values: Weights) -> None:
    """Raises Malformed unless names and shapes are the network's."""
    same_shape(values, weights(network), WEIGHTS)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in values.items()})


def weights(network: nn.Module) -> dict[str, Array]:
    return {name: array(value) for name, value in network.state_dict().items()}


def array(value: torch.Tensor) -> Array:
    # Plain layout in files: channels-last is this machine's business.
    return np.ascontiguousarray(value.detach().cpu().numpy())


def staging(round: Round, device: torch.device) -> torch.Tensor:
    """Where batches are drawn into by turns, (2, n, height, width, channels) uint8: a GPU copies from pinned memory by
    itself, until it has been asked for the step's numbers."""
    spec, pinned = round.input, device.type == "cuda"
    shape = (2, round.recipe.batch, spec.height, spec.width, spec.channels)
    return torch.empty(shape, dtype=torch.uint8, pin_memory=pinned)


def batch(samples: Samples, step: int, drawn: torch.Tensor, kind: Kind, device: torch.device) -> Pair:
    """The step's images, (n, channels, height, width) uint8, and what the loss compares with, on the device. `drawn`,
    (n, height, width, channels) uint8 of the CPU's, is drawn into; every other image is turned left to right, and its
    label's sign, where the kind of task allows it."""
    chosen = samples.choose(step, len(drawn))
    for (source, places), part in zip(chosen, drawn.split([len(places) for _, places in chosen]), strict=True):
        # Not torch's, whose threads then spin beside those that feed a GPU.
        np.take(source.images, places, axis=0, out=part.numpy(), mode="clip")
    wanted = np.concatenate([source.labels[places] for source, places in chosen])
    if kind.mirrors:
        wanted[::2] *= -1
    images = drawn.permute(0, 3, 1, 2).to(device, non_blocking=True)
    if kind.mirrors:
        images[::2] = images[::2].flip(3)
    return images, torch.from_numpy(kind.targets(wanted)).to(device, non_blocking=True)


def figure(network: nn.Module, held: Reservoir, round: Round) -> float | None:
    """The task's figure on samples. None without samples."""
    if not len(held):
        return None
    device, labels = next(network.parameters()).device, held.labels[: len(held)]
    parts = [held.images[start : start + 64] for start in range(0, len(held), 64)]
    network.eval()
    with torch.no_grad():
        given = [network(torch.from_numpy(planes(part)).to(device)).float().cpu().numpy() for part in parts]
    network.train()
    out: Array = np.concatenate(given)[: len(held)]
    kind = kinds.of(round.task, round.input.sample)
    return kind.figure(kind.rows(out.astype(np.float64), labels.astype(np.float64)))


def autocast(device: torch.device, precision: Precision) -> tuple[Casting, float]:
    """How to compute on this device, and what to multiply the loss by so that half floats hold its
    gradients."""
    if device.type == "cuda" and precision == "fp32":
        torch.backends.cudnn.allow_tf32 = False  # by default cuDNN keeps ten bits of an fp32 number
    if device.type != "cuda" or precision == "fp32":
        return nullcontext, 1.0
    if precision == "bf16" or (precision == "auto" and torch.cuda.is_bf16_supported(including_emulation=False)):
        return lambda: torch.autocast("cuda", torch.bfloat16), 1.0
    return lambda: torch.autocast("cuda", torch.float16), 128.0


SHORT = ("allocate memory", "could not create a primitive", "could not create a memory")
"""How torch's allocator, and oneDNN beneath it, say that memory has run out."""


def smaller(part: int, error: RuntimeError, options: Options) -> int:
    """Half of the part of a batch that goes through the network at once. Raises what less would not help."""
    if not out_of_memory(error):
        raise error
    if part == 1:
        # On CUDA the CPU's memory is still there to be tried.
        raise error if options.device == "cuda" else TooLarge()
    options.say(f"Memory did not suffice for {part} samples at once: the batch is made of {part // 2} each.")
    return part // 2


def release(device: torch.device) -> None:
    """Give back what torch and malloc keep for the next step: one of another size finds no use for it."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    else:
        heap.give_back()


def out_of_memory(error: RuntimeError) -> bool:
    said = str(error)
    return isinstance(error, torch.OutOfMemoryError) or any(sign in said for sign in SHORT)
