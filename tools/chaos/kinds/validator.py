"""The hostile minority of the committees: less than a third of each. Between two attacks it is silent."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from decimal import Decimal

from stellar_sdk import Keypair, Payment

from agent.core.documents import Vote
from agent.core.ids import AccountId, CidText, StakeId, TxHash
from agent.core.money import UNIT, text
from agent.errors import MilepostError
from agent.fleet import topics
from agent.fleet.loopback import LoopbackLink
from agent.ledger.envelope import opened, sdk_asset
from agent.ledger.keys import account_of
from agent.validator.committee import Committee, Cosignature, Proposal
from tools.chaos.kinds.kind import Act, Cast, Course, Kind, ledgers
from tools.chaos.town import Town

LASTS = 20
Lie = Callable[[Town, Vote, Keypair], list[Vote]]
"""From an honest vote that was heard to what a liar says of the same entry."""


def _cast(vote: Vote, key: Keypair, **changes: object) -> Vote:
    unsigned = vote.model_copy(update={"validator": account_of(key), "signature": "", **changes})
    signature = base64.b64encode(key.sign(unsigned.to_bytes())).decode()
    return unsigned.model_copy(update={"signature": signature})


def _lying(lie: Lie) -> Act:
    def act(town: Town, cast: Cast) -> Course:
        broker = town.ground.broker
        link = LoopbackLink(broker, (f"{topics.market('+')}/vote/+",))
        heard: dict[str, tuple[AccountId, Vote]] = {}
        for _ in range(LASTS):
            for message in link.receive():
                try:
                    vote = Vote.parse(message.payload)
                except MilepostError:
                    continue
                heard.setdefault(vote.entry, (AccountId(message.topic.split("/")[3]), vote))
            for settlement, vote in heard.values():
                for liar in town.liars:
                    for said in lie(town, vote, liar):
                        Committee(link, account_of(liar)).say_vote(settlement, said)
            yield
        link.close()

    return act


def _reject(town: Town, vote: Vote, key: Keypair) -> list[Vote]:
    return [_cast(vote, key, outcome="rejected", credit=0, reason="no")]


def _accept(town: Town, vote: Vote, key: Keypair) -> list[Vote]:
    return [_cast(vote, key, outcome="accepted", credit=UNIT, reason="yes")]


def _figure(town: Town, vote: Vote, key: Keypair) -> list[Vote]:
    return [_cast(vote, key, figure=Decimal("123.456"))]


def _reasons(town: Town, vote: Vote, key: Keypair) -> list[Vote]:
    return [_cast(vote, key, reason=f"because {town.ground.dice.randrange(10**6)}") for _ in range(2)]


def _credits(town: Town, vote: Vote, key: Keypair) -> list[Vote]:
    """Says two things, and says them in turn."""
    return [
        _cast(vote, key, outcome="accepted", credit=1 + town.ground.dice.randrange(UNIT), reason="more or less"),
        _cast(vote, key, outcome="idle", credit=0, reason="nothing"),
    ]


def _foreign(town: Town, vote: Vote, key: Keypair) -> list[Vote]:
    """A vote of the one committee's member on an entry of the other's, under a round of its own."""
    rounds = [town.round_of(house)[0] for house in town.houses if house.is_open]
    return [_cast(vote, key, round=cid, outcome="rejected", credit=0) for cid in rounds if cid != vote.round]


def silence(town: Town, cast: Cast) -> Course:
    yield from ledgers(LASTS)


def for_nothing(town: Town, cast: Cast) -> Course:
    """Votes on entries that do not exist."""
    dice, link = town.ground.dice, LoopbackLink(town.ground.broker)
    for _ in range(5):
        for house in town.houses:
            cid, _round = town.round_of(house)
            for liar in town.liars:
                for _ in range(10):
                    vote = Vote(
                        round=cid,
                        entry=StakeId(dice.randbytes(32).hex()),
                        contribution=CidText(""),
                        validator=account_of(liar),
                        outcome="rejected",
                        reason="nothing",
                        credit=0,
                    )
                    Committee(link, account_of(liar)).say_vote(house.settlement, _cast(vote, liar))
        yield
    link.close()


def grab(town: Town, cast: Cast) -> Course:
    """A member proposes that the purse be its own."""
    key = cast.straw()
    link = LoopbackLink(town.ground.broker)
    for _ in range(8):
        for house in town.houses:
            account = town.ground.line.account(house.settlement)
            assert account is not None  # noqa: S101
            for liar in town.liars:
                whole = Payment(account_of(key), sdk_asset(town.ground.dlc), text(UNIT), source=house.settlement)
                made = town.ground.signed([whole], town.ground.operator, liar, memo=town.ground.dice.randbytes(32))
                Committee(link, account_of(liar)).say_proposal(house.settlement, Proposal(made.envelope))
        yield
    link.close()


def false_signatures(town: Town, cast: Cast) -> Course:
    """Answers every proposal with signatures that are none, in everybody's name."""
    broker = town.ground.broker
    link = LoopbackLink(broker, (f"{topics.market('+')}/proposal/+",))
    for _ in range(LASTS):
        for message in link.receive():
            try:
                envelope = str(json.loads(message.payload)["envelope"])
                transaction = TxHash(opened(envelope, town.ground.net.passphrase).hash.hex())
            except (MilepostError, ValueError, KeyError, TypeError, RecursionError):
                continue
            for judge in town.judges:
                said = Cosignature(account_of(judge), transaction, town.ground.dice.randbytes(64))
                Committee(link, account_of(town.liars[0])).say_signature(AccountId(message.topic.split("/")[3]), said)
        yield
    link.close()


KINDS = (
    Kind("silent validator", "validator", "a member of each committee says nothing", silence),
    Kind("rejects all", "validator", "votes against everything", _lying(_reject)),
    Kind("accepts all", "validator", "votes for everything, with full credit", _lying(_accept)),
    Kind("other figure", "validator", "votes with a figure of its own", _lying(_figure)),
    Kind("varied reasons", "validator", "says another reason each time", _lying(_reasons)),
    Kind("two tongues", "validator", "votes twice, differently", _lying(_credits)),
    Kind("foreign vote", "validator", "votes on another committee's entries", _lying(_foreign)),
    Kind("votes for nothing", "validator", "votes on entries that do not exist", for_nothing),
    Kind("grabbing proposal", "validator", "a member proposes the purse to itself", grab),
    Kind("false signatures", "validator", "signatures that are none, in everybody's name", false_signatures),
)
