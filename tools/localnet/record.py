"""What a closed ledger leaves in history: transactions, operations, effects and trades.

And what strangers did in it, of whom nothing but history is kept: see foreign.py and the engine's market.py.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stellar_sdk import xdr

from .engine import NOBODY, Applied, AppliedOperation, Changes, Closed, Crowd, Header
from .engine.assets import account_from_xdr, muxed_from_xdr
from .fee_meta import fee_meta
from .foreign import Foreign
from .header import header_xdr
from .horizon.address import muxed_fields
from .horizon.asset import asset_order, asset_text
from .horizon.codes import inner_result
from .horizon.details import details
from .horizon.effect import TYPES, claimed_offers, effects
from .horizon.signed import signed_part, source_of
from .horizon.toid import synthetic_offer, toid

Rows = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class Chapter:
    """A closed ledger with all that history is to say of it."""

    closed: Closed
    crowd: Crowd = NOBODY
    foreign: tuple[Foreign, ...] = ()


_COLUMNS = {
    "history": 12,
    "history_account": 2,
    "operation": 4,
    "operation_account": 2,
    "operation_balance": 2,
    "effect": 5,
    "trade": 14,
}
# what names a party of an operation in its details, beside its source
_PARTIES = ("account", "into", "to", "from", "trustor", "funder", "claimant")


def record(db: sqlite3.Connection, chapter: Chapter) -> None:
    """Write a closed ledger's history, inside the caller's SQL transaction."""
    done, header, strangers = chapter.closed.transactions, chapter.closed.header, chapter.foreign
    operations = sum(len(one.envelope.transaction.operations) for one in done) + len(strangers)
    crowd = max(0, header.max_tx_set_size - operations) if chapter.crowd.bid else 0
    record_ledger(
        db,
        header,
        successful=sum(one.successful for one in done) + len(strangers),
        failed=sum(not one.successful for one in done),
        operations=sum(len(one.envelope.transaction.operations) for one in done if one.successful) + len(strangers),
        set_operations=operations + crowd,
        crowd=crowd,
        crowd_bid=chapter.crowd.bid,
    )
    rows: Rows = {table: [] for table in _COLUMNS}
    for index, applied in enumerate(done, 1):
        _transaction(rows, applied, toid(header.ledger_seq, index), header)
    for index, stranger in enumerate(strangers, len(done) + 1):
        _foreign(rows, stranger, toid(header.ledger_seq, index), header)
    for table, found in rows.items():
        if found:
            marks = ", ".join("?" * _COLUMNS[table])
            db.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", found)  # noqa: S608  own names


def record_ledger(
    db: sqlite3.Connection,
    header: Header,
    successful: int,
    failed: int,
    operations: int,
    set_operations: int,
    crowd: int = 0,
    crowd_bid: int = 0,
) -> None:
    row = (
        header.ledger_seq,
        header.hash.hex(),
        header.previous_hash.hex(),
        header.close_time,
        successful,
        failed,
        operations,
        set_operations,
        header.total_coins,
        header.fee_pool,
        header.base_fee,
        header.base_reserve,
        header.max_tx_set_size,
        header.protocol,
        header_xdr(header),
        crowd,
        crowd_bid,
    )
    db.execute(f"INSERT INTO ledger VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608  marks alone


def _transaction(rows: Rows, applied: Applied, number: int, header: Header) -> None:
    envelope, tx = applied.envelope, applied.envelope.transaction
    rows["history"].append(
        (
            number,
            envelope.hash.hex(),
            tx.hash.hex() if envelope.fee_bump else None,
            header.ledger_seq,
            applied.successful,
            applied.fee_charged,
            envelope.fee_bid,
            len(tx.operations),
            envelope.xdr,
            applied.result,
            fee_meta(applied.fee_changes),
            None,
        )
    )
    parties = {envelope.source, envelope.fee_source}
    written = signed_part(xdr.TransactionEnvelope.from_xdr_bytes(envelope.xdr)).tx
    source = source_of(written)
    for index, op in enumerate(written.operations):
        outcome = applied.operations[index] if index < len(applied.operations) else None
        parties |= _operation(
            rows, op, op.source_account or source, outcome, applied.successful, number + index + 1, header
        )
    rows["history_account"] += [(account, number) for account in sorted(parties)]


def _foreign(rows: Rows, one: Foreign, number: int, header: Header) -> None:
    """A stranger's transaction of one operation, listed for the account that it names."""
    row = (number, one.hash.hex(), None, header.ledger_seq, True, one.fee, one.fee, 1)
    rows["history"].append((*row, one.envelope, one.result, fee_meta(()), one.readable))
    rows["operation"].append((number + 1, one.type, True, json.dumps(one.fields)))
    for account in (one.account, one.source):
        rows["history_account"].append((account, number))
        rows["operation_account"].append((account, number + 1))


def _operation(
    rows: Rows,
    op: xdr.Operation,
    source: xdr.MuxedAccount,
    outcome: AppliedOperation | None,
    successful: bool,
    number: int,
    header: Header,
) -> set[str]:
    """Add the rows of one operation; returns the accounts that took part in it.

    The operation is listed for those that it names, its transaction also for those that it traded with.
    """
    result = xdr.OperationResult.from_xdr_bytes(outcome.result) if outcome else None
    fields: dict[str, Any] = muxed_fields("source_account", source) | details(op, result, source)
    rows["operation"].append((number, op.body.type.value, successful, json.dumps(fields)))
    parties = {fields["source_account"]} | {fields[name] for name in _PARTIES if name in fields}
    parties |= {one["destination"] for one in fields.get("claimants", ())}
    rows["operation_account"] += [(account, number) for account in parties]
    if outcome and result and successful:
        account = muxed_from_xdr(source)
        made = effects(op, result, account, outcome.changes)
        parties |= {effect.account for effect in made}
        rows["effect"] += [
            (number, n, effect.account, TYPES[effect.name], json.dumps(effect.fields))
            for n, effect in enumerate(made, 1)
        ]
        rows["trade"] += _trades(inner_result(result), account, outcome.changes, number, header.close_time)
        rows["operation_balance"] += [(key[1], number) for key in _keys(outcome.changes, "claimable_balance")]
    return parties


def _keys(changes: Changes, kind: str) -> Iterator[Any]:
    return (change.key for change in changes if change.key[0] == kind)


def _trades(arm: Any, taker: str, changes: Changes, number: int, closed_at: int) -> Iterator[tuple[Any, ...]]:
    """A row for each claimed offer, base and counter in the order of their assets.

    The price is that of the resting offer, as counter for one base.
    """
    resting = {change.key[1]: change.before or change.after for change in changes if change.key[0] == "offer"}
    left = getattr(getattr(getattr(arm, "success", None), "offer", None), "offer", None)
    taker_offer = left.offer_id.int64 if left else synthetic_offer(number)
    for n, atom in enumerate(claimed_offers(arm)):
        offer_id = atom.offer_id.int64
        maker = (
            account_from_xdr(atom.seller_id),
            offer_id,
            asset_text(atom.asset_sold),
            atom.amount_sold.int64,
        )
        other = (taker, taker_offer, asset_text(atom.asset_bought), atom.amount_bought.int64)
        offer: Any = resting[offer_id]
        if asset_order(maker[2]) < asset_order(other[2]):
            yield (number, n, closed_at, *maker, *other, True, offer.n, offer.d)
        else:
            yield (number, n, closed_at, *other, *maker, False, offer.d, offer.n)
