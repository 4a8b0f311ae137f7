"""The addresses of the API and what answers them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from ..faults import Faults, FaultyServer
from ..replica import Replica
from ..view import View
from . import (
    accounts,
    assets,
    claimable_balances,
    control,
    effects,
    fee_stats,
    friendbot,
    ledgers,
    offers,
    operations,
    order_book,
    paths,
    root,
    submit,
    trade_aggregations,
    trades,
    transactions,
)
from .collection import view_of
from .problem import Problem
from .quota import Quota
from .stream import wants_stream

Endpoint = Callable[[Request], Awaitable[Response]]

# Answered from the ledger as it stands: Horizon says in a header which ledger that is.
STATE = {
    "/accounts": accounts.accounts,
    "/accounts/{account}": accounts.account,
    "/accounts/{account}/offers": offers.account_offers,
    "/accounts/{account}/data/{name:path}": accounts.account_data,
    "/offers": offers.offers,
    "/offers/{offer}": offers.offer,
    "/order_book": order_book.order_book,
    "/assets": assets.assets,
    "/claimable_balances": claimable_balances.claimable_balances,
    "/claimable_balances/{balance}": claimable_balances.claimable_balance,
    "/paths": paths.strict_receive_paths,
    "/paths/strict-receive": paths.strict_receive_paths,
    "/paths/strict-send": paths.strict_send_paths,
    "/liquidity_pools": root.liquidity_pools,
    "/liquidity_pools/{pool:path}": root.not_found,
}
HISTORY = {
    "/": root.root,
    "/health": root.health,
    "/fee_stats": fee_stats.fee_stats,
    "/friendbot": friendbot.friendbot,
    "/accounts/{account}/transactions": transactions.account_transactions,
    "/accounts/{account}/operations": operations.account_operations,
    "/accounts/{account}/payments": operations.account_payments,
    "/accounts/{account}/effects": effects.account_effects,
    "/accounts/{account}/trades": trades.account_trades,
    "/offers/{offer}/trades": trades.offer_trades,
    "/ledgers": ledgers.ledgers,
    "/ledgers/{ledger}": ledgers.ledger,
    "/ledgers/{ledger}/transactions": transactions.ledger_transactions,
    "/ledgers/{ledger}/operations": operations.ledger_operations,
    "/ledgers/{ledger}/payments": operations.ledger_payments,
    "/ledgers/{ledger}/effects": effects.ledger_effects,
    "/transactions": transactions.transactions,
    "/transactions/{hash}": transactions.transaction,
    "/transactions/{hash}/operations": operations.transaction_operations,
    "/transactions/{hash}/payments": operations.transaction_payments,
    "/transactions/{hash}/effects": effects.transaction_effects,
    "/operations": operations.operations,
    "/operations/{operation}": operations.operation,
    "/operations/{operation}/effects": effects.operation_effects,
    "/payments": operations.payments,
    "/effects": effects.effects,
    "/trades": trades.trades,
    "/trade_aggregations": trade_aggregations.trade_aggregations,
    "/claimable_balances/{balance}/transactions": transactions.balance_transactions,
    "/claimable_balances/{balance}/operations": operations.balance_operations,
}
POST = {
    "/transactions": submit.post_transaction,
    "/transactions_async": submit.post_transaction_async,
    "/friendbot": friendbot.friendbot,
    "/localnet/close": control.close_ledger,
    "/localnet/forget": control.forget,
    "/localnet/fault": control.fault,
    "/localnet/lag": control.lag,
    "/localnet/surge": control.surge,
    "/localnet/foreign": control.foreign,
}


def application(
    view: View,
    replica: Replica | None,
    bank: friendbot.Friendbot,
    faults: Faults,
    submit_seconds: float,
    requests_per_hour: int,
) -> ASGIApp:
    """The whole server at one address. `replica`: the late view of the same ledger, wherever it is served."""
    routes = [Route(path, endpoint, methods=["POST"]) for path, endpoint in POST.items()]
    routes += [Route(path, endpoint, methods=["GET"]) for path, endpoint in HISTORY.items()]
    routes += [Route(path, _of_state(endpoint), methods=["GET"]) for path, endpoint in STATE.items()]
    app = Starlette(
        routes=routes,
        exception_handlers={Problem: _problem, HTTPException: _http_exception, Exception: _failure},
    )
    app.router.redirect_slashes = False
    app.state.view = view
    app.state.streams = set()
    app.state.submit_seconds = submit_seconds
    app.state.friendbot = bank
    app.state.replica = replica
    faulty = FaultyServer(Quota(app, requests_per_hour), faults)
    app.state.faulty = faulty
    return faulty


def _of_state(endpoint: Endpoint) -> Endpoint:
    """An endpoint whose every answer, refusals too, says in a header of which ledger it is. Streams do not."""

    async def dated(request: Request) -> Response:
        try:
            found = await endpoint(request)
        except Problem as problem:
            found = problem.response()
        if not wants_stream(request):
            found.headers["Latest-Ledger"] = str(view_of(request).header.ledger_seq)
        return found

    return dated


async def _problem(_request: Request, problem: Exception) -> Response:
    return problem.response() if isinstance(problem, Problem) else Problem("server_error").response()


async def _http_exception(_request: Request, found: Exception) -> Response:
    status = getattr(found, "status_code", 404)
    return Problem("method_not_allowed" if status == 405 else "not_found").response()


async def _failure(_request: Request, _error: Exception) -> Response:
    return Problem("server_error").response()
