"""What a job is owed, done: one errand per step, each returning the events to be written down, or none to wait.

Errands run one at a time beside the daemon's loop, so that a slow network never stops the odometer. Each may run
twice; its docstring says why that is harmless. Whatever must not be done twice is in the journal, signed, first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from agent.core.choice import net_pay
from agent.core.documents import Round
from agent.core.job import Job, Step
from agent.core.ledger import Account
from agent.core.money import XLM, Asset, Stroops, stroops, text
from agent.errors import Refused, TryAgain, Unavailable
from agent.host.sections import Config
from agent.ledger.envelope import Signed, build, signed, stake_id
from agent.ledger.horizon import Horizon
from agent.ledger.receipt import offer_ids, received
from agent.ledger.submission import Entered, Lapsed, Spent, look
from agent.market import bundle, entry, settlement, standing, strikes
from agent.vehicle.offers import Market, chance, listings, means, survey, unwilling
from agent.vehicle.workshop import Workshop

if TYPE_CHECKING:
    from stellar_sdk import Keypair
    from stellar_sdk.operation import Operation


Events = list[tuple[str, dict[str, Any]]]

VALID_S = 120
"""Seconds of ledger time in which an envelope may apply. PROTOCOL section 5 allows 300."""

MOST_REFUSALS = 5
"""Entries that a ledger turned down before the job gives up. A closing never gives up: it is the vehicle's money."""


class NotAuthorised(TryAgain):
    """The operator has not authorised this vehicle's DLC trustline yet"""


@dataclass
class Desk:
    """Everything the errands need."""

    config: Config
    horizon: Horizon
    shelf: bundle.Shelf
    keypair: Keypair
    workshop: Workshop
    outcomes: Callable[[], list[str]]
    """Outcomes of this vehicle's past jobs."""
    last_choice: Callable[[], Mapping[str, Any]] = dict
    """What the last job chose: what to train on while nobody can be asked."""

    def do(self, job: Job, step: Step) -> Events:
        """Run the errand for a step. Raises Unavailable or TryAgain (wait), other MilepostErrors (wait longer)."""
        return ERRANDS[step](self, job)

    # --- before the trip ends

    def choose(self, job: Job) -> Events:
        """Reads only. Another look may choose differently; only what is written down counts.

        Without a network it is the last choice again, where its round is still here. Nothing is at stake before
        `sign`, and that asks the ledger whether the round is still open.
        """
        try:
            account = self._enrolled()
            market = self.survey(account)
        except Unavailable:
            last = self.last_choice()
            if last and self.shelf.holds(last["round"]):
                return [("chosen", {**last, "offline": True})]
            raise
        winner = market.winner
        offers = [_numbers(r.candidate, r.net, r.lost) for r in market.ranked]
        if winner is None:
            raise NoOffer(why="; ".join([*(o["lost"] for o in offers), *market.passed_over]) or "nobody offers any")
        return [
            (
                "chosen",
                {
                    "round": winner.cid,
                    "number": winner.round,
                    "model": winner.model,
                    "offer": winner.offer,
                    "reward": winner.reward,
                    "stake": winner.stake,
                    "offers": offers,
                    "passed_over": list(market.passed_over),
                },
            )
        ]

    def survey(self, account: Account | None = None) -> Market:
        account = account or self._account()
        return survey(self.horizon, self.shelf, self.config, account, self.workshop.unfit, self._chance())

    def fetch(self, job: Job) -> Events:
        """The shelf holds what was fetched before."""
        self.shelf.get(job.facts["round"], bundle.ROUND_LIMITS)
        return [("fetched", {})]

    # --- at arrival

    def store(self, job: Job) -> Events:
        """The same bytes have the same CID."""
        cid = self.shelf.store.put(self.workshop.home(job) / "contribution")
        return [("stored", {"contribution": str(cid)})]

    # --- on the ledger

    def sign(self, job: Job) -> Events:
        """Nothing leaves the car here. A second envelope is only ever built once the first can no longer apply."""
        if job.refusals >= MOST_REFUSALS:
            return [("passed", {"reason": f"the ledger turned the entry down: {job.facts['codes']}"})]
        round_, account, head = self._round(job), self._enrolled(), self.horizon.head()
        if against := unwilling(self.config, round_) or self._closed(round_) or standing.look(self.horizon, round_):
            return [("passed", {"reason": against})]
        stake = strikes.due(self.horizon, round_, account.id, head.sequence)
        if stake > stroops(self.config.market.max_stake):
            return [("passed", {"reason": f"the stake rose to {text(stake)} DLC, above market.max_stake"})]
        price = self.horizon.price(Asset.parse(round_.stake.asset), XLM)
        if against := self._not_worth(job, round_, account, stake, price):
            return [("passed", {"reason": against})]
        operations = entry.entry(round_, account, stake, price, head.closed_at)
        made = self._signed(account, operations, head.closed_at, job)
        facts = {
            "stake": stake,
            "stake_id": stake_id(made.envelope, self.horizon.passphrase, len(operations) - 1),
            "take_back_at": head.closed_at + round_.review_window,
        }
        return [("signed", {**asdict(made), **facts})]

    def submit(self, job: Job) -> Events:
        """The same envelope has the same hash, and a hash applies once."""
        outcome = look(self.horizon, _envelope(job))
        if isinstance(outcome, Entered):
            self.workshop.keep_residual(job)
            bids = list(offer_ids(outcome.result).values())
            return [("entered", {"ledger": outcome.ledger, "bids": bids})]
        return _not_entered(outcome)

    def watch(self, job: Job) -> Events:
        """Reads only."""
        stake, round_ = job.facts["stake_id"], self._round(job)
        found = settlement.settling(self.horizon, stake, round_.settlement)
        if found is not None:
            facts = {
                "credit": found.settled.credit,
                "returned": found.settled.returned,
                "settlement": found.transaction.hash,
                "reason": self._reason(found.memo, stake),
            }
            return [(found.settled.outcome, facts)]
        if job.outcome != "silent" and self.horizon.head().closed_at >= job.facts["take_back_at"]:
            return [("silent", {"reason": "nobody judged the contribution within the review window"})]
        return []

    def close(self, job: Job) -> Events:
        """As `sign`."""
        if job.outcome == "silent" and self.horizon.stake(job.facts["stake_id"]) is None:
            return self.watch(job)
        round_, account = self._round(job), self._account()
        still_open = {offer.id for offer in self.horizon.offers(account.id)}
        operations = entry.closing(
            round_,
            account.id,
            credit=job.facts.get("credit", 0),
            reward=job.facts["reward"],
            take_back=job.facts["stake_id"] if job.outcome == "silent" else None,
            bids=[bid for bid in job.facts["bids"] if bid in still_open],
        )
        if not operations:
            return [("closed", {"paid": 0})]
        return [("closing", asdict(self._signed(account, operations, self.horizon.head().closed_at, job)))]

    def collect(self, job: Job) -> Events:
        """As `submit`."""
        outcome = look(self.horizon, _envelope(job))
        if isinstance(outcome, Entered):
            return [("closed", {"paid": received(outcome.result)})]
        return _not_entered(outcome)

    # --- beneath

    def _round(self, job: Job) -> Round:
        return self.shelf.round(job.facts["round"])

    def _closed(self, round_: Round) -> str:
        """Why the round takes no entries any more, or '': a stake on it would be lost."""
        found, _ = listings(self.horizon, [round_.initiator])
        offered = next((each for each in found if each.offer.buying == round_.model_asset), None)
        if offered is None:
            return f"{round_.model} is not offered any more"
        if self.horizon.head().sequence < offered.ledger:
            return ""  # what is on offer opens later: until then entries join the round before it
        newest = self.shelf.round(offered.cid).number
        if newest - round_.number > round_.staleness:
            return f"round {round_.number} is closed: the newest is {newest}"
        return ""

    def _chance(self) -> Fraction:
        """Of being accepted, as this vehicle has come to see it."""
        return chance(self.config.market.accept_probability, self.outcomes())

    def _not_worth(self, job: Job, round_: Round, account: Account, stake: Stroops, price: Fraction) -> str:
        """Why the pay for the steps that were done is not worth the stake, or ''. The choice assumed all of them."""
        dlc, steps = Asset.parse(round_.stake.asset), job.facts["steps"]
        mine = means(self.config, account, dlc, self._chance())
        reward = job.facts["reward"] * Fraction(steps, max(steps, round_.recipe.steps))
        net = net_pay(reward, stake + round_.stake.fee, price, mine)
        if net >= mine.min_pay:
            return ""
        done = f"{steps} of {round_.recipe.steps} steps were done"
        return f"{done}: the expected net pay of {text(net)} XLM is below market.min_pay"

    def _account(self) -> Account:
        account = self.horizon.account(self.keypair.public_key)
        if account is None:
            raise NotFunded(account=self.keypair.public_key)
        return account

    def _enrolled(self) -> Account:
        """The account, once it may hold DLC. Opening the trustline twice changes nothing."""
        account = self._account()
        if self.config.market.operator is None:
            return account
        dlc = Asset("DLC", self.config.market.operator)
        line = account.lines.get(dlc)
        if line is None:
            from stellar_sdk import ChangeTrust

            from agent.ledger.envelope import sdk_asset

            head = self.horizon.head()
            made = self._signed(account, [ChangeTrust(sdk_asset(dlc))], head.closed_at, None)
            self.horizon.hand_in(made.envelope)
            raise NotAuthorised()
        if not line.authorized:
            raise NotAuthorised()
        return account

    def _signed(self, account: Account, operations: list[Operation], now: int, job: Job | None) -> Signed:
        from agent.core.cid import Cid

        memo = Cid.parse(job.facts["contribution"]).digest if job else None  # a trustline is about no document
        envelope = build(
            account.id,
            account.sequence,
            operations,
            passphrase=self.horizon.passphrase,
            fee=self.config.ledger.max_fee_stroops,
            max_time=now + VALID_S,
            memo=memo,
        )
        return signed(envelope, self.keypair)

    def _reason(self, memo: bytes | None, stake: str) -> str:
        """Why the committee decided as it did, from the record behind the settlement's memo; '' when it is not to
        be had now. The decision itself is the ledger's, so nothing waits for this."""
        from agent.core.cid import Cid

        try:
            record = self.shelf.record(str(Cid.v0(memo or b"")))
        except (Unavailable, Refused):
            return ""
        return next((e.reason for e in record.entries if e.entry == stake), "")


class NoOffer(TryAgain):
    """There is no training offer that suits this vehicle: {why}"""


class NotFunded(Unavailable):
    """The account {account} is not on the ledger. Send it some XLM; until then nothing can be entered."""


ERRANDS: dict[Step, Callable[[Desk, Job], Events]] = {
    Step.CHOOSE: Desk.choose,
    Step.FETCH: Desk.fetch,
    Step.FINISH: lambda desk, job: desk.workshop.finish(job),
    Step.STORE: Desk.store,
    Step.SIGN: Desk.sign,
    Step.SUBMIT: Desk.submit,
    Step.WATCH: Desk.watch,
    Step.CLOSE: Desk.close,
    Step.COLLECT: Desk.collect,
}


def _envelope(job: Job) -> Signed:
    facts = job.facts
    return Signed(facts["envelope"], facts["hash"], facts["sequence"], facts["max_time"])


def _not_entered(outcome: object) -> Events:
    if outcome is None:
        return []
    if isinstance(outcome, Spent):
        raise Unavailable(what=f"What became of the transaction is not known: {outcome.why}. The ledger's history")
    if isinstance(outcome, Lapsed):
        return [("lapsed", {"why": outcome.why})]
    return [("refused", {"codes": getattr(outcome, "codes", "")})]


def _numbers(candidate: Any, net: int, lost: str) -> dict[str, Any]:
    numbers = asdict(candidate)
    price: Fraction = numbers.pop("stake_price")
    return {**numbers, "stake_price": f"{price.numerator}/{price.denominator}", "net": net, "lost": lost}
