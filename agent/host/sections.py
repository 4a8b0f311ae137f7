"""The configuration's sections. One class per table of milepost.toml, one field per key, safe defaults.

The reference (docs/configuration.md) and the file that `milepost config init` writes are made from these
classes: a class's docstring explains its table, and the string under a field its key.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from agent.core import address
from agent.core.fields import AmountText, AssetName
from agent.core.gates import BANDS
from agent.core.ids import AccountId

TESTNET = "https://horizon-testnet.stellar.org"
TESTNET_PASSPHRASE = "Test SDF Network ; September 2015"  # noqa: S105 - Stellar's name for a network, no secret


def _split(value: Any) -> Any:
    """A list may come from one environment variable: its words are parted by commas."""
    return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


def _loopback(listen: str) -> str:
    host, _, port = listen.rpartition(":")
    if listen and (host not in ("127.0.0.1", "localhost", "[::1]") or not port.isdecimal()):
        raise ValueError("metrics are for this machine alone: use 127.0.0.1:PORT")
    return listen


def _host(text: str) -> str:
    text = text.strip()
    if "@" in text:
        raise ValueError("the user stands in mqtt.username, not before the host")
    if "://" in text or "/" in text or not text:
        raise ValueError("it is a name or an address alone, without scheme and path: 10.0.0.5")
    if ":" in text:
        try:
            ipaddress.IPv6Address(text)
        except ValueError:
            raise ValueError("the port stands in mqtt.port, not behind the host") from None
    return text


def _interval(seconds: float) -> float:
    if seconds and not 10 <= seconds <= 86_400:
        raise ValueError("it is 0, or from 10 to 86400 seconds")
    return seconds


Words = Annotated[tuple[str, ...], BeforeValidator(_split)]
Account = Annotated[AccountId, AfterValidator(address.account)]
Accounts = Annotated[tuple[Account, ...], BeforeValidator(_split)]
Payee = Annotated[str, AfterValidator(address.payee)]
Listen = Annotated[str, AfterValidator(_loopback)]
Label = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(gt=0)]
Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$")]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Agent(Section):
    """Who this vehicle is and where it keeps its things."""

    id: Label = "vehicle"
    """Name of this vehicle: MQTT client id and the certificate's CN. The host name if not set."""
    fleet: Label = "fleet"
    """Name of the fleet, the second part of every MQTT topic."""
    state_dir: Path = Path("/var/lib/milepost")
    """Journal, checkpoints and the store's cache. systemd sets it through STATE_DIRECTORY."""
    profile: str = "auto"
    """Firmware profile by name, or auto: the one that fits this board."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is logged."""
    key_file: Path = Path("/var/lib/milepost/stellar-key")
    """The Stellar secret, mode 0600. By default stellar-key in $CREDENTIALS_DIRECTORY, or in state_dir."""


class Ledger(Section):
    """The Stellar network. The default is the test network, so that nobody pays by accident."""

    horizon: Url = TESTNET
    """Horizon's address."""
    archive: Url | None = None
    """A second Horizon that remembers more, for strikes, audits and closing a round. Without it: what horizon has."""
    passphrase: str = TESTNET_PASSPHRASE
    """The network's passphrase: signatures hold on this network alone."""
    max_fee_stroops: Annotated[int, Field(ge=100, le=10_000_000)] = 10_000
    """Highest fee offered per operation, in stroops. The bid follows what others pay; in a rush it rises up to this."""
    timeout_s: Seconds = 20
    """How long one request to Horizon may take."""


class Market(Section):
    """Whom to train for, and how much to risk."""

    initiators: Accounts = ()
    """Initiators whose offers are considered."""
    operator: Account | None = None
    """The account that issues DLC. Without it the vehicle takes part in nothing."""
    max_stake: AmountText = "100"
    """Most DLC to stake on one contribution."""
    buy_stake_budget: AmountText = "0"
    """Most XLM to spend on missing DLC per contribution. 0: never buy."""
    min_pay: AmountText = "0"
    """Least expected net pay in XLM for which a round is worth training."""
    accept_probability: Share = 0.9
    """Chance of being accepted that is assumed before the vehicle has a record of its own."""
    open_rounds: bool = True
    """Whether to take part in rounds that publish their updates when they close. false: in sealed ones alone."""
    committees: Literal["named", "drawn"] | Accounts = "named"
    """named: whatever committee a round has; drawn: one drawn from the operator's registry; or a list of accounts."""
    validator: Account | None = None
    """The validator that the vehicle's own fleet runs. What the vehicle is credited for makes it stronger in draws."""
    payout: Payee | None = None
    """The owner's account, G… or M…: pay goes there and never rests on the car. Without it: the car's own account."""
    payout_asset: AssetName | None = None
    """What pay becomes on its way to payout, as CODE:ISSUER. Without it, and where that cannot be had: XLM."""
    keep: AmountText | None = None
    """XLM that stay on the car, reserve included: what is above goes to payout with every closing. Without it: all."""

    @model_validator(mode="after")
    def _payout(self) -> Market:
        if self.payout is None and (self.payout_asset is not None or self.keep is not None):
            raise ValueError("payout_asset and keep say what goes to payout, and payout is not set")
        return self


class Content(Section):
    """Where bundles are fetched from and stored."""

    stores: Words = ("http://127.0.0.1:5001",)
    """Stores, first one preferred: http://KUBO:5001, gateway:https://…; or one folder:/path."""
    pinning: Words = ()
    """IPFS pinning services that keep the vehicle's uploads while the car sleeps."""
    token_file: Path | None = None
    """File with the pinning services' access token, mode 0600."""


class Odometer(Section):
    """Where the distance comes from."""

    source: str = "gpsd://127.0.0.1:2947"
    """gpsd://HOST:PORT, can:INTERFACE?dbc=FILE&map=FILE, mqtt:TOPIC, replay:DRIVE or road:."""
    can_bitrate: Annotated[int, Field(ge=10_000, le=1_000_000)] = 500_000
    """Bit rate of the CAN bus, in bit/s. The installer sets up the interface with it."""


class OtherCamera(Section):
    """A further camera of the car. It may be plugged in at any time; one at a time is trained on."""

    view: Label
    """What it looks at, in a word of yours: rounds ask for it by that."""
    source: str
    """As camera.source."""


class Camera(Section):
    """What the car sees. With several cameras there is a [[camera]] for each, or [[camera.others]] beside this one."""

    view: Label = "front"
    """What it looks at. Rounds that ask for no view take this camera."""
    source: str = "v4l2:/dev/video0?width=1280&height=720&fps=10"
    """v4l2:DEVICE, gst:PIPELINE, rtsp://…, http://…, file:VIDEO, folder:IMAGES, replay:DRIVE or road:."""

    others: tuple[OtherCamera, ...] = ()
    """Further cameras: tables with view and source."""

    @model_validator(mode="after")
    def _views(self) -> Camera:
        views = [self.view, *(other.view for other in self.others)]
        if twice := next((view for view in views if views.count(view) > 1), None):
            raise ValueError(f"two cameras have the view {twice}: each needs its own")
        return self

    @property
    def sources(self) -> dict[str, str]:
        """By view, the first camera first."""
        return {self.view: self.source} | {other.view: other.source for other in self.others}


class Geofence(Section):
    """A circle in which a trip ends."""

    name: Label
    """A word for it. The place itself never leaves the car."""
    latitude_deg: Annotated[float, Field(ge=-90, le=90)]
    """WGS 84."""
    longitude_deg: Annotated[float, Field(ge=-180, le=180)]
    """WGS 84."""
    radius_m: Annotated[float, Field(gt=0, le=100_000)]
    """Metres around it."""


class Trip(Section):
    """When a trip begins and ends."""

    trigger_m: Annotated[float, Field(gt=0)] = 1000
    """Metres driven since the last trip's end that open a trip."""
    standstill_s: Seconds = 180
    """Standing this long is an arrival. Longer than a traffic light."""
    ignition_off_s: Seconds = 5
    """The ignition must be off this long to be an arrival. Longer than cranking the engine."""
    silence_s: Seconds = 1800
    """A source that is silent this long ends the trip. Longer than any tunnel."""
    top_kmh: Annotated[float, Field(gt=0, le=1000)] = 250
    """Faster than this did not happen: a jump of the source, not distance."""
    geofences: tuple[Geofence, ...] = ()
    """Places of arrival: tables with name, latitude_deg, longitude_deg, radius_m."""


class Train(Section):
    """What of this machine training may use. Nothing here changes what is learnt from a frame."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto takes CUDA where torch finds it."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic on CUDA; auto takes bf16 where the board has it, else fp16. The CPU always uses fp32."""
    threads: Annotated[int, Field(ge=0, le=256)] = 0
    """CPU threads. 0: all cores but one, which is the camera's."""
    memory_mb: Annotated[int, Field(ge=256)] = 2048
    """What the training process may hold before it is refused more."""
    reservoir_mb: Annotated[float, Field(ge=16)] = 256
    """Memory for the samples of a trip."""
    keep: Literal["auto", "uniform", "rare"] = "auto"
    """What stays of a longer trip: a uniform choice, or more of what was seldom; auto: of classes, not of bends."""
    past_mb: Annotated[float, Field(ge=0)] = 0
    """Encrypted samples of earlier trips, so that a motorway week does not erase the city. 0: none are kept."""
    labelled: Path | None = None
    """Folder of labelled pictures, for rounds that learn from one: a sub-folder a class, or steering.csv."""
    checkpoint_s: Seconds = 20
    """Time between checkpoints: what a power cut may cost."""


class Inference(Section):
    """How onnxruntime runs a model: a validator's scores, a teacher's labels, the car's shadow."""

    provider: Literal["cpu", "cuda", "tensorrt"] = "cpu"
    """What to run on. One that is not installed falls back to the next simpler."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """CPU threads."""


class Gates(Section):
    """When training pauses and when it goes on. The band between the two values keeps it from flapping."""

    pause_above_c: Annotated[float, Field(ge=0, le=150)] = 85
    """Training pauses above this temperature."""
    resume_below_c: Annotated[float, Field(ge=0, le=150)] = 75
    """It goes on below this one."""
    pause_below_volts: Annotated[float, Field(ge=0, le=60)] = 11.8
    """Training pauses when the battery falls below this."""
    resume_above_volts: Annotated[float, Field(ge=0, le=60)] = 12.4
    """It goes on above this."""
    disk_free_mb: Annotated[int, Field(ge=0, le=1_000_000)] = 1024
    """Training pauses when less than this is free."""
    pause_above_load: Share = 0.9
    """Training pauses when others use more than this share of all cores."""
    resume_below_load: Share = 0.7
    """It goes on below this share."""
    metered: Literal["wait", "use"] = "wait"
    """What to do with bundles while the link is metered."""

    @model_validator(mode="after")
    def _bands(self) -> Gates:
        for low, high in BANDS:
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} lies above {high}, so the gate would flap")
        return self


class Machine(Section):
    """Where this board's own figures are read."""

    thermal_zones: Words = ()
    """Thermal zones that count, by their type. None: every zone."""
    battery: str = "none"
    """Where the battery's voltage is read: hwmon:CHIP/inN, power_supply:NAME, or none."""
    battery_scale: Annotated[float, Field(gt=0)] = 1.0
    """What the reading is multiplied with: a voltage divider's ratio."""


class Tls(Section):
    """TLS to the broker. A client certificate whose CN is the vehicle's id."""

    ca: Path | None = None
    """The authorities to trust. The system's if not set."""
    cert: Path | None = None
    """The vehicle's certificate."""
    key: Path | None = None
    """The certificate's key, mode 0600."""


class Mqtt(Section):
    """The link to the fleet. Being offline is normal: events wait in the journal."""

    enabled: bool = True
    """false: no fleet link at all."""
    host: Annotated[str, AfterValidator(_host)] = "127.0.0.1"
    """The broker: its name or address, without scheme and port."""
    port: Annotated[int, Field(ge=1, le=65535)] = 1883
    """8883 with TLS, by custom."""
    tls: Tls | None = None
    """Present: the link is encrypted."""
    username: str | None = None
    """Where the broker asks for one."""
    password_file: Path | None = None
    """File with the password, mode 0600."""
    metric_s: Annotated[float, AfterValidator(_interval)] = 60
    """Time between two messages with the vehicle's figures: 10 to 86400. 0: none."""
    discovery: Annotated[str, Field(pattern=r"^([A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*)?$", max_length=64)] = ""
    """Home Assistant's discovery prefix, by custom homeassistant: the car shows up there. Nothing: off."""


class Validator(Section):
    """The counterpart: reviews contributions and settles them. Vehicles leave this alone."""

    initiators: Accounts = ()
    """Initiators whose rounds are reviewed."""
    private_set: Path | None = None
    """The validator's own test set, which nobody else sees."""
    key_file: Path = Path("/var/lib/milepost/stellar-key")
    """The validator's Stellar secret. agent.key_file if not set."""
    poll_s: Seconds = 6
    """Time between looks at the ledger. It closes about as often."""


class Arbiter(Section):
    """Who rules on what a committee never judged (`milepost arbiter`). Vehicles leave this alone."""

    fee: AmountText = "1"
    """XLM below which a payment to the arbiter is no dispute, and is not looked into."""


class Metrics(Section):
    """Prometheus metrics, for this machine alone."""

    listen: Listen = ""
    """127.0.0.1:PORT, or nothing: off."""


class Config(Section):
    """milepost.toml, whole and checked."""

    agent: Agent = Agent()
    ledger: Ledger = Ledger()
    market: Market = Market()
    content: Content = Content()
    odometer: Odometer = Odometer()
    camera: Camera = Camera()
    trip: Trip = Trip()
    train: Train = Train()
    inference: Inference = Inference()
    gates: Gates = Gates()
    machine: Machine = Machine()
    mqtt: Mqtt = Mqtt()
    validator: Validator = Validator()
    arbiter: Arbiter = Arbiter()
    metrics: Metrics = Metrics()
