from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.initiator import submitting


@pytest.fixture(scope="module", autouse=True)
def at_once() -> Iterator[None]:
    """Nothing is waited for: a test's ledger closes when it is told to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(submitting, "POLL_S", 0.0)
        yield
