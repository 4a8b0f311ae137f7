"""What the demo shows, on whatever terminal."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tools.demo import report

CID = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG"
FOUND: dict[str, Any] = {
    "entries": [
        {
            "vehicle": "vehicle-1",
            "role": "honest",
            "round": 0,
            "verdict": "accepted",
            "reason": "it is better by a quarter",
            "credit": "1.0000000",
            "stake_dlc": "10.0000000",
            "paid_xlm": "39.9000000",
            "signers": ["validator-1", "validator-2"],
        }
    ],
    "balances": {"settlement": {"before": {}, "after": {"XLM": "1960.5000000", "DLC": "0.5000000"}}},
    "figure": {"name": "rmse", "unit": "deg"},
    "rounds": [{"number": 0, "figure": 12.0712, "fused": [CID], "cid": CID}],
    "books": {"DLC": {"issued": "100000.0000000", "held": "100000.0000000"}},
    "ledger": {"transactions": 71, "closed": 150},
    "acts": [{"name": "the accepted cars are paid", "outcome": "2 of 2 paid, 76.0000000 XLM"}],
    "seconds": 91.2,
}
WORDS = (
    "vehicle-1,",
    "honest",
    "accepted",
    "39.90",
    "settlement",
    "1960.50",
    "12.071",
    "deg",
    "signers",
    "before",
)


@pytest.mark.parametrize("width", [30, 40, 60, 80, 200])
def test_every_word_is_whole_on_a_terminal_of_any_width(width: int) -> None:
    out = io.StringIO()
    report.show(Console(file=out, width=width, highlight=False), FOUND, Path("report.json"))
    shown = set(re.split(r"[\s│┃|]+", out.getvalue().replace(":", " ").replace("(", " ").replace(")", " ")))
    assert [word for word in WORDS if word not in shown] == []
    assert CID in shown
    assert "…" not in out.getvalue()
