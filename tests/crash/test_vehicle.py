"""A vehicle that loses power at any moment: started again, the trip ends as it would have, with one entry and one stake
on the ledger and paid once. The ledger loses requests before, and answers after, it has heeded them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeVar

import pytest
from stellar_sdk import (
    ChangeTrust,
    ClaimClaimableBalance,
    ClawbackClaimableBalance,
    CreateClaimableBalance,
    Keypair,
    ManageData,
    PathPaymentStrictSend,
    Payment,
    TransactionEnvelope,
)

from agent.core.agenda import VALID_S
from agent.core.ids import CidText
from agent.core.jobs.contribution import TABLE, Closed, Job, JobState
from agent.core.jobs.review import Found, Judged, Review
from agent.core.jobs.review import ReviewState as Reviewed
from agent.core.ledger import BALANCE_V0
from agent.core.money import UNIT, XLM, text
from agent.core.record import ChainEnd, record
from agent.errors import Unavailable
from agent.journal import JournalMissing, JournalReader
from agent.ledger.envelope import Signed, opened, signed
from agent.ledger.horizon import Horizon
from agent.ledger.submission import InLedger, look
from agent.market import pledge, records
from agent.validator import transactions
from agent.validator.ballots import vote
from agent.validator.entries import entry
from agent.validator.rounds import Served
from agent.vehicle.book import every_job
from tests.market.town import BASE, DLC_EACH, FEE, REVIEW_S, REWARD, Town, found
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow

T = TypeVar("T")

KEEP = 5 * UNIT
FRIENDBOT = 10_000 * UNIT
FAULTS = "lose-request=0.1,lose-answer=0.1"
TURN_S = 0.15
PATIENCE_S = 90.0


@dataclass(frozen=True)
class Story:
    """How a trip goes when nobody pulls the plug."""

    outcome: str = "accepted"
    setback: str = ""
    """What happens to the entry's first envelope, lapsed or refused, or to the closing: it can only be done partly."""
    min_pay: str = "0"


STORIES = {
    "passed": Story("", min_pay="999"),
    "idle": Story("idle"),
    "rejected": Story("rejected"),
    "silent": Story("silent"),
    "lapsed": Story(setback="lapsed"),
    "refused": Story(setback="refused"),
    "partly": Story(setback="partly"),
    "clawed": Story("clawed"),
}
"""Events that do not come about on a trip that goes well, and the trips on which they do."""

KINDS = list(TABLE.kinds)


@dataclass(frozen=True)
class Stage:
    """The town before the trip, with its ledger's files: every case plays on a copy."""

    town: Town
    ledger: Path
    vehicle: Keypair
    owner: Keypair
    """Whom it pays, and who gets what is above KEEP."""
    lumens: int
    """Of the vehicle; the owner has FRIENDBOT's."""
    born: int
    """The last ledger before the trip."""


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("town")
    with Localnet(state=folder / "ledger") as net:
        town = found(net, folder, committee=1)
        vehicle = town.driver()
        owner = Keypair.random()
        net.fund(owner.public_key)
        account = town.horizon.account(vehicle.public_key)
        assert account is not None
        lumens = account.lines[XLM].balance
        return Stage(town, folder / "ledger", vehicle, owner, lumens, town.horizon.head().sequence)


@pytest.fixture
def play(stage: Stage, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Play]:
    kind, when = request.node.callspec.params["kind"], request.node.callspec.params["when"]
    shutil.copytree(stage.ledger, tmp_path / "ledger")
    seed = KINDS.index(kind) * 2 + (when == "after")
    with Localnet(state=tmp_path / "ledger", fault=f"{FAULTS},seed={seed}") as net:
        made = Play(stage, net, tmp_path, STORIES.get(kind, Story()))
        yield made
        made.end()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_any_event_the_trip_ends_as_it_would_have(play: Play, kind: str, when: str) -> None:
    play.start(kind, when)
    assert play.until_it_ends() == -9, play.log
    assert (kind in play.kinds) is (when == "after")

    play.start()
    play.until(lambda: play.is_up and play.job.is_over)
    assert play.stop() == 0, play.log
    assert play.job.outcome == play.story.outcome
    assert play.job.state is (JobState.CLOSED if play.story.outcome else JobState.PASSED)
    play.check_the_ledger()


class Play:
    """One vehicle, one faulty ledger, and the test in the part of operator and committee."""

    def __init__(self, stage: Stage, net: Localnet, folder: Path, story: Story) -> None:
        self.town, self.net, self.folder, self.story = stage.town.moved(net), net, folder, story
        self.vehicle, self.owner, self.lumens = stage.vehicle, stage.owner, stage.lumens
        self.committee = stage.town.committee[0]
        self.horizon = Horizon(net.url, net.passphrase)
        self.process: subprocess.Popen[bytes] | None = None
        self.born = stage.born
        self.signed: dict[str, Signed] = {}
        self.done: set[str] = set()
        (folder / "key").write_text(self.vehicle.secret)
        (folder / "key").chmod(0o600)

    # --- the vehicle

    def start(self, *kill: str) -> None:
        config = self.folder / "milepost.toml"
        config.write_text(self._config())
        with (self.folder / "log").open("ab") as log:
            command = [sys.executable, "-m", "tests.crash.vehicle", str(config), *kill]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=Path(__file__).parents[2])

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(60)

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def until(self, true: Callable[[], bool]) -> None:
        """Ledgers close and people do their part until it is so."""
        end = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < end, self.log
            assert not self.has_ended(), self.log
            self.turn()

    def until_it_ends(self) -> int:
        end = time.monotonic() + PATIENCE_S
        while not self.has_ended():
            assert time.monotonic() < end, self.log
            self.turn()
        assert self.process is not None
        return int(self.process.returncode)

    def has_ended(self) -> bool:
        """Waits for a moment, as the pace of the play."""
        assert self.process is not None
        try:
            self.process.wait(TURN_S)
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def is_up(self) -> bool:
        """The daemon that was started last has said that it runs."""
        try:
            status = json.loads((self.folder / "state" / "status.json").read_bytes())
        except OSError:
            return False
        return self.process is not None and bool(status["pid"] == self.process.pid)

    @property
    def job(self) -> Job:
        """The one trip's job."""
        try:
            jobs = every_job(JournalReader(self.folder / "state" / "journal.sqlite"))
        except JournalMissing:
            return Job("trip-000001")
        assert len(jobs) <= 1, self.log
        return next(iter(jobs.values()), Job("trip-000001"))

    @property
    def kinds(self) -> list[str]:
        try:
            return [e.kind for e in JournalReader(self.folder / "state" / "journal.sqlite").events()]
        except JournalMissing:
            return []

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()[-6000:]

    def _config(self) -> str:
        tables: dict[str, dict[str, Any]] = {
            "agent": {"id": "car", "state_dir": f"{self.folder}/state", "key_file": f"{self.folder}/key"},
            "ledger": {"horizon": self.net.url, "passphrase": self.net.passphrase},
            "content": {"stores": [f"folder:{self.town.folder / 'content'}"]},
            "market": {
                "initiators": [self.town.initiator.public_key],
                "operator": self.town.operator.public_key,
                "min_pay": self.story.min_pay,
                "payout": self.owner.public_key,
                "keep": text(KEEP),
            },
            "odometer": {"source": "road:?seconds=1"},
            "camera": {"source": "road:?seconds=600&fps=10"},
            "trip": {"trigger_m": 20, "ignition_off_s": 1.0},
            "gates": {"pause_above_load": 1.0, "resume_below_load": 1.0, "disk_free_mb": 0},
            "mqtt": {"enabled": False},
        }
        lines = []
        for name, table in tables.items():
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
        return "\n".join(lines)

    # --- everybody else

    def turn(self) -> None:
        """A ledger closes, unless the story wants it open, and operator and committee do what is theirs."""
        job, kinds = self.job, self.kinds
        if self.story.setback == "partly":
            self._withhold(kinds)
        elif self.story.setback and not self._set_back(job, kinds):
            return
        if self.story.outcome == "silent" and job.state is JobState.ENTERED:
            self.net.close_ledger(advance=REVIEW_S)
        self.net.close_ledger()
        if "refused" in kinds:
            self._see_in("allowed", lambda: self.town.allowance(self.vehicle.public_key))
        if self.story.outcome in ("accepted", "idle", "rejected"):
            self._see_in("settled", self._settlement)
        if self.story.outcome == "clawed":
            self._see_in("clawed", self._clawback)

    def _withhold(self, kinds: list[str]) -> None:
        """The owner's account takes no pay from when there is an entry until the car has noticed."""
        town = self.town
        if "entered" in kinds:
            wants = ManageData("config.memo_required", "1")
            self._see_in("withdrawn", lambda: town.signed([wants], self.owner))
        if "partly" in kinds:
            wants_no_more = ManageData("config.memo_required", None)
            self._see_in("offered", lambda: town.signed([wants_no_more], self.owner))

    def _clawback(self) -> Signed | None:
        """The operator takes the stake."""
        stakes = list(self.horizon.stakes(self.town.settlement, self.town.dlc))
        takes = [ClawbackClaimableBalance(BALANCE_V0 + stake.id) for stake in stakes]
        return self.town.signed(takes, self.town.operator) if takes else None

    def _set_back(self, job: Job, kinds: list[str]) -> bool:
        """The entry's first envelope is made to fail. Whether ledgers may close meanwhile."""
        if job.state in (JobState.NONE, JobState.OPENED, JobState.CHOSEN) or self.story.setback in kinds:
            return True
        if self.story.setback == "lapsed":
            if job.state is JobState.SIGNED:
                self.net.close_ledger(advance=1000)
            return False
        if "forbidden" not in self.signed:
            # It waits in the queue before the entry does, so it is applied before it.
            self.signed["forbidden"] = insist(lambda: self.town.forbid(self.vehicle.public_key))
            insist(lambda: self.horizon.hand_in(self.signed["forbidden"].envelope))
        return job.state is JobState.SIGNED

    def _see_in(self, name: str, make: Callable[[], Signed | None]) -> None:
        """One step towards having a transaction in a ledger, as the ledger's faults allow."""
        try:
            if name not in self.signed and (made := make()) is not None:
                self.signed[name] = made
            if name in self.signed and name not in self.done:
                outcome = look(self.horizon, self.signed[name])
                assert outcome is None or isinstance(outcome, InLedger), outcome
                if outcome is not None:
                    self.done.add(name)
        except Unavailable:
            return

    def _settlement(self) -> Signed | None:
        """What a committee of one makes of the stake it finds."""
        town = self.town
        stakes = list(self.horizon.stakes(town.settlement, town.dlc))
        if not stakes or (self.story.setback == "partly" and "withdrawn" not in self.done):
            return None
        found = entry(self.horizon, stakes[0], town.settlement, [town.round])
        account = self.horizon.account(town.settlement)
        assert found is not None
        assert account is not None
        outcome: Any = self.story.outcome
        said = Judged(CidText(town.cid), outcome, UNIT if outcome == "accepted" else 0, "said so", "0.5")
        events = {Found: found.found(town.settlement), Judged: said}
        review = Review(found.stake.id, Reviewed.JUDGED, events)
        cast = vote(review, self.committee)
        made = record(
            ChainEnd(), Served(town.cid, town.round, 0), self.committee.public_key, [(review, [cast])], lambda *_: None
        )
        cid = records.pin(made, town.store)
        until = self.horizon.head().closed_at + VALID_S
        offers = self.horizon.offers(town.settlement)
        pays = pledge.of(town.round, self.horizon.stakes(town.settlement, XLM))[0] if outcome == "accepted" else None
        passphrase = self.horizon.passphrase
        drawn = transactions.envelope(made, cid, town.round, account, offers, passphrase, until, pays=pays)
        return signed(TransactionEnvelope.from_xdr(drawn, self.horizon.passphrase), self.committee)

    # --- what the ledger says at the end

    def check_the_ledger(self) -> None:
        """One entry, one stake, settled once, the owner paid once, and every stroop where it belongs."""
        me, story = self.vehicle.public_key, self.story
        entered = story.outcome != ""
        done = Counter(type(operation) for operation in insist(self._applied))
        assert done[CreateClaimableBalance] == entered
        assert done[PathPaymentStrictSend] == (story.outcome == "accepted")
        assert done[ClaimClaimableBalance] == (story.outcome == "silent")
        assert insist(lambda: list(self.horizon.stakes(self.town.settlement, self.town.dlc))) == []
        assert insist(lambda: self.horizon.offers(me)) == []
        account = insist(lambda: self.horizon.account(me))
        assert account is not None
        lost = {"accepted": FEE, "idle": FEE, "rejected": BASE, "clawed": BASE}
        assert account.lines[self.town.dlc].balance == DLC_EACH - lost.get(story.outcome, 0)
        assert account.lines[self.town.round.credit_asset].balance == 0
        paid = REWARD if story.outcome == "accepted" else 0
        owner = insist(lambda: self.horizon.account(self.owner.public_key))
        assert owner is not None
        away = owner.lines[XLM].balance - FRIENDBOT + insist(lambda: self._fees(self.owner.public_key))
        assert account.lines[XLM].balance == self.lumens - insist(lambda: self._fees(me)) + paid - away
        assert not entered or self.job.of(Closed).paid == paid
        assert not entered or account.lines[XLM].balance <= KEEP  # so the pay is among what went away
        assert done[Payment] == entered

    def _applied(self) -> list[Any]:
        """The operations of the vehicle's successful transactions on this trip."""
        history = self.horizon.history(self.vehicle.public_key)
        mine = [t for t in history if t.source == self.vehicle.public_key]
        operations = [o for t in mine for o in opened(t.envelope, self.horizon.passphrase).operations]
        return [o for o in operations if not isinstance(o, ChangeTrust)]

    def _fees(self, account: str) -> int:
        """What an account's transactions of this trip cost, failed ones too."""
        try:
            page = self.net.get(f"/accounts/{account}/transactions?limit=200&order=desc&include_failed=true")
        except (OSError, HTTPException):
            raise Unavailable(what="the ledger") from None
        return sum(
            int(r["fee_charged"])
            for r in page["_embedded"]["records"]
            if r["source_account"] == account and int(r["ledger"]) > self.born
        )


def insist(call: Callable[[], T]) -> T:
    """Ask until there is an answer: the test's own questions meet the same faults."""
    while True:
        try:
            return call()
        except Unavailable:
            continue
