"""Fixtures that pytest finds by itself where localnet is installed: a ledger for each test that asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from .server import Localnet


@pytest.fixture
def localnet() -> Iterator[Localnet]:
    """A ledger of this test alone, in memory. It closes when the test says so: `localnet.close_ledger()`."""
    with Localnet() as net:
        yield net


@pytest.fixture
def start_localnet() -> Iterator[Callable[..., Localnet]]:
    """`start_localnet(fault="504=0.5", replica=2)`: a ledger with options of `Localnet`, ended after the test."""
    with ExitStack() as running:

        def start(**options: Any) -> Localnet:
            return running.enter_context(Localnet(**options))

        yield start
