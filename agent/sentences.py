"""A mistake as one sentence for whoever made it: what pydantic found first, and the right name that is nearest."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pydantic import ValidationError

WHOLE = "the whole"


def first_mistake(error: ValidationError) -> str:
    """'stake.base: Field required', of the first mistake; WHOLE where it is in no field. Never repeats the value: it
    could be a secret, or a stranger's."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or WHOLE}: {what_is_wrong(first['msg'])}"


def what_is_wrong(message: str) -> str:
    """Pydantic's message without its preface to one of our own."""
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """'did you mean width?', or `otherwise` where no known name is near."""
    near = nearest(name, known)
    return f"did you mean {near}?" if near else otherwise
