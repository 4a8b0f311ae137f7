"""The account or the claimable balance that an address is about."""

from __future__ import annotations

import re

from starlette.requests import Request

from .address import is_account
from .collection import view_of
from .problem import ACCOUNT, Problem, bad_field

_BALANCE = re.compile(r"0{8}([0-9a-f]{64})\Z")


def account_in_address(request: Request) -> str:
    account = str(request.path_params["account"])
    if not is_account(account):
        raise bad_field("account_id", ACCOUNT)
    return account


def known_account(request: Request) -> str:
    """An account that is in what is remembered of history; being in the ledger alone is 404, as in Horizon."""
    account, view = account_in_address(request), view_of(request)
    past = view.db.execute("SELECT 1 FROM history_account WHERE account = ? LIMIT 1", [account]).fetchone()
    if past is None:
        raise Problem("not_found")
    return account


def balance_in_address(request: Request, field: str = "id") -> str:
    """The 64 hexadecimal digits behind the type that Horizon writes before them."""
    text = request.path_params["balance"]
    found = _BALANCE.match(text.lower())
    if found is None:
        raise bad_field(field, f"{text} does not validate as claimableBalanceID")
    return found[1]


def known_balance(request: Request) -> str:
    """A claimable balance that is in what is remembered of history."""
    balance = balance_in_address(request, "claimable_balance_id")
    past = view_of(request).db.execute("SELECT 1 FROM operation_balance WHERE balance = ? LIMIT 1", [balance])
    if past.fetchone() is None:
        raise Problem("not_found")
    return balance


def account_param(request: Request, name: str) -> str | None:
    """An account among the parameters, None when it is not there."""
    account = request.query_params.get(name)
    if account and not is_account(account):
        raise bad_field(name, ACCOUNT)
    return account or None
