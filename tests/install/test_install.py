from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

INSTALL = Path(__file__).parents[2] / "tools" / "install.sh"


def install(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(INSTALL), *arguments], capture_output=True, text=True)


needs_python = pytest.mark.skipif(
    not any(
        Path(python).exists()
        and subprocess.run(
            [python, "-c", "import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))"], capture_output=True
        ).returncode
        == 0
        for python in ("/usr/bin/python3", "/usr/local/bin/python3")
    ),
    reason="the system has no Python 3.10 with venv to install with",
)


@needs_python
@pytest.mark.skipif(Path("/opt/milepost/bin").exists(), reason="Milepost is installed on this machine")
def test_a_dry_run_says_everything_and_does_nothing() -> None:
    answer = install("--dry-run")
    assert answer.returncode == 0, answer.stderr
    for step in (
        "-m venv ",
        "/usr/lib/systemd/system/milepost.service",
        "/usr/lib/sysusers.d/milepost.conf",
        "/usr/lib/udev/rules.d/70-milepost.rules",
        "config init /etc/milepost/milepost.toml",
        "keys generate --file /etc/milepost/credentials/stellar-key",
        "systemctl enable milepost.service",
    ):
        assert step in answer.stdout
    assert not Path("/opt/milepost/bin").exists()


def test_taking_it_off_leaves_key_configuration_and_state() -> None:
    answer = install("--uninstall", "--dry-run")
    assert answer.returncode == 0
    removed = [line for line in answer.stdout.splitlines() if line.startswith("would run: rm")]
    assert removed
    assert not any("/etc/milepost" in line or "/var/lib" in line for line in removed)


def test_an_unknown_option_is_refused() -> None:
    answer = install("--purge")
    assert answer.returncode == 1
    assert "unknown option --purge" in answer.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="runs as root")
def test_without_root_nothing_is_touched() -> None:
    answer = install()
    assert answer.returncode == 1
    assert "must be run as root" in answer.stderr


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shellcheck_finds_nothing() -> None:
    assert subprocess.run(["shellcheck", str(INSTALL)], capture_output=True, text=True).stdout == ""
