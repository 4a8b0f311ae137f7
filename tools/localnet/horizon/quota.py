"""The outer shell of every answer: the client's quota."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problem import Problem

_WINDOW_SECONDS = 3600


class Quota:
    """Counts the requests of an hour for each client's address and says in headers what is left."""

    def __init__(self, app: ASGIApp, requests_per_hour: int) -> None:
        self.app = app
        self.limit = requests_per_hour
        self.used: dict[str, int] = {}
        self.ends = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        left, reset = self._take(scope["client"][0] if scope["client"] else "")
        headers = [
            (b"x-ratelimit-limit", str(self.limit).encode()),
            (b"x-ratelimit-remaining", str(max(left, 0)).encode()),
            (b"x-ratelimit-reset", str(reset).encode()),
        ]

        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *headers]}
            await send(message)

        if left < 0:
            refusal = Problem("rate_limit_exceeded", headers={"Retry-After": str(reset)}).response()
            return await refusal(scope, receive, send_more)
        # one slash too many, before or behind, makes no other resource
        return await self.app({**scope, "path": "/" + scope["path"].strip("/")}, receive, send_more)

    def _take(self, client: str) -> tuple[int, int]:
        """Use up one request; returns what is left (below 0: nothing) and the seconds until there is more."""
        now = time.monotonic()
        if now >= self.ends:
            self.used, self.ends = {}, now + _WINDOW_SECONDS
        self.used[client] = self.used.get(client, 0) + 1
        return self.limit - self.used[client], round(self.ends - now)
