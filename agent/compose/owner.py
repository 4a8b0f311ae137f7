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


def share(config: Config, owner: AccountId) -> tuple[str, bool]:
    """(the vehicle's account, whether it is shared only since now). Not while a job's envelope could still apply: the
    first of the two would use up the other's sequence number. Raises as `ownership.share`."""
    key = keys.load(config.agent.key_file)
    journal = config.agent.state_dir / JOURNAL
    for job in every_job(JournalReader(journal)).values() if journal.exists() else ():
        if job.state in IN_FLIGHT:
            why = f"a transaction of {job.id} is on its way"
            raise ownership.NotYet(owner=owner, account=key.public_key, why=why)
    ledger = horizon(config)
    made = ownership.share(ledger, key, owner, config.ledger.max_fee_stroops, lambda: time.sleep(POLL_S))
    return key.public_key, made
