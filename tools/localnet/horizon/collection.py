"""A collection of records: one page of it as JSON, or its records one by one as a stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..view import View
from .answer import answer, origin
from .page import Key, Page, page_document, position, read_cursor, read_page
from .problem import Problem, bad_field
from .stream import stream_page, stream_records, wants_stream
from .toid import toid

Record = dict[str, Any]
Condition = tuple[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Collection:
    """select: `SELECT … FROM …`, without conditions. render: (view, row, origin) -> record.

    history: whether its paging tokens are places in history, of which the elder part may be forgotten.
    """

    select: str
    key: Key
    render: Callable[[View, Any, str], Record]
    streams: bool = True
    history: bool = False

    def find(self, view: View, where: Sequence[Condition], page: Page, base: str) -> list[Record]:
        behind, values = position(self.key, page)
        clauses = [clause for clause, _ in where]
        bound = [value for _, values in where for value in values]
        sql = f"{self.select} WHERE {' AND '.join([*clauses, behind])}"
        rows = view.db.execute(sql, [*bound, *values])
        return [self.render(view, row, base) for row in rows]

    async def respond(self, request: Request, *where: Condition) -> Response:
        """The page that the request asks for, narrowed by conditions; or the stream."""
        view = view_of(request)
        base = origin(request)

        def find(page: Page) -> list[Record]:
            return self.find(view, where, page, base)

        page = read_page(request)
        if not wants_stream(request):
            page = _settled(page, find)
            return answer(page_document(request, page, find(self._within(view, page))))
        if not self.streams:
            raise Problem("not_acceptable")
        page = _settled(stream_page(request, page), find)
        return stream_records(request, view, self._within(view, page), find)

    def _within(self, view: View, page: Page) -> Page:
        """Back from before the elder ledger is 410; on from before it starts at the elder without a word."""
        if not self.history or page.cursor is None or view.elder == 1:
            return page
        (place, *_) = read_cursor(self.key, page.cursor)
        if place > (view.elder if self.key.columns == ("sequence",) else toid(view.elder)):
            return page
        if page.descending:
            raise Problem("before_history")
        return replace(page, cursor=None)


def _settled(page: Page, find: Callable[[Page], list[Record]]) -> Page:
    """`now` stands for the token of the latest record, and must not move while a client follows it."""
    if page.cursor != "now":
        return page
    latest = [] if page.descending else find(Page(None, True, 1))
    return replace(page, cursor=latest[0]["paging_token"] if latest else None)


def view_of(request: Request) -> View:
    view: View = request.app.state.view
    return view


_WORDS = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True", "on"), True),
    **dict.fromkeys(("", "0", "f", "F", "FALSE", "false", "False"), False),
}


def truth(request: Request, name: str) -> bool:
    try:
        return _WORDS[request.query_params.get(name, "")]
    except KeyError:
        raise bad_field(name, "Filter should be true or false") from None
