"""Votes: made, signed, checked. The broker that carries them is not trusted."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from agent.core.documents import Vote
from agent.core.ids import AccountId, CidText
from agent.core.jobs.review import Review
from agent.errors import Malformed
from agent.ledger.keys import account_of

if TYPE_CHECKING:
    from stellar_sdk import Keypair


def vote(review: Review, keypair: Keypair, roll: CidText | None = None) -> Vote:
    """Our vote on a judged review, which is on this roll. The same review gives the same vote: Ed25519 signatures are
    deterministic."""
    verdict = review.verdict
    unsigned = Vote(
        round=verdict.round,
        entry=review.id,
        contribution=review.entry.contribution,
        validator=account_of(keypair),
        outcome=verdict.outcome,
        reason=verdict.reason,
        credit=verdict.credit,
        roll=roll,
        fused=verdict.fused,
        figure=None if verdict.figure is None else Decimal(verdict.figure),
    )
    signature = base64.b64encode(keypair.sign(unsigned.to_bytes())).decode()
    return unsigned.model_copy(update={"signature": signature})


def check(cast: Vote, committee: Sequence[AccountId]) -> None:
    """Raises Malformed unless a member of the committee signed exactly this."""
    from stellar_sdk import Keypair
    from stellar_sdk.exceptions import BadSignatureError

    if cast.validator not in committee:
        raise Malformed(what="a vote", why="it is not of this round's committee")
    try:
        signature = base64.b64decode(cast.signature, validate=True)
        unsigned = cast.model_copy(update={"signature": ""}).to_bytes()
        Keypair.from_public_key(cast.validator).verify(unsigned, signature)
    except (BadSignatureError, binascii.Error, ValueError):
        raise Malformed(what="a vote", why=f"it is not signed by {cast.validator}") from None
    if base64.b64encode(signature).decode() != cast.signature:  # one vote has one form, or no two records are the same
        raise Malformed(what="a vote", why="its signature is not in canonical base64")
    if (cast.outcome == "accepted") != (cast.credit > 0):
        raise Malformed(what="a vote", why=f"{cast.outcome} with a credit of {cast.credit}")
    if cast.outcome == "accepted" and (cast.figure is None or cast.roll is None):
        raise Malformed(what="a vote", why="accepted without a figure, or on no roll")
