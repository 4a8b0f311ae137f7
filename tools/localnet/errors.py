"""Localnet's own errors: an error class is a sentence, and knows the exit code that the command ends with.

The docstring says what happened, what it means and what to do, with facts in braces: `raise LedgerInUse(path=path)`.
"""

from __future__ import annotations

from typing import ClassVar

FAILED = 1
USAGE = 2
UNAVAILABLE = 69
NO_PERMISSION = 77
BAD_CONFIG = 78


class LocalnetError(Exception):
    """Something went wrong: {what}"""

    exit_code: ClassVar[int] = FAILED

    def __init__(self, **facts: object) -> None:
        self.facts = facts
        super().__init__(" ".join((type(self).__doc__ or "").format(**facts).split()))
