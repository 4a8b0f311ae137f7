"""What an initiator signs: written down before it leaves, and handed in until a ledger holds it or never can."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from agent.core.cid import Cid
from agent.core.ids import AccountId, CidText
from agent.core.jobs import round as rounds
from agent.core.jobs.fold import Event, Folded, owed
from agent.core.jobs.round import RoundState, RoundStep
from agent.core.ledger import Signed
from agent.errors import Refused, Unavailable
from agent.initiator.book import RoundBook
from agent.ledger.envelope import build, signed
from agent.ledger.horizon import Horizon
from agent.ledger.keys import account_of
from agent.ledger.submission import InLedger, Lapsed, Spent, look

if TYPE_CHECKING:
    from stellar_sdk import Keypair
    from stellar_sdk.operation import Operation

VALID_S = 120
POLL_S = 1.0

J = TypeVar("J", bound=Folded[RoundState, RoundStep])


@dataclass(kw_only=True)
class Submitter:
    """An initiator at its ledger and its journal. `say` is told what happens, for people."""

    horizon: Horizon
    keypair: Keypair
    book: RoundBook
    fee: int
    say: Callable[[str], None]
    wait: Callable[[], None] = lambda: time.sleep(POLL_S)
    """Until the ledger may have moved."""

    @property
    def account(self) -> AccountId:
        return account_of(self.keypair)

    def done(self, job: Callable[[], J], steps: Mapping[RoundStep, Callable[[J], None]]) -> J:
        """The job, once it is owed nothing more. Each step writes down what it did, or waits."""
        while (step := owed(now := job())) is not None:
            steps[step](now)
        return now

    def signed(
        self, operations: list[Operation], cid: CidText | None, *also: Keypair, max_ledger: int | None = None
    ) -> Signed:
        """Under the initiator's next sequence number. Raises Unavailable."""
        account, head = self.horizon.account(self.account), self.horizon.head()
        if account is None:
            raise Unavailable(what=f"the initiator's account {self.account}")
        envelope = build(
            account.id,
            account.sequence,
            operations,
            passphrase=self.horizon.passphrase,
            fee=self.fee,
            max_time=head.closed_at + VALID_S,
            memo=Cid.parse(cid).digest if cid else None,
            max_ledger=max_ledger,
        )
        return signed(envelope, self.keypair, *also)

    def follow(
        self, job_id: str, envelope: Signed, entered: Callable[[InLedger], Event], by_state: Callable[[str], Event]
    ) -> None:
        """Hand the transaction in until it is in a ledger or can never be. `by_state`: the event for one whose number
        is used up while history does not show by what (it is told so): what it would have left on the ledger is there,
        or it can never be. Raises Refused when a ledger holds it as failed: what it says is then for the initiator to
        mend."""
        outcome = look(self.horizon, envelope)
        if isinstance(outcome, InLedger):
            self.record(job_id, entered(outcome))
            self.say(f"{job_id}: in ledger {outcome.ledger}")
        elif isinstance(outcome, Lapsed):
            self.record(job_id, rounds.Lapsed(outcome.why))
        elif isinstance(outcome, Spent):
            self.record(job_id, by_state(outcome.why))
        elif outcome is not None:
            self.record(job_id, rounds.Refused(outcome.codes))
            raise Refused(what=f"the transaction of {job_id}", why=outcome.codes)
        else:
            self.wait()

    def record(self, job_id: str, event: Event) -> None:
        self.book.record(job_id, event, time.time())
