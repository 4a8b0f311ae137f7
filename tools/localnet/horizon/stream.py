"""Server-sent events: records as ledgers close, from a cursor on.

`Last-Event-ID` goes before the `cursor` of the address: clients that reconnect repeat the old address and say
in the header how far they came. A stream ends after `limit` records or some time, with a `retry` that makes
the client come back at once.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ..view import View
from .answer import body
from .page import Page
from .problem import Problem

HELLO = b'retry: 1000\nevent: open\ndata: "hello"\n\n'
BYEBYE = b'retry: 10\nevent: close\ndata: "byebye"\n\n'
HEARTBEAT = b": \n\n"
MAX_STREAMS = 2000
OBJECT_LIMIT = 10

_LIFE_SECONDS = 50.0  # clients give up on a silent stream after 60
_HEARTBEAT_SECONDS = 10.0

Find = Callable[[Page], list[dict[str, Any]]]


def wants_stream(request: Request) -> bool:
    return "text/event-stream" in request.headers.get("accept", "")


def stream_page(request: Request, page: Page) -> Page:
    """The page's cursor, moved on to what the client says it has seen."""
    return replace(page, cursor=request.headers.get("last-event-id") or page.cursor, descending=False)


def stream_records(request: Request, view: View, page: Page, find: Find) -> Response:
    """Records behind the page's cursor, each with its paging token as event id."""
    find(replace(page, limit=1))  # a wrong cursor is refused before the stream opens
    return _stream(request, view, _records(view, page, find))


def stream_object(request: Request, view: View, read: Callable[[], dict[str, Any]]) -> Response:
    """One document, whenever it differs from what was sent last."""
    read()  # what does not exist is refused before the stream opens
    return _stream(request, view, _versions(view, read))


def _stream(request: Request, view: View, events: AsyncIterator[bytes]) -> Response:
    streams = request.app.state.streams
    if len(streams) >= MAX_STREAMS or view.stopping:
        raise Problem("server_over_capacity")
    return StreamingResponse(
        _counted(streams, events),
        media_type="text/event-stream; charset=utf-8",
        headers={"Cache-Control": "no-cache", "Connection": "keep-alive", "X-Accel-Buffering": "no"},
    )


async def _counted(streams: set[object], events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    mark = object()
    streams.add(mark)
    try:
        yield HELLO
        async for event in events:
            yield event
        yield BYEBYE
    finally:
        streams.discard(mark)


async def _records(view: View, page: Page, find: Find) -> AsyncIterator[bytes]:
    left = page.limit
    async for _ in _ledgers(view):
        found = find(replace(page, limit=left))
        for record in found:
            yield _event(record, record["paging_token"])
        left -= len(found)
        if found:
            page = replace(page, cursor=found[-1]["paging_token"])
        if left <= 0:
            return
        if not found:
            yield HEARTBEAT


async def _versions(view: View, read: Callable[[], dict[str, Any]]) -> AsyncIterator[bytes]:
    sent: dict[str, Any] | None = None
    left = OBJECT_LIMIT
    async for _ in _ledgers(view):
        try:
            document = read()
        except Problem as gone:
            yield b"event: error\ndata: " + body(gone.document()) + b"\n\n"
            return
        if document != sent:
            yield _event(document)
            sent = document
            left -= 1
        else:
            yield HEARTBEAT
        if left <= 0:
            return


async def _ledgers(view: View) -> AsyncIterator[None]:
    """Once now, then after each close and each heartbeat, until the stream has lived its life."""
    ends = time.monotonic() + _LIFE_SECONDS
    while not view.stopping and time.monotonic() < ends:
        yield
        await view.next_close(_HEARTBEAT_SECONDS)


def _event(document: dict[str, Any], token: str | None = None) -> bytes:
    name = f"id: {token}\n".encode() if token else b""
    return name + b"data: " + body(document) + b"\n\n"
