"""What the last ledgers charged and what was bid."""

from __future__ import annotations

from collections import Counter
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from .answer import answer
from .collection import view_of

_LEDGERS = 5
_PERCENTILES = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99)


async def fee_stats(request: Request) -> Response:
    view = view_of(request)
    header = view.header
    since = header.ledger_seq - _LEDGERS
    # a fee bump pays for one operation more
    each = "(operations + (inner_hash IS NOT NULL))"
    rows = view.db.execute(
        f"SELECT fee_charged / {each} AS charged, fee_bid / {each} AS bid FROM history WHERE ledger > ?",  # noqa: S608
        [since],
    ).fetchall()
    crowds = view.db.execute("SELECT crowd, crowd_bid FROM ledger WHERE sequence > ? AND crowd > 0", [since])
    strangers = [row["crowd_bid"] for row in crowds for _ in range(row["crowd"])]
    used, room = view.db.execute(
        "SELECT sum(set_operations), sum(max_tx_set_size) FROM ledger WHERE sequence > ?", [since]
    ).fetchone()
    return answer(
        {
            "last_ledger": str(header.ledger_seq),
            "last_ledger_base_fee": str(header.base_fee),
            "ledger_capacity_usage": f"{used / room:.2f}",
            "fee_charged": _spread([row["charged"] for row in rows] + strangers or [header.base_fee]),
            "max_fee": _spread([row["bid"] for row in rows] + strangers or [header.base_fee]),
        }
    )


def _spread(fees: list[int]) -> dict[str, Any]:
    """Stroops for an operation, as text, over transactions."""
    ordered = sorted(fees)
    named = {f"p{one}": ordered[-(-len(ordered) * one // 100) - 1] for one in _PERCENTILES}
    ends = {"max": ordered[-1], "min": ordered[0], "mode": Counter(ordered).most_common(1)[0][0]}
    return {name: str(fee) for name, fee in (ends | named).items()}
