"""The owner's key on the vehicle's account, from the configuration."""

from __future__ import annotations

import time

from agent.compose.doors import horizon
from agent.core.ids import AccountId
from agent.core.jobs.contribution import IN_FLIGHT
from agent.host.sections import Config
from agent.journal import JournalReader
from agent.ledger import keys
from agent.market import ownership
from agent.vehicle.book import JOURNAL, every_job

POLL_S = 1.0


def under_way(config: Config) -> str | None:
    """The job of which an envelope could still apply; None where there is none."""
    journal = config.agent.state_dir / JOURNAL
    jobs = every_job(JournalReader(journal)).values() if journal.exists() else ()
    return next((job.id for job in jobs if job.state in IN_FLIGHT), None)


def share(config: Config, owner: AccountId) -> tuple[str, bool]:
    """(the vehicle's account, whether it is shared only since now). Not while a job's envelope could still apply: the
    first of the two would use up the other's sequence number. Raises as `ownership.share`."""
    key = keys.load(config.agent.key_file)
    if (job_id := under_way(config)) is not None:
        why = f"a transaction of {job_id} is on its way"
        raise ownership.SharingPending(owner=owner, account=key.public_key, why=why)
    ledger = horizon(config)
    made = ownership.share(ledger, key, owner, config.ledger.max_fee_stroops, lambda: time.sleep(POLL_S))
    return key.public_key, made
