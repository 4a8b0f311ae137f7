"""`milepost dispute` and `milepost arbiter`, as people call them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from stellar_sdk import Keypair

from agent.core.jobs.hearing import HearingState
from agent.core.money import UNIT
from tests.disputes.court import Court
from tests.initiator.command import ROOT, anybody, milepost

pytestmark = pytest.mark.slow


def config_of(sitting: Court, folder: Path, key: Keypair) -> Path:
    folder.mkdir(exist_ok=True)
    secret = folder / "key"
    secret.write_text(key.secret)
    secret.chmod(0o600)
    return anybody(sitting.town, folder, f'[agent]\nstate_dir = "{folder}"\nkey_file = "{secret}"\n')


def test_a_car_disputes_and_sees_what_became_of_it_and_the_arbiter_decides(sitting: Court, tmp_path: Path) -> None:
    town = sitting.town
    car, entry = sitting.unjudged()
    own, theirs = config_of(sitting, tmp_path / "car", car), config_of(sitting, sitting.folder, sitting.key)
    asked = milepost(own, "dispute", "open", entry, "--round", town.cid, "--reason", "silence", "--json", net=town.net)
    assert asked.returncode == 0, asked.stderr
    (row,) = json.loads(asked.stdout)
    assert (row["entry"], row["state"], row["fee"]) == (entry, "waiting", "5.0000000")
    sitting.turn()
    listed = milepost(theirs, "arbiter", "ls", "--json")
    (before,) = json.loads(listed.stdout)
    assert (before["state"], before["asks"], before["entry"], before["decided"]) == ("heard", "settle", entry, None)
    decided = milepost(theirs, "arbiter", "rule", entry[:12], "--settle", "0.8", "--reason", "good", "--json")
    assert json.loads(decided.stdout)["outcome"] == "settle", decided.stderr
    sitting.at(sitting.until)
    sitting.turn(4)
    (found,) = json.loads(milepost(own, "dispute", "ls", "--json").stdout)
    assert (found["state"], found["outcome"], found["credit"], found["paid"]) == (
        "ruled", "settled", "0.8000000", "37.0000000",
    )  # fmt: skip
    assert found["transaction"] == sitting.rulings()[0].transaction.hash
    late = milepost(theirs, "arbiter", "rule", entry, "--refund")
    assert late.returncode == 1
    assert "no dispute over" in late.stderr
    (after,) = json.loads(milepost(theirs, "arbiter", "ls", "--json").stdout)
    assert (after["state"], after["outcome"], after["reason"]) == ("answered", "settled", "good")


def test_errors_say_what_to_do(sitting: Court, tmp_path: Path) -> None:
    town = sitting.town
    car = town.driver()
    entry = town.enter(car, town.contribution(car, town.better()))
    own, theirs = config_of(sitting, tmp_path / "car", car), config_of(sitting, sitting.folder, sitting.key)

    def said(config: Path, *words: str) -> tuple[int, str]:
        made = milepost(config, *words)
        return made.returncode, " ".join(made.stderr.split())

    asked = ("dispute", "open", entry, "--reason", "silence")
    assert "Name the stake's id" in said(own, *asked)[1]
    assert "ask again" in said(own, *asked, "--round", town.cid)[1]
    assert said(own, *asked[:3], "--reason", "x" * 201)[0] == 2
    assert "either --settle CREDIT or --refund" in said(theirs, "arbiter", "rule", entry)[1]
    assert "more than 0" in said(theirs, "arbiter", "rule", entry, "--settle", "0")[1]
    assert "`milepost arbiter ls`" in said(theirs, "arbiter", "rule", entry, "--settle", str(UNIT // UNIT))[1]
    assert json.loads(milepost(own, "dispute", "ls", "--json").stdout) == []
    assert "milepost arbiter run" in milepost(theirs, "arbiter", "ls").stdout


def test_the_arbiter_runs_until_it_is_told_and_hears_meanwhile(sitting: Court) -> None:
    car, entry = sitting.unjudged()
    sitting.ask(car, entry)
    sitting.close()
    theirs = config_of(sitting, sitting.folder, sitting.key)
    command = [sys.executable, "-m", "agent", "--config", str(theirs), "arbiter", "run"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        said = next(line for line in process.stdout if "dispute.heard" in line)
        assert entry in said
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(timeout=60) == 0
    sitting.arbiter = sitting.opened()
    assert [each.state for each in sitting.hearings] == [HearingState.HEARD]
