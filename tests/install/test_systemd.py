from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNITS = ("milepost", "milepost-validator", "milepost-fleet")

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


def settings(unit: str) -> dict[str, str]:
    lines = (SYSTEMD / f"{unit}.service").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Za-z]+=", line))


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        text = (SYSTEMD / f"{unit}.service").read_text().replace("/opt/milepost/bin/milepost", sys.executable)
        (tmp_path / f"{unit}.service").write_text(text)
    found = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / f"{unit}.service") for unit in UNITS)],
        capture_output=True,
        text=True,
    )
    assert (found.returncode, found.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize(("unit", "most"), [("milepost", 2.0), ("milepost-validator", 1.5), ("milepost-fleet", 1.5)])
def test_a_daemon_is_exposed_no_more_than_it_must_be(unit: str, most: float) -> None:
    answer = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(SYSTEMD / f"{unit}.service")],
        capture_output=True,
        text=True,
    )
    if "unrecognized option" in answer.stderr:
        pytest.skip("this systemd-analyze (before 250) knows no --offline")
    exposure = re.search(r"exposure level for .*: (\d+\.\d)", answer.stdout)
    assert exposure is not None
    assert float(exposure[1]) <= most


@pytest.mark.parametrize("unit", UNITS)
def test_a_mistake_in_the_configuration_is_not_tried_again_and_a_hang_is(unit: str) -> None:
    found = settings(unit)
    assert "78" in found["RestartPreventExitStatus"].split()
    assert found["Restart"] == "always"
    assert found["OOMPolicy"] == "continue"
    assert (found["Type"], found["NotifyAccess"]) == ("notify", "main")
    assert int(found["WatchdogSec"]) > 0
    if unit != "milepost-fleet":
        assert found["LoadCredential"].startswith("stellar-key:/etc/milepost/credentials/")


@pytest.mark.parametrize("unit", UNITS)
def test_every_switch_that_stays_open_is_explained(unit: str) -> None:
    text = (SYSTEMD / f"{unit}.service").read_text()
    explained = text.split("what stays open, and why")[1]
    for switch in ("PrivateNetwork", "IPAddressDeny", "RootDirectory"):
        assert switch in explained
    if unit == "milepost":
        for switch in ("PrivateDevices", "PrivateUsers", "MemoryDenyWriteExecute", "ProcSubset", "SupplementaryGroups"):
            assert switch in explained
