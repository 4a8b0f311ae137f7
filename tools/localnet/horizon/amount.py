"""Amounts and prices in writing: seven decimals, never a float."""

from __future__ import annotations

from typing import Any

ONE = 10_000_000
_INT64 = 2**63 - 1


def coins(stroops: int) -> str:
    """12345678901 -> "1234.5678901"."""
    sign, whole = ("-", -stroops) if stroops < 0 else ("", stroops)
    return f"{sign}{whole // ONE}.{whole % ONE:07d}"


def stroops(text: str) -> int:
    """ "1.5" -> 15000000. Raises ValueError for anything but a positive amount of at most seven decimals."""
    whole, _, part = text.partition(".")
    if not (whole + part).isascii() or not (whole + part).isdigit() or len(part) > 7 or len(whole) > 12:
        raise ValueError(text)
    number = int(whole or "0") * ONE + int(part.ljust(7, "0"))
    if not 0 < number <= _INT64:
        raise ValueError(text)
    return number


def price_text(n: int, d: int) -> str:
    """n/d with seven decimals, half a unit rounded up."""
    return coins((2 * n * ONE + d) // (2 * d))


def price_fields(n: int, d: int) -> dict[str, Any]:
    return {"price": price_text(n, d), "price_r": {"n": n, "d": d}}
