"""What Milepost reads off the ledger, as typed facts. Amounts are stroops, times are ledger close times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from agent.core.ids import AccountId, StakeId, TxHash
from agent.core.money import MAX_STROOPS, XLM, Asset, Stroops

BASE_RESERVE: Stroops = 5_000_000
FIRST = 2
"""The first ledger that can hold a transaction: a history that begins there is whole."""
BALANCE_V0 = "00000000"
"""How Horizon and stellar_sdk begin the id of a claimable balance: the XDR union's discriminant, in hex."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest closed ledger. Its close time, not the car's clock, decides what has expired."""

    sequence: int
    closed_at: int
    hash: str


@dataclass(frozen=True, slots=True)
class Line:
    """One balance of an account."""

    balance: Stroops
    selling: Stroops = 0
    """Selling liabilities: promised to open offers."""
    authorized: bool = True
    limit: Stroops = MAX_STROOPS
    buying: Stroops = 0
    """Buying liabilities: room that open offers have taken."""
    clawback: bool = False
    """Whether the asset's issuer may take the balance back, whatever its own flags say by now."""

    @property
    def free(self) -> Stroops:
        return self.balance - self.selling

    @property
    def room(self) -> Stroops:
        """What a payment can add."""
        return self.limit - self.balance - self.buying


@dataclass(frozen=True, slots=True)
class Flags:
    """What an account may do to those who hold its assets."""

    required: bool = False
    """They hold only what it authorised."""
    revocable: bool = False
    """It may take that away again."""
    clawback: bool = False
    """It may take balances back, of lines that are opened from now on."""
    immutable: bool = False
    """None of this can ever change."""


@dataclass(frozen=True, slots=True)
class Account:
    id: AccountId
    sequence: int
    lines: Mapping[Asset, Line]
    signers: Mapping[str, int]
    """Every key that may sign for it, its own among them, with its weight."""
    thresholds: tuple[int, int, int]
    """Low, medium, high: the weight that operations of each kind need. Claiming a balance is of the low kind."""
    flags: Flags = Flags()
    subentries: int = 0
    data: Mapping[str, bytes] = field(default_factory=dict)
    """Its data entries."""

    @property
    def is_locked(self) -> bool:
        """Whether nobody can ever sign for it again."""
        return not any(self.signers.values())

    def free(self, asset: Asset) -> Stroops:
        """What can be spent of an asset now: above liabilities and, for XLM, above the reserve."""
        line = self.lines.get(asset)
        if line is None or not line.authorized:
            return 0
        reserve = (2 + self.subentries) * BASE_RESERVE if asset == XLM else 0
        return max(0, line.free - reserve)


@dataclass(frozen=True, slots=True)
class Offer:
    """An open offer. `price` is buying per selling."""

    id: int
    seller: AccountId
    selling: Asset
    buying: Asset
    amount: Stroops
    price: Fraction
    last_modified: int


LONGEST_PATH = 5
"""Assets in between, at most: the protocol's limit for path payments."""


@dataclass(frozen=True, slots=True)
class Way:
    """How one asset is turned into another: what goes in, or comes out, and the assets in between."""

    amount: Stroops
    path: tuple[Asset, ...] = ()


@dataclass(frozen=True, slots=True)
class Signed:
    """A transaction that may leave the machine: everything needed to find it again."""

    envelope: str
    """Base64 XDR."""
    hash: TxHash
    sequence: int
    max_time: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction that is in a ledger."""

    hash: TxHash
    ledger: int
    closed_at: int
    successful: bool
    source: AccountId
    envelope: str
    """Base64 XDR."""
    result: str
    """Base64 XDR."""
    cursor: str = ""
    sequence: int = 0
    """Of its source account; of a fee bump's inner transaction."""


@dataclass(frozen=True, slots=True)
class Action:
    """One operation of a successful transaction, as Horizon has read it: its envelope need not be."""

    kind: str
    """Horizon's word: `create_claimable_balance`, `payment`, or one that nobody has heard of."""
    source: AccountId
    transaction: TxHash
    ledger: int
    index: int
    """Among its transaction's operations, from 0."""
    asset: Asset | None = None
    to: str = ""
    balance: StakeId | None = None
    """The claimable balance that it claims or claws back: None for any other operation."""


@dataclass(frozen=True, slots=True)
class Reach:
    """From which ledger to which a server's history goes."""

    elder: int
    latest: int


@dataclass(frozen=True, slots=True)
class Stake:
    """A claimable balance, as long as it is unclaimed. Its `id` stands without `BALANCE_V0`."""

    id: StakeId
    asset: Asset
    amount: Stroops
    sponsor: AccountId
    claimants: tuple[AccountId, ...]
    at_once: tuple[AccountId, ...]
    """Those of them who may claim it unconditionally."""
    last_modified: int
    not_before: Mapping[AccountId, int] = field(default_factory=dict)
    """Those of them who may claim it from a moment on, and from when (Unix seconds)."""
    within: Mapping[AccountId, tuple[int, int]] = field(default_factory=dict)
    """Those of them who may claim it from a moment on and before another one, and both."""
