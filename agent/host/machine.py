"""The real machine: heat, battery, disk, load, link, read from where Linux keeps them."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from agent.host.metered import Metered
from agent.host.nvml import Nvml
from agent.host.sections import Machine as Settings
from agent.ports import Conditions


class Machine:
    """`agent.ports.Host` over sysfs, NVML and NetworkManager. What cannot be read is None."""

    def __init__(self, settings: Settings, state_dir: Path, sysfs: Path = Path("/sys")) -> None:
        self._settings = settings
        self._state_dir = state_dir
        self._sysfs = sysfs
        self._nvml = Nvml.open()
        self._metered = Metered()
        self._load = Load()

    def conditions(self) -> Conditions:
        return Conditions(
            temperature_c=max(self._temperatures_c(), default=None),
            battery_volts=self._battery_volts(),
            disk_free_bytes=self._disk_free_bytes(),
            cpu_load=self._load.of_others(),
            metered=self._metered.poll(),
        )

    def _temperatures_c(self) -> Iterator[float]:
        for zone in (self._sysfs / "class/thermal").glob("thermal_zone*"):
            wanted = self._settings.thermal_zones
            if wanted and _text(zone / "type") not in wanted:
                continue
            millidegrees = _number(zone / "temp")  # a disabled zone (Jetson's tj on some boards) reads as an error
            if millidegrees is not None:
                yield millidegrees / 1000
        if self._nvml:
            yield from self._nvml.temperatures_c()

    def _battery_volts(self) -> float | None:
        kind, _, name = self._settings.battery.partition(":")
        if kind == "power_supply":
            microvolts = _number(self._sysfs / "class/power_supply" / name / "voltage_now")
            return None if microvolts is None else microvolts / 1e6 * self._settings.battery_scale
        if kind == "hwmon":
            chip, _, channel = name.partition("/")
            for hwmon in sorted((self._sysfs / "class/hwmon").glob("hwmon*")):
                millivolts = _number(hwmon / f"{channel}_input") if _text(hwmon / "name") == chip else None
                if millivolts is not None:
                    return millivolts / 1e3 * self._settings.battery_scale
        return None

    def _disk_free_bytes(self) -> int | None:
        try:
            return shutil.disk_usage(self._state_dir).free
        except OSError:
            return None


class Load:
    """What other processes use of all cores, between one call and the next."""

    def __init__(self) -> None:
        self._before: tuple[float, float, float] | None = None

    def of_others(self) -> float | None:
        """0 to 1; None on the first call and where it cannot be read."""
        before, self._before = self._before, _seconds_used()
        if before is None or self._before is None:
            return None
        wall_s, busy_s, own_s = (now - then for now, then in zip(self._before, before, strict=True))
        if wall_s <= 0:
            return None
        return min(1.0, max(0.0, (busy_s - max(0.0, own_s)) / (wall_s * (os.cpu_count() or 1))))


def _seconds_used() -> tuple[float, float, float] | None:
    """Wall time, and processor seconds of everybody and of this process with its children."""
    import psutil

    try:
        all_times = psutil.cpu_times()
        own_s = os.times().user + os.times().system
        for process in psutil.Process().children(recursive=True) if _has_children() else ():
            times = process.cpu_times()
            own_s += times.user + times.system
    except psutil.Error:  # a child ended meanwhile
        return None
    idle_s = all_times.idle + getattr(all_times, "iowait", 0.0)
    # guest time is counted within user time already (proc(5))
    guest_s = getattr(all_times, "guest", 0.0) + getattr(all_times, "guest_nice", 0.0)
    return time.monotonic(), sum(all_times) - idle_s - guest_s, own_s


def _has_children() -> bool:
    """Asked first, since to find them psutil reads of every process of the machine who its parent is."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # asks only: nobody is reaped
    except ChildProcessError:
        return False
    return True


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    try:
        return int(_text(path))
    except ValueError:
        return None
