"""The initiator put together from its configuration and plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.host.sections import Config
from agent.initiator.plan import read
from agent.initiator.press import Press
from agent.initiator.register import Register
from agent.journal import Journal
from agent.ledger import keys
from agent.market.bundle import Shelf
from agent.market.wiring import horizon, store

JOURNAL = "rounds.sqlite"


@contextmanager
def press(config: Config, plan: Path, test_set: Path, say: Callable[[str], None]) -> Iterator[Press]:
    """Everything is opened here and closed afterwards."""
    state = config.agent.state_dir
    state.mkdir(parents=True, exist_ok=True)
    content = store(config)
    journal = Journal(state / JOURNAL)
    try:
        yield Press(
            plan=read(plan),
            horizon=horizon(config),
            store=content,
            shelf=Shelf(state / "bundles", content, keep=256),
            keypair=keys.load(config.agent.key_file),
            register=Register(journal),
            folder=state / "made",
            test_set=test_set,
            fee=config.ledger.max_fee_stroops,
            say=say,
        )
    finally:
        journal.close()
