"""The root update of a round: learnt from samples of the initiator's own as the round is laid out, held against the
global set as validators will, and sealed to the committee."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from agent.core.round import RootUpdate, Round
from agent.errors import Malformed, Refused
from agent.initiator.plan import Plan
from agent.learn import checkpoint, graph, root, score
from agent.learn.losses import Score
from agent.learn.testset import TestSet
from agent.learn.weights import Weights
from agent.market import bundle, sealed

Train = Callable[[Round, Path, TestSet], Weights]
"""As `learn.root.train`."""


def samples(plan: Plan, folder: Path, tests: TestSet) -> TestSet | None:
    """What the plan's root set holds, None where it names none. `folder` holds the round's weights and graph. Raises
    Refused where it does not fit the round, or shares a sample with the global set: the root update would help there
    whatever it has learnt."""
    if plan.root_set is None:
        return None
    try:
        own = TestSet.load(plan.root_set.read_bytes(), plan.input)
        scorer = score.Scorer(graph.check(folder / bundle.GRAPH), plan.task)
        scorer.score(checkpoint.read_weights(folder / bundle.WEIGHTS), own.images, own.labels)
    except Malformed as error:
        raise Malformed(what=f"root_set ({plan.root_set})", why=error.facts.get("why")) from None
    if shared := len(_pictures(own) & _pictures(tests)):
        raise Refused(what=f"root_set ({plan.root_set})", why=f"{shared} of its samples are in the test set too")
    return own


def lay(
    round_: Round,
    folder: Path,
    own: TestSet | None,
    score: Score,
    train: Train,
    say: Callable[[str], None],
) -> RootUpdate | None:
    """Learn from `own` and put `root.sealed` into the round's folder. `score` is on the global set. None where there is
    nothing to learn from, nothing to learn with, or it does not help: `say` is told why."""
    what = f"round {round_.number}"
    base = checkpoint.read_weights(folder / bundle.WEIGHTS)
    try:
        if own is None:
            raise root.NoRoot(what=what, why="the plan names no root_set")
        data = root.encode(base, train(round_, folder, own))
        root.check(root.decode(data, base, what), base, score, what)
    except root.NoRoot as error:
        say(str(error))
        return None
    purpose = bundle.root_purpose(round_.model, round_.number)
    ciphertext, keys = sealed.seal(data, purpose, round_.committee)
    bundle.write(folder / bundle.ROOT, ciphertext)
    return RootUpdate(keys=keys)


def _pictures(samples: TestSet) -> set[bytes]:
    return {hashlib.sha256(image.tobytes()).digest() for image in samples.images}
