"""Strangers: anybody with an account, or with a way to the broker."""

from __future__ import annotations

import base64
import json
from fractions import Fraction

from stellar_sdk import Claimant, CreateClaimableBalance, ManageSellOffer, Payment

from agent.core.money import XLM, text
from agent.fleet import topics
from agent.ledger.envelope import build, sdk_asset, sdk_price, signed
from agent.ports import Message
from tools.chaos.ground import DLC_PRICE
from tools.chaos.kinds.kind import Cast, Course, Kind, ledgers
from tools.chaos.town import Town

WHOLE = 100
"""Operations of one transaction."""


def stroop_payments(town: Town, cast: Cast) -> Course:
    """1,500 payments of one stroop to a car and to a settlement account."""
    key = cast.straw()
    dice = town.ground.dice
    for number in range(15):
        to = dice.choice(town.cars).account if number % 2 else town.houses[number % 3].settlement
        town.ground.apply([Payment(to, sdk_asset(XLM), text(1)) for _ in range(WHOLE)], key)
        yield


def tiny_offer(town: Town, cast: Cast) -> Course:
    """0.0001 DLC at 10 % below the operator's price."""
    key = cast.straw()
    dlc, price = sdk_asset(town.ground.dlc), sdk_price(DLC_PRICE * Fraction(9, 10))
    for _ in range(8):
        town.ground.apply([ManageSellOffer(dlc, sdk_asset(XLM), text(1000), price)], key)
        yield from ledgers(3)


def one_stroop_balances(town: Town, cast: Cast) -> Course:
    """Claimable balances of one stroop for settlement accounts: XLM, DLC, and an asset of the stranger's own."""
    key = cast.straw()
    for house in town.houses:
        claimants = [Claimant(house.settlement)]
        for asset in (XLM, town.ground.dlc):
            made = [CreateClaimableBalance(sdk_asset(asset), text(1), claimants) for _ in range(WHOLE)]
            town.ground.apply(made, key)
            yield


def proposals(town: Town, cast: Cast) -> Course:
    """The purse to the stranger: signed by nobody on the committee."""
    key = cast.straw()
    for _ in range(6):
        for house in town.houses:
            account = town.ground.line.account(house.settlement)
            assert account is not None  # noqa: S101
            whole = Payment(key.public_key, sdk_asset(town.ground.dlc), text(10_000_000))
            made = build(
                account.id,
                account.sequence,
                [whole],
                passphrase=town.ground.net.passphrase,
                fee=1000,
                max_time=town.ground.now + 200,
                memo=town.ground.dice.randbytes(32),
            )
            words = json.dumps({"envelope": signed(made, key).envelope}).encode()
            _say(town, house.settlement, "proposal", key.public_key, words)
        yield


def rubbish(town: Town, cast: Cast) -> Course:
    """Words on the committee's topics that are none."""
    dice = town.ground.dice
    deep = b"[" * 20_000
    for _ in range(6):
        for house in town.houses:
            for kind in ("vote", "proposal", "signature", "riddle"):
                for words in (
                    dice.randbytes(200),
                    deep,
                    b'{"envelope": 1e999}',
                    b'{"envelope": "' + base64.b64encode(dice.randbytes(300)) + b'"}',
                    b'{"signature": "AA==", "transaction": "zz", "validator": "G"}',
                    b'{"signature": "AA==", "transaction": "' + b"00" * 32 + b'", "validator": "\xff"}',
                    b"{}",
                    b"null",
                ):
                    _say(town, house.settlement, kind, "G" + "A" * 55, words)
        yield


def _say(town: Town, settlement: str, kind: str, who: str, words: bytes) -> None:
    town.ground.broker.deliver(Message(f"{topics.market(settlement)}/{kind}/{who}", words))


KINDS = (
    Kind(
        "stroop payments", "stranger", "1,500 payments of one stroop to cars and settlement accounts", stroop_payments
    ),
    Kind("tiny offer", "stranger", "0.0001 DLC offered below the operator's price", tiny_offer),
    Kind(
        "one-stroop balances", "stranger", "hundreds of claimable balances for settlement accounts", one_stroop_balances
    ),
    Kind("stranger's proposal", "stranger", "asks for the whole purse to be signed away", proposals),
    Kind("rubbish messages", "stranger", "words that are none on the committee's topics", rubbish),
)
