from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from agent.host.clock import ManualClock, SystemClock
from agent.host.machine import Load, Machine
from agent.host.metered import Metered
from agent.host.nvml import Nvml
from agent.host.scripted import ScriptedHost
from agent.host.sections import Machine as Settings
from agent.ports import Clock, Host


def sysfs(root: Path) -> Path:
    zones = {"CPU-therm": "71500", "GPU-therm": "68000", "PMIC-Die": "100000", "tj-thermal": ""}
    for index, (kind, millidegrees) in enumerate(zones.items()):
        zone = root / f"class/thermal/thermal_zone{index}"
        zone.mkdir(parents=True)
        (zone / "type").write_text(f"{kind}\n")
        (zone / "temp").write_text(f"{millidegrees}\n")
    chip = root / "class/hwmon/hwmon3"
    chip.mkdir(parents=True)
    (chip / "name").write_text("ina3221\n")
    (chip / "in1_input").write_text("4120\n")
    battery = root / "class/power_supply/BAT0"
    battery.mkdir(parents=True)
    (battery / "voltage_now").write_text("12650000\n")
    return root


def test_the_hottest_of_the_zones_that_count_is_the_temperature(tmp_path: Path) -> None:
    everything = Machine(Settings(), tmp_path, sysfs(tmp_path / "sys"))
    chosen = Machine(Settings(thermal_zones=("CPU-therm", "GPU-therm")), tmp_path, tmp_path / "sys")
    assert (everything.conditions().temperature_c or 0) >= 100.0
    if Nvml.open() is None:
        assert chosen.conditions().temperature_c == 71.5


@pytest.mark.parametrize(
    ("battery", "scale", "volts"),
    [
        ("hwmon:ina3221/in1", 3.0, 12.36),
        ("power_supply:BAT0", 1.0, 12.65),
        ("hwmon:ina3221/in9", 1.0, None),
        ("hwmon:other/in1", 1.0, None),
        ("power_supply:BAT9", 1.0, None),
        ("none", 1.0, None),
    ],
)
def test_the_battery_is_read_where_the_configuration_says(
    tmp_path: Path, battery: str, scale: float, volts: float | None
) -> None:
    machine = Machine(Settings(battery=battery, battery_scale=scale), tmp_path, sysfs(tmp_path / "sys"))
    assert machine.conditions().battery_volts == (volts if volts is None else pytest.approx(volts))


def test_what_cannot_be_read_is_not_known_and_nothing_raises(tmp_path: Path) -> None:
    found = Machine(Settings(battery="hwmon:x"), tmp_path / "gone", tmp_path / "nothing").conditions()
    assert found.disk_free_bytes is None
    assert found.battery_volts is None
    assert found.held is False


def test_conditions_are_read_without_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = time.sleep

    def waited(seconds: float) -> None:
        assert threading.current_thread() is not threading.main_thread(), "the loop that asks has no time to give"
        sleep(seconds)

    machine = Machine(Settings(), tmp_path)
    monkeypatch.setattr(time, "sleep", waited)
    found = [machine.conditions() for _ in range(10)][-1]
    assert found.disk_free_bytes
    assert found.cpu_load is None or 0 <= found.cpu_load <= 1


def test_ones_own_work_is_not_the_load_of_others() -> None:
    """A child that keeps one core busy: had it been counted, the load would be at least one core's share."""
    load = Load()
    assert load.of_others() is None, "no interval yet"
    own = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        load.of_others()
        before = psutil.Process(own.pid).cpu_times().user
        while psutil.Process(own.pid).cpu_times().user - before < 0.5:
            os.sched_yield()
        wall_before, used_before, own_before = load._before or (0.0, 0.0, 0.0)
        others = load.of_others()
        wall_now, used_now, own_now = load._before or (0.0, 0.0, 0.0)
    finally:
        own.kill()
        own.wait()
    assert others is not None
    assert own_now - own_before >= 0.45
    all_busy = (used_now - used_before) / (wall_now - wall_before) / (os.cpu_count() or 1)
    assert others < all_busy


@pytest.mark.parametrize(
    ("answer", "metered"),
    [("u 1", True), ("u 2", False), ("u 3", True), ("u 4", False), ("u 0", None), ("", None)],
)
def test_networkmanagers_answer_is_understood(answer: str, metered: bool | None) -> None:
    link = Metered(ask=("echo", answer))
    link.refresh()
    assert link.poll() is metered


def test_without_networkmanager_the_link_is_not_known() -> None:
    link = Metered(ask=("/nonexistent/busctl",))
    link.refresh()
    assert link.poll() is None


def test_the_doors_have_the_shape_that_is_asked_for(tmp_path: Path) -> None:
    hosts: list[Host] = [Machine(Settings(), tmp_path), ScriptedHost()]
    clocks: list[Clock] = [SystemClock(), ManualClock()]
    for host in hosts:
        assert host.conditions().disk_free_bytes
    for clock in clocks:
        before = clock.monotonic()
        clock.sleep(0.01)
        assert clock.monotonic() - before >= 0.01
        assert clock.now() > 1_600_000_000


def test_a_clock_that_is_stopped_lets_nobody_sleep() -> None:
    clock = SystemClock()
    clock.stop()
    started = time.monotonic()
    clock.sleep(60)
    assert time.monotonic() - started < 60, "it slept"
    assert clock.stopped


def test_a_signal_stops_the_clock_at_whatever_moment_it_comes() -> None:
    script = """
import random, signal
from agent.host.clock import SystemClock
for _ in range(1000):
    clock = SystemClock()
    signal.signal(signal.SIGALRM, lambda *_: clock.stop())
    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 5e-4))
    while not clock.stopped:
        clock.sleep(1e-6)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_the_wall_clock_may_jump_while_waiting_goes_on() -> None:
    clock = ManualClock(now=100.0)
    clock.jump(-50)
    clock.turn(2)
    assert (clock.now(), clock.monotonic()) == (52.0, 2.0)


def test_a_scripted_machine_becomes_what_it_is_told() -> None:
    host = ScriptedHost()
    host.become(temperature_c=95.0)
    assert host.conditions().temperature_c == 95.0
