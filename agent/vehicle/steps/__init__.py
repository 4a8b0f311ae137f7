"""What a job is owed, done: one step a file, each returning the events to be written down, or none to wait.

Steps run one at a time beside the daemon's loop, so that a slow network never stops the odometer. Each may run twice;
its docstring says what it does, why twice is harmless and what it raises. Whatever must not be done twice is in the
journal, signed, first. Any of them raises Unavailable while ledger, store or disk cannot be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from agent.core.jobs.contribution import Job, Passed, Step
from agent.errors import Refused
from agent.vehicle.context import Events, StepContext
from agent.vehicle.steps.choose import choose
from agent.vehicle.steps.close import close, collect
from agent.vehicle.steps.enter import sign, submit
from agent.vehicle.steps.fetch import fetch
from agent.vehicle.steps.finish import finish, store
from agent.vehicle.steps.watch import watch

OWED: Mapping[Step, Callable[[StepContext, Job], Events]] = {
    Step.CHOOSE: choose,
    Step.FETCH: fetch,
    Step.FINISH: finish,
    Step.STORE: store,
    Step.SIGN: sign,
    Step.SUBMIT: submit,
    Step.WATCH: watch,
    Step.CLOSE: close,
    Step.COLLECT: collect,
}
"""Every step but TRAIN, which the loop and its child process see to while the car drives."""

UNSTAKED = (Step.FETCH, Step.FINISH, Step.STORE, Step.SIGN)
"""Steps of a job that has nothing at stake yet, and whose end nobody else will bring about."""


def do(context: StepContext, job: Job, step: Step) -> Events:
    """Raises Unavailable or TryAgain (wait), other MilepostErrors (wait longer).

    What is refused for good before anything was staked ends the job: time does not mend it.
    """
    try:
        return OWED[step](context, job)
    except Refused as error:
        if step in UNSTAKED:
            return [Passed(str(error))]
        raise
