"""A settlement account's chain of records, without any history: its newest record is named by a data entry that only
the committee can set, and each record names the one before.

The transaction that settled a record is signed. It is kept beside it, so that who knows the bundle's CID needs no
ledger that remembers it:

settlement    record.json, envelope.xdr
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from agent.content.importer import root
from agent.core.cid import Cid
from agent.core.documents import SettledEntry, SettlementRecord
from agent.core.ids import CidText, StakeId
from agent.core.ledger import Account
from agent.errors import Malformed
from agent.market import bundle
from agent.market.bundle import RECORD, Shelf
from agent.ports import BundleLimits, ContentStore

ENTRY = "milepost/record"
"""The settlement account's data entry: the digest of the newest record's bundle."""
ENVELOPE = "envelope.xdr"
LIMITS = BundleLimits(total_bytes=(2 << 20) + (256 << 10), files=2, depth=1)


def newest(account: Account) -> CidText | None:
    """The CID of the newest record; None: none was ever settled there. Raises Malformed."""
    digest = account.data.get(ENTRY)
    if digest is None:
        return None
    if len(digest) != 32:
        raise Malformed(what=f"the data entry {ENTRY} of {account.id}", why="it is no digest")
    return Cid.v0(digest).text


def chain(shelf: Shelf, cid: CidText | None) -> Iterator[tuple[CidText, SettlementRecord]]:
    """(CID, record), from one record back to the first. Raises Unavailable; Malformed where it is no chain."""
    index: int | None = None
    while cid is not None:
        record = shelf.record(cid)
        if index is not None and record.index != index - 1:
            raise Malformed(what=f"the record {cid}", why=f"its index is {record.index}, not {index - 1}")
        yield cid, record
        cid, index = record.previous, record.index
    if index:
        raise Malformed(what="a chain of records", why=f"it ends at record {index}")


def settled(shelf: Shelf, cid: CidText | None, stake: StakeId, since: int = 0) -> SettledEntry | None:
    """What became of a stake, by the records from `cid` back to index `since`; None when none of them settled it.
    Raises Unavailable, Malformed."""
    for _, record in chain(shelf, cid):
        if record.index < since:
            return None
        for entry in record.entries:
            if entry.entry == stake:
                return entry
    return None


def pin(record: SettlementRecord, store: ContentStore) -> Cid:
    """Keep a record where others can fetch it. Twice is harmless: the same bytes have the same CID."""
    with tempfile.TemporaryDirectory(prefix="milepost-") as scratch:
        return store.put(_laid(scratch, {RECORD: record.to_bytes()}))


def record_cid(record: SettlementRecord) -> Cid:
    """The CID of a record's bundle, computed here."""
    with tempfile.TemporaryDirectory(prefix="milepost-") as scratch:
        return root(_laid(scratch, {RECORD: record.to_bytes()}))


def keep(record: SettlementRecord, envelope: str, store: ContentStore) -> Cid:
    """Keep a record with the transaction that settled it (base64 XDR, as the ledger has it). Everybody who has both
    makes the same bundle of them."""
    with tempfile.TemporaryDirectory(prefix="milepost-") as scratch:
        return store.put(_laid(scratch, {RECORD: record.to_bytes(), ENVELOPE: envelope.encode()}))


def kept(shelf: Shelf, cid: CidText) -> tuple[SettlementRecord, str]:
    """(the record, the envelope) of such a bundle; that they belong together is for the reader to check: the envelope's
    memo is the CID of the record's own bundle. Raises Unavailable, Malformed."""
    folder = shelf.get(cid, LIMITS)
    try:
        record, envelope = (folder / RECORD).read_bytes(), (folder / ENVELOPE).read_text(encoding="ascii")
    except (OSError, ValueError):
        raise Malformed(what=f"the bundle {cid}", why="it does not hold a record and its envelope") from None
    return SettlementRecord.parse(record), envelope


def _laid(scratch: str, contents: Mapping[str, bytes | Path]) -> Path:
    return bundle.lay(Path(scratch) / "record", contents)
