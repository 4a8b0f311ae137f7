"""The doctor: independent checks, all at once, each with its own limit, ten seconds in all.

Rules. A check returns the sentence that says what is well, or raises: Skipped is `skipped` (not set up here),
Unavailable is `offline` (the network is away, and that is normal for a car) unless it is FOR_SOMEBODY; that, and any
other MilepostError, is `wrong`. A check that does not answer in time is `wrong` as well, and nobody waits for it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from agent.errors import MilepostError, Unavailable
from agent.troubles import FOR_SOMEBODY

ALL_S = 8.0
"""All checks together. Loading the rooms they look at takes another second, and the command is to take ten at most."""


class Skipped(MilepostError):
    """{why}"""


class Wrong(MilepostError):
    """{why}"""


class CheckState(str, Enum):
    GOOD = "good"
    OFFLINE = "offline"
    SKIPPED = "skipped"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing the agent needs. `look` returns a sentence or raises; it may block and be left behind."""

    name: str
    look: Callable[[], str]
    limit_s: float = ALL_S


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    name: str
    state: CheckState
    sentence: str
    seconds: float


def examine(checks: Sequence[Check], all_s: float = ALL_S) -> Iterator[Finding]:
    """Run all checks side by side; findings come in the order of the table. Returns within `all_s`."""
    started = time.monotonic()
    answers = [(check, _start(check)) for check in checks]
    for check, answer in answers:
        left_s = started + min(check.limit_s, all_s) - time.monotonic()
        try:
            yield answer.get(timeout=max(0.0, left_s))
        except queue.Empty:
            waited_s = time.monotonic() - started
            yield Finding(check.name, CheckState.WRONG, f"No answer within {waited_s:.0f} s.", waited_s)


def healthy(findings: Sequence[Finding]) -> bool:
    """Being offline is normal; being wrong is not."""
    return all(finding.state is not CheckState.WRONG for finding in findings)


def _start(check: Check) -> queue.SimpleQueue[Finding]:
    answer: queue.SimpleQueue[Finding] = queue.SimpleQueue()
    # Daemon threads: a driver that hangs in the kernel must not keep the command from ending.
    threading.Thread(target=lambda: answer.put(_finding(check)), name=check.name, daemon=True).start()
    return answer


def _finding(check: Check) -> Finding:
    started = time.monotonic()
    try:
        state, sentence = CheckState.GOOD, check.look()
    except Skipped as reason:
        state, sentence = CheckState.SKIPPED, str(reason)
    except Unavailable as error:
        state = CheckState.WRONG if isinstance(error, FOR_SOMEBODY) else CheckState.OFFLINE
        sentence = str(error)
    except MilepostError as error:
        state, sentence = CheckState.WRONG, str(error)
    except Exception as error:  # a check that fails in its own way must not hide the others' findings
        state, sentence = CheckState.WRONG, f"The check itself failed: {type(error).__name__}: {error}"
    return Finding(check.name, state, sentence, time.monotonic() - started)
