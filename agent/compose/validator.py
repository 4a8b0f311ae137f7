"""The validator put together from its configuration."""

from __future__ import annotations

import secrets

from agent.compose.doors import broker, horizon, store
from agent.errors import BAD_CONFIG, MilepostError
from agent.fleet.link import PahoLink
from agent.host.logs import Log
from agent.host.sections import Config
from agent.journal import Journal
from agent.learn.device import Device
from agent.ledger import keys
from agent.ledger.keys import account_of
from agent.market.bundle import Shelf
from agent.ports import Clock
from agent.validator.book import ReviewBook
from agent.validator.committee import EVERYTHING, Committee
from agent.validator.daemon import Validator, ValidatorParts
from agent.validator.guard import Guard
from agent.validator.measurement import Measurement
from agent.validator.porter import Porter
from agent.validator.reviewing import Reviewing
from agent.validator.rounds import Rounds
from agent.validator.settling import Settling
from agent.validator.vectors import Vectors

JOURNAL = "reviews.sqlite"


class NoTestSet(MilepostError):
    """validator.private_set ({path}) is not a file. A validator judges on a test set of its own: make one
    from a recorded drive with `milepost validator set`."""

    exit_code = BAD_CONFIG


def validator(config: Config, clock: Clock) -> Validator:
    """Everything is opened here; what cannot work at all raises now, with its exit code."""
    mine = config.validator
    log = Log(config.agent.log_level)
    keypair = keys.load(mine.key_file)
    if mine.private_set is None or not mine.private_set.is_file():
        raise NoTestSet(path=mine.private_set)
    state = config.agent.state_dir
    book = ReviewBook(Journal(state / JOURNAL))
    ledger = horizon(config)
    shelf = Shelf(state / "bundles", store(config), keep=64)
    rounds = Rounds(ledger, shelf, mine.initiators, keypair)
    client = f"{config.agent.id}-{secrets.token_hex(4)}" if config.mqtt.tls is None else config.agent.id
    link = PahoLink(broker(config.mqtt), client, (EVERYTHING,), session_seconds=0)
    machine = Device(config.inference.provider, config.inference.threads)
    committee = Committee(link, account_of(keypair))
    guard = Guard(log)
    measurement = Measurement(shelf, keypair, mine.private_set, Vectors(state / "updates"), machine)
    porter = Porter(store(config), shelf.folder)  # a store of its own: it is used beside the loop
    settling = Settling(ledger, shelf, keypair, committee, book, rounds, log)
    return Validator(
        ValidatorParts(
            horizon=ledger,
            book=book,
            rounds=rounds,
            reviewing=Reviewing(ledger, shelf, book, rounds, measurement, porter, guard, clock, log, settling),
            settling=settling,
            guard=guard,
            link=link,
            clock=clock,
            log=log,
            account=account_of(keypair),
            state_dir=state,
            poll_s=mine.poll_s,
        )
    )
