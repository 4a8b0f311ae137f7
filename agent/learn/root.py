"""The root update: what the initiator learns from samples of its own, as a vehicle would (FLTrust, Cao et al. 2021).

It tells where honest training points. Validators take it from a round's bundle, hold it against the global set, and
judge a roll by it (`learn.screening`).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from agent.core.round import Round
from agent.errors import Refused
from agent.learn import checkpoint, judging, update
from agent.learn.losses import ALL, Score, falls
from agent.learn.samples import Samples, label_shape, pictures
from agent.learn.testset import TestSet
from agent.learn.weights import Weights
from agent.ports import TrainingTask

ENCODING = "dense-int8"
"""Of every root update: it points where the trained one does (cosine .9999 in the demo), in a quarter of the bytes."""


class NoRoot(Refused):
    """{what} has no root update that is used: {why}. Only plain harm forfeits a stake on it."""


def train(round_: Round, base: Path, own: TestSet) -> Weights:
    """The round's weights after its recipe's steps on `own`, or as many as so few samples allow. `base`: folder with
    the round's weights and graph. The same round and samples give the same weights on one machine. Raises NoRoot where
    they cannot be trained here."""
    what, recipe = f"round {round_.number}", round_.recipe
    try:
        from agent.learn import loop
    except ImportError:
        raise NoRoot(what=what, why="torch is not installed here, and it is learnt with it") from None
    megabytes = 1.1 * own.images.nbytes / 1e6
    samples = Samples(round_.input, megabytes, round_.number, label=label_shape(round_))
    for image, label in zip(pictures(own.images), own.labels, strict=True):
        samples.trip.add(image, label)
    with tempfile.TemporaryDirectory(prefix="milepost-") as folder:
        task = TrainingTask(Path(folder), base, round_, round_.number)
        try:
            for state in loop.train(task, samples, checkpoint.Checkpoint(), loop.Options()):
                samples.over = not samples.suffice(recipe, state)
        except (loop.TooLarge, RuntimeError) as error:
            raise NoRoot(what=what, why=f"it could not be trained ({str(error)[:120]})") from None
        last = checkpoint.load(task.folder)
    if last is None or not last.state.steps:
        raise NoRoot(what=what, why=f"no step could be made with {len(own)} samples")
    return last.weights


def most_bytes(base: Weights) -> int:
    """How long a root update to this base can be at most, unsealed."""
    return update.most_bytes(ENCODING, base)


def encode(base: Weights, trained: Weights) -> bytes:
    """Raises Malformed when names, shapes or values do not fit."""
    return update.encode(ENCODING, base, trained).data


def decode(data: bytes, base: Weights, what: str) -> Weights:
    """The difference to `base` that a root update from anywhere says. Raises Malformed, UnknownEncoding, NoRoot."""
    found = update.decode(data, base, ENCODING)
    if why := update.too_long(found, base):
        raise NoRoot(what=what, why=why)
    return found


def check(root: Weights, base: Weights, score: Score, what: str) -> None:
    """Raises NoRoot unless the loss falls beyond noise along it, by its whole length or by a share that a round's step
    may be taken by. `score` is on the global set."""
    at_base = score(base, ALL)
    for share in (1.0, *map(float, judging.STEPS)):
        there = {name: base[name] + root[name] * base[name].dtype.type(share) for name in base}
        if falls(at_base, score(there, ALL)):
            return
    raise NoRoot(what=what, why="it does not lower the loss on the global set beyond noise")
