"""`tools/conformance.py`: recordings of a real stellar-core replay without a difference."""

from __future__ import annotations

import base64
import copy
import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.conformance import load, main, recordings, replay

SAMPLE = (
    "account_merge",
    "auth_required",
    "claimable_predicates",
    "clawback",
    "deauth_offers",
    "fees",
    "memos",
    "muxed",
    "offers_passive",
    "path_errors",
    "preconditions",
    "rounding_tiny",
    "sequence",
    "set_options",
    "special_signers",
    "timebounds",
    "walk_02",
)
FAILED = MALFORMED = (-1).to_bytes(4, "big", signed=True)
UNCLAIMED = ("inflation", "liquidity_pools", "multisig", "pool_trust_edges", "sponsorship")


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    path = shared / "conformance/stellar/golden"
    if not path.is_dir():
        pytest.skip("the recordings of stellar-core are not beside this checkout (../shared)")
    return path


def recording(golden: Path, name: str) -> Any:
    return load(golden / f"{name}.json.gz")


@pytest.mark.parametrize("name", SAMPLE)
def test_a_recording_replays_without_a_difference(golden: Path, name: str) -> None:
    report = replay(recording(golden, name), name)
    assert not report.skipped
    assert report.mismatches == 0, report


@pytest.mark.slow
def test_every_recording_replays_without_a_difference(golden: Path) -> None:
    reports = [replay(load(path), path.name) for path in recordings([golden])]
    assert [str(one) for one in reports if one.mismatches] == []
    assert sum(one.transactions for one in reports) > 7_000


@pytest.mark.parametrize("name", UNCLAIMED)
def test_what_localnet_claims_of_an_unclaimed_recording_agrees_too(golden: Path, name: str) -> None:
    """Each ledger by itself, on the recorded state before it; those with unclaimed operations are skipped."""
    whole = recording(golden, name)
    assert replay(whole, name).skipped
    before, replayed = whole["initial"], 0
    for ledger in whole["ledgers"]:
        report = replay(whole | {"initial": before, "ledgers": [ledger]}, name)
        assert report.mismatches == 0, report
        replayed += not report.skipped
        before = ledger
    assert replayed


def test_a_recording_is_skipped_for_what_is_in_it_and_not_for_its_name(golden: Path) -> None:
    report = replay(recording(golden, "sponsorship"), "payments")
    assert "sponsorship" in report.skipped
    assert report.transactions == 0


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        ("balance", lambda ledger: next(iter(ledger["state"]["accounts"].values()))),
        ("fee_pool", lambda ledger: ledger["header"]),
        ("id_pool", lambda ledger: ledger["header"]),
        ("amount", lambda ledger: ledger["state"]["offers"][0]),
        ("limit", lambda ledger: ledger["state"]["trustlines"][0]),
        ("selling_liabilities", lambda ledger: ledger["state"]["trustlines"][0]),
    ],
)
def test_a_difference_of_one_stroop_is_found_and_explained(golden: Path, kind: str, where: Any) -> None:
    changed = copy.deepcopy(recording(golden, "offers_basic"))
    until = next(at for at, one in enumerate(changed["ledgers"]) if one["state"]["offers"])
    ledger = changed["ledgers"][until]
    changed["ledgers"] = changed["ledgers"][: until + 1]
    where(ledger)[kind] += 1
    report = replay(changed, "offers_basic")
    assert report.mismatches == 1
    assert kind in report.first
    assert f"ledger {ledger['header']['ledger_seq']}" in report.first
    assert "expected" in report.first


def test_a_different_result_is_found_with_its_operation_and_field(golden: Path) -> None:
    changed = copy.deepcopy(recording(golden, "payment_credit"))
    applied = [one for ledger in changed["ledgers"] for one in ledger["applied"]]
    failed = next(one for one in applied if base64.b64decode(one["result_pair"])[40:44] == FAILED)
    pair = base64.b64decode(failed["result_pair"])
    # A TransactionResult ends with the last operation's code and the extension.
    failed["result_pair"] = base64.b64encode(pair[:-8] + MALFORMED + pair[-4:]).decode()
    report = replay(changed, "payment_credit")
    assert report.mismatches == 1
    assert failed["hash"][:8] in report.first
    assert "result.result.txfailed[0].opinner.payment: expected malformed, got " in report.first


def test_a_different_admission_is_found(golden: Path) -> None:
    changed = copy.deepcopy(recording(golden, "sequence"))
    refused = next(one for ledger in changed["ledgers"] for one in ledger["submitted"] if one["status"] == "ERROR")
    refused["error_result"] = "AAAAAAAAAGT////6AAAAAA=="
    report = replay(changed, "sequence")
    assert report.mismatches == 1
    assert "submission" in report.first


@pytest.mark.slow
def test_the_command_counts_files_and_tells_of_differences_by_its_exit_code(golden: Path, tmp_path: Path) -> None:
    good = recording(golden, "memos")
    bad = copy.deepcopy(good)
    bad["ledgers"][-1]["header"]["fee_pool"] += 1
    for name, content in (("a_good", good), ("b_bad", bad)):
        (tmp_path / f"{name}.json.gz").write_bytes(gzip.compress(json.dumps(content).encode()))
    script = Path(__file__).resolve().parents[3] / "tools/conformance.py"

    def run(*paths: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(script), *map(str, paths)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    fine = run(tmp_path / "a_good.json.gz", golden / "inflation.json.gz")
    assert fine.returncode == 0, fine.stderr
    assert fine.stdout.splitlines()[-1] == "2 files, 11 transactions, 1 files skipped, 0 mismatches"
    spoilt = run(tmp_path)
    assert spoilt.returncode == 1
    assert spoilt.stdout.splitlines()[-1] == "2 files, 22 transactions, 0 files skipped, 1 mismatches"


def test_a_path_without_recordings_is_a_mistake_of_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, sentence in ((tmp_path, "no *.json.gz"), (tmp_path / "lost.json.gz", "no recording at")):
        with pytest.raises(SystemExit) as left:
            main([str(path)])
        assert left.value.code == 2
        assert sentence in capsys.readouterr().err
