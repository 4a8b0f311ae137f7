"""Whether a round's accounts are what it takes to settle it, looked at on the ledger (PROTOCOL section 1).

A round only names its settlement account, its committee and its issuer. Whoever could move the settlement account
without two thirds of the committee could claim the stakes, and whoever could sign for the issuer could freeze VLM, or
make as much as it likes.
"""

from __future__ import annotations

from agent.core import pay
from agent.core.ledger import Account
from agent.core.money import UNIT, XLM, Stroops
from agent.core.round import Round
from agent.core.verdict import threshold
from agent.errors import Malformed
from agent.ledger import keys
from agent.ledger.horizon import Horizon
from agent.market.publish import FACE, INITIATOR

LEAST_CREDIT: Stroops = 2 * UNIT
"""DLM and VLM of a settlement account: one full credit, and what its standing offer holds above that."""
LEAST_XLM: Stroops = 5 * UNIT // 2
"""XLM above its reserve: what one settlement locks for an offer and for the rest of a pledge, and its fee."""


def look(horizon: Horizon, round_: Round, settlement: Account | None) -> str:
    """Why nothing should be staked on a round as the ledger stands now, or ''. `settlement`: its account. Raises
    Unavailable."""
    issuer = horizon.account(round_.issuer)
    return trusted(settlement, round_) or issued(issuer, round_) or fair(issuer, round_)


def issued(issuer: Account | None, round_: Round) -> str:
    """Why a round's issuer is not locked for ever to its initiator and its reward, as a sentence, or ''. A round that
    locks no pay has an issuer of its initiator's own. None of this can ever change."""
    if round_.pledge is None:
        return ""
    if issuer is None:
        return "the model's issuer is not on the ledger"
    if not issuer.is_locked:
        return "the model's issuer is not locked: it could make DLM and VLM, or freeze them"
    if issuer.data.get(INITIATOR) != round_.initiator.encode():
        return "the model's issuer names another initiator"
    if issuer.data.get(FACE) != str(round_.pledge.reward).encode():
        return "the model's issuer names another reward"
    return ""


def governed(account: Account | None, round_: Round) -> str:
    """Why a round's settlement account is not its committee's and its model's alone, or why its pledge ends too early,
    as a sentence, or ''. Nobody but the committee can change that, so whether a validator serves a round hangs on this,
    on its issuer, and on nothing that others can take away and give back: validators that looked at different times
    would part."""
    if round_.pledge is not None and round_.pledge.until < pay.until(round_):
        return "its pay may be taken back before all that may be entered is judged"
    dlc = round_.stake_asset
    if account is None:
        return "the settlement account is not on the ledger"
    weights = {signer: weight for signer, weight in account.signers.items() if weight}
    if weights != dict.fromkeys(round_.committee, 1) or account.id in weights:
        return "the settlement account's signers are not the committee"
    if set(account.thresholds) != {threshold(len(round_.committee))}:
        return "the settlement account's thresholds are not two thirds of the committee"
    if why := unreadable(round_):
        return why
    if account.lines.keys() - {XLM, dlc, round_.model_asset, round_.credit_asset}:
        return "the settlement account is not this model's alone"
    return ""


def unreadable(round_: Round) -> str:
    """Why an update for a round could not be sealed to all who are to read it, as a sentence, or ''."""
    for reader in round_.readers:
        try:
            keys.sealing_public(reader)
        except Malformed:
            return f"no update could be sealed to {reader}"
    return ""


def trusted(account: Account | None, round_: Round) -> str:
    """What is wrong with a round's settlement account for whoever is about to stake on it or to publish it, as a
    sentence, or ''."""
    if why := governed(account, round_):
        return why
    assert account is not None  # noqa: S101
    dlc = round_.stake_asset
    for asset in (dlc, round_.model_asset, round_.credit_asset):
        line = account.lines.get(asset)
        if line is None or not line.authorized:
            return f"the settlement account cannot hold {asset.code}"
        if line.clawback and asset != dlc:
            return f"the issuer may take back the settlement account's {asset.code}"
    if account.lines[dlc].room < round_.stake.base * round_.contributions:
        return "the settlement account has no room for the round's stakes"
    held = (account.lines[asset].balance for asset in (round_.model_asset, round_.credit_asset))
    if min(held) < LEAST_CREDIT or account.free(XLM) < LEAST_XLM:
        return "the settlement account has not the DLM, VLM and XLM that a settlement takes"
    return ""


def fair(issuer: Account | None, round_: Round) -> str:
    """What a model's issuer could do to those who are paid in its VLM, as a sentence, or ''. Flags that are cleared can
    be set again: then what the issuer takes away is idle, never rejected, and what was staked before is judged."""
    if issuer is None:
        return "the model's issuer is not on the ledger"
    flags = issuer.flags
    if issuer.is_locked or not (flags.required or flags.revocable or flags.clawback):
        return ""
    if flags.required and not (flags.revocable or flags.clawback):
        return f"the model's issuer picks who may hold {round_.credit_asset.code}"
    return f"the model's issuer may take {round_.credit_asset.code} away from who holds it"
