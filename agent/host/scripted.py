"""A machine that is as a test or a demo says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agent.ports import Conditions


class ScriptedHost:
    """`agent.ports.Host` with conditions set from outside."""

    def __init__(self, conditions: Conditions | None = None) -> None:
        self._conditions = conditions or Conditions(disk_free_bytes=1 << 40, cpu_load=0.0)

    def conditions(self) -> Conditions:
        return self._conditions

    def become(self, **changes: Any) -> None:
        """host.become(temperature_c=95.0)"""
        self._conditions = replace(self._conditions, **changes)
