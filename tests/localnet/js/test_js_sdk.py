"""Stellar's own JavaScript SDK drives localnet: what another client than ours makes of its answers."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tools.localnet.server import Localnet
from tools.stellar_js.install import HOME

SCRIPT = Path(__file__).with_name("checks.mjs")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found() -> dict[str, str]:
    """What the script says of each of its checks: "" or what was wrong."""
    if not HOME.is_dir():
        pytest.skip("the JavaScript SDK is not installed: python -m tools.stellar_js install")
    with Localnet(close_every="0.05s", replica=2) as net:
        command = ["node", str(SCRIPT), net.url, net.passphrase, str(HOME), net.replica_url]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    checks: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return checks


def names() -> list[str]:
    """The names of the script's checks, those made in a loop as they stand there."""
    return re.findall(r"await check\([\"`](.*?)[\"`], ", SCRIPT.read_text())


@pytest.mark.parametrize("name", names())
def test_the_javascript_sdk_finds_that(name: str, found: dict[str, str]) -> None:
    pattern = re.compile(re.sub(r"\\\$\\\{\w+\\\}", r"\\w+", re.escape(name)) + r"\Z")
    answers = {one: wrong for one, wrong in found.items() if pattern.match(one)}
    assert answers
    assert not any(answers.values()), answers


def test_every_check_has_its_name_here(found: dict[str, str]) -> None:
    assert len(found) >= 90
