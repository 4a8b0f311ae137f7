"""The page's web server: Starlette, live by server-sent events, nothing from other hosts, nothing to change."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from agent.fleet.page.access import COOKIE, Access
from agent.fleet.page.dashboard import Dashboard
from agent.fleet.page.rounds import read_round
from agent.ports import Clock, ContentStore, FleetLink

STATIC = Path(__file__).parent / "static"
ASSETS = {"css": "text/css", "js": "text/javascript", "json": "application/json", "svg": "image/svg+xml"}
"""Endings of the files that need no login, and their types."""
TAKE_EVERY = 0.05
TELL_EVERY = 0.2
"""Seconds between two looks at what vehicles said, and between two pieces of news for a browser."""
AGE_EVERY = 5.0
"""Seconds between two looks at who has not been heard for too long."""
ALIVE_EVERY = 15.0
"""Seconds of silence after which a browser is told that the page lives."""
READ_AGAIN = 60.0
"""Seconds before a round that could not be read is asked for again."""
PART = 250
"""Cards in one piece of news: a browser reads each in a task of its own, which must stay short."""
PART_BYTES = 128 * 1024
"""And so much of them: a card may be long."""
KINDS = ("vehicles", "jobs", "rounds", "payments")
MAX_LOGIN = 1024
"""Bytes of a login form."""

VERSION = re.compile("[0-9]{1,18}")

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Notifier(Protocol):
    """What the page tells whoever started it (`agent.host.systemd`)."""

    def ready(self, status: str) -> None: ...
    def watchdog(self) -> None: ...
    def stopping(self) -> None: ...


class FleetPage:
    """The board, kept up to date from a link, and those who look at it. `notifier` hears that the loop turns.
    `transactions`: where a transaction's hash can be looked up, with {hash} in it; '' for nowhere."""

    def __init__(
        self,
        link: FleetLink,
        access: Access,
        clock: Clock,
        notifier: Notifier,
        store: ContentStore | None = None,
        transactions: str = "",
    ) -> None:
        self.dashboard = Dashboard()
        self._link, self._gate, self._clock, self._notifier, self._store = link, access, clock, notifier, store
        self._transactions = transactions
        self._life = secrets.token_hex(4)
        self._asked: dict[str, float] = {}
        self._closing = asyncio.Event()
        self.app = Starlette(routes=self._routes(), lifespan=self._lifespan)

    def _routes(self) -> list[Route]:
        return [
            Route("/", self._shell),
            Route("/vehicle/{fleet}/{id}", self._shell),
            Route("/login", self._login, methods=["GET", "POST"]),
            Route("/logout", self._logout),
            Route("/live", self._live),
            Route("/board.json", self._snapshot),
            Route("/healthz", self._health),
            Route("/assets/{name}", self._asset),
        ]

    # --- routes ---------------------------------------------------------------------------------------------

    async def _shell(self, request: Request) -> Response:
        if not self._admits(request):
            return RedirectResponse("/login", 303, HEADERS)
        return FileResponse(STATIC / "index.html", headers=HEADERS)

    async def _login(self, request: Request) -> Response:
        if request.method == "GET":
            return FileResponse(STATIC / "login.html", headers=HEADERS)
        cookie = self._gate.login(await _token(request), _address(request))
        if cookie is None:
            wrong = (STATIC / "login.html").read_text(encoding="utf-8").replace(" hidden>", ">")
            return HTMLResponse(wrong, self._refusal(request), HEADERS)
        response = RedirectResponse("/", 303, HEADERS)
        secure = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
        response.set_cookie(COOKIE, cookie, max_age=30 * 86_400, httponly=True, samesite="strict", secure=secure)
        return response

    async def _logout(self, _request: Request) -> Response:
        response = RedirectResponse("/login", 303, HEADERS)
        response.delete_cookie(COOKIE)
        return response

    async def _asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        kind = ASSETS.get(name.rpartition(".")[2])
        if kind is None or name not in (file.name for file in STATIC.iterdir()):
            return Response("There is no such file.", 404, HEADERS)
        return FileResponse(STATIC / name, media_type=kind, headers={**HEADERS, "Cache-Control": "max-age=60"})

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"broker": self._link.connected}, headers=HEADERS)

    async def _snapshot(self, request: Request) -> Response:
        if not self._admits(request):
            return Response("Log in first.", self._refusal(request), HEADERS)
        return JSONResponse(self._news(0, None), headers=HEADERS)

    async def _live(self, request: Request) -> Response:
        if not self._admits(request):
            return Response("Log in first.", self._refusal(request), HEADERS)
        life, _, version = request.headers.get("last-event-id", "").partition("-")
        start = int(version) if life == self._life and VERSION.fullmatch(version) else 0
        stream = self._stream(start, request.query_params.get("vehicle"))
        return StreamingResponse(stream, media_type="text/event-stream", headers={**HEADERS, "X-Accel-Buffering": "no"})

    # --- live -----------------------------------------------------------------------------------------------

    async def _stream(self, version: int, vehicle: str | None) -> AsyncIterator[str]:
        quiet, whole = 0.0, version == 0
        while not self._closing.is_set():
            if whole or self.dashboard.version > version:
                news = {**self._news(version, vehicle), "first": whole}
                version, quiet, whole = news["version"], 0.0, False
                *parts, last = pieces(news)
                for part in parts:
                    yield f"data: {json.dumps(part, separators=(',', ':'))}\n\n"
                # Who is cut off before the last piece has the id of the news before, and gets all of this again.
                yield f"id: {self._life}-{version}\ndata: {json.dumps(last, separators=(',', ':'))}\n\n"
            elif quiet >= ALIVE_EVERY:
                quiet = 0.0
                yield ": here\n\n"
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._closing.wait(), TELL_EVERY)
            quiet += TELL_EVERY

    def _news(self, version: int, vehicle: str | None) -> dict[str, Any]:
        news = self.dashboard.since(version, vehicle)
        return {
            **news,
            "broker": self._link.connected,
            "now": self._clock.now(),
            "transactions": self._transactions,
        }

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._read_rounds())]
        self._notifier.ready("showing the fleet")
        yield
        self._notifier.stopping()
        self._closing.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._link.close()

    async def _listen(self) -> None:
        aged = self._clock.monotonic()
        while True:
            for count, message in enumerate(self._link.receive(), start=1):
                self.dashboard.take(message, self._clock.now())
                if count % 200 == 0:
                    await asyncio.sleep(0)  # a flood must not keep those waiting who look
            if self._clock.monotonic() - aged > AGE_EVERY:
                aged = self._clock.monotonic()
                self.dashboard.age(self._clock.now())
                self._notifier.watchdog()
            await asyncio.sleep(TAKE_EVERY)

    async def _read_rounds(self) -> None:
        while self._store is not None:
            unread = [cid for cid, card in self.dashboard.rounds.items() if not card.figure and self._due(cid)]
            for cid in unread:
                self._asked[cid] = self._clock.monotonic()
                round_ = await asyncio.to_thread(read_round, self._store, cid)
                if round_ is not None:
                    self.dashboard.take_round(cid, round_)
            if not unread:
                await asyncio.sleep(1)

    def _due(self, cid: str) -> bool:
        return self._clock.monotonic() - self._asked.get(cid, -READ_AGAIN) >= READ_AGAIN

    def _admits(self, request: Request) -> bool:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        return self._gate.admits(request.cookies.get(COOKIE)) or bool(
            bearer and self._gate.login(bearer, _address(request))
        )

    def _refusal(self, request: Request) -> int:
        return 429 if self._gate.weary(_address(request)) else 401


def pieces(news: dict[str, Any]) -> list[dict[str, Any]]:
    """The same news with at most PART cards and about PART_BYTES in each piece; only the first one may be a
    beginning."""
    parts: list[dict[str, Any]] = []
    left = room = 0
    for kind in KINDS:
        for card in news[kind]:
            size = len(json.dumps(card))
            if not parts or not left or size > room:
                parts.append({**news, "first": news["first"] and not parts, **{name: [] for name in KINDS}})
                left, room = PART, PART_BYTES
            parts[-1][kind].append(card)
            left, room = left - 1, room - size
    return parts or [news]


def _address(request: Request) -> str:
    """Where a request comes from: behind a proxy on this machine, what the proxy says (uvicorn's proxy_headers)."""
    return request.client.host if request.client else ""


async def _token(request: Request) -> str:
    """The form's one field, read with a bound."""
    from urllib.parse import parse_qs

    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_LOGIN:
            return ""
    return parse_qs(body.decode(errors="replace")).get("token", [""])[0]
