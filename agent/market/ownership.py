"""The owner's key on a car's account: the car trades and stakes with its own, and only the owner's can do the rest.

    key      weight     operations of      need
    car      1          low, medium        1     payments, offers, stakes, lines
    owner    2          high               2     who signs, account merge

So whoever has the car computer has what lies on the car, and neither the account nor a way to keep the owner out. With
a weight of 2 the owner needs nobody: master weight 0, and everything is taken home.
(Stellar docs, "Signatures and multisig": thresholds of operations)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from stellar_sdk import SetOptions, Signer
from stellar_sdk.operation import Operation

from agent.core.ids import AccountId
from agent.core.ledger import BASE_RESERVE, Account, Head
from agent.core.money import XLM, text
from agent.errors import Refused, TryAgain, Unavailable
from agent.ledger import submission
from agent.ledger.envelope import build, signed
from agent.ledger.horizon import Horizon
from agent.market.payout import MEMO_REQUIRED

if TYPE_CHECKING:
    from stellar_sdk import Keypair

CAR, OWNER = 1, 2
THRESHOLDS = (CAR, CAR, OWNER)
"""Low, medium, high."""
VALID_S = 120


class NotOnLedger(Unavailable):
    """The account {account} is not on the ledger. Send it some XLM first, then share it."""


class NotShared(Refused):
    """{owner} was not made an owner of {account}: {why}. Nothing was changed."""


class SharingPending(TryAgain):
    """{account} is not shared with {owner} yet: {why}. Run the same command again, it changes nothing twice."""


def owner_of(account: Account) -> AccountId | None:
    """The one key beside the car's own that alone can change who signs; None where there is none such."""
    others = {key: weight for key, weight in account.signers.items() if weight and key != account.id}
    if account.thresholds == THRESHOLDS and account.signers.get(account.id) == CAR and list(others.values()) == [OWNER]:
        return AccountId(next(iter(others)))
    return None


def refusal(account: Account, owner: AccountId, known: Account | None, fee: int) -> str:
    """Why the car's key cannot or should not make `owner` its owner, as a sentence, or ''. `known`: the owner's own
    account, where it has one."""
    own = account.signers.get(account.id, 0)
    others = [key for key, weight in account.signers.items() if weight and key not in (account.id, owner)]
    if owner == account.id:
        return "it is the car's own account, whose key lies on the car"
    if known is not None and not known.signers.get(owner):
        return "its key signs for nothing, not even for its own account: perhaps nobody has it any more"
    if known is not None and known.data.get(MEMO_REQUIRED) == b"1":
        return "it wants a memo with each payment, so its key is a custodian's. Take a key of your own"
    if not own:
        return "the car's key does not sign for its account any more: its owner has taken that over"
    if others:
        return f"{', '.join(others)} signs for it already. Whoever holds that key takes it off first"
    if own < max(1, account.thresholds[2]):
        return "the car's key alone cannot change who signs for it"
    if account.free(XLM) < BASE_RESERVE + fee and owner not in account.signers:
        return f"a signer takes {text(BASE_RESERVE)} XLM of reserve, and {text(account.free(XLM))} are free"
    return ""


def sharing(owner: AccountId) -> list[Operation]:
    """Both keys and all thresholds, in one operation: at no moment is the account neither the one's nor the other's."""
    low, medium, high = THRESHOLDS
    return [
        SetOptions(
            master_weight=CAR,
            low_threshold=low,
            med_threshold=medium,
            high_threshold=high,
            signer=Signer.ed25519_public_key(owner, OWNER),
        )
    ]


def share(horizon: Horizon, key: Keypair, owner: AccountId, max_fee: int, wait: Callable[[], None]) -> bool:
    """Make `owner` the owner of the key's account, and wait until a ledger says so. False: it was already.

    Twice is harmless, also after a power cut: a second transaction has the first one's sequence number, so one of them
    applies, and both do the same.

    Raises NotShared; SharingPending, where another transaction of the account came first; NotOnLedger; Unavailable.
    """
    account = _account(horizon, key)
    if owner_of(account) == owner:
        return False
    fee = horizon.bid(max_fee)
    if why := refusal(account, owner, horizon.account(owner), fee):
        raise NotShared(owner=owner, account=account.id, why=why)
    head: Head = horizon.head()
    made = signed(
        build(
            account.id,
            account.sequence,
            sharing(owner),
            passphrase=horizon.passphrase,
            fee=fee,
            max_time=head.closed_at + VALID_S,
            memo=None,
        ),
        key,
    )
    why = ""
    while True:
        try:
            outcome = submission.look(horizon, made)
        except Refused as error:  # at the door; the ledger has the last word
            outcome, why = None, str(error)
        if outcome is not None:
            break
        wait()
    if owner_of(_account(horizon, key)) == owner:
        return True
    failed = outcome.codes if isinstance(outcome, submission.Refusal) else "another transaction of it came first"
    raise SharingPending(owner=owner, account=account.id, why=why or failed)


def _account(horizon: Horizon, key: Keypair) -> Account:
    account = horizon.account(key.public_key)
    if account is None:
        raise NotOnLedger(account=key.public_key)
    return account
