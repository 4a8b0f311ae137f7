"""What a vehicle sees on the market, and what `milepost` tells about it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stellar_sdk import Keypair

from agent import errors
from agent.compose.vehicle import preferences, resources, survey
from agent.core.cid import Cid
from agent.core.jobs.contribution import Passed, Step
from agent.core.money import UNIT, Asset
from agent.host.config import load
from agent.host.reference import toml_value
from agent.journal import Journal
from agent.market import bundle
from agent.vehicle import steps
from agent.vehicle.builder import ContributionBuilder
from agent.vehicle.context import StepContext
from tests.market.town import BASE, FEE, REWARD, Town, found
from tests.vehicle import trips
from tools.demo.hostile import NoiseTrainer
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Car:
    town: Town
    key: Keypair
    folder: Path

    def config(self, **tables: dict[str, Any]) -> Path:
        town = self.town
        (self.folder / "key").write_text(self.key.secret)
        (self.folder / "key").chmod(0o600)
        usual: dict[str, dict[str, Any]] = {
            "agent": {"id": "car", "state_dir": f"{self.folder}/state", "key_file": f"{self.folder}/key"},
            "ledger": {"horizon": town.net.url, "passphrase": town.net.passphrase},
            "content": {"stores": [f"folder:{town.folder / 'content'}"]},
            "market": {"initiators": [town.initiator.public_key], "operator": town.operator.public_key},
            "mqtt": {"enabled": False},
        }
        lines = []
        for name in {**usual, **tables}:
            table = {**usual.get(name, {}), **tables.get(name, {})}
            lines += [f"[{name}]", *(f"{key} = {toml_value(value)}" for key, value in table.items())]
        path = self.folder / "milepost.toml"
        path.write_text("\n".join(lines) + "\n")
        return path


def milepost(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent", "--config", str(config), *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Localnet() as net:
        made = found(net, tmp_path_factory.mktemp("town"))
        yield made


@pytest.fixture(scope="module")
def driver(town: Town) -> Keypair:
    return town.driver()


@pytest.fixture
def car(town: Town, driver: Keypair, tmp_path: Path) -> Car:
    return Car(town, driver, tmp_path)


def test_the_best_offer_wins_and_the_numbers_are_the_protocols(car: Car) -> None:
    market = survey(load(car.config()))
    assert market.winner is not None
    assert market.winner.cid == car.town.cid
    assert (market.winner.reward, market.winner.stake, market.winner.fee) == (REWARD, BASE, FEE)
    assert market.passed_over == ()


def test_an_offer_that_loses_says_why(car: Car) -> None:
    dear = survey(load(car.config(market={**_market(car.town), "min_pay": "999"})))
    assert dear.winner is None
    assert "below market.min_pay" in dear.ranked[0].lost
    small = survey(load(car.config(train={"memory_mb": 256})))
    assert "train.memory_mb is 256" in small.ranked[0].lost


def test_what_is_no_training_offer_is_passed_over_with_a_reason(car: Car) -> None:
    town = car.town
    rubbish = town.store.put(bundle.lay(town.folder / "rubbish", {"hello.txt": b"hello"}))
    initiators = [town.initiator.public_key]
    for memo in (None, rubbish.digest, Cid.parse(town.cid).digest):
        key = Keypair.random()
        town.net.fund(key.public_key)
        town.offer(key, Asset("DLMx", key.public_key), memo)
        initiators.append(key.public_key)
    market = survey(load(car.config(market={**_market(town), "initiators": initiators})))
    assert market.winner is not None
    assert market.winner.cid == town.cid
    reasons = " ".join(market.passed_over)
    for reason in ("is not to be had now", "it has no round.json", "its round is for DLMroad"):
        assert reason in reasons
    assert len(market.passed_over) == 3


def test_a_round_whose_stake_another_operator_issues_is_passed_over(car: Car) -> None:
    town, other = car.town, Keypair.random().public_key
    market = survey(load(car.config(market={"initiators": [town.initiator.public_key], "operator": other})))
    assert market.winner is None
    assert "not the DLC of market.operator" in market.passed_over[0]


def test_an_open_round_is_shown_as_one_and_an_owner_may_stay_away_from_it(
    town: Town, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    public = found(town.net, tmp_path_factory.mktemp("public"), privacy="open")
    car = Car(public, public.driver(), tmp_path)
    assert "updates are open: anybody may read them once they are fused" in milepost(car.config(), "offers").stdout
    shy = load(car.config(market={**_market(public), "open_rounds": False}))
    market = survey(shy)
    assert market.winner is None
    assert market.ranked[0].lost == "its updates become public, and market.open_rounds is false"
    shelf = bundle.Shelf(tmp_path / "bundles", public.store)
    builder = ContributionBuilder(resources(shy), shelf, NoiseTrainer(), car.key, tmp_path / "jobs")
    context = StepContext(preferences(shy), public.horizon, shelf, car.key, builder, list)
    trained_before_the_owner_said_so = trips.job(trips.chosen(round=public.cid), trips.trained())
    assert steps.do(context, trained_before_the_owner_said_so, Step.SIGN) == [Passed(market.ranked[0].lost)]


def _market(town: Town) -> dict[str, Any]:
    return {"initiators": [town.initiator.public_key], "operator": town.operator.public_key}


# --- the command


def test_milepost_offers_shows_the_winner_and_its_numbers(car: Car) -> None:
    shown = milepost(car.config(), "offers")
    assert shown.returncode == 0, shown.stderr
    assert "* DLMroad:" in shown.stdout
    assert "reward 40.0000000 XLM for full credit, 1000.0000000 XLM left" in shown.stdout
    assert "stake 10.0000000 DLC, fee 0.5000000 DLC, reserve 1.5000000 XLM until it ends" in shown.stdout
    assert "expected: 10 of 10 steps, 40.0000000 XLM if accepted, net 35.2748000 XLM" in shown.stdout
    assert "updates are sealed: committee, initiator and a round's arbiter alone read them" in shown.stdout
    as_json = json.loads(milepost(car.config(), "offers", "--json").stdout)
    assert as_json["offers"][0]["cid"] == car.town.cid
    assert as_json["offers"][0]["lost"] == ""


def test_milepost_offers_says_when_nobody_is_followed(car: Car) -> None:
    shown = milepost(car.config(market={**_market(car.town), "initiators": []}), "offers")
    assert shown.returncode == 0, shown.stderr
    assert "market.initiators says whom to follow" in shown.stdout


@pytest.mark.parametrize(
    ("tables", "code", "words"),
    [
        ({"ledger": {"horizon": "http://127.0.0.1:9"}}, errors.UNAVAILABLE, "cannot be reached"),
        ({"market": {"min_pai": "1"}}, errors.BAD_CONFIG, "min_pay"),
        ({"agent": {"key_file": "/nowhere/key"}}, errors.NO_PERMISSION, "it is missing"),
        ({"content": {"stores": ["ftp://x"]}}, errors.USAGE, "not the address of a content store"),
    ],
)
def test_what_is_wrong_is_a_sentence_and_an_exit_code(car: Car, tables: dict[str, Any], code: int, words: str) -> None:
    merged = {name: {**({} if name != "market" else _market(car.town)), **table} for name, table in tables.items()}
    shown = milepost(car.config(**merged), "offers")
    assert shown.returncode == code, shown.stderr
    assert words in shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_key_that_others_can_read_is_not_used(car: Car) -> None:
    config = car.config()
    (car.folder / "key").chmod(0o644)
    shown = milepost(config, "run")
    assert shown.returncode == errors.NO_PERMISSION
    assert "chmod 600" in shown.stderr


def test_status_says_when_no_daemon_runs(car: Car) -> None:
    shown = milepost(car.config(), "status")
    assert shown.returncode == errors.NO_DAEMON
    assert "Start one with `milepost run`" in shown.stderr
    (car.folder / "state").mkdir()
    (car.folder / "state" / "status.json").write_text('{"pid": 999999999, "status": "online"}')
    assert milepost(car.config(), "status").returncode == errors.NO_DAEMON
    (car.folder / "state" / "status.json").write_text("half a wor")
    assert milepost(car.config(), "status").returncode == errors.NO_DAEMON


def test_milepost_jobs_tells_every_job_and_what_became_of_it(car: Car) -> None:
    config = car.config()
    (car.folder / "state").mkdir()
    journal = Journal(car.folder / "state" / "journal.sqlite")
    envelope = {"envelope": "AAAA", "hash": "a" * 64, "sequence": 1, "max_time": 2}
    paid = [
        ("opened", {"metres": 1000}), ("chosen", {"round": car.town.cid, "model": "DLMroad:G"}), ("fetched", {}),
        ("arrived", {}), ("trained", {"samples": 9, "steps": 3}), ("stored", {"contribution": "Qm"}),
        ("signed", {"stake": BASE, "stake_id": "b" * 64, "take_back_at": 3, **envelope}), ("entered", {"ledger": 2}),
        ("accepted", {"credit": UNIT, "reason": "loss falls"}), ("closing", envelope), ("closed", {"paid": REWARD}),
    ]  # fmt: skip
    journal.append_all([("trip-000001", kind, data) for kind, data in paid], at=0.0)
    journal.append_all([("trip-000002", "opened", {"metres": 1000})], at=1.0)
    journal.close()
    shown = milepost(config, "jobs", "ls").stdout.splitlines()
    assert shown[0].split()[:2] == ["trip-000001", "accepted"]
    assert "stake 10.0000000 DLC credit 1.0000000 VLM paid 40.0000000 XLM (loss falls)" in shown[0]
    assert "next: choose an offer" in shown[1]
    rows = json.loads(milepost(config, "jobs", "ls", "--json").stdout)
    assert [(r["job"], r["state"], r["outcome"]) for r in rows] == [
        ("trip-000001", "closed", "accepted"),
        ("trip-000002", "opened", ""),
    ]
    one = milepost(config, "jobs", "show", "trip-000001").stdout
    assert one.count("\n") == len(paid)
    assert "AAAA" not in one
    missing = milepost(config, "jobs", "show", "trip-7")
    assert missing.returncode == errors.USAGE
    assert "There is no job 'trip-7'" in missing.stderr


def test_milepost_jobs_before_the_first_trip_is_a_sentence(car: Car) -> None:
    shown = milepost(car.config(), "jobs", "ls")
    assert shown.returncode != 0
    assert "Traceback" not in shown.stderr
    assert shown.stderr.startswith("milepost: ")
