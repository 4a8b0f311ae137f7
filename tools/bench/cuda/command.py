"""Runs the checks one after the other, each in a process of its own, within the time there is."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from typing import Any

import click

from agent.errors import FAILED, OK, TRY_AGAIN

ALL_S = 345.0
"""For all checks: six minutes less what Python takes to start and to end."""
CHECKS = {
    # name: seconds it may take at the most
    "fp32": 60,
    "bf16": 60,
    "fp16": 60,
    "pinned": 60,
    "halving": 90,
    "memory": 90,
    "fault": 90,
    "killed": 90,
    "scoring": 90,
    "ratio": 120,
    "live": 60,
}
"""In the order in which they are tried. What each is stands in `checks.py`."""
CPU_HAS_NONE = ("bf16", "fp16", "pinned", "fault")
"""What only a card can show: on the CPU it is no lack that they are not run."""


@click.command()
@click.option("--device", type=click.Choice(["cuda", "cpu"]), default="cuda", show_default=True)
@click.option("--only", multiple=True, type=click.Choice(list(CHECKS)), help="This check alone; may be given again.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object as the last line.")
def main(device: str, only: tuple[str, ...], as_json: bool) -> None:
    """What a card is trusted with: correctness, speed, memory, losses."""
    ends = time.monotonic() + ALL_S
    found: dict[str, dict[str, Any]] = {}
    for name in only or CHECKS:
        found[name] = made(name, device, min(CHECKS[name], ends - time.monotonic()))
        click.echo(f"{name:8} {found[name]['state']:8} {shown(found[name])}", err=as_json)
    counts = Counter(check["state"] for check in found.values())
    facts = {"device": device, "ok": counts["ok"], "failed": counts["failed"], "not_run": counts["not run"]}
    click.echo(json.dumps({**facts, "checks": found}) if as_json else str(facts))
    sys.exit(exit_code(device, found))


def made(name: str, device: str, seconds: float) -> dict[str, Any]:
    """What came of a check: its state, its seconds, why, and its figures."""
    if seconds < 5:
        return {"state": "not run", "why": f"of {ALL_S:.0f} s for all checks none are left"}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="milepost-cuda-") as scratch:
        process = subprocess.Popen(
            [sys.executable, "-m", "tools.bench.cuda.checks", name, device, scratch],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # its training child ends with it
        )
        try:
            out, err = process.communicate(timeout=seconds)
            said = _last_line(out) or {"state": "failed", "why": _ended(process.returncode, err)}
        except subprocess.TimeoutExpired:
            said = {"state": "failed", "why": f"it was not over after {seconds:.0f} s"}
        finally:
            _end(process)
    return {**said, "seconds": round(time.monotonic() - began, 1)}


def shown(check: dict[str, Any]) -> str:
    return "  ".join(f"{name}={value}" for name, value in check.items() if name != "state")


def exit_code(device: str, found: dict[str, dict[str, Any]]) -> int:
    if any(check["state"] == "failed" for check in found.values()):
        return FAILED
    left_out = {name for name, check in found.items() if check["state"] == "not run"}
    return TRY_AGAIN if left_out - set(CPU_HAS_NONE if device == "cpu" else ()) else OK


def _last_line(out: str) -> dict[str, Any] | None:
    try:
        said = json.loads(out.splitlines()[-1])
    except (ValueError, IndexError):
        return None
    return said if isinstance(said, dict) else None


def _ended(code: int, err: str) -> str:
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"its process ended with {how}: {' '.join(err.split())[-300:]}"


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
