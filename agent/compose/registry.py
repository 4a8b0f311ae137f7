"""Who is who with an operator, from the configuration: a validator in its registry, and what an account has done."""

from __future__ import annotations

import time
from contextlib import suppress

from agent.compose.doors import horizon
from agent.core.ids import AccountId
from agent.core.money import Asset, stroops
from agent.errors import BAD_CONFIG, MilepostError
from agent.host.sections import Config
from agent.ledger import keys
from agent.market import enrolment, reputation
from agent.market.enrolment import Enrolment, Registrar
from agent.market.reputation import Reputation
from agent.market.strikes import StillCounting

POLL_S = 1.0
TURNS = 20
"""Looks at one account's history, each of so many pages as `strikes` allows."""


class NoOperator(MilepostError):
    """market.operator is not set: it is whose registry this is, the account that issues DLC."""

    exit_code = BAD_CONFIG


class NoSamples(MilepostError):
    """validator.private_set ({path}) cannot be read: {why}. It is what a validator enrols with; only how many samples
    it holds is said."""

    exit_code = BAD_CONFIG


def dlc(config: Config) -> Asset:
    """Raises NoOperator."""
    if config.market.operator is None:
        raise NoOperator
    return Asset("DLC", config.market.operator)


def registrar(config: Config) -> Registrar:
    """Raises NoOperator."""
    return Registrar(
        horizon=horizon(config),
        key=keys.load(config.validator.key_file),
        dlc=dlc(config),
        max_fee=config.ledger.max_fee_stroops,
        budget=stroops(config.market.buy_stake_budget),
        wait=lambda: time.sleep(POLL_S),
    )


def look(config: Config) -> Enrolment:
    """How this validator stands. Raises NoOperator, Unavailable."""
    return enrolment.look(horizon(config), keys.address(config.validator.key_file), dlc(config))


def samples(config: Config) -> int:
    """In the private set. Raises NoSamples."""
    from safetensors import SafetensorError, safe_open

    path = config.validator.private_set
    try:
        with safe_open(str(path), "numpy") as tensors:
            return int(tensors.get_slice("labels").get_shape()[0])
    except (OSError, SafetensorError, IndexError) as error:
        raise NoSamples(path=path, why=error) from None


def who(config: Config, account: AccountId) -> tuple[Reputation, Enrolment]:
    """What an account has done, and how it stands in the registry. Long histories are read in several turns. Raises
    NoOperator, Unavailable."""
    ledger, asset = horizon(config), dlc(config)
    for _ in range(TURNS):
        with suppress(StillCounting):
            return reputation.look(ledger, account, asset), enrolment.look(ledger, account, asset)
    return reputation.look(ledger, account, asset), enrolment.look(ledger, account, asset)
