"""A headless Chromium, driven over its debugging protocol: for the page's tests and its bench."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.errors import MilepostError

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


class NoBrowser(MilepostError):
    """There is no Chromium here. Install it with `apt-get install chromium`."""


class Chromium:
    """A headless browser, driven over its debugging protocol."""

    def __init__(self, line: Any) -> None:
        self._line, self._number = line, 0
        self._events: dict[str, Any] = {}
        self.complaints: list[Any] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        self._line.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._line.recv(timeout=60))
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self._hear(answer)

    def event(self, method: str) -> Any:
        """What comes, or came, with the event of that name."""
        while method not in self._events:
            self._hear(json.loads(self._line.recv(timeout=60)))
        return self._events.pop(method)

    def _hear(self, event: Any) -> None:
        self._events[event["method"]] = event["params"]
        if event["method"] in ("Runtime.exceptionThrown", "Log.entryAdded"):
            self.complaints.append(event["params"])

    def visit(self, url: str, width: int, height: int, scheme: str = "light") -> None:
        phone = width < 500
        self.call("Page.navigate", url="about:blank")  # what was there before is not measured
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call("Page.navigate", url=url)

    def value(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    @contextmanager
    def traced(self) -> Iterator[list[float]]:
        """The processor time of each of the page's tasks meanwhile, in ms, whatever else the machine has to do."""
        self.call("Tracing.start", transferMode="ReturnAsStream", traceConfig={"includedCategories": ["toplevel"]})
        tasks: list[float] = []
        yield tasks
        self.call("Tracing.end")
        stream = self.event("Tracing.tracingComplete")["stream"]
        text = ""
        while not (part := self.call("IO.read", handle=stream, size=1 << 20))["eof"]:
            text += part["data"]
        events = json.loads(text + part["data"])["traceEvents"]
        pages = {(e["pid"], e["tid"]) for e in events if e["args"].get("name") == "CrRendererMain"}
        mine = (e for e in events if (e["pid"], e["tid"]) in pages and e["name"] == "ThreadControllerImpl::RunTask")
        tasks += [e["tdur"] / 1000 for e in mine if "tdur" in e]


@contextmanager
def chromium(folder: Path) -> Iterator[Chromium]:
    """A browser of its own in an empty profile. Raises NoBrowser; ModuleNotFoundError without websockets."""
    from websockets.sync.client import connect

    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise NoBrowser()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={folder}")
    command = [program, *flags, f"--remote-debugging-port={port}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            patience = time.monotonic() + 60
            while not (pages := _pages(port)) and time.monotonic() < patience:
                time.sleep(0.05)
            with connect(pages[0]["webSocketDebuggerUrl"], max_size=None) as line:
                yield Chromium(line)
        finally:
            process.terminate()
            process.wait()


def _pages(port: int) -> list[Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            return [page for page in json.load(answer) if page["type"] == "page"]
    except OSError:
        return []
