"""Ledger time in writing: RFC 3339 in UTC."""

from __future__ import annotations

from datetime import datetime, timezone

# the last second that RFC 3339 can write; predicates may lie beyond it
_LAST_SECOND = 253402300799


def moment(unix_seconds: int) -> str:
    """1795222923 -> "2026-11-21T01:02:03Z"."""
    when = datetime.fromtimestamp(max(0, min(unix_seconds, _LAST_SECOND)), timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
