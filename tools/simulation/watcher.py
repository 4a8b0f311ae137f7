"""Somebody who looks at the fleet page: reads its live news and notes how late each event comes."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

MOST_LINE = 64 << 20


class Watcher:
    """`delays`: seconds from an event's entry in the vehicle's journal to its arrival on the page."""

    def __init__(self, host: str, port: int, token: str) -> None:
        self._host, self._port, self._token = host, port, token
        self._seen: set[tuple[str, str, float]] = set()
        self.delays: list[float] = []
        self.counts: dict[str, Any] = {}

    async def run(self) -> None:
        """Until it is cancelled."""
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=MOST_LINE)
        try:
            writer.write(f"GET /live HTTP/1.1\r\nHost: page\r\nAuthorization: Bearer {self._token}\r\n\r\n".encode())
            while line := await reader.readline():
                if line.startswith(b"data: "):
                    self._take(json.loads(line[6:]))
        finally:
            writer.close()

    def _take(self, news: dict[str, Any]) -> None:
        now = time.time()
        self.counts = news["counts"]
        for job in news["jobs"]:
            for kind, at in job["path"]:
                if (job["key"], kind, at) not in self._seen:
                    self._seen.add((job["key"], kind, at))
                    self.delays.append(now - at)


async def dashboard(host: str, port: int, token: str) -> dict[str, Any]:
    """Everything the page knows, once."""
    reader, writer = await asyncio.open_connection(host, port, limit=MOST_LINE)
    try:
        request = (
            f"GET /board.json HTTP/1.1\r\nHost: page\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
        )
        writer.write(request.encode())
        answer = await reader.read()
        found: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
        return found
    finally:
        writer.close()
