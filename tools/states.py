"""Draws the jobs' tables: `python -m tools.states`, or `make states`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from agent.core.jobs.diagram import TABLES, mermaid, plain

ROOT = Path(__file__).parents[1]
PAGE, DATA = Path("docs/states.md"), Path("agent/fleet/page/static/states.json")

TITLES: Mapping[str, str] = {
    "contribution": "A vehicle's contribution",
    "review": "A validator's review",
    "round": "An initiator's round",
    "settlement": "Its issuer and settlement account",
    "addition": "Its addition to a pledge",
    "dispute": "A dispute, as whoever asks has it",
    "hearing": "A dispute, as the arbiter has it",
    "ruling": "An arbiter's ruling on a round",
    "draw": "The draw of its committee",
}
HEAD = """# States

Where a job may stand, what leads on, and in brackets what it is owed there. Drawn from the tables in
`agent/core/jobs/` by `make states`; a test holds this page to them. An arrow's words are events as they stand in the
journal and on MQTT.
"""


def drawn() -> dict[Path, str]:
    """What the files say, by their paths in the repository."""
    parts = [HEAD]
    for name, table in TABLES.items():
        parts.append(f"\n## {TITLES[name]}\n\n`agent/core/jobs/{name}.py`\n\n```mermaid\n{mermaid(table)}\n```\n")
    data = ",\n".join(f"{json.dumps(name)}: {json.dumps(plain(table))}" for name, table in TABLES.items())
    return {PAGE: "".join(parts), DATA: f"{{\n{data}\n}}\n"}


if __name__ == "__main__":
    for path, text in drawn().items():
        (ROOT / path).write_text(text, encoding="utf-8")
