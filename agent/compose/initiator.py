"""The initiator put together from its configuration and plan."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from agent.compose.doors import horizon, store
from agent.core.ids import CidText
from agent.host.sections import Config
from agent.initiator.audit import Audit
from agent.initiator.audit import audit as look_at
from agent.initiator.book import RoundBook
from agent.initiator.plan import read
from agent.initiator.publishing import Publisher
from agent.initiator.submitting import Submitter
from agent.journal import Journal
from agent.ledger import keys
from agent.market.bundle import Shelf

JOURNAL = "rounds.sqlite"


@contextmanager
def publisher(config: Config, plan: Path, test_set: Path, say: Callable[[str], None]) -> Iterator[Publisher]:
    """Everything is opened here and closed afterwards."""
    state = config.agent.state_dir
    content = store(config)
    journal = Journal(state / JOURNAL)
    try:
        yield Publisher(
            plan=read(plan),
            horizon=horizon(config),
            store=content,
            shelf=Shelf(state / "bundles", content, keep=256),
            keypair=keys.load(config.agent.key_file),
            book=RoundBook(journal),
            folder=state / "made",
            test_set=test_set,
            fee=config.ledger.max_fee_stroops,
            say=say,
        )
    finally:
        journal.close()


@contextmanager
def submitter(config: Config, say: Callable[[str], None]) -> Iterator[tuple[Submitter, Shelf]]:
    """What goes without a plan: the ledger, the journal, and the rounds behind it."""
    state = config.agent.state_dir
    content = store(config)
    journal = Journal(state / JOURNAL)
    try:
        made = Submitter(
            horizon=horizon(config),
            keypair=keys.load(config.agent.key_file),
            book=RoundBook(journal),
            fee=config.ledger.max_fee_stroops,
            say=say,
        )
        yield made, Shelf(state / "bundles", content, keep=256)
    finally:
        journal.close()


def audit(config: Config, cid: CidText, key: Path | None) -> Audit:
    """Needs a ledger and a content store, and keeps nothing. `key`: of one who can open sealed updates."""
    reader = keys.load(key) if key else None
    with tempfile.TemporaryDirectory(prefix="milepost-") as scratch, closing(store(config)) as content:
        return look_at(horizon(config), Shelf(Path(scratch), content, keep=64), cid, reader)
