"""The JSON documents that travel: round, contribution, vote and settlement record (PROTOCOL sections 2, 5 and 6).

Canonical form: RFC 8785 (JCS) with objects, texts and integers alone: sorted keys, no white space, UTF-8, no floats;
what is not an integer is a decimal string, and integers are written in full, also beyond 2^53. The same document has
the same bytes everywhere, so its digest can be signed. A reader gives bounded bytes to `parse` and gets a typed, frozen
value or `Malformed`.
"""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from math import gcd
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from agent.core import ids
from agent.core.fields import (
    MOST_BATCH,
    MOST_CREDIT,
    MOST_ON_ROLL,
    MOST_PRICE,
    MOST_SAMPLES,
    MOST_STAKE,
    MOST_STALENESS,
    MOST_STEPS,
    WEEK_LEDGERS,
    WEEK_S,
    AccountId,
    Amount,
    AssetName,
    Base64,
    CidText,
    ClassName,
    Count,
    Credit,
    Hex32,
    LedgerNumber,
    Loss,
    MemoText,
    ModelName,
    Name,
    Number,
    Reason,
    RoundNumber,
    StakeId,
    TxHash,
    UnixTime,
)
from agent.core.money import UNIT, Asset
from agent.errors import Malformed
from agent.sentences import first_mistake

D = TypeVar("D", bound="Document")
NOBODY = ids.AccountId("")


class Part(BaseModel):
    """A piece of a document: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Document(Part):
    """A whole document with canonical bytes."""

    max_bytes: ClassVar[int] = 256 * 1024

    def to_bytes(self) -> bytes:
        plain = self.model_dump(mode="json", exclude_none=True)
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def parse(cls: type[D], data: bytes) -> D:
        """Bounded bytes in, a typed document out. Raises Malformed; anything not in canonical form is refused."""
        name = cls.__name__.lower()
        if len(data) > cls.max_bytes:
            raise Malformed(what=f"a {name}", why=f"{len(data)} bytes, at most {cls.max_bytes} are read")
        try:
            document = cls.model_validate(json.loads(data, parse_float=_refuse_float))
        except ValidationError as error:
            raise Malformed(what=f"a {name}", why=first_mistake(error)) from None
        except (ValueError, RecursionError) as error:
            raise Malformed(what=f"a {name}", why=str(error)[:200]) from None
        if document.to_bytes() != data:
            raise Malformed(what=f"a {name}", why="the bytes are not in canonical form")
        return document


def _refuse_float(text: str) -> float:
    raise ValueError(f"{text[:30]} is a float: write a decimal string")


# --- the round ------------------------------------------------------------------------------------------------


class Input(Part):
    """What one sample looks like before it enters the network: uint8, `channels` x `height` x `width`."""

    height: int = Field(ge=8, le=1024)
    width: int = Field(ge=8, le=1024)
    colour: Literal["yuv", "rgb", "grey"] = "yuv"
    crop_top: Number = Field(default=Decimal(0), ge=0, lt=1)
    """Share of the frame's height cut away at the top, before resizing."""

    @property
    def channels(self) -> int:
        return 1 if self.colour == "grey" else 3

    @property
    def sample(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        return (self.channels, self.height, self.width)


class Task(Part):
    """What is learnt. Steering: one output, degrees at the wheels' mean angle, positive left; figure RMSE in degrees.
    Classification: one logit a class; figure accuracy. Detection: for each cell of a grid, one logit a class and four
    numbers of a box (`learn.kinds.detection`); figure mAP at an IoU of 0.5."""

    kind: Literal["steering", "classification", "detection"]
    labels: Literal["drive", "folder", "teacher"] = "drive"
    view: Name | None = None
    """Which of a car's cameras is learnt from, by what it looks at; none: its first."""
    classes: tuple[ClassName, ...] = Field(default=(), max_length=4096)
    scale: Number = Field(default=Decimal(25), gt=0, le=360)
    """Steering only: the network's output 1.0 in degrees."""
    confidence: Number = Field(default=Decimal("0.8"), ge=0, le=1)
    """Teacher labels below this are not used."""

    @model_validator(mode="after")
    def _has_labels(self) -> Task:
        if self.kind == "detection" and self.labels == "drive":
            raise ValueError("detection learns from a folder or a teacher: a drive says nothing of boxes")
        return self


class Architecture(Part):
    """A built-in network by name, or `onnx`: the round's own `model.onnx`."""

    name: Literal["pilotnet", "smallres", "deepchain", "smallfcos", "onnx"]
    hyper: dict[Name, Annotated[int, Field(ge=0, le=65_536)]] = Field(default_factory=dict, max_length=16)


class Decay(Part):
    """How the learning rate falls with the round's error: by (error / start)^power, to no less than `floor` of it
    (`core.decay`)."""

    power: Number = Field(default=Decimal(1), gt=0, le=8)
    floor: Number = Field(default=Decimal("0.1"), gt=0, le=1)
    start: Loss | None = Field(default=None, gt=0)
    """The error at which the rate is whole. A plan may leave it out: then it is that of the first round that decays."""


class Recipe(Part):
    """How a vehicle trains: Adam, `steps` planned batches, and no contribution below `minimum_samples`."""

    steps: int = Field(ge=1, le=MOST_STEPS)
    batch: int = Field(ge=1, le=MOST_BATCH)
    passes: int = Field(default=8, ge=1, le=1_000_000)
    """How often a sample is drawn on average before training waits for new ones. Without it a fast computer would
    spend all steps on the first seconds of a trip."""
    learning_rate: Number = Field(gt=0, le=1)
    decay: Decay | None = None
    """How the rate falls as the model gets better; none: it does not."""
    minimum_samples: int = Field(ge=1, le=1_000_000)
    pull: Number = Field(default=Decimal(0), ge=0, le=1000)
    """Strength of the pull towards the base weights (a proximal term, FedProx)."""
    encoding: Name = "dense-fp32"
    """How the update is written (`learn.update`)."""

    @model_validator(mode="after")
    def _within_a_trip(self) -> Recipe:
        if self.steps * self.batch > 10**9:
            raise ValueError("steps x batch are more than 1,000,000,000 samples: no trip is that long")
        return self


class StakeSchedule(Part):
    """Stake due = base x growth^strikes, strikes counted within `window_ledgers` (PROTOCOL section 7)."""

    asset: AssetName
    """The operator's DLC."""
    base: int = Field(ge=2, le=MOST_STAKE)
    growth: Number = Field(default=Decimal(2), ge=1, le=10)
    window_ledgers: int = Field(default=WEEK_LEDGERS, ge=1, le=WEEK_LEDGERS)
    """At most a week: strikes are counted in the ledger's history, and that is not kept for ever."""
    fee: int = Field(ge=1, le=MOST_STAKE)
    """DLC kept from the stake of an entry that was not rejected; also what the public bid offers for 1.0 VLM."""

    @model_validator(mode="after")
    def _more_than_the_fee(self) -> StakeSchedule:
        if self.fee > self.base // 2:
            raise ValueError(
                "the fee is at most half the stake: it is kept of every honest entry, and what is staked must be what"
                " honesty brings back"
            )
        if self.fee // gcd(self.fee, UNIT) > MOST_PRICE:
            raise ValueError("the fee is the bid's price, and no fraction of two 32-bit integers")
        return self


class GlobalSet(Part):
    """The encrypted global test set: its bundle, and its key sealed to each validator."""

    cid: CidText
    keys: dict[AccountId, Base64] = Field(max_length=20)


class RootUpdate(Part):
    """`root.sealed` of the bundle: the update that the initiator trained on samples of its own, its key sealed to each
    validator."""

    keys: dict[AccountId, Base64] = Field(max_length=20)


class Lineage(Part):
    """One contribution that went into this round, with its weight in the fusion and what settled it."""

    cid: CidText
    vehicle: AccountId
    weight: Number = Field(ge=0, le=MOST_CREDIT)
    settlement: TxHash
    key: Hex32 | None = None
    """The update's key, where the round it was trained on is `open`: anybody may read it then."""
    proof: CidText | None = None
    """The bundle of the record that settled it and the signed transaction: an audit then needs no old ledger."""


class Pledge(Part):
    """The round's pay, locked on the ledger in claimable balances: the settlement account's at once, its initiator's
    from `until` on (PROTOCOL, "Pledged pay")."""

    amount: int = Field(ge=1, le=2**63 - 1)
    """XLM stroops, locked by the publication."""
    reward: int = Field(ge=1, le=2**63 - 1)
    """XLM stroops for full credit: the issuer's `milepost/face`."""
    until: UnixTime

    @model_validator(mode="after")
    def _a_price(self) -> Pledge:
        if self.reward // gcd(self.reward, UNIT) > MOST_PRICE:
            raise ValueError("the reward is a price, and no fraction of two 32-bit integers")
        return self


class Figure(Part):
    """A measured figure on the global test set."""

    name: Literal["rmse", "accuracy", "map50"]
    unit: Literal["deg", "share"]
    better: Literal["lower", "higher"]
    value: Loss
    samples: int = Field(ge=1, le=MOST_SAMPLES)


class Round(Document):
    """`round.json`: everything a vehicle and a validator must agree on."""

    max_bytes: ClassVar[int] = 4 * 1024 * 1024
    """The lineage of 10,000 contributions takes 3.3 MB."""

    protocol: Literal[1] = 1
    model: ModelName
    initiator: AccountId = NOBODY
    """Left out in a round that an older agent published: there the model's issuer is."""
    number: RoundNumber
    previous: CidText | None = None
    restores: CidText | None = None
    """The earlier round whose weights these are; such a round fuses nothing."""
    ledger: LedgerNumber = 0
    """The last one in which its publication could apply. The round is open after it: from then on entries are measured
    against it, whichever round they were trained on."""
    published_at: UnixTime = 0
    """When the newest ledger had closed as the publication was signed."""
    task: Task
    architecture: Architecture
    input: Input
    recipe: Recipe
    stake: StakeSchedule
    pledge: Pledge | None = None
    """None: an older agent published it, and no pay is locked for it."""
    settlement: AccountId
    committee: tuple[AccountId, ...] = Field(min_length=1, max_length=20)
    contributions: int = Field(ge=1, le=10_000)
    """K: how many contributions the round plans for, and the most VLM that one roll earns."""
    review_window: int = Field(ge=60, le=WEEK_S)
    """Seconds until an unjudged stake may be taken back."""
    turn: int = Field(default=30, ge=1, le=3600)
    """Seconds of ledger time that a speaker has to settle before the next one takes over."""
    staleness: int = Field(default=1, ge=0, le=MOST_STALENESS)
    """How many rounds older than the newest an entry's base may be."""
    collect: int = Field(default=0, ge=0, le=WEEK_S)
    """Seconds of ledger time in which entries come together on a roll, from the first of them on."""
    most: int = Field(default=32, ge=1, le=MOST_ON_ROLL)
    """Entries on one roll: with so many it is full."""
    least: int = Field(default=1, ge=1, le=MOST_ON_ROLL)
    """A roll with fewer entries waits once more as long."""
    length: int = Field(ge=1, le=366 * 86_400)
    """Seconds after which the round closes with what there is."""
    tolerance: Number = Field(default=Decimal("0.97"), gt=0, le=1)
    """λ: a candidate is rejected when its loss exceeds loss(base) / λ."""
    gain_reference: Number = Field(gt=0, le=10**8)
    """The fall of the loss that earns 1.0 of credit."""
    fusion: Name = "weighted-mean"
    momentum: Number = Field(default=Decimal(0), ge=0, lt=1)
    """The share of the step that led to this round which the next one takes once more."""
    step: Number | None = Field(default=None, gt=0, le=1)
    """How much of the fused step led to this round; none: all of it."""
    strangers: Number | None = Field(default=None, ge=0, lt=0.5)
    """The share of contributions that the composite withstood for this round; none: no share."""
    privacy: Literal["open", "sealed"] = "sealed"
    """What becomes of updates trained on this round. sealed: committee and initiator alone ever read them. open: their
    keys are published with the round that they are fused into."""
    global_set: GlobalSet
    root: RootUpdate | None = None
    """None: only plain harm forfeits on this round."""
    lineage: tuple[Lineage, ...] = Field(default=(), max_length=10_000)
    figure: Figure | None = None

    @model_validator(mode="before")
    @classmethod
    def _initiated(cls, values: Any) -> Any:
        if isinstance(values, dict) and "initiator" not in values:
            return {**values, "initiator": str(values.get("model", "")).partition(":")[2]}
        return values

    @model_serializer(mode="wrap")
    def _shortest(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = plain(self)
        if self.initiator == self.issuer:
            written.pop("initiator", None)
        return written

    @model_validator(mode="after")
    def _of_one_origin(self) -> Round:
        if self.restores and self.lineage:
            raise ValueError("a round that restores an earlier one fuses nothing")
        return self

    @model_validator(mode="after")
    def _of_one_committee(self) -> Round:
        if len(set(self.committee)) != len(self.committee):
            raise ValueError("nobody is on the committee twice")
        if self.turn * 2 > self.review_window:
            raise ValueError("a turn is at most half the review window, or nobody would settle in time")
        if 2 * (self.collect + self.turn) > self.review_window:
            raise ValueError("a review window is at least twice collect and turn: a stake stands until it is judged")
        if self.least > self.most:
            raise ValueError("a roll's least is at most its most")
        return self

    @model_validator(mode="after")
    def _pays_what_it_plans(self) -> Round:
        if self.pledge and self.pledge.amount < self.contributions * self.pledge.reward:
            raise ValueError("a pledge is at least one reward for each contribution that the round plans for")
        return self

    @property
    def issuer(self) -> AccountId:
        """Of the model's DLM and VLM."""
        return self.model_asset.issuer

    @property
    def credit_asset(self) -> Asset:
        """The model's VLM: same short name and issuer as its DLM."""
        model = self.model_asset
        return Asset("VLM" + model.code.removeprefix("DLM"), model.issuer)

    @property
    def stake_asset(self) -> Asset:
        """The operator's DLC."""
        return Asset.parse(self.stake.asset)

    @property
    def model_asset(self) -> Asset:
        return Asset.parse(self.model)


# --- the contribution -----------------------------------------------------------------------------------------


class Contribution(Document):
    """`contribution.json`: what a vehicle did, without a position, a time finer than a day, or a frame."""

    protocol: Literal[1] = 1
    model: AssetName
    base: CidText
    vehicle: AccountId
    samples: int = Field(ge=1, le=MOST_SAMPLES)
    steps: int = Field(ge=1, le=MOST_STEPS)
    planned: int = Field(ge=1, le=MOST_STEPS)
    encoding: Name
    encoding_error: Number = Field(ge=0, le=10**8)
    """Relative L2 error of the encoded update against the trained one."""
    keys: dict[AccountId, Base64] = Field(max_length=32)
    """The bundle's key, sealed to each validator and the initiator."""
    fingerprint: tuple[Hex32, ...] | None = Field(default=None, max_length=256)
    """Of older vehicles; nobody reads it (docs/decisions/054)."""
    held_back: Loss | None = None
    """The figure on the vehicle's own held-back frames."""
    software: Name
    profile: Name


# --- review and settlement ------------------------------------------------------------------------------------

Outcome = Literal["accepted", "idle", "rejected"]


class Vote(Document):
    """One validator's judgement of one entry, signed with the validator's Stellar key over `to_bytes()` less the
    signature."""

    protocol: Literal[1] = 1
    round: CidText
    entry: StakeId
    """The claimable balance of the stake."""
    contribution: MemoText
    validator: AccountId
    outcome: Outcome
    reason: Reason
    credit: Credit
    roll: CidText | None = None
    """The record of the roll that the entry was on; none while it is on none."""
    fused: Literal[True] | None = None
    """Where its update has a voice in the round that its roll makes."""
    figure: Loss | None = None
    """Loss on the global set with its roll fused: every validator must get the same to 1e-4."""
    signature: Base64 = ""


class SettledEntry(Part):
    """One entry in a record, with the median of its votes."""

    entry: StakeId
    transaction: TxHash
    vehicle: AccountId
    contribution: MemoText
    outcome: Outcome
    reason: Reason
    credit: Credit
    fused: Literal[True] | None = None
    """Where two thirds gave it a voice in what its roll makes."""
    stake: Amount
    fee: Amount

    @property
    def has_voice(self) -> bool:
        """Whether it is to be fused: who is paid always is."""
        return self.outcome == "accepted" or bool(self.fused)


class Enrolled(Part):
    """One entry on a roll."""

    entry: StakeId
    transaction: TxHash
    vehicle: AccountId
    contribution: CidText
    ledger: LedgerNumber


class Roll(Part):
    """Entries on one base that are judged together, in the order of the ledger."""

    entries: tuple[Enrolled, ...] = Field(min_length=1, max_length=MOST_ON_ROLL)
    drawn_at: UnixTime
    """When the newest ledger had closed as it was drawn up."""

    @model_validator(mode="after")
    def _in_order(self) -> Roll:
        places = [(one.ledger, one.entry) for one in self.entries]
        if any(one >= other for one, other in pairwise(places)):
            raise ValueError("a roll is in the order of the ledger, and each entry is on it once")
        return self


class Share(Part):
    """What a vehicle is paid of others' forfeited stakes."""

    vehicle: AccountId
    amount: Amount
    """DLC stroops."""


class Purse(Part):
    """Forfeited stakes, and how far they are shared out."""

    forfeited: Amount = 0
    """DLC stroops that nobody was paid yet."""
    round: RoundNumber = 0
    """Number of the round whose publication began the newest sharing. Round 0 closes none."""
    pot: Amount = 0
    """What was forfeited as that sharing began."""
    done: int = Field(default=0, ge=0, le=10_000)
    """Vehicles that this sharing has dealt with, in the order of their accounts."""


class SettlementRecord(Document):
    """A batch of 1 to 32 verdicts, or of 1 to 100 shares, or a roll, hash-linked to the record before and anchored by
    the transaction that pays it out."""

    max_bytes: ClassVar[int] = 2 * 1024 * 1024

    protocol: Literal[1] = 1
    index: Count
    previous: CidText | None = None
    round: CidText
    entries: tuple[SettledEntry, ...] = Field(default=(), max_length=32)
    roll: CidText | None = None
    """The record of the roll that its entries are on; none where they were turned down before they were on any."""
    votes: tuple[Vote, ...] = Field(default=(), max_length=640)
    enrols: Roll | None = None
    shares: tuple[Share, ...] = Field(default=(), max_length=100)
    purse: Purse = Purse()
    """Forfeited stakes once this record is settled."""
    agreements: dict[AccountId, Count] = Field(max_length=20)
    """Votes of each validator, up to and with this record, that agreed with what was settled: D_i of the speaker."""
    speaker: AccountId

    @model_validator(mode="after")
    def _of_one_kind(self) -> SettlementRecord:
        if sum(map(bool, (self.entries, self.shares, self.enrols))) != 1:
            raise ValueError("a record holds entries or shares, or a roll")
        return self
