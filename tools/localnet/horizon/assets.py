"""Assets that someone holds, and how much of each is out."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..engine import Asset
from ..view import View
from .address import is_account
from .amount import coins
from .asset import asset_fields, asset_type
from .collection import Collection, Condition
from .page import Key
from .problem import bad_field

_CODE = re.compile(r"[A-Za-z0-9]{1,12}\Z", re.ASCII)
_FLAGS = {"auth_required": 1, "auth_revocable": 2, "auth_immutable": 4, "auth_clawback_enabled": 8}
# which of the three columns a trustline's flags put it in
_STANDINGS = ("authorized", "authorized_to_maintain_liabilities", "unauthorized")

# Every asset with a trustline or a claimable balance, cut into the parts that its paging token is made of.
_SELECT = """SELECT asset, substr(asset, 1, instr(asset, ':') - 1) AS code,
    substr(asset, instr(asset, ':') + 1) AS issuer
    FROM (SELECT DISTINCT asset FROM line UNION SELECT DISTINCT asset FROM balance WHERE asset != 'native')"""


def asset_record(view: View, row: Any, _base: str) -> dict[str, Any]:
    asset = Asset(row["code"], row["issuer"])
    accounts, balances = _held(view, asset)
    claimable = view.db.execute("SELECT id FROM balance WHERE asset = ?", [str(asset)]).fetchall()
    waiting = [view.state.claimable_balance(one["id"]) for one in claimable]
    issuer = view.state.account(asset.issuer)
    domain = issuer.home_domain if issuer else ""
    return {
        "_links": {"toml": {"href": f"https://{domain}/.well-known/stellar.toml" if domain else ""}},
        **asset_fields(str(asset)),
        "paging_token": f"{asset.code}_{asset.issuer}_{asset_type(str(asset))}",
        "num_claimable_balances": len(waiting),
        "num_liquidity_pools": 0,
        "num_contracts": 0,
        "accounts": accounts,
        "claimable_balances_amount": coins(sum(one.amount for one in waiting if one)),
        "liquidity_pools_amount": coins(0),
        "contracts_amount": coins(0),
        "balances": {standing: coins(amount) for standing, amount in balances.items()},
        "flags": {name: bool(issuer and issuer.flags & bit) for name, bit in _FLAGS.items()},
    }


def _held(view: View, asset: Asset) -> tuple[dict[str, int], dict[str, int]]:
    """How many accounts hold the asset and how much, by the standing of their trustline."""
    accounts = dict.fromkeys(_STANDINGS, 0)
    balances = dict.fromkeys(_STANDINGS, 0)
    for row in view.db.execute("SELECT account FROM line WHERE asset = ?", [str(asset)]):
        if line := view.state.trust_line(row["account"], asset):
            standing = _STANDINGS[0 if line.flags & 1 else 1 if line.flags & 2 else 2]
            accounts[standing] += 1
            balances[standing] += line.balance
    return accounts, balances


def _read_token(text: str) -> tuple[str, str]:
    code, issuer, _ = text.split("_", 2)
    return code, issuer


_KEY = Key(("code", "issuer"), _read_token, "the cursor is not a valid paging_token")
_ASSETS = Collection(_SELECT, _KEY, asset_record, streams=False)


async def assets(request: Request) -> Response:
    where: list[Condition] = []
    if code := request.query_params.get("asset_code"):
        if not _CODE.match(code):
            raise bad_field("asset_code", f"{code} is not a valid asset code")
        where.append(("code = ?", [code]))
    if issuer := request.query_params.get("asset_issuer"):
        if not is_account(issuer):
            raise bad_field("asset_issuer", f"{issuer} is not a valid asset issuer")
        where.append(("issuer = ?", [issuer]))
    return await _ASSETS.respond(request, *where)
