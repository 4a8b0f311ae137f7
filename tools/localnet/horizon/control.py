"""What no Horizon has, for tests: closing a ledger on demand, moving its clock, and being worse than it is."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ..engine import Crowd
from ..faults import FaultError, read_faults
from ..foreign import KINDS
from ..foreign import foreign as made
from .answer import answer
from .collection import truth, view_of
from .page import whole
from .party import account_param
from .problem import bad_field

_MAX_SECONDS = 10**10


async def fault(request: Request) -> Response:
    """`POST /localnet/fault?fault=TEXT`: these faults from now on, at this address; none where TEXT is empty."""
    text = request.query_params.get("fault", "")
    try:
        faults = read_faults(text)
    except FaultError as found:
        raise bad_field("fault", str(found)) from None
    request.app.state.faulty.set(faults)
    return answer({"fault": text})


async def forget(request: Request) -> Response:
    """`POST /localnet/forget?keep=N`: this address remembers its last N ledgers and nothing older."""
    view = view_of(request)
    view.forget(_number(request, "keep"))
    return answer({"history_elder_ledger": view.elder})


async def lag(request: Request) -> Response:
    """`POST /localnet/lag?ledgers=N`: the replica is N ledgers late from now on."""
    ledgers, replica = _number(request, "ledgers"), request.app.state.replica
    if replica is None:
        raise bad_field("ledgers", "this localnet was started without --replica")
    replica.set_lag(ledgers)
    return answer({"lag": ledgers, "replica_latest_ledger": replica.header.ledger_seq})


async def surge(request: Request) -> Response:
    """`POST /localnet/surge?bid=STROOPS&door=true&capacity=N`: strangers bid so much for every operation's room.

    bid 0: they leave. door: they fill the queue too. capacity: operations that a ledger holds from now on.
    """
    node = view_of(request).node
    if request.query_params.get("capacity"):
        node.capacity = max(1, _number(request, "capacity"))
    node.surge(Crowd(_number(request, "bid"), truth(request, "door")))
    return answer({"bid": node.crowd.bid, "waiting": len(node.queue)})


async def foreign(request: Request) -> Response:
    """`POST /localnet/foreign?account=G…&kind=KIND`: the next ledger has a stranger's operation about the account."""
    node, account, kind = view_of(request).node, account_param(request, "account"), request.query_params.get("kind")
    if account is None or kind not in KINDS:
        raise bad_field("account" if account is None else "kind", f"an account and one of {', '.join(KINDS)}")
    number = (node.header.ledger_seq << 12) + len(node.foreign) + 1
    node.foreign.append(made(kind, account, node.passphrase, number))
    return answer({"hash": node.foreign[-1].hash.hex()})


async def close_ledger(request: Request) -> Response:
    """`POST /localnet/close`: close a ledger, after setting its clock on by `advance` or to `close_time`."""
    node = view_of(request).node
    if (seconds := _seconds(request, "advance")) is not None:
        node.advance(seconds)
    if (close_time := _seconds(request, "close_time")) is not None:
        if close_time <= node.header.close_time:
            raise bad_field("close_time", "a ledger closes later than the one before it")
        node.advance(close_time - node.now())
    header = node.close()
    return answer({"ledger": header.ledger_seq, "close_time": header.close_time, "waiting": len(node.queue)})


def _number(request: Request, name: str) -> int:
    try:
        return whole(request.query_params.get(name, ""))
    except ValueError:
        raise bad_field(name, "a whole number") from None


def _seconds(request: Request, name: str) -> int | None:
    text = request.query_params.get(name)
    try:
        seconds = whole(text) if text else None
    except ValueError:
        seconds = _MAX_SECONDS + 1
    if seconds is not None and seconds > _MAX_SECONDS:
        raise bad_field(name, "a whole number of seconds")
    return seconds
