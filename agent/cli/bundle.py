"""`milepost bundle`: what a colleague needs to help, and nothing that they must not see."""

from __future__ import annotations

import io
import json
import platform
import subprocess
import tarfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import click

from agent import files
from agent.cli.terminal import say

LOG_LINES = 2000


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.pass_obj
def bundle(config_path: str | None, path: Path | None) -> None:
    """Write a redacted archive for support: milepost-bundle-TIME.tar.gz, plain text inside."""
    path = path or Path(time.strftime("milepost-bundle-%Y%m%dT%H%M%S.tar.gz"))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in _contents(config_path):
            _add(archive, name, text)
    files.write_new(path, packed.getvalue())
    say(f"Written to {path}. Secrets, places and frames are taken out; look into it before you send it.")


def _contents(config_path: str | None) -> Iterator[tuple[str, str]]:
    """File by file. What cannot be had is said in its place: a bundle is asked for when things are broken."""
    from agent.commit import version
    from agent.compose.doctor import findings_of
    from agent.host.board import inspect

    yield "versions.json", _json({"milepost": version(), "system": platform.platform(), "packages": _packages()})
    yield "board.json", _json(asdict(inspect()))
    findings = findings_of(config_path)
    yield "doctor.json", _json([asdict(finding) | {"state": finding.state.value} for finding in findings])
    for name, look in (("config.json", _config), ("status.json", _status), ("journal.json", _journal)):
        try:
            yield name, _json(look(config_path))
        except Exception as error:  # one broken room must not keep the others' facts from whoever helps
            yield name, _json({"error": f"{type(error).__name__}: {error}"})
    yield "log.txt", _log()


def _config(config_path: str | None) -> Any:
    from agent.host.config import load

    return load(config_path).model_dump(mode="json")


def _status(config_path: str | None) -> Any:
    from agent.host.config import load
    from agent.host.status_file import look

    return look(load(config_path).agent.state_dir)[1]


def _journal(config_path: str | None) -> Any:
    """How many events of each kind, and every job's kinds in order: enough to see where a job stands."""
    from agent.host.config import load
    from agent.journal import JournalReader
    from agent.vehicle.book import JOURNAL

    reader = JournalReader(load(config_path).agent.state_dir / JOURNAL)
    try:
        events = list(reader.events())
        jobs = {job: [event.kind for event in events if event.job == job] for job in reader.jobs()[-50:]}
        return {"check": reader.check(), "kinds": Counter(event.kind for event in events), "last_jobs": jobs}
    finally:
        reader.close()


def _log() -> str:
    from agent.core import redact

    command = ["journalctl", "--unit=milepost*", f"--lines={LOG_LINES}", "--output=short-iso", "--no-pager"]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout
        return redact.text(lines)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"No log: {error}\n"


def _packages() -> dict[str, str]:
    return {found.metadata["Name"]: found.version for found in distributions()}


def _json(value: Any) -> str:
    from agent.core import redact

    return json.dumps(redact.tree(value), indent=2, sort_keys=True) + "\n"


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode(errors="replace")
    member = tarfile.TarInfo(f"milepost-bundle/{name}")
    member.size, member.mtime, member.mode = len(data), int(time.time()), 0o600
    archive.addfile(member, io.BytesIO(data))
