"""Replay recordings of a real stellar-core into localnet's ledger engine and report every difference.

    python tools/conformance.py PATH...        PATH is a recording (*.json.gz) or a folder of them

For every ledger of a recording: each submitted envelope must get the recorded status and error; the
transactions that the queue nominates must be the recorded ones; each result, byte for byte, each fee, and
then the whole state must agree. After a difference the recorded state is taken, so one mistake is not counted
again in every ledger. Recordings that use what localnet does not claim are skipped, judged by what is in them
and not by their names.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from stellar_sdk import xdr

from tools.localnet.engine import (
    PROTOCOL_19,
    Account,
    Applied,
    Asset,
    ClaimableBalance,
    Claimant,
    Closed,
    DataEntry,
    Entry,
    Envelope,
    Header,
    Key,
    LedgerState,
    Offer,
    Predicate,
    Queue,
    Signer,
    TrustLine,
    Undecodable,
    admit,
    close,
    network_id,
)
from tools.localnet.engine.operations import kind_of
from tools.localnet.engine.signers import signer_text

Recording = dict[str, Any]

CLOCK_AHEAD_SECONDS = 5
"""The recorded node's clock, which is not in a recording, may run this far ahead of the last close."""

_HEADER_FIELDS = tuple(one.name for one in fields(Header) if not one.name.endswith("hash"))


@dataclass(slots=True)
class Report:
    """What a replay found. `skipped` is the reason why there was none."""

    name: str
    transactions: int = 0
    mismatches: int = 0
    first: str = ""
    skipped: str = ""

    def differs(self, where: str, expected: object, got: object) -> None:
        if not self.mismatches:
            self.first = f"{where}: expected {expected}, got {got}"
        self.mismatches += 1

    def __str__(self) -> str:
        if self.skipped:
            return f"{self.name}: skipped, {self.skipped}"
        if self.mismatches:
            return f"{self.name}: {self.mismatches} mismatches in {self.transactions} transactions; {self.first}"
        return f"{self.name}: ok, {self.transactions} transactions"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Replay recordings of stellar-core into localnet's engine.")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a *.json.gz or a folder of them")
    found = list(recordings(parser.parse_args(arguments).paths))
    missing = [str(path) for path in found if not path.is_file()]
    if missing or not found:
        parser.error(f"no recording at {', '.join(missing)}" if missing else "no *.json.gz in these folders")
    reports = []
    for path in found:
        reports.append(replay(load(path), path.name.removesuffix(".json.gz")))
        print(reports[-1], flush=True)
    mismatches = sum(one.mismatches for one in reports)
    skipped = sum(bool(one.skipped) for one in reports)
    transactions = sum(one.transactions for one in reports)
    print(f"{len(reports)} files, {transactions} transactions, {skipped} files skipped, {mismatches} mismatches")
    return 1 if mismatches else 0


def recordings(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(path.glob("*.json.gz"))
        else:
            yield path


def load(path: Path) -> Recording:
    with gzip.open(path) as file:
        recording: Recording = json.load(file)
    return recording


# -- replaying


@dataclass(slots=True)
class Replay:
    """A recording on its way through the engine."""

    recording: Recording
    report: Report
    state: LedgerState
    queue: Queue = field(default_factory=Queue)

    @property
    def network(self) -> bytes:
        return network_id(self.recording["network_passphrase"])


def replay(recording: Recording, name: str) -> Report:
    report = Report(name)
    report.skipped = reason_to_skip(recording)
    if report.skipped:
        return report
    run = Replay(recording, report, LedgerState(entries_of(recording["initial"])))
    for ledger in recording["ledgers"]:
        before = report.mismatches
        _replay_submissions(run, ledger)
        _replay_close(run, ledger)
        if report.mismatches != before:
            run.state = LedgerState(entries_of(ledger))
    return report


def _replay_submissions(run: Replay, ledger: Recording) -> None:
    for index, submitted in enumerate(ledger["submitted"], start=1):
        expected = submitted["status"], submitted.get("error_result")
        answer = _answer(run, submitted["envelope"], 0)
        if answer != expected and _answer(run, submitted["envelope"], CLOCK_AHEAD_SECONDS) == expected:
            answer = expected
        status, result = answer
        if status == "PENDING":
            run.queue.add(Envelope.decode(submitted["envelope"], run.network))
        where = f"ledger {ledger['header']['ledger_seq']}, submission {index}"
        if status != submitted["status"]:
            run.report.differs(f"{where}, status", submitted["status"], f"{status} {_told(result)}")
        elif result != expected[1]:
            _compare_results(run.report, where, expected[1], result)


def _answer(run: Replay, envelope: str, ahead: int) -> tuple[str, str | None]:
    """What a node says whose clock is so many seconds after the last close: status, and error in base64."""
    try:
        decoded = Envelope.decode(envelope, run.network)
    except Undecodable:
        return "EXCEPTION", None
    now = run.state.header.close_time + ahead
    admission = admit(run.state, decoded, now, run.queue, PROTOCOL_19)
    result = admission.result
    return admission.status, None if result is None else base64.b64encode(result).decode()


def _replay_close(run: Replay, ledger: Recording) -> None:
    report, seq, close_time = run.report, ledger["header"]["ledger_seq"], ledger["header"]["close_time"]
    recorded = {one["hash"] for one in ledger["applied"]}
    nominated = {one.hash.hex() for one in run.queue.nominate(run.state, close_time, PROTOCOL_19)}
    if nominated != recorded:
        report.differs(f"ledger {seq}, nominated transactions", sorted(recorded), sorted(nominated))
    batch = [Envelope.decode(one["envelope"], run.network) for one in ledger["applied"]]
    closed = close(run.state, batch, close_time, PROTOCOL_19)
    run.queue.closed(batch, PROTOCOL_19)
    report.transactions += len(batch)
    for expected, got in zip(ledger["applied"], closed.transactions, strict=True):
        _compare_applied(report, seq, expected, got)
    run.state.commit(closed.changes)
    _upgrade(run.state, ledger["header"])
    _compare_states(report, ledger, closed, run.state)


def _upgrade(state: LedgerState, header: Recording) -> None:
    """Take over what validators vote on after the transactions: no engine could know it."""
    voted = {name: header[name] for name in ("protocol", "base_fee", "base_reserve", "max_tx_set_size")}
    state.load([replace(state.header, **voted)])


# -- comparing


def _compare_applied(report: Report, seq: int, expected: Recording, got: Applied) -> None:
    where = f"ledger {seq}, transaction {expected['index']} ({expected['hash'][:8]})"
    if got.envelope.hash.hex() != expected["hash"]:
        report.differs(f"{where}, hash", expected["hash"], got.envelope.hash.hex())
    # A TransactionResultPair is the hash, then the result.
    result = base64.b64decode(expected["result_pair"])[32:]
    if got.result != result:
        _compare_results(report, where, base64.b64encode(result).decode(), base64.b64encode(got.result).decode())
    fee = int.from_bytes(result[:8], "big")
    if got.fee_charged != fee:
        report.differs(f"{where}, fee charged", fee, got.fee_charged)


def _compare_results(report: Report, where: str, expected: str | None, got: str | None) -> None:
    """Say in which operation and field two results differ."""
    wanted, found = _told(expected), _told(got)
    if isinstance(wanted, dict) and isinstance(found, dict):
        for path, one, other in _differences(wanted, found):
            report.differs(f"{where}, result{path}", one, other)
            return
    report.differs(f"{where}, result", wanted, found)


def _told(result: str | None) -> Any:
    return None if result is None else xdr.TransactionResult.from_xdr(result).to_json_dict()


def _differences(expected: Any, got: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(expected, dict) and isinstance(got, dict):
        for name in [*expected, *(name for name in got if name not in expected)]:
            yield from _differences(expected.get(name), got.get(name), f"{path}.{name}")
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for index, (one, other) in enumerate(zip(expected, got, strict=True)):
            yield from _differences(one, other, f"{path}[{index}]")
    elif expected != got:
        yield path, expected, got


def _compare_states(report: Report, ledger: Recording, closed: Closed, state: LedgerState) -> None:
    expected = {entry.key: entry for entry in entries_of(ledger)}
    got = {entry.key: _comparable(entry) for entry in state}
    for key in expected.keys() | got.keys():
        if expected.get(key) != got.get(key):
            _explain(report, closed, key, expected.get(key), got.get(key))


def _comparable(entry: Entry) -> Entry:
    return replace(entry, hash=bytes(32), previous_hash=bytes(32)) if isinstance(entry, Header) else entry


def _explain(report: Report, closed: Closed, key: Key, expected: Entry | None, got: Entry | None) -> None:
    where = f"ledger {closed.header.ledger_seq}, {' '.join(map(str, key))}"
    touching = [
        f"transaction {index}"
        for index, applied in enumerate(closed.transactions, start=1)
        if any(change.key == key for operation in applied.operations for change in operation.changes)
    ]
    if touching:
        where += f" (touched by {', '.join(touching)})"
    if expected is None or got is None:
        report.differs(where, expected, got)
        return
    for one in fields(expected):
        wanted, found = getattr(expected, one.name), getattr(got, one.name)
        if wanted != found:
            report.differs(f"{where}, {one.name}", wanted, found)
            return


# -- what localnet does not claim

_UNCLAIMED = {
    xdr.OperationType.INFLATION: "inflation",
    xdr.OperationType.BEGIN_SPONSORING_FUTURE_RESERVES: "sponsorship",
    xdr.OperationType.END_SPONSORING_FUTURE_RESERVES: "sponsorship",
    xdr.OperationType.REVOKE_SPONSORSHIP: "sponsorship",
    xdr.OperationType.CHANGE_TRUST: "liquidity pools",
    xdr.OperationType.LIQUIDITY_POOL_DEPOSIT: "liquidity pools",
    xdr.OperationType.LIQUIDITY_POOL_WITHDRAW: "liquidity pools",
}


def reason_to_skip(recording: Recording) -> str:
    """Why a recording is outside what localnet claims, or nothing."""
    network = network_id(recording["network_passphrase"])
    found = set(_unclaimed_entries(recording["initial"]["state"]))
    for ledger in recording["ledgers"]:
        for one in (*ledger["submitted"], *ledger["applied"]):
            try:
                envelope = Envelope.decode(one["envelope"], network)
            except Undecodable:
                continue
            unclaimed = (operation for operation in envelope.transaction.operations if not kind_of(operation))
            found |= {_UNCLAIMED.get(operation.type, "smart contracts") for operation in unclaimed}
    return f"it uses {' and '.join(sorted(found))}, which localnet does not claim" if found else ""


def _unclaimed_entries(state: Recording) -> Iterator[str]:
    if state["liquidity_pools"] or any(one["asset"].startswith("pool:") for one in state["trustlines"]):
        yield "liquidity pools"
    sponsored = [*state["accounts"].values(), *state["trustlines"], *state["offers"], *state["data"]]
    signers = (signer for account in state["accounts"].values() for signer in account["signers"])
    if any(one.get("sponsor") for one in (*sponsored, *signers)):
        yield "sponsorship"


# -- reading a recorded ledger


def entries_of(ledger: Recording) -> Iterator[Entry]:
    """The engine's entries of a recorded ledger (its `header` and `state`)."""
    state = ledger["state"]
    yield Header(**{name: ledger["header"][name] for name in _HEADER_FIELDS})
    for name, account in state["accounts"].items():
        yield _account(name, account)
    for line in state["trustlines"]:
        yield TrustLine(**_same(TrustLine, line) | {"asset": Asset.parse(line["asset"])})
    for offer in state["offers"]:
        pair = {"selling": Asset.parse(offer["selling"]), "buying": Asset.parse(offer["buying"])}
        yield Offer(**_same(Offer, offer) | pair)
    for data in state["data"]:
        yield DataEntry(**_same(DataEntry, data) | {"value": base64.b64decode(data["value"])})
    for balance in state["claimable_balances"]:
        yield _claimable_balance(balance)


def _same(kind: type, row: Recording) -> Recording:
    """The fields that a recording and the engine call the same."""
    names = {one.name for one in fields(kind)}
    return {name: value for name, value in row.items() if name in names}


def _account(name: str, row: Recording) -> Account:
    return Account(
        **_same(Account, row)
        | {
            "account": name,
            "sequence": row["seqnum"],
            "subentries": row["num_subentries"],
            "thresholds": tuple(row["thresholds"]),
            "inflation_destination": row["inflation_dest"],
            "signers": tuple(Signer(_signer_key(one["key"]), one["weight"]) for one in row["signers"]),
            "sequence_ledger": row["seq_ledger"],
            "sequence_time": row["seq_time"],
        }
    )


def _signer_key(key: str) -> str:
    kind, colon, encoded = key.partition(":")
    return signer_text(xdr.SignerKey.from_xdr(encoded)) if colon else kind


def _claimable_balance(row: Recording) -> ClaimableBalance:
    claimants = tuple(Claimant(one["destination"], _predicate(one["predicate"])) for one in row["claimants"])
    made = {"asset": Asset.parse(row["asset"]), "claimants": claimants}
    return ClaimableBalance(**_same(ClaimableBalance, row) | made)


def _predicate(row: Recording) -> Predicate:
    ((kind, value),) = row.items()
    if kind in ("and", "or"):
        return (kind, *map(_predicate, value))
    if kind == "not":
        return (kind, _predicate(value))
    return ("before", value) if kind == "abs_before" else ("unconditional",)


if __name__ == "__main__":
    sys.exit(main())
