"""What no Horizon has: closing a ledger on demand and moving its clock, for tests."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from tools.localnet.horizon.answer import answer
from tools.localnet.horizon.collection import node_of
from tools.localnet.horizon.page import whole
from tools.localnet.horizon.problem import bad_field

_MAX_SECONDS = 10**10


async def close_ledger(request: Request) -> Response:
    """`POST /localnet/close`: close a ledger, after setting its clock on by `advance` or to `close_time`."""
    node = node_of(request)
    if (seconds := _seconds(request, "advance")) is not None:
        node.advance(seconds)
    if (close_time := _seconds(request, "close_time")) is not None:
        if close_time <= node.header.close_time:
            raise bad_field("close_time", "a ledger closes later than the one before it")
        node.advance(close_time - node.now())
    header = node.close()
    return answer({"ledger": header.ledger_seq, "close_time": header.close_time, "waiting": len(node.queue)})


def _seconds(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    try:
        seconds = whole(text) if text else None
    except ValueError:
        seconds = _MAX_SECONDS + 1
    if seconds is not None and seconds > _MAX_SECONDS:
        raise bad_field(name, "a whole number of seconds")
    return seconds
