"""JSON from outside: bounded before anybody reads a name in it."""

from __future__ import annotations

import json
import math
from typing import Any

MOST = 2**63 - 1
"""Of any whole number: what a ledger's amount can be."""


def parsed(payload: bytes) -> Any:
    """JSON that can be said again as JSON: no NaN, no number beyond a float's or a ledger's, no half of a character,
    nothing nested without end. Raises ValueError."""
    try:
        body = json.loads(payload, parse_constant=_finite, parse_float=_finite, parse_int=_bounded)
        if b"\\u" in payload:
            json.dumps(body, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deep") from None
    return body


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number beyond a float's")
    return value


def _bounded(text: str) -> int:
    if len(text) > 20 or abs(int(text)) > MOST:
        raise ValueError("a whole number beyond a ledger's")
    return int(text)
