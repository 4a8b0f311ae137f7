"""The one SQLite file of a ledger: its entries, what filters look up, and its history.

Every close is one SQL transaction over all of them, so whoever kills the process finds the ledger as it was
after some close, never between two.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from .errors import BAD_CONFIG, NO_PERMISSION, UNAVAILABLE, LocalnetError

FILE = "ledger.sqlite"

# The entries themselves are in the engine's own table. `offer` to `claimant` say which entries a filter of
# Horizon's means; the rest is history. An `id` is a total order id (SEP-35).
SCHEMA = """
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS offer (
  id INTEGER PRIMARY KEY, seller TEXT NOT NULL, selling TEXT NOT NULL, buying TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS offer_seller ON offer (seller, id);
CREATE INDEX IF NOT EXISTS offer_pair ON offer (selling, buying, id);
CREATE TABLE IF NOT EXISTS line (
  asset TEXT NOT NULL, account TEXT NOT NULL, PRIMARY KEY (asset, account)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS signer (
  signer TEXT NOT NULL, account TEXT NOT NULL, PRIMARY KEY (signer, account)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS balance (
  id TEXT PRIMARY KEY, modified INTEGER NOT NULL, asset TEXT NOT NULL, sponsor TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS balance_modified ON balance (modified, id);
CREATE INDEX IF NOT EXISTS balance_asset ON balance (asset);
CREATE INDEX IF NOT EXISTS balance_sponsor ON balance (sponsor);
CREATE TABLE IF NOT EXISTS claimant (
  claimant TEXT NOT NULL, modified INTEGER NOT NULL, balance TEXT NOT NULL,
  PRIMARY KEY (claimant, modified, balance)) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS ledger (
  sequence INTEGER PRIMARY KEY, hash TEXT NOT NULL, previous_hash TEXT NOT NULL, closed_at INTEGER NOT NULL,
  successful INTEGER NOT NULL, failed INTEGER NOT NULL, operations INTEGER NOT NULL,
  set_operations INTEGER NOT NULL, total_coins INTEGER NOT NULL, fee_pool INTEGER NOT NULL,
  base_fee INTEGER NOT NULL, base_reserve INTEGER NOT NULL, max_tx_set_size INTEGER NOT NULL,
  protocol INTEGER NOT NULL, header BLOB NOT NULL,
  crowd INTEGER NOT NULL DEFAULT 0, crowd_bid INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS history (
  id INTEGER PRIMARY KEY, hash TEXT NOT NULL, inner_hash TEXT, ledger INTEGER NOT NULL,
  successful INTEGER NOT NULL, fee_charged INTEGER NOT NULL, fee_bid INTEGER NOT NULL,
  operations INTEGER NOT NULL, envelope BLOB NOT NULL, result BLOB NOT NULL,
  fee_meta BLOB NOT NULL DEFAULT x'00000000', readable BLOB);
CREATE INDEX IF NOT EXISTS history_hash ON history (hash);
CREATE INDEX IF NOT EXISTS history_inner ON history (inner_hash) WHERE inner_hash IS NOT NULL;
CREATE TABLE IF NOT EXISTS history_account (
  account TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (account, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS operation (
  id INTEGER PRIMARY KEY, type INTEGER NOT NULL, successful INTEGER NOT NULL, fields TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS operation_account (
  account TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (account, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS operation_balance (
  balance TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (balance, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS effect (
  id INTEGER NOT NULL, number INTEGER NOT NULL, account TEXT NOT NULL, type INTEGER NOT NULL,
  fields TEXT NOT NULL, PRIMARY KEY (id, number)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS effect_account ON effect (account, id, number);
CREATE TABLE IF NOT EXISTS trade (
  id INTEGER NOT NULL, number INTEGER NOT NULL, closed_at INTEGER NOT NULL,
  base_account TEXT NOT NULL, base_offer INTEGER NOT NULL,
  base_asset TEXT NOT NULL, base_amount INTEGER NOT NULL,
  counter_account TEXT NOT NULL, counter_offer INTEGER NOT NULL, counter_asset TEXT NOT NULL,
  counter_amount INTEGER NOT NULL, base_is_seller INTEGER NOT NULL, price_n INTEGER NOT NULL,
  price_d INTEGER NOT NULL, PRIMARY KEY (id, number)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS trade_pair ON trade (base_asset, counter_asset, id, number);
CREATE INDEX IF NOT EXISTS trade_base ON trade (base_account, id, number);
CREATE INDEX IF NOT EXISTS trade_counter ON trade (counter_account, id, number);
CREATE INDEX IF NOT EXISTS trade_base_offer ON trade (base_offer, id, number);
CREATE INDEX IF NOT EXISTS trade_counter_offer ON trade (counter_offer, id, number);
"""


# what ledgers of localnet's first version lack
_ADDED = (
    ("ledger", "crowd INTEGER NOT NULL DEFAULT 0"),
    ("ledger", "crowd_bid INTEGER NOT NULL DEFAULT 0"),
    ("history", "fee_meta BLOB NOT NULL DEFAULT x'00000000'"),
    ("history", "readable BLOB"),
)


class LedgerInUse(LocalnetError):
    """The ledger in {path} is open in another process. Stop that one, or choose another --state directory."""

    exit_code = UNAVAILABLE


class OtherNetwork(LocalnetError):
    """The ledger in {path} belongs to the network "{found}", not "{asked}". Choose another --state."""

    exit_code = BAD_CONFIG


class LedgerUnreadable(LocalnetError):
    """The ledger in {path} cannot be opened: {reason}. Check the directory and its permissions, or choose another."""

    exit_code = NO_PERMISSION


def open_database(directory: Path | None, passphrase: str) -> sqlite3.Connection:
    """Open or make the ledger's file, for this process alone; without a directory it lives in memory.

    Raises LedgerInUse, OtherNetwork, LedgerUnreadable.
    """
    path = ":memory:" if directory is None else str(directory / FILE)
    try:
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(path, isolation_level=None, timeout=0.5)
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(SCHEMA)
        _add_columns(db)
        db.execute("INSERT OR IGNORE INTO setting VALUES ('passphrase', ?)", [passphrase])
    except (sqlite3.DatabaseError, OSError) as found:
        if "locked" in str(found):
            raise LedgerInUse(path=path) from found
        raise LedgerUnreadable(path=path, reason=found) from found
    (stored,) = db.execute("SELECT value FROM setting WHERE name = 'passphrase'").fetchone()
    if stored != passphrase:
        raise OtherNetwork(path=path, found=stored, asked=passphrase)
    return db


def _add_columns(db: sqlite3.Connection) -> None:
    for table, column in _ADDED:
        there = {row["name"] for row in db.execute(f"PRAGMA table_info({table})")}
        if column.split()[0] not in there:
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
