from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest


@pytest.fixture
def until() -> Callable[..., None]:
    """Waits for what another thread or process will bring about, and fails when it does not."""

    def wait(condition: Callable[[], object], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it never came about"
            threading.Event().wait(0.01)

    return wait
