from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No test hangs on a clock.
settings.register_profile("milepost", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("milepost")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The recorded drives and conformance vectors that lie beside a working checkout."""
    if not SHARED.is_dir():
        pytest.skip("the recorded data is not beside this checkout (../shared)")
    return SHARED
