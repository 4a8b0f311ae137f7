"""Bodies as Horizon writes them: JSON with links that are absolute URLs."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

PAGED = "{?cursor,limit,order}"


def body(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def answer(document: Any, status: int = 200) -> Response:
    return Response(body(document), status_code=status, media_type="application/hal+json; charset=utf-8")


def origin(request: Request) -> str:
    """`http://127.0.0.1:8000`, as the client addressed this server."""
    return str(request.base_url).rstrip("/")


def link(base: str, path: str, paged: bool = False) -> dict[str, Any]:
    """One HAL link; `paged` ones are templates that take cursor, limit and order."""
    return {"href": f"{base}{path}{PAGED}", "templated": True} if paged else {"href": f"{base}{path}"}
