from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from agent.journal import Journal
from agent.ledger import keys
from tests.fleet.brokers import Mosquitto


def milepost(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The real command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "agent", *arguments],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **(env or {})},
        cwd=Path(__file__).parents[2],
    )


@pytest.fixture
def vehicle(tmp_path: Path) -> Path:
    """A configuration in which everything lies in a folder and nothing is on a network."""
    keys.generate(tmp_path / "stellar-key")
    path = tmp_path / "milepost.toml"
    path.write_text(
        f"[agent]\nstate_dir = '{tmp_path}'\n"
        "[ledger]\nhorizon = 'http://127.0.0.1:9'\n"
        f"[content]\nstores = ['folder:{tmp_path}/store']\n"
        "[odometer]\nsource = 'road:?seconds=5&fps=5'\n[camera]\nsource = 'road:?seconds=5&fps=5'\n"
        "[gates]\ndisk_free_mb = 1\n[mqtt]\nenabled = false\n"
        "[[trip.geofences]]\nname = 'home'\nlatitude_deg = 52.516275\nlongitude_deg = 13.377704\nradius_m = 50\n"
    )
    return path


def test_a_good_file_is_good_and_a_wrong_key_ends_with_78(vehicle: Path) -> None:
    good = milepost("--config", str(vehicle), "config", "check")
    assert (good.returncode, good.stderr) == (0, "")
    assert str(vehicle) in good.stdout
    vehicle.write_text("[mqtt]\nhsot = 'x'\n")
    wrong = milepost("config", "check", env={"MILEPOST_CONFIG": str(vehicle)})
    assert wrong.returncode == 78
    assert wrong.stderr == f"milepost: {vehicle}, line 2: unknown key 'hsot' in [mqtt]. Did you mean 'host'?\n"


def test_every_camera_is_shown_without_its_password_and_no_place_is(vehicle: Path) -> None:
    more = "[[camera.others]]\nview = 'rear'\nsource = 'rtsp://ada:geheim@10.0.0.5/rear'\n"
    vehicle.write_text(vehicle.read_text() + more)
    shown = milepost("--config", str(vehicle), "config", "show").stdout
    (rear,) = [part for part in shown.split("\n\n") if part.startswith("[[")]
    assert '[[camera.others]]\nview = "rear"' in rear and "rtsp://10.0.0.5/…" in rear
    assert "geheim" not in shown and "52.5" not in shown


def test_a_fresh_file_is_written_once(tmp_path: Path) -> None:
    path = str(tmp_path / "milepost.toml")
    assert milepost("config", "init", path).returncode == 0
    assert milepost("config", "check", path).returncode == 0
    again = milepost("config", "init", path)
    assert again.returncode == 78
    assert "left as it is" in again.stderr


def test_show_says_where_values_come_from_and_hides_places(vehicle: Path) -> None:
    shown = milepost("--config", str(vehicle), "config", "show", env={"MILEPOST_AGENT__FLEET": "north"}).stdout
    assert "environment variable MILEPOST_AGENT__FLEET" in shown
    assert f"{vehicle}, line 4" in shown
    as_json = milepost("--config", str(vehicle), "config", "show", "--json").stdout
    assert json.loads(as_json)["trip"]["geofences"] == "[hidden]"
    assert "52.5" not in shown + as_json


@pytest.mark.slow
def test_show_says_what_the_fleet_set_over_the_air(vehicle: Path, tmp_path: Path) -> None:
    wish = {"id": "2026-11-21-1", "settings": {"gates.disk_free_mb": 4096, "market.max_stake": "1000"}}
    journal = Journal(tmp_path / "journal.sqlite")
    journal.remember("desired", json.dumps(wish))
    journal.close()
    shown = milepost("--config", str(vehicle), "config", "show")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert re.search(r"disk_free_mb = 4096 +# the fleet's 2026-11-21-1 gates.disk_free_mb", shown.stdout)
    assert re.search(r'max_stake = "100" +# default', shown.stdout)
    as_json = milepost("--config", str(vehicle), "config", "show", "--json").stdout
    assert json.loads(as_json)["gates"]["disk_free_mb"] == 4096


def test_show_without_a_readable_journal_says_what_is_missing(vehicle: Path, tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"this is no database, and longer than a header of SQLite's is" * 9)
    shown = milepost("--config", str(vehicle), "config", "show")
    assert "disk_free_mb = 1 " in shown.stdout
    assert shown.stderr.startswith("What the fleet set over the air is not shown: ")


@pytest.mark.slow
def test_a_key_is_made_once_and_its_address_shown(tmp_path: Path) -> None:
    path = str(tmp_path / "key")
    made = milepost("keys", "generate", "--file", path, "--json")
    address = json.loads(made.stdout)["address"]
    assert milepost("keys", "address", "--file", path).stdout == f"{address}\n"
    assert milepost("keys", "generate", "--file", path).returncode == 77
    Path(path).chmod(0o644)
    refused = milepost("keys", "address", "--file", path)
    assert refused.returncode == 77
    assert "others may use it" in refused.stderr
    assert Path(path).read_text().strip() not in made.stdout + refused.stderr


@pytest.mark.slow
def test_profiles_are_listed_shown_and_detected() -> None:
    rows = json.loads(milepost("profile", "list", "--json").stdout)
    assert len(rows) == 8
    detected = json.loads(milepost("profile", "detect", "--json").stdout)
    assert [row["name"] for row in rows if row["fits"]] == [detected["profile"]]
    assert "nvarguscamerasrc" in milepost("profile", "show", "jetson-orin-nx").stdout
    assert milepost("profile", "show", "jetson").returncode == 78


@pytest.mark.slow
def test_the_doctor_is_useful_offline(vehicle: Path) -> None:
    answer = milepost("--config", str(vehicle), "doctor", "--json")
    found = {check["name"]: check["state"] for check in json.loads(answer.stdout)["checks"]}
    assert found == {
        "config": "skipped",
        "profile": "good",
        "key": "good",
        "disk": "good",
        "journal": "skipped",
        "daemon": "skipped",
        "odometer": "good",
        "camera": "good",
        "aim": "skipped",
        "training": found["training"],
        "store": "good",
        "ledger": "offline",
        "clock": "offline",
        "funds": "offline",
        "payout": "skipped",
        "owner": "offline",
        "broker": "skipped",
    }
    assert answer.returncode == 0


@pytest.mark.slow
def test_the_doctor_opens_a_real_session_with_the_broker(vehicle: Path, tmp_path: Path) -> None:
    (tmp_path / "passwords").write_text("")
    for folder, settings, state, words in (
        ("open", "allow_anonymous true", "good", "lets car-1-doctor in, listen and speak, by MQTT 5, without TLS"),
        ("strict", f"allow_anonymous false\npassword_file {tmp_path}/passwords", "wrong", "Check user name, password"),
    ):
        (tmp_path / folder).mkdir()
        broker = Mosquitto(tmp_path / folder, settings)
        env = {"MILEPOST_AGENT__ID": "car-1", "MILEPOST_MQTT__ENABLED": "true", "MILEPOST_MQTT__PORT": str(broker.port)}
        answer = milepost("--config", str(vehicle), "doctor", "--json", env=env)
        (found,) = [check for check in json.loads(answer.stdout)["checks"] if check["name"] == "broker"]
        assert found["state"] == state, found
        assert words in found["sentence"]
        broker.close()


@pytest.mark.slow
def test_the_doctor_finds_an_open_key_and_a_damaged_journal(vehicle: Path) -> None:
    (vehicle.parent / "stellar-key").chmod(0o644)
    (vehicle.parent / "journal.sqlite").write_bytes(b"not a journal at all" * 100)
    answer = milepost("--config", str(vehicle), "doctor")
    assert answer.returncode == 1
    wrong = [line.split()[1] for line in answer.stdout.splitlines() if line.startswith("✗")]
    assert "key" in wrong
    assert "journal" in wrong
    assert "itself failed" not in answer.stdout


def test_a_wrong_configuration_is_what_the_doctor_says_first(vehicle: Path) -> None:
    vehicle.write_text("[mqtt]\nhsot = 'x'\n")
    answer = milepost("--config", str(vehicle), "doctor")
    assert answer.returncode == 1
    assert "line 2: unknown key 'hsot'" in answer.stdout


@pytest.mark.slow
def test_a_bundle_holds_no_secret_and_no_place(vehicle: Path) -> None:
    secret = (vehicle.parent / "stellar-key").read_text().strip()
    with vehicle.open("a") as file:
        file.write(f"[validator]\nprivate_set = '/data/{secret}'\n")
    path = vehicle.parent / "bundle.tar.gz"
    written = milepost("--config", str(vehicle), "bundle", str(path))
    assert written.returncode == 0, written.stderr
    with tarfile.open(path) as archive:
        texts = {name: archive.extractfile(name).read().decode() for name in archive.getnames()}  # type: ignore[union-attr]
    assert {Path(name).name for name in texts} == {
        *("versions.json", "board.json", "doctor.json", "config.json", "status.json", "journal.json", "log.txt")
    }
    everything = "".join(texts.values())
    assert secret not in everything
    assert "52.516" not in everything
    assert json.loads(texts["milepost-bundle/config.json"])["validator"]["private_set"] == "/data/[hidden]"
    assert path.stat().st_mode & 0o077 == 0
    assert milepost("bundle", str(path)).returncode == 1, "never replaces a file"


def test_the_version_names_the_commit() -> None:
    """So that whoever helps knows which code it was; `version` says the same."""
    root = Path(__file__).parents[2]
    said = milepost("--version").stdout
    assert said == milepost("version").stdout
    found = re.fullmatch(r"milepost \d+\.\d+\.\d+(?: \(([0-9a-f]{12})\+?\))?\n", said)
    assert found
    head = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True).stdout
    assert head.startswith(found[1] or "")
    assert found[1] or not head
