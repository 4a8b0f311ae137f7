from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import toml
from agent.errors import BAD_CONFIG, ConfigError, MilepostError
from agent.host.config import load, trace

GOOD_ACCOUNT = "GA2JE2LCTXHRXQ56P3IO6BAQHAYCKS2ZR3HZ3LWHQPDOFL2CDL2BNFQZ"


def written(folder: Path, text: str) -> Path:
    path = folder / "milepost.toml"
    path.write_text(text, encoding="utf-8")
    return path


def mistake(path: Path, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        trace(path, environ=environ or {})
    assert caught.value.exit_code == BAD_CONFIG
    return str(caught.value)


def test_a_flag_goes_before_the_environment_before_the_file_before_the_profile(tmp_path: Path) -> None:
    path = written(tmp_path, "[agent]\nprofile = 'x86-cpu'\nlog_level = 'debug'\n[mqtt]\nhost = 'file'\nport = 1\n")
    environ = {"MILEPOST_MQTT__HOST": "environment", "MILEPOST_MQTT__PORT": "2"}
    config = trace(path, {"mqtt.host": "flag"}, environ).config
    assert (config.mqtt.host, config.mqtt.port) == ("flag", 2)
    assert config.agent.log_level == "debug"
    assert config.train.memory_mb == 1536, "from the profile"
    assert config.ledger.timeout_s == 20, "the default"


def test_every_value_says_where_it_comes_from(tmp_path: Path) -> None:
    path = written(tmp_path, "[mqtt]\n\nport = 1\n")
    loaded = trace(path, {"agent.fleet": "north"}, {"MILEPOST_MQTT__HOST": "broker"})
    assert loaded.origin(("mqtt", "port")) == f"{path}, line 3"
    assert loaded.origin(("mqtt", "host")) == "environment variable MILEPOST_MQTT__HOST"
    assert loaded.origin(("agent", "fleet")) == "flag agent.fleet"
    assert loaded.origin(("ledger", "timeout_s")) == "default"
    assert "firmware_profiles" in loaded.origin(("train", "memory_mb"))


def test_the_profile_that_was_detected_is_called_by_its_name(tmp_path: Path) -> None:
    loaded = trace(written(tmp_path, "[agent]\nprofile = 'auto'\n"))
    assert loaded.config.agent.profile == loaded.board.name


def test_the_file_may_change_what_the_profile_says(tmp_path: Path) -> None:
    assert trace(written(tmp_path, "[train]\nthreads = 7\n"), environ={}).config.train.threads == 7


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[mqtt]\n\nhsot = 'x'\n", "line 3: unknown key 'hsot' in [mqtt]. Did you mean 'host'?"),
        (
            "[mqtt]\nhost = 'tcp://10.0.0.5:1883'\n",
            "line 2: mqtt.host cannot be used: it is a name or an address alone",
        ),
        ("[mqtt]\nhost = '10.0.0.5:1883'\n", "the port stands in mqtt.port"),
        ("[mqtt]\nhost = 'car@10.0.0.5'\n", "the user stands in mqtt.username"),
        ("[mqt]\nhost = 'x'\n", "line 1: unknown section [mqt]. Did you mean 'mqtt'?"),
        ("[agent]\nhost = 'x'\n", "Did you mean 'host' in [mqtt]?"),
        ("[mqtt.tls]\ncat = 'x'\n", "line 2: unknown key 'cat' in [mqtt.tls]. Did you mean 'ca'?"),
        ("[mqtt]\ntls = {cat = 'x'}\n", "line 2: unknown key 'cat' in [mqtt.tls]"),
        ("mqtt.zzzzzz = 1\n", "line 1: unknown key 'zzzzzz' in [mqtt]. Known here: enabled, host,"),
        ("[mqtt]\nport = 'x'\n", "line 2: mqtt.port cannot be used: input should be a valid integer"),
        (
            "[mqtt]\nport = 70000\n",
            "line 2: mqtt.port cannot be used: input should be less than or equal to 65535",
        ),
        ("agent = 3\n", "line 1: agent cannot be used"),
        (
            "[market]\nmax_stake = '1.5e3'\n",
            "line 2: market.max_stake cannot be used: an amount is a decimal",
        ),
        ("[market]\n\n\noperator = 'GABC'\n", "line 4: market.operator cannot be used: a Stellar account"),
        (f"[market]\noperator = '{GOOD_ACCOUNT[:-1]}A'\n", "a Stellar account"),
        ("[market]\npayout = 'MABC'\n", "line 2: market.payout cannot be used: a muxed Stellar account is M"),
        ("[market]\npayout = 'alice*bank.example'\n", "line 2: market.payout cannot be used: a Stellar account is G"),
        ("[market]\nkeep = '5'\n", "line 1: market cannot be used: payout_asset and keep say what goes to payout"),
        ("[market]\ninitiators = ['GABC']\n", "line 2: market.initiators.0 cannot be used"),
        ("[metrics]\nlisten = '0.0.0.0:9464'\n", "metrics are for this machine alone"),
        ("[mqtt]\nmetric_s = 1\n", "line 2: mqtt.metric_s cannot be used: it is 0, or from 10 to 86400 seconds"),
        ("[mqtt]\ndiscovery = 'a/+/b'\n", "line 2: mqtt.discovery cannot be used"),
        ("\n[gates]\npause_above_c = 60\n", "line 2: gates cannot be used: resume_below_c lies above pause_above_c"),
        ("[[trip.geofences]]\nname = 'depot'\nlatitude_deg = 91\n", "trip.geofences.0.latitude_deg"),
        ("[agent]\nid = 'A vehicle'\n", "line 2: agent.id cannot be used"),
        ("[mqtt\nhost = 1\n", "line 1: not TOML"),
        ("[mqtt]\nhost = 1\nhost = 2\n", "line 3: not TOML: Cannot overwrite a value"),
        ("[mqtt]\nhost = '", "line 2: not TOML"),
    ],
)
def test_a_mistake_is_shown_with_its_line_and_the_nearest_right_name(tmp_path: Path, text: str, sentence: str) -> None:
    path = written(tmp_path, text)
    message = mistake(path)
    assert message.startswith(str(path))
    assert sentence in message


def test_a_mistake_in_the_environment_names_the_variable() -> None:
    with pytest.raises(ConfigError, match="environment variable MILEPOST_MQTT__HSOT: unknown key 'hsot'"):
        trace(environ={"MILEPOST_MQTT__HSOT": "x"})


def test_a_value_that_is_refused_is_not_repeated(tmp_path: Path) -> None:
    secret = "S" + "A" * 55
    assert secret not in mistake(written(tmp_path, f"[market]\noperator = '{secret}'\n"))


def test_a_missing_file_and_one_that_is_not_text_are_refused(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in mistake(tmp_path / "nowhere.toml")
    assert "cannot be read: Is a directory" in mistake(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"[mqtt]\n# \xff\n")
    assert "line 2: the file is not UTF-8" in mistake(tmp_path / "binary.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * (toml.MAX_BYTES + 1))
    assert "larger than" in mistake(tmp_path / "large.toml")


def test_lists_may_come_from_one_variable() -> None:
    config = trace(environ={"MILEPOST_CONTENT__STORES": "folder:/a, http://b:5001"}).config
    assert config.content.stores == ("folder:/a", "http://b:5001")


def test_a_variable_that_names_both_a_key_and_a_table_is_refused_not_a_crash() -> None:
    with pytest.raises(ConfigError):
        trace(environ={"MILEPOST_MQTT__HOST": "a", "MILEPOST_MQTT__HOST__PORT": "b"})


def test_systemd_says_where_state_and_secrets_are() -> None:
    environ = {"STATE_DIRECTORY": "/var/lib/milepost:/x", "CREDENTIALS_DIRECTORY": "/run/credentials/m"}
    agent = trace(environ=environ).config.agent
    assert agent.state_dir == Path("/var/lib/milepost")
    assert agent.key_file == Path("/run/credentials/m/stellar-key")


def test_without_systemd_the_key_lies_with_the_state(tmp_path: Path) -> None:
    config = trace(written(tmp_path, f"[agent]\nstate_dir = '{tmp_path}'\n"), environ={}).config
    assert config.agent.key_file == tmp_path / "stellar-key"
    assert config.validator.key_file == tmp_path / "stellar-key"


def test_a_configuration_cannot_be_changed_once_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().mqtt.port = 1


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_in_a_sentence(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = written(tmp_path_factory.mktemp("config"), text.replace("\ud800", ""))
    try:
        trace(path, environ={})
    except MilepostError as error:
        assert error.exit_code == BAD_CONFIG


def test_a_byte_order_mark_is_no_part_of_the_configuration(tmp_path):
    path = written(tmp_path, "\ufeff[mqtt]\nhost = 'fe80::1'\n")
    assert trace(path, {}, {}).config.mqtt.host == "fe80::1"


CAMERAS = """
[[camera]]
view = "front"
source = "road:"

[[camera]]
view = "rear"
source = "rtsp://10.0.0.5/rear"
"""


def test_a_car_with_several_cameras_names_what_each_looks_at(tmp_path: Path) -> None:
    loaded = trace(written(tmp_path, CAMERAS), environ={})
    assert loaded.config.camera.sources == {"front": "road:", "rear": "rtsp://10.0.0.5/rear"}
    assert loaded.origin(("camera", "source")).endswith("line 4")


def test_the_first_camera_may_come_from_the_profile_and_the_others_from_the_file(tmp_path: Path) -> None:
    text = "[agent]\nprofile = 'x86-cpu'\n[[camera.others]]\nview = 'rear'\nsource = 'road:'\n"
    cameras = trace(written(tmp_path, text), environ={}).config.camera.sources
    assert list(cameras) == ["front", "rear"] and cameras["front"].startswith("v4l2:")


def test_two_cameras_that_look_the_same_way_are_a_mistake_with_its_line(tmp_path: Path) -> None:
    said = mistake(written(tmp_path, CAMERAS.replace('"rear"', '"front"')))
    assert "line 2: camera cannot be used: two cameras have the view front: each needs its own." in said


def test_a_wrong_key_of_a_camera_among_several_is_shown(tmp_path: Path) -> None:
    said = mistake(written(tmp_path, CAMERAS.replace("source", "sorce", 1)))
    assert "unknown key 'sorce' in [camera]. Did you mean 'source'?" in said
