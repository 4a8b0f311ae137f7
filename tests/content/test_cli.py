"""`milepost content` as people use it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli import cli
from agent.content import importer
from agent.errors import MilepostError

Run = Callable[..., str]
NOWHERE = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))

    def invoke(*arguments: object, store: str = f"folder:{tmp_path / 'store'}") -> str:
        result = CliRunner().invoke(cli, ["content", *map(str, arguments), "--store", store], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return invoke


def test_what_was_added_can_be_listed_checked_and_fetched(run: Run, bundle: Path, tmp_path: Path) -> None:
    cid = run("add", bundle).strip()
    assert cid == str(importer.root(bundle))
    assert "       700,000  update.safetensors" in run("stat", cid)
    assert run("verify", cid) == f"{cid} is whole: 3 files, 700014 bytes, every block checked.\n"
    run("get", cid, tmp_path / "into")
    assert importer.root(tmp_path / "into") == importer.root(bundle)


def test_every_verb_prints_its_facts_as_json(run: Run, bundle: Path, tmp_path: Path) -> None:
    added = json.loads(run("add", bundle, "--json"))
    cid = added["cid"]
    assert added["digest"] == importer.root(bundle).digest.hex()
    assert json.loads(run("verify", cid, "--json")) == {"cid": cid, "files": 3, "bytes": 700_014}
    assert {"name": "sub/empty", "bytes": 0} in json.loads(run("stat", cid, "--json"))["files"]
    assert json.loads(run("get", cid, tmp_path / "into", "--json"))["folder"] == str(tmp_path / "into")


@pytest.mark.parametrize(
    ("arguments", "exit_code", "sentence"),
    [
        (("verify", NOWHERE), 69, "is not to be had now"),
        (("verify", "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua"), 1, "codec 0x71"),
        (("add", "/nowhere/at/all"), 1, "there is nothing there"),
    ],
)
def test_what_goes_wrong_is_a_sentence_and_an_exit_code(
    run: Run, arguments: tuple[str, ...], exit_code: int, sentence: str
) -> None:
    with pytest.raises(MilepostError, match=sentence) as raised:
        run(*arguments)
    assert raised.value.exit_code == exit_code


def test_an_address_of_no_store_is_a_usage_error(run: Run, bundle: Path) -> None:
    with pytest.raises(MilepostError, match="not the address of a content store") as raised:
        run("add", bundle, store="ftp://node")
    assert raised.value.exit_code == 2
