"""The demo's processes: each in a session of its own with a log file, all of them ended whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from agent.errors import MilepostError

END_S = 10.0
READY_S = 30.0


class ProcessFailed(MilepostError):
    """{name} ended with exit code {code}. The end of its log, {log}:
    {tail}"""


class Crew:
    """`with Crew(folder) as crew:` nothing is left running afterwards, Ctrl-C included."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(*reversed(self._running))

    def start(self, name: str, *arguments: str) -> None:
        """`python -m ARGUMENTS`. Its own session: a Ctrl-C in the terminal is ours to pass on."""
        with self.log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
            )

    def call(self, name: str, *arguments: str, code: int = 0) -> str:
        """Run `python -m ARGUMENTS` to its end, with exit `code`; what it printed. Raises ProcessFailed."""
        with self.log(name).open("ab") as log:
            done = subprocess.run([sys.executable, "-m", *arguments], stdout=subprocess.PIPE, stderr=log, check=False)
            log.write(done.stdout)
        if done.returncode != code:
            raise self._failed(name, done.returncode)
        return done.stdout.decode()

    def ready(self, name: str, file: Path) -> dict[str, Any]:
        """Wait for the file in which a server says where it listens."""
        until = time.monotonic() + READY_S
        while not file.exists():
            self.check()
            if time.monotonic() > until:
                raise self._failed(name, -1)
            time.sleep(0.05)
        facts: dict[str, Any] = json.loads(file.read_text())
        return facts

    def check(self) -> None:
        """Raises ProcessFailed when one ended that should not have."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise self._failed(name, process.returncode)

    def end(self, *names: str) -> None:
        """Ask them to end, together; kill those that do not."""
        processes = [self._running.pop(name) for name in names]
        for process in processes:
            process.send_signal(signal.SIGTERM)
        until = time.monotonic() + END_S
        for process in processes:
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _failed(self, name: str, code: int) -> ProcessFailed:
        tail = self.log(name).read_text(errors="replace")[-1500:]
        return ProcessFailed(name=name, code=code, log=self.log(name), tail=tail)
