"""The ledger engine of localnet: Stellar's classic operations, settled to the stroop.

No clock, file, socket or random number decides anything here. Whoever serves HTTP or replays recordings does
this:

    from tools.localnet.engine import *    # `localnet.engine` where it is installed

    state = State(store=SqliteStore(path))    # in memory; every commit goes to the store as well
    if not len(state):
        state.commit(tuple(Change(entry.key, None, entry) for entry in genesis(passphrase)))
    queue = Queue()
    envelope = Envelope.decode(base64_text, network_id(passphrase))    # raises Undecodable
    admission = admit(state, envelope, now, queue, rules)    # state and queue stay as they are
    if admission.status == "PENDING":
        queue.evict(admission.evicted)
        queue.add(envelope)

    batch = queue.nominate(state, close_time, rules)    # what is still valid, in an order that may be applied
    cost = price(state.header, batch, queue.scarce)    # what an operation costs where room was scarce
    closed = close(state, batch, close_time, rules, cost)    # state stays as it is
    state.commit(closed.changes)    # to the store, then to memory
    queue.closed(batch, rules)

* `Envelope`: `.xdr` bytes, `.base64`, `.hash` bytes, `.source`, `.sequence`, `.fee_source`, `.fee_bid`,
  `.transaction` (`.operations`, `.memo`, `.preconditions`, `.signatures`, `.hash`), `.fee_bump` or None.
* `Admission`: `.status` "PENDING" | "ERROR" | "DUPLICATE" | "TRY_AGAIN_LATER", `.result` TransactionResult
  XDR bytes or None, `.evicted` who leaves the queue for it, `.outbid` whether it was refused for its bid alone.
* `Closed`: `.header` Header, `.transactions` tuple of Applied, `.changes` of the whole ledger (header
  included).
* `Applied`: `.envelope`, `.result` TransactionResult XDR bytes, `.successful`, `.fee_charged`,
  `.fee_changes`, `.sequence_changes` (sequence number and used-up signers), `.operations` tuple of
  AppliedOperation (empty where none ran).
* `AppliedOperation`: `.result` OperationResult XDR bytes, `.changes` (empty where the transaction failed).
* `Change`: `.key`, `.before`, `.after`; an entry or None. Keys are tuples: ("account", G), ("trustline", G,
  Asset), ("offer", id), ("data", G, name), ("claimable_balance", hex), ("header",).
* `State`: `.header`, `.account(G)`, `.trust_line(G, asset)`, `.offer(id)`, `.data(G, name)`,
  `.claimable_balance(hex)`, `.owned_by(G)`, `.book(selling, buying)` best first, `.pairs()`, iteration over
  all entries, `.state_hash()`.
* `Crowd`: strangers who bid for whole ledgers; `admit`, `nominate` and `price` take one.
* `Rules`: `PROTOCOL_19` (the recordings) or `TODAY`; what differs is in docs/localnet.md.

"RULES 3" in this package is section 3 of the rules that come with the recordings (RULES.md beside them).

Sponsorship, liquidity pools, inflation and smart contracts are refused with op_not_supported.
"""

from __future__ import annotations

from .admission import Admission, admit
from .assets import NATIVE, Asset
from .closing import Applied, AppliedOperation, Closed, close
from .entries import (
    Account,
    Change,
    Changes,
    ClaimableBalance,
    Claimant,
    DataEntry,
    Entry,
    Header,
    Key,
    Offer,
    Predicate,
    Signer,
    TrustLine,
)
from .envelope import Envelope, Operation, Transaction, Undecodable, network_id
from .genesis import genesis, root_keypair
from .market import NOBODY, Crowd, price
from .queue import Queue
from .rules import PROTOCOL_19, TODAY, Rules
from .state import LedgerState, Store
from .storage import SqliteStore

__all__ = [
    "NATIVE",
    "NOBODY",
    "PROTOCOL_19",
    "TODAY",
    "Account",
    "Admission",
    "Applied",
    "AppliedOperation",
    "Asset",
    "Change",
    "Changes",
    "ClaimableBalance",
    "Claimant",
    "Closed",
    "Crowd",
    "DataEntry",
    "Entry",
    "Envelope",
    "Header",
    "Key",
    "LedgerState",
    "Offer",
    "Operation",
    "Predicate",
    "Queue",
    "Rules",
    "Signer",
    "SqliteStore",
    "Store",
    "Transaction",
    "TrustLine",
    "Undecodable",
    "admit",
    "close",
    "genesis",
    "network_id",
    "price",
    "root_keypair",
]
