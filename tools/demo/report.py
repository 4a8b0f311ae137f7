"""What the demo came to: read from the ledger, the journals and the records, never from what was hoped for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import requests
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from agent.core.cid import Cid
from agent.core.ids import AccountId
from agent.core.jobs.contribution import Closed, Job, Rejected, Verdict
from agent.core.money import UNIT, XLM, Asset, Stroops, stroops, text
from agent.core.verdict import threshold
from agent.journal import JournalMissing, JournalReader
from agent.ledger.envelope import opened
from agent.vehicle.book import every_job
from tools.demo.parties import Party
from tools.demo.stage import Stage

Balances = dict[str, dict[str, str]]


def balances(scene: Stage, **also: str) -> Balances:
    """Party → asset → amount. `also`: more accounts by name."""
    accounts = {party.name: party.account for party in scene.everybody} | also
    found: Balances = {}
    for name, account_id in accounts.items():
        account = scene.horizon.account(account_id)
        lines = account.lines if account else {}
        found[name] = {("XLM" if a == XLM else a.code): text(line.balance) for a, line in lines.items()}
    return found


def jobs(vehicle: Party) -> list[Job]:
    """The vehicle's jobs, read beside its daemon."""
    try:
        journal = JournalReader(vehicle.folder / "state" / "journal.sqlite")
    except JournalMissing:
        return []
    try:
        return list(every_job(journal).values())
    finally:
        journal.close()


def gather(
    scene: Stage,
    published: dict[str, Any],
    history: list[dict[str, Any]],
    acts: list[dict[str, str]],
    before: Balances,
    seconds: float,
) -> dict[str, Any]:
    """report.json. `published`: what the publication of round 0 said."""
    after = balances(scene, settlement=AccountId(published["settlement"]))
    head = scene.horizon.head()
    figure = {"name": "rmse", "unit": "deg", "better": "lower"}
    return {
        "rounds": [_round(number, row) for number, row in enumerate(history)],
        "entries": [_entry(scene, v, job) for v in scene.vehicles for job in jobs(v) if job.outcome],
        "balances": {name: {"before": before.get(name, {}), "after": held} for name, held in after.items()},
        "figure": figure,
        "ledger": {"url": scene.horizon.url, "transactions": _transactions(scene), "closed": head.sequence},
        "acts": acts,
        "books": _books(scene, AccountId(published["issuer"]), after),
        "seconds": round(seconds, 1),
    }


def _round(number: int, row: dict[str, Any]) -> dict[str, Any]:
    cid = row["cid"]
    digest = Cid.parse(cid).digest.hex() if cid else None
    return {"number": number, "cid": cid, "digest": digest, "figure": float(row["figure"]), "fused": row["fused"]}


def _entry(scene: Stage, vehicle: Party, job: Job) -> dict[str, Any]:
    verdict, closed = job.newest(Verdict), job.newest(Closed)
    settlement = verdict.settlement if verdict else None
    settled = scene.horizon.find(settlement) if settlement else None
    signers = []
    if settled is not None:
        envelope = opened(settled.envelope, scene.horizon.passphrase)
        signers = [v.name for v in scene.validators if envelope.is_signed_by(v.account)]
    kept = 0 if isinstance(verdict, Rejected) else job.stake - (verdict.returned if verdict else 0)
    return {
        "vehicle": vehicle.name,
        "role": vehicle.role,
        "round": job.choice.number,
        "cid": job.contribution,
        "transaction": job.entry.envelope.hash,
        "verdict": job.outcome,
        "reason": job.reason,
        "credit": text(job.credit),
        "stake_dlc": text(job.stake),
        "fee_dlc": text(kept),
        "paid_xlm": text(closed.paid if closed else 0),
        "settlement_transaction": settlement,
        "signers": signers,
    }


def _transactions(scene: Stage) -> int:
    return sum(ledger["successful_transaction_count"] for ledger in _all(scene, "/ledgers?limit=200"))


# --- do the books balance? ------------------------------------------------------------------------------------------


def _books(scene: Stage, issuer: AccountId, after: Balances) -> dict[str, dict[str, str]]:
    """Per asset: what was issued, and what is held. XLM: what there is, and where it is."""
    books = {}
    for asset in (scene.dlc, *(Asset(f"{kind}road", issuer) for kind in ("DLM", "VLM"))):
        held = sum(stroops(lines.get(asset.code, "0")) for lines in after.values())
        books[asset.code] = {"issued": text(_issued(scene, asset)), "held": text(held)}
    there, total = _xlm(scene)
    books["XLM"] = {"issued": text(total), "held": text(there)}
    return books


def _issued(scene: Stage, asset: Asset) -> Stroops:
    """What left the issuer less what came back, summed over the issuer's own history (effects)."""
    total = 0
    for effect in _all(scene, f"/accounts/{asset.issuer}/effects?limit=200"):
        if effect["type"] == "trade":
            total += _if(effect, asset, "sold_") - _if(effect, asset, "bought_")
        elif effect["type"] == "account_debited":
            total += _if(effect, asset, "")
        elif effect["type"] == "account_credited":
            total -= _if(effect, asset, "")
    return total


def _if(effect: dict[str, Any], asset: Asset, prefix: str) -> Stroops:
    same = (effect.get(f"{prefix}asset_code"), effect.get(f"{prefix}asset_issuer")) == (asset.code, asset.issuer)
    return stroops(effect[f"{prefix}amount"]) if same else 0


def _xlm(scene: Stage) -> tuple[Stroops, Stroops]:
    """(on all accounts, in claimable balances and in the fee pool, in existence)."""
    head = _json(f"{scene.horizon.url}/ledgers?order=desc&limit=1")["_embedded"]["records"][0]
    accounts = {e["account"] for e in _all(scene, "/effects?limit=200") if e["type"] == "account_created"}
    held = 0
    for account_id in accounts | {_root(scene)}:
        account = scene.horizon.account(account_id)
        held += account.lines[XLM].balance if account else 0
    held += sum(stroops(balance["amount"]) for balance in _all(scene, "/claimable_balances?asset=native&limit=200"))
    return held + stroops(head["fee_pool"]), stroops(head["total_coins"])


def _root(scene: Stage) -> str:
    """The network's first account: its key is the hash of the passphrase."""
    import hashlib

    from stellar_sdk import Keypair

    return Keypair.from_raw_ed25519_seed(hashlib.sha256(scene.horizon.passphrase.encode()).digest()).public_key


def _all(scene: Stage, path: str) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    url = scene.horizon.url + path
    while True:
        page = _json(url)
        records += page["_embedded"]["records"]
        if len(page["_embedded"]["records"]) < 200:
            return records
        url = page["_links"]["next"]["href"]


def _json(url: str) -> dict[str, Any]:
    answer = requests.get(url, timeout=30)
    answer.raise_for_status()
    page: dict[str, Any] = answer.json()
    return page


# --- what must be true ----------------------------------------------------------------------------------------------


def faults(found: dict[str, Any], trips: int) -> list[str]:
    """What is not as it should be, in sentences; none when the demo showed what it is for."""
    wrong, paid = [], Counter[str]()
    fused = {cid for closed in found["rounds"] for cid in closed["fused"] or []}
    for entry in found["entries"]:
        who = f"{entry['vehicle']} on round {entry['round']}"
        if entry["role"] == "honest":
            paid[entry["vehicle"]] += stroops(entry["paid_xlm"])
            closed = any(later["cid"] for later in found["rounds"][entry["round"] + 1 :])
            if entry["verdict"] == "rejected" or (closed and entry["cid"] not in fused):
                wrong.append(f"{who} is honest, was {entry['verdict']} and not fused")
            if (entry["verdict"] == "accepted") != (stroops(entry["paid_xlm"]) > 0):
                wrong.append(f"{who} was {entry['verdict']} and paid {entry['paid_xlm']} XLM")
        if entry["role"] == "hostile" and (entry["verdict"] == "accepted" or entry["cid"] in fused):
            wrong.append(f"{who} is hostile, was {entry['verdict']}" + (" and fused" if entry["cid"] in fused else ""))
        if len(entry["signers"]) < threshold(3):
            wrong.append(f"the settlement of {who} has the signatures of {entry['signers']}")
    wrong += [f"{vehicle} is honest and was never paid" for vehicle, amount in paid.items() if amount <= 0]
    if len(found["entries"]) != trips * 3:
        wrong.append(f"{len(found['entries'])} entries instead of {trips * 3}")
    if found["rounds"][1]["cid"] is None or found["rounds"][1]["figure"] >= found["rounds"][0]["figure"]:
        wrong.append("round 1 is not better than round 0 on what no vehicle saw")
    for asset, book in found["books"].items():
        if book["issued"] != book["held"]:
            wrong.append(f"{asset}: issued {book['issued']}, held {book['held']}")
    for party, held in found["balances"].items():
        if party == "vehicle-3" and stroops(held["after"].get("DLC", "0")) >= UNIT * 100:
            wrong.append("the hostile vehicle has its stake")
    return wrong


def _short(amount: str) -> str:
    """Two decimals are enough for a table; report.json has all seven."""
    return amount if amount == "-" else f"{float(amount):.2f}"


def _print(console: Console, table: Table) -> None:
    """Where the terminal is too narrow for it, a paragraph a row: no word is broken or left out."""
    if Measurement.get(console, console.options.update(max_width=1000), table).maximum <= console.width:
        console.print(table)
        return
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        console.print()
        for column, cell in zip(table.columns, cells, strict=True):
            console.print(f"{column.header}: {cell}", soft_wrap=True)


def show(console: Console, found: dict[str, Any], file: Path) -> None:
    """For people."""
    entries = Table("vehicle", "round", "verdict", "VLM", "stake DLC", "paid XLM", "signers")
    for e in found["entries"]:
        colour = {"accepted": "green", "rejected": "red"}.get(e["verdict"], "yellow")
        entries.add_row(
            f"{e['vehicle']}, {e['role']}",
            str(e["round"]),
            f"[{colour}]{e['verdict']}[/]",
            _short(e["credit"]),
            _short(e["stake_dlc"]),
            _short(e["paid_xlm"]),
            str(len(e["signers"])),
        )
    _print(console, entries)
    for e in found["entries"]:
        console.print(f"  {e['vehicle']} on round {e['round']}: {e['verdict']}, {e['reason']}")
    money = Table("party", "XLM before", "XLM after", "DLC before", "DLC after")
    for party, held in found["balances"].items():
        row = [_short(held[when].get(asset, "-")) for asset in ("XLM", "DLC") for when in ("before", "after")]
        money.add_row(party, *row)
    _print(console, money)
    for each in found["acts"]:
        console.print(f"{each['name']}: {each['outcome']}")
    figures = Table("round", f"{found['figure']['name']} ({found['figure']['unit']})", "fused", "bundle")
    for r in found["rounds"]:
        figures.add_row(str(r["number"]), f"{r['figure']:.3f}", str(len(r["fused"] or [])), r["cid"] or "not published")
    _print(console, figures)
    for asset, book in found["books"].items():
        console.print(f"{asset}: issued {book['issued']}, held {book['held']}")
    console.print(
        f"{found['ledger']['transactions']} transactions in {found['ledger']['closed']} ledgers, {found['seconds']} s."
        f" Report: {file}, picture: {file.with_suffix('.png')}"
    )
