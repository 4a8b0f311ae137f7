"""Asking an arbiter, and being one, put together from the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.compose.doors import horizon, store
from agent.compose.owner import under_way
from agent.core import dispute
from agent.core.documents import Vote
from agent.core.ids import CidText, StakeId
from agent.core.jobs.contribution import Signed
from agent.core.jobs.hearing import Answered, Dismissed, Heard, Hearing, HearingState, Missed, Received
from agent.core.jobs.ruling import RulingJob, RulingState
from agent.core.money import stroops
from agent.core.verdict import Verdict
from agent.disputes.asking import Asker
from agent.disputes.book import ASKED, HEARD, ArbiterBook, AskedBook, new_job
from agent.disputes.daemon import Arbiter
from agent.disputes.decisions import Decision, Decisions
from agent.disputes.hearing import Docket
from agent.disputes.ruling import Bench
from agent.errors import MilepostError, Refused, TryAgain
from agent.host.logs import Log
from agent.host.sections import Config
from agent.journal import Journal, JournalReader
from agent.journal.book import every
from agent.ledger import keys
from agent.market.bundle import Shelf
from agent.ports import Clock
from agent.vehicle.book import JOURNAL, every_job

POLL_S = 6.0
MOST_VOTE_BYTES = 8192


class UnknownEntry(Refused):
    """{name} is no job or entry of this vehicle, so its round is not known here. Name the stake's id (64 hex digits, as
    `milepost jobs show` has it) and its round with --round."""


class NotNow(TryAgain):
    """The dispute was not paid for yet: a transaction of {job} is on its way, and would use up the same sequence
    number. Run the same command again in a minute."""


class NotHeard(Refused):
    """There is no dispute over {entry} that can be ruled on now{why}. `milepost arbiter ls` shows what was asked."""


@contextmanager
def asker(config: Config, say: Callable[[str], None]) -> Iterator[Asker]:
    """Everything is opened here and closed afterwards. Works beside a running daemon."""
    state = config.agent.state_dir
    book = AskedBook(_journal(state / ASKED))
    try:
        yield Asker(
            horizon=horizon(config),
            shelf=Shelf(state / "disputes" / "bundles", store(config)),
            keypair=keys.load(config.agent.key_file),
            book=book,
            fee=config.ledger.max_fee_stroops,
            say=say,
        )
    finally:
        book.journal.close()


def entry_of(config: Config, name: str, cid: CidText | None) -> tuple[StakeId, CidText]:
    """An entry by its job's id or its stake's, and its round. Not while an envelope of the vehicle's could still apply.
    Raises UnknownEntry, NotNow."""
    if (job_id := under_way(config)) is not None:
        raise NotNow(job=job_id)
    journal = config.agent.state_dir / JOURNAL
    for job in every_job(JournalReader(journal)).values() if journal.exists() else ():
        signed = job.newest(Signed)
        if signed is not None and name in (job.id, signed.stake_id):
            return signed.stake_id, cid or job.choice.round
    if cid is None or len(name) != 64:
        raise UnknownEntry(name=name)
    return StakeId(name), cid


def vote(path: Path) -> Vote:
    """Raises Malformed."""
    with path.open("rb") as file:
        return Vote.parse(file.read(MOST_VOTE_BYTES + 1))


# --- the arbiter


def arbiter(config: Config, clock: Clock) -> Arbiter:
    """Everything is opened here; what cannot work at all raises now, with its exit code."""
    state, log = config.agent.state_dir, Log(config.agent.log_level)
    keypair, ledger = keys.load(config.agent.key_file), horizon(config)
    book = ArbiterBook(_journal(state / HEARD))
    shelf = Shelf(state / "arbiter" / "bundles", store(config), keep=64)
    docket = Docket(ledger, shelf, book, keys.account_of(keypair), stroops(config.arbiter.fee), log)
    bench = Bench(ledger, shelf, book, Decisions(state), keypair, config.ledger.max_fee_stroops, log)
    return Arbiter(docket, bench, clock, log, POLL_S)


@dataclass(frozen=True, slots=True)
class Before:
    """A dispute before the arbiter, as its journal has it. `kind`, `round`, `entry`, `vehicle`, `contribution`: once it
    was heard."""

    payment: str
    state: str
    heard: Heard | None
    received: Received
    reason: str
    decided: Decision | None
    answered: Answered | None
    until: int | None
    back_at: int | None
    votes: Verdict | None
    """What the votes that it holds come to."""


def before(config: Config) -> list[Before]:
    """Every dispute, oldest first. Works beside a running daemon. Rounds and votes that are not to be had here are
    left out."""
    shelf = Shelf(config.agent.state_dir / "arbiter" / "bundles", store(config), keep=64)
    decisions = Decisions(config.agent.state_dir)
    return [_before(job, shelf, decisions) for job in _jobs(config) if isinstance(job, Hearing)]


def _before(job: Hearing, shelf: Shelf, decisions: Decisions) -> Before:
    heard, received = job.newest(Heard), job.of(Received)
    until = back_at = votes = None
    if heard is not None:
        try:
            round_ = shelf.round(heard.round)
            votes = dispute.said(shelf.dispute(received.dispute), round_)
            until, back_at = round_.pledge.until if round_.pledge else None, round_.back_at
        except MilepostError:
            pass
    why = job.newest(Dismissed) or job.newest(Missed) or job.newest(Answered)
    return Before(
        payment=job.id,
        state=job.state.value,
        heard=heard,
        received=received,
        reason=why.reason if why else "",
        decided=decisions.of(heard.entry) if heard else None,
        answered=job.newest(Answered),
        until=until,
        back_at=back_at,
        votes=votes,
    )


def decide(config: Config, entry: str, decision: Decision) -> StakeId:
    """Write a decision down for the daemon, which rules by it. `entry`: the beginning of its id does. Raises
    NotHeard."""
    jobs = _jobs(config)
    heard = {job.of(Heard).entry: job.of(Heard).round for job in jobs if _can_be_ruled_on(job)}
    found = [each for each in heard if each.startswith(entry)]
    if len(found) != 1:
        raise NotHeard(entry=entry, why=": several begin so" if found else "")
    rulings = {job.id: job.state for job in jobs if isinstance(job, RulingJob)}
    if rulings.get(heard[found[0]]) in (RulingState.SIGNED, RulingState.ENTERED):
        raise NotHeard(entry=entry, why=": the ruling on its round is signed")
    Decisions(config.agent.state_dir).decide(found[0], decision)
    return found[0]


def _can_be_ruled_on(job: Hearing | RulingJob) -> bool:
    return isinstance(job, Hearing) and job.state is HearingState.HEARD


def _jobs(config: Config) -> list[Hearing | RulingJob]:
    """Of the arbiter's journal; none where it never ran."""
    journal = config.agent.state_dir / HEARD
    return list(every(JournalReader(journal), new_job).values()) if journal.exists() else []


def _journal(path: Path) -> Journal:
    path.parent.mkdir(parents=True, exist_ok=True)
    return Journal(path)
