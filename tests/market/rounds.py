"""A round and its accounts as a ledger should show them, for tests that need no ledger."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from stellar_sdk import Keypair

from agent.core.ledger import Account, Line
from agent.core.money import UNIT, XLM, Asset
from agent.core.round import Round
from agent.market.publish import FACE
from agent.market.publish import INITIATOR as INITIATOR_ENTRY

OPERATOR, INITIATOR, ISSUER, SETTLEMENT, *COMMITTEE = (Keypair.random().public_key for _ in range(8))
REWARD = 40 * UNIT
DLC = Asset("DLC", OPERATOR)


def a_round(**other: Any) -> Round:
    values: dict[str, Any] = {
        "model": f"DLMroad:{ISSUER}",
        "initiator": INITIATOR,
        "number": 0,
        "task": {"kind": "steering"},
        "architecture": {"name": "pilotnet"},
        "input": {"height": 66, "width": 200},
        "recipe": {"steps": 400, "batch": 32, "learning_rate": "0.001", "minimum_samples": 200},
        "stake": {"asset": str(DLC), "base": 10 * UNIT, "fee": UNIT // 2},
        "pledge": {"amount": 10 * REWARD, "reward": REWARD, "until": 200_000},
        "settlement": SETTLEMENT,
        "committee": tuple(COMMITTEE),
        "contributions": 8,
        "review_window": 3600,
        "length": 86_400,
        "gain_reference": Decimal("0.05"),
        "global_set": {"cid": "QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n", "keys": {}},
    }
    return Round.model_validate({**values, **other})


def an_account(id: str, **other: Any) -> Account:
    values: dict[str, Any] = {
        "id": id,
        "sequence": 1,
        "lines": {XLM: Line(100 * UNIT)},
        "signers": {id: 1},
        "thresholds": (0, 0, 0),
    }
    return Account(**{**values, **other})


def settles(round_: Round, **other: Any) -> Account:
    """Its settlement account, as it should be: three of four sign."""
    assets = (XLM, round_.stake_asset, round_.model_asset, round_.credit_asset)
    values: dict[str, Any] = {
        "lines": {asset: Line(100 * UNIT) for asset in assets},
        "signers": {round_.settlement: 0, **dict.fromkeys(round_.committee, 1)},
        "thresholds": (3, 3, 3),
    }
    return an_account(round_.settlement, **{**values, **other})


def issues(round_: Round, **other: Any) -> Account:
    """Its issuer, as it should be: nobody can sign for it."""
    assert round_.pledge is not None
    said = {INITIATOR_ENTRY: round_.initiator.encode(), FACE: str(round_.pledge.reward).encode()}
    return an_account(round_.issuer, **{"signers": {round_.issuer: 0}, "data": said, **other})
