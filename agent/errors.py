"""One root for every error that Milepost raises on purpose.

An error class is a sentence: its docstring says what happened, what it means and what to do, with the facts in
braces. `raise KeyFileMissing(path=path)` fills them in. The class also knows the exit code a command ends with.
"""

from __future__ import annotations

import inspect

OK = 0
FAILED = 1
USAGE = 2
NO_DAEMON = 3
STALE = 4
UNAVAILABLE = 69
TRY_AGAIN = 75
NO_PERMISSION = 77
BAD_CONFIG = 78


class MilepostError(Exception):
    """Something went wrong: {what}"""

    exit_code = FAILED

    def __init__(self, **facts: object) -> None:
        self.facts = facts
        super().__init__(" ".join(inspect.getdoc(type(self)).format(**facts).split()))  # type: ignore[union-attr]


class Unavailable(MilepostError):
    """{what} cannot be reached. Nothing is lost: the work waits and goes on when it is back."""

    exit_code = UNAVAILABLE


class TryAgain(MilepostError):
    """{what} is not ready yet. Run the same command again in a moment."""

    exit_code = TRY_AGAIN


class Refused(MilepostError):
    """{what} was refused: {why}"""


class Malformed(Refused):
    """{what} is malformed: {why}. It is not used."""


class CredentialError(MilepostError):
    """The credential {path} cannot be used: {why}"""

    exit_code = NO_PERMISSION


class ConfigError(MilepostError):
    """{path}, line {line}: {why}"""

    exit_code = BAD_CONFIG
