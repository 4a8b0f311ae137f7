"""The round, as it travels: what is to be learnt, from what, judged how, paid by whom (PROTOCOL section 2)."""

from __future__ import annotations

from decimal import Decimal
from math import gcd
from typing import Annotated, ClassVar, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from agent.core.documents import NOBODY, Document, Part
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
    AssetName,
    Base64,
    CidText,
    ClassName,
    Hex32,
    LedgerNumber,
    Loss,
    ModelName,
    Name,
    Number,
    RoundNumber,
    TxHash,
    UnixTime,
)
from agent.core.money import UNIT, Asset
from agent.core.registry import Draw


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
    newcomer: Number | None = Field(default=None, gt=1, le=1000)
    """An account of which nothing was accepted within the window stakes at least so many times `base`: a fresh account
    is no escape from strikes. None: as anybody without strikes."""

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
    validator: AccountId | None = None
    """Whose fleet its vehicle is of, by its own word; only where it was credited."""
    samples: int | None = Field(default=None, ge=1, le=MOST_SAMPLES)
    """That it was learnt from, at most as many as its recipe's steps draw; none: it counts for nobody."""


class Arbiter(Part):
    """Who rules on what the committee never judged, and what it costs to ask (PROTOCOL, "Disputes")."""

    account: AccountId
    fee: int = Field(ge=1, le=2**63 - 1)
    """XLM stroops for each dispute."""


class Pledge(Part):
    """The round's pay, locked on the ledger in claimable balances: the settlement account's at once, its initiator's
    from `until` on, or where there is an arbiter a review window later (PROTOCOL, "Pledged pay")."""

    amount: int = Field(ge=1, le=2**63 - 1)
    """XLM stroops, locked by the publication."""
    reward: int = Field(ge=1, le=2**63 - 1)
    """XLM stroops for full credit: the issuer's `milepost/face`."""
    until: UnixTime
    arbiter: Arbiter | None = None

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
    draw: Draw | None = None
    """How its committee was drawn. None: its initiator named it."""
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
    def _initiated(cls, values: object) -> object:
        if isinstance(values, dict) and "initiator" not in values:
            return {**values, "initiator": str(values.get("model", "")).partition(":")[2]}
        return values

    @model_serializer(mode="wrap")
    def _shortest(self, plain: SerializerFunctionWrapHandler) -> dict[str, object]:
        written: dict[str, object] = plain(self)
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

    @model_validator(mode="after")
    def _of_nobodys_own(self) -> Round:
        if self.arbiter and self.arbiter.account in (*self.committee, self.initiator, self.settlement, self.issuer):
            raise ValueError("the arbiter is neither initiator nor on the committee, and no account of the model's")
        return self

    @property
    def arbiter(self) -> Arbiter | None:
        return self.pledge.arbiter if self.pledge is not None else None

    @property
    def readers(self) -> tuple[AccountId, ...]:
        """Whom an update that is trained on it is sealed to."""
        return (*self.committee, self.initiator, *((self.arbiter.account,) if self.arbiter else ()))

    @property
    def back_at(self) -> int:
        """Ledger time from which its initiator may take back what is left of its pledge; 0 where it has none."""
        until = self.pledge.until if self.pledge is not None else 0
        return until + self.review_window if self.arbiter else until

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
