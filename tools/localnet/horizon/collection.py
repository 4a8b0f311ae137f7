"""A collection of records: one page of it as JSON, or its records one by one as a stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from tools.localnet.horizon.answer import answer, origin
from tools.localnet.horizon.page import Key, Page, page_document, position, read_page
from tools.localnet.horizon.problem import Problem
from tools.localnet.horizon.stream import stream_page, stream_records, wants_stream
from tools.localnet.node import Node

Record = dict[str, Any]
Condition = tuple[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Collection:
    """select: `SELECT … FROM …`, without conditions. render: (node, row, origin) -> record."""

    select: str
    key: Key
    render: Callable[[Node, Any, str], Record]
    streams: bool = True

    def find(self, node: Node, where: Sequence[Condition], page: Page, base: str) -> list[Record]:
        behind, values = position(self.key, page)
        clauses = [clause for clause, _ in where]
        bound = [value for _, values in where for value in values]
        sql = f"{self.select} WHERE {' AND '.join([*clauses, behind])}"
        rows = node.db.execute(sql, [*bound, *values])
        return [self.render(node, row, base) for row in rows]

    async def respond(self, request: Request, *where: Condition) -> Response:
        """The page that the request asks for, narrowed by conditions; or the stream."""
        node = node_of(request)
        base = origin(request)

        def find(page: Page) -> list[Record]:
            return self.find(node, where, page, base)

        page = read_page(request)
        if not wants_stream(request):
            page = _settled(page, find)
            return answer(page_document(request, page, find(page)))
        if not self.streams:
            raise Problem("not_acceptable")
        return stream_records(request, node, _settled(stream_page(request, page), find), find)


def _settled(page: Page, find: Callable[[Page], list[Record]]) -> Page:
    """`now` stands for the token of the latest record, and must not move while a client follows it."""
    if page.cursor != "now":
        return page
    latest = [] if page.descending else find(Page(None, True, 1))
    return replace(page, cursor=latest[0]["paging_token"] if latest else None)


def node_of(request: Request) -> Node:
    node: Node = request.app.state.node
    return node


def truth(request: Request, name: str) -> bool:
    return request.query_params.get(name, "").lower() == "true"
