"""A validator's own acts at its operator's registry: putting its bond down, and taking it back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from stellar_sdk import ChangeTrust, ClaimClaimableBalance, ManageData, PathPaymentStrictReceive
from stellar_sdk.operation import Operation

from agent.core.ids import AccountId
from agent.core.ledger import BALANCE_V0, Account
from agent.core.money import XLM, Asset, Stroops, text
from agent.errors import Refused, TryAgain, Unavailable
from agent.ledger import submission
from agent.ledger.envelope import build, sdk_asset, signed
from agent.ledger.horizon import Horizon
from agent.ledger.keys import account_of
from agent.market import entry, registry
from agent.market.registry import LEAST_BOND, NOTICE_S, STATEMENT, Bond

if TYPE_CHECKING:
    from stellar_sdk import Keypair

VALID_S = 120


class NotEnrolled(Refused):
    """{account} was not enrolled: {why}. Nothing was changed."""


class EnrolmentPending(TryAgain):
    """{account}: {why}. Run the same command again then, it does nothing twice."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """How an account stands in a registry."""

    account: AccountId
    bonds: tuple[Bond, ...]
    """Its own, the one that stays for longest first."""
    stated: str
    """What it says of its private set."""
    now: int
    """Ledger time."""

    @property
    def until(self) -> int:
        """Unix seconds until which it may be drawn; 0: it cannot be."""
        fit = [bond.until - NOTICE_S for bond in self.bonds if bond.amount >= LEAST_BOND and bond.kinds]
        return max(fit, default=0)

    @property
    def due(self) -> tuple[Bond, ...]:
        """Bonds that it may take back now."""
        return tuple(bond for bond in self.bonds if bond.until <= self.now)


def look(horizon: Horizon, account_id: AccountId, dlc: Asset) -> Enrolment:
    """Raises Unavailable."""
    head, account = horizon.head(), horizon.account(account_id)
    found = [bond for bond in registry.bonds(horizon, dlc) if bond.account == account_id]
    found.sort(key=lambda bond: -bond.until)
    said = registry.stated(account.data.get(STATEMENT)) if account else ""
    return Enrolment(account_id, tuple(found), said, head.closed_at)


@dataclass(frozen=True, kw_only=True)
class Registrar:
    """A validator at the ledger, for its own bond."""

    horizon: Horizon
    key: Keypair
    dlc: Asset
    """The operator's."""
    max_fee: Stroops
    """Per operation."""
    budget: Stroops
    """XLM that may be spent on missing DLC."""
    wait: Callable[[], None]

    @property
    def account(self) -> AccountId:
        return account_of(self.key)

    def enrol(self, least: Stroops, days: int, samples: int, kinds: Sequence[str]) -> Enrolment:
        """Put down a bond for so many days, with what is said of the private set; bonds that are due come back in the
        same transaction. Does nothing while the account may be drawn for as long. Raises NotEnrolled, EnrolmentPending,
        Unavailable."""
        now = look(self.horizon, self.account, self.dlc)
        until = now.now + days * 86_400
        amount = registry.amount(least, kinds)
        if any(bond.amount >= amount and bond.until >= until - 86_400 for bond in now.bonds):
            return now
        if days * 86_400 <= NOTICE_S:
            self._refuse(f"a bond stays for more than {NOTICE_S // 86_400} days: so long nobody is drawn who leaves")
        if amount < LEAST_BOND:
            self._refuse(f"a bond is at least {text(LEAST_BOND)} {self.dlc.code}")
        account = self._known()
        line = account.lines.get(self.dlc)
        if line is None:
            self._enter([ChangeTrust(sdk_asset(self.dlc))])
        if line is None or not line.authorized:
            raise EnrolmentPending(
                account=self.account, why=f"{self.dlc.issuer} must authorise its line of {self.dlc.code}"
            )
        back = sum(bond.amount for bond in now.due)
        self._enter(
            [
                *(ClaimClaimableBalance(BALANCE_V0 + bond.id) for bond in now.due),
                *self._bought(max(0, amount - back - account.free(self.dlc))),
                ManageData(STATEMENT, registry.statement(samples, kinds)),
                registry.bond(self.account, self.dlc, amount, until),
            ]
        )
        return look(self.horizon, self.account, self.dlc)

    def leave(self) -> Stroops:
        """Take back the bonds that are due, and the statement with the last of them. Raises EnrolmentPending while none
        is; NotEnrolled where there is none; Unavailable."""
        now = look(self.horizon, self.account, self.dlc)
        if not now.bonds:
            self._refuse("it has put down no bond")
        if not now.due:
            last = max(bond.until for bond in now.bonds)
            why = (
                f"its bond comes back in {last - now.now} s, and is drawn from for {max(0, now.until - now.now)} s more"
            )
            raise EnrolmentPending(account=self.account, why=why)
        is_all = len(now.due) == len(now.bonds) and STATEMENT in self._known().data
        gone = [ManageData(STATEMENT, None)] if is_all else []
        self._enter([*(ClaimClaimableBalance(BALANCE_V0 + bond.id) for bond in now.due), *gone])
        return sum(bond.amount for bond in now.due)

    def _bought(self, missing: Stroops) -> list[Operation]:
        if not missing:
            return []
        way = self.horizon.cost(self.dlc, missing, XLM)
        if way is None or way.amount > self.budget:
            asked = "nobody sells so many" if way is None else f"they cost {text(way.amount)} XLM"
            self._refuse(f"{text(missing)} {self.dlc.code} are missing, and {asked} (market.buy_stake_budget)")
        return [
            PathPaymentStrictReceive(
                destination=self.account,
                send_asset=sdk_asset(XLM),
                send_max=text(entry.most(way.amount, 0, self.budget)),
                dest_asset=sdk_asset(self.dlc),
                dest_amount=text(missing),
                path=[sdk_asset(between) for between in way.path],
            )
        ]

    def _refuse(self, why: str) -> NoReturn:
        raise NotEnrolled(account=self.account, why=why)

    def _known(self) -> Account:
        account = self.horizon.account(self.account)
        if account is None:
            raise Unavailable(what=f"the account {self.account}")
        return account

    def _enter(self, operations: Sequence[Operation]) -> None:
        """In a ledger when it returns. Twice is harmless: a second transaction has the first one's number. Raises
        EnrolmentPending, NotEnrolled."""
        account, head = self._known(), self.horizon.head()
        made = signed(
            build(
                account.id,
                account.sequence,
                operations,
                passphrase=self.horizon.passphrase,
                fee=self.horizon.bid(self.max_fee),
                max_time=head.closed_at + VALID_S,
                memo=None,
            ),
            self.key,
        )
        while (outcome := submission.look(self.horizon, made)) is None:
            self.wait()
        if isinstance(outcome, submission.Refusal):
            self._refuse(outcome.codes)
        if not isinstance(outcome, submission.InLedger):
            raise EnrolmentPending(account=self.account, why=outcome.why)
