"""A settlement account handed from one committee to the next, in one transaction (PROTOCOL, "Handing over")."""

from __future__ import annotations

from collections.abc import Sequence

from stellar_sdk import SetOptions, Signer
from stellar_sdk.operation import Operation

from agent.core.ids import AccountId
from agent.core.ledger import Account
from agent.core.verdict import threshold


def operations(account: Account, committee: Sequence[AccountId]) -> list[Operation]:
    """What makes the committee the account's only signers, each of weight 1, and two thirds of it its thresholds. Who
    stays is not touched; none where all stay. The ledger asks for two thirds of those who were, before the first of
    these applies."""
    there = {signer for signer, weight in account.signers.items() if weight and signer != account.id}
    leaving, coming = sorted(there - set(committee)), sorted(set(committee) - there)
    made: list[Operation] = [
        SetOptions(signer=Signer.ed25519_public_key(signer, weight))
        for weight, signers in ((0, leaving), (1, coming))
        for signer in signers
    ]
    needed = threshold(len(committee))
    if made and set(account.thresholds) != {needed}:
        made.append(SetOptions(low_threshold=needed, med_threshold=needed, high_threshold=needed))
    return made
