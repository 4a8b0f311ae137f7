"""Horizon's records as facts. A record that is not of its form raises LookupError, TypeError or ValueError, which the
door (`ledger.horizon`) turns into a sentence."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from agent.core.ids import AccountId, StakeId, TxHash
from agent.core.ledger import (
    BALANCE_V0,
    LONGEST_PATH,
    Account,
    Action,
    Flags,
    Head,
    Line,
    Offer,
    Stake,
    Transaction,
    Way,
)
from agent.core.money import MAX_STROOPS, XLM, Asset, stroops
from agent.errors import Malformed


def records(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = page["_embedded"]["records"]
    return records


def epoch(moment: str) -> int:
    return int(datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp())


def head(record: Mapping[str, Any]) -> Head:
    return Head(int(record["sequence"]), epoch(record["closed_at"]), str(record["hash"]))


def asset(record: Mapping[str, Any], prefix: str = "") -> Asset:
    if record[prefix + "asset_type"] == "native":
        return XLM
    return Asset(str(record[prefix + "asset_code"]), AccountId(str(record[prefix + "asset_issuer"])))


def account(record: Mapping[str, Any]) -> Account:
    lines = {
        asset(line): Line(
            balance=stroops(line["balance"]),
            selling=stroops(line.get("selling_liabilities", "0")),
            authorized=line.get("is_authorized", True),
            limit=stroops(line["limit"]) if "limit" in line else MAX_STROOPS,
            buying=stroops(line.get("buying_liabilities", "0")),
            clawback=bool(line.get("is_clawback_enabled", False)),
        )
        for line in record["balances"]
        if line["asset_type"] != "liquidity_pool_shares"
    }
    return Account(
        id=AccountId(str(record["account_id"])),
        sequence=int(record["sequence"]),
        lines=lines,
        signers={str(s["key"]): int(s["weight"]) for s in record["signers"]},
        thresholds=(
            int(record["thresholds"]["low_threshold"]),
            int(record["thresholds"]["med_threshold"]),
            int(record["thresholds"]["high_threshold"]),
        ),
        flags=Flags(
            required=bool(record["flags"]["auth_required"]),
            revocable=bool(record["flags"]["auth_revocable"]),
            clawback=bool(record["flags"]["auth_clawback_enabled"]),
            immutable=bool(record["flags"]["auth_immutable"]),
        ),
        subentries=int(record["subentry_count"])
        + int(record.get("num_sponsoring", 0))
        - int(record.get("num_sponsored", 0)),
        data={str(name): base64.b64decode(value, validate=True) for name, value in record["data"].items()},
    )


def offer(record: Mapping[str, Any]) -> Offer:
    return Offer(
        id=int(record["id"]),
        seller=AccountId(str(record["seller"])),
        selling=asset(record["selling"]),
        buying=asset(record["buying"]),
        amount=stroops(record["amount"]),
        price=price(record["price_r"]),
        last_modified=int(record["last_modified_ledger"]),
    )


def price(record: Mapping[str, Any]) -> Fraction:
    """As the ledger holds it: two 32-bit integers above 0."""
    n, d = int(record["n"]), int(record["d"])
    if not (0 < n < 2**31 and 0 < d < 2**31):
        raise ValueError
    return Fraction(n, d)


def way(record: Mapping[str, Any], amount: str) -> Way:
    path = tuple(asset(between) for between in record["path"])
    if len(path) > LONGEST_PATH:
        raise ValueError
    return Way(stroops(record[amount]), path)


def transaction(record: Mapping[str, Any]) -> Transaction:
    return Transaction(
        hash=TxHash(str(record["hash"])),
        ledger=int(record["ledger"]),
        closed_at=epoch(record["created_at"]),
        successful=bool(record["successful"]),
        source=AccountId(str(record["source_account"])),
        envelope=str(record["envelope_xdr"]),
        result=str(record["result_xdr"]),
        cursor=str(record["paging_token"]),
        sequence=int(record.get("source_account_sequence", 0)),
    )


def action(record: Mapping[str, Any]) -> Action:
    place = int(record["paging_token"])
    plain = asset(record) if "asset_type" in record else None
    return Action(
        kind=str(record["type"]),
        source=AccountId(str(record["source_account"])),
        transaction=TxHash(str(record["transaction_hash"])),
        ledger=place >> 32,
        index=(place & 0xFFF) - 1,
        asset=Asset.parse(record["asset"]) if "asset" in record else plain,
        to=str(record.get("to", "")),
        balance=StakeId(str(record["balance_id"]).removeprefix(BALANCE_V0)) if "balance_id" in record else None,
    )


def set_by(record: Mapping[str, Any]) -> str:
    """The hash of the transaction whose operation set an offer to sell; '' for any other operation."""
    return str(record["transaction_hash"]) if record["type"] == "manage_sell_offer" else ""


def stake(record: Mapping[str, Any]) -> Stake:
    claimants = {AccountId(str(each["destination"])): each["predicate"] for each in record["claimants"]}
    return Stake(
        id=StakeId(str(record["id"]).removeprefix(BALANCE_V0)),
        asset=Asset.parse(record["asset"]),
        amount=stroops(record["amount"]),
        sponsor=AccountId(str(record.get("sponsor", ""))),
        claimants=tuple(claimants),
        at_once=tuple(who for who, predicate in claimants.items() if predicate.get("unconditional")),
        last_modified=int(record["last_modified_ledger"]),
        not_before={who: moment for who, p in claimants.items() if (moment := not_before(p)) is not None},
        within={who: window for who, p in claimants.items() if (window := within(p)) is not None},
    )


def not_before(predicate: Mapping[str, Any]) -> int | None:
    """The moment before which nothing may be claimed, where that is all that a predicate says."""
    return _before(predicate["not"]) if set(predicate) == {"not"} else None


def within(predicate: Mapping[str, Any]) -> tuple[int, int] | None:
    """The moment from which, and the one before which, something may be claimed, where that is all that a predicate
    says."""
    both: Sequence[Mapping[str, Any]] = predicate["and"] if set(predicate) == {"and"} else ()
    if len(both) != 2:
        return None
    start, end = not_before(both[0]), _before(both[1])
    return None if start is None or end is None else (start, end)


def _before(predicate: object) -> int | None:
    if not isinstance(predicate, Mapping) or set(predicate) != {"abs_before", "abs_before_epoch"}:
        return None
    return int(predicate["abs_before_epoch"])


def status(body: str) -> str:
    try:
        answer = json.loads(body)
        return str(answer["tx_status"]) if isinstance(answer, dict) else ""
    except (ValueError, KeyError):
        return ""


def admission_code(body: str) -> str:
    from agent.ledger.envelope import result_code

    try:
        return result_code(str(json.loads(body).get("error_result_xdr", "")))
    except Malformed:
        return "UNKNOWN"
