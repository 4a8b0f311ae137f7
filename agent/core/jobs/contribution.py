"""A vehicle's job: one trip, one contribution, one stake.

Rules
  1. Two transactions, the entry and the closing, and each is in the journal, signed, before it leaves the car. Only a
     ledger that holds it, or one that closed after its last valid second without it, moves the job on.
  2. An event that an older agent wrote is read with the defaults that stand here.

Theory
  `Clawed` is no verdict: the operator took the stake, or it is gone and nothing says why.
  A verdict may still come after `Silent`, while the stake is being taken back: then it is the verdict that counts.
  `Lapsed` (the envelope can never apply any more) and `Refused` (it is in a ledger, failed) lead back to the state in
  which a new one is built. Both are final for the old envelope, so there is never more than one that could still apply.
  `Partly`: this closing did what could be done; the rest waits for another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from agent.core import ledger
from agent.core.ids import AccountId, CidText, StakeId, TxHash
from agent.core.jobs.fold import Event, Folded, Table
from agent.core.money import Stroops


class JobState(str, Enum):
    NONE = "none"
    OPENED = "opened"
    CHOSEN = "chosen"
    TRAINING = "training"
    ARRIVED = "arrived"
    TRAINED = "trained"
    STORED = "stored"
    SIGNED = "signed"
    ENTERED = "entered"
    SETTLED = "settled"
    CLOSING = "closing"
    CLOSED = "closed"
    PASSED = "passed"


class Step(str, Enum):
    """What a job is owed."""

    CHOOSE = "choose an offer"
    FETCH = "fetch the round"
    TRAIN = "train until arrival"
    FINISH = "finish training"
    STORE = "store the contribution"
    SIGN = "sign the entry"
    SUBMIT = "submit the entry"
    WATCH = "wait for the verdict"
    CLOSE = "sign the closing"
    COLLECT = "submit the closing"


# --- before the trip ends


@dataclass(frozen=True, slots=True)
class Opened(Event):
    """The car has driven far enough."""

    metres: int = 0


@dataclass(frozen=True, slots=True)
class Chosen(Event):
    """A round to train on."""

    round: CidText
    model: str
    number: int = 0
    offer: int = 0
    """The offer's id on the ledger."""
    reward: Stroops = 0
    """XLM for full credit."""
    stake: Stroops = 0
    """DLC."""
    fee: Stroops = 0
    """DLC that the bid promises besides."""
    planned: int | None = None
    """Steps for full credit; None: an older agent chose."""
    offers: tuple[Mapping[str, object], ...] = ()
    """Every candidate's numbers, for people."""
    passed_over: tuple[str, ...] = ()
    """Why others were none, in sentences."""
    offline: bool | None = None
    """True: nobody could be asked, and it is the choice of the job before."""


@dataclass(frozen=True, slots=True)
class Fetched(Event):
    """The round's bundle is here."""


@dataclass(frozen=True, slots=True)
class Arrived(Event):
    """The trip is over: why, and how long it was."""

    reason: str = ""
    metres: int = 0
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class Passed(Event):
    """The trip ends without an entry, and with nothing at stake. Its length stands here where no `Arrived` told it."""

    reason: str = ""
    metres: int | None = None
    seconds: int | None = None


# --- at arrival


@dataclass(frozen=True, slots=True)
class Shadow:
    """The task's figure of the chosen round on this trip's road, and of the round before."""

    newest: float = field(metadata={"written": "shadow"})
    last: float | None = field(metadata={"written": "shadow_last"})
    """None: there is none to compare with."""
    worse: bool = field(metadata={"written": "shadow_worse"})
    """Surely."""


@dataclass(frozen=True, slots=True)
class Trained(Event):
    """What the trip came to."""

    samples: int
    steps: int
    held_back: float | None
    """Loss on samples that were not trained on; None: there were too few."""
    shadow: Shadow | None = None


@dataclass(frozen=True, slots=True)
class Stored(Event):
    """The contribution's bundle is in the content store."""

    contribution: CidText


# --- on the ledger


@dataclass(frozen=True, slots=True)
class Signed(Event):
    """The entry may leave the car."""

    envelope: ledger.Signed
    stake: Stroops
    """DLC."""
    stake_id: StakeId
    take_back_at: int
    """Ledger time from which the stake may be taken back."""
    fee: Stroops | None = None
    """DLC; None, as what follows: an older agent signed."""
    reward: Stroops | None = None
    """XLM for full credit."""
    stake_asset: str | None = None
    settled_by: AccountId | None = None
    """The settlement account."""


@dataclass(frozen=True, slots=True)
class Lapsed(Event):
    """The envelope can never apply any more."""

    why: str = ""


@dataclass(frozen=True, slots=True)
class Refused(Event):
    """The envelope is in a ledger, failed."""

    codes: str = ""
    """Result codes as XDR names them."""


@dataclass(frozen=True, slots=True)
class Entered(Event):
    """The entry is in a ledger."""

    ledger: int
    bids: tuple[int, ...] = ()
    """Ids of its offers."""


@dataclass(frozen=True, slots=True)
class Outcome(Event):
    """What became of the stake."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Silent(Outcome):
    """Nobody judged it within the review window."""


@dataclass(frozen=True, slots=True)
class Verdict(Outcome):
    """It is off the ledger."""

    credit: Stroops = 0
    """VLM."""
    returned: Stroops = 0
    """DLC."""
    settlement: TxHash | None = None
    """The committee's transaction, where history names it."""


@dataclass(frozen=True, slots=True)
class Accepted(Verdict):
    pass


@dataclass(frozen=True, slots=True)
class Idle(Verdict):
    pass


@dataclass(frozen=True, slots=True)
class Rejected(Verdict):
    pass


@dataclass(frozen=True, slots=True)
class Clawed(Verdict):
    pass


@dataclass(frozen=True, slots=True)
class Closing(Event):
    """The closing may leave the car."""

    envelope: ledger.Signed
    waits: str = ""
    """What this closing cannot do, as a sentence, or ''."""


@dataclass(frozen=True, slots=True)
class Partly(Event):
    """The closing is in a ledger, and something waits for another one."""


@dataclass(frozen=True, slots=True)
class Closed(Event):
    """Nothing is left to do."""

    paid: Stroops = 0
    """XLM that the credit was redeemed for, whatever arrived; where history forgot it, the least that it can be."""
    paid_to: AccountId | None = None
    """The account that was paid, where it is not the car's."""
    arrived: Stroops | None = None
    """How much of `arrived_as`; None: XLM arrived."""
    arrived_as: str | None = None
    """CODE:ISSUER."""


S = JobState

TABLE = Table(
    {
        (S.NONE, Opened): S.OPENED,
        (S.OPENED, Chosen): S.CHOSEN,
        (S.OPENED, Passed): S.PASSED,
        (S.CHOSEN, Fetched): S.TRAINING,
        (S.CHOSEN, Passed): S.PASSED,
        (S.TRAINING, Arrived): S.ARRIVED,
        (S.TRAINING, Passed): S.PASSED,
        (S.ARRIVED, Trained): S.TRAINED,
        (S.ARRIVED, Passed): S.PASSED,
        (S.TRAINED, Stored): S.STORED,
        (S.TRAINED, Passed): S.PASSED,
        (S.STORED, Signed): S.SIGNED,
        (S.STORED, Passed): S.PASSED,
        (S.SIGNED, Entered): S.ENTERED,
        (S.SIGNED, Lapsed): S.STORED,
        (S.SIGNED, Refused): S.STORED,
        (S.ENTERED, Accepted): S.SETTLED,
        (S.ENTERED, Idle): S.SETTLED,
        (S.ENTERED, Rejected): S.SETTLED,
        (S.ENTERED, Silent): S.SETTLED,
        (S.ENTERED, Clawed): S.SETTLED,
        (S.SETTLED, Accepted): S.SETTLED,
        (S.SETTLED, Idle): S.SETTLED,
        (S.SETTLED, Rejected): S.SETTLED,
        (S.SETTLED, Clawed): S.SETTLED,
        (S.SETTLED, Closing): S.CLOSING,
        (S.SETTLED, Closed): S.CLOSED,
        (S.CLOSING, Lapsed): S.SETTLED,
        (S.CLOSING, Refused): S.SETTLED,
        (S.CLOSING, Partly): S.SETTLED,
        (S.CLOSING, Closed): S.CLOSED,
    },
    {
        S.OPENED: Step.CHOOSE,
        S.CHOSEN: Step.FETCH,
        S.TRAINING: Step.TRAIN,
        S.ARRIVED: Step.FINISH,
        S.TRAINED: Step.STORE,
        S.STORED: Step.SIGN,
        S.SIGNED: Step.SUBMIT,
        S.ENTERED: Step.WATCH,
        S.SETTLED: Step.CLOSE,
        S.CLOSING: Step.COLLECT,
    },
)

IN_FLIGHT = (S.SIGNED, S.CLOSING)
"""States in which an envelope of the vehicle's account could still apply: one job at a time may be in them."""


@dataclass(frozen=True, slots=True)
class Job(Folded[JobState, Step]):
    """One trip's job. What its state does not promise raises DidNotHappen."""

    state: JobState = JobState.NONE
    refusals: int = 0
    """Envelopes in a row that a ledger turned down."""
    lapses: int = 0
    """Envelopes in a row that no ledger took in time: the next one bids more."""

    @property
    def table(self) -> Table[JobState, Step]:
        return TABLE

    @property
    def choice(self) -> Chosen:
        return self.of(Chosen)

    @property
    def contribution(self) -> CidText:
        return self.of(Stored).contribution

    @property
    def entry(self) -> Signed:
        """Its newest envelope, where there was more than one."""
        return self.of(Signed)

    @property
    def closing(self) -> Closing:
        """Its newest envelope, where there was more than one."""
        return self.of(Closing)

    @property
    def verdict(self) -> Outcome | None:
        return self.newest(Outcome)

    @property
    def outcome(self) -> str:
        """The newest, by its kind, or ''."""
        return self.verdict.kind if self.verdict else ""

    @property
    def credit(self) -> Stroops:
        """VLM."""
        found = self.newest(Verdict)
        return found.credit if found else 0

    @property
    def stake(self) -> Stroops:
        """DLC: as signed, before that as chosen."""
        entry = self.newest(Signed)
        return entry.stake if entry else self.choice.stake

    @property
    def fee(self) -> Stroops:
        """DLC: as signed, before that as chosen."""
        entry = self.newest(Signed)
        return self.choice.fee if entry is None or entry.fee is None else entry.fee

    @property
    def reward(self) -> Stroops:
        """XLM for full credit: as signed, before that as chosen."""
        entry = self.newest(Signed)
        return self.choice.reward if entry is None or entry.reward is None else entry.reward

    @property
    def reason(self) -> str:
        """Why it ended, or what became of its stake, or why its trip was over; '' where nothing was said yet."""
        said = [each.reason for each in self.events.values() if isinstance(each, (Arrived, Passed, Outcome))]
        return said[-1] if said else ""

    def after(self, event: Event, state: JobState) -> Job:
        return replace(
            Folded.after(self, event, state),
            refusals=_in_a_row(self.refusals, event, Refused),
            lapses=_in_a_row(self.lapses, event, Lapsed),
        )


def _in_a_row(count: int, event: Event, counted: type[Event]) -> int:
    return count + 1 if isinstance(event, counted) else 0 if isinstance(event, (Entered, Partly)) else count
