"""Cameras and odometers by what the configuration calls them.

    replay:/data/drive?start=0&end=60&speed=4&route=/data/route&nominal_mps=10&steering=steering_smooth_deg
    road:?seconds=120&fps=20&seed=7&start=0&end=60&speed=4
    gpsd://127.0.0.1:2947
    can:can0?dbc=/etc/milepost/car.dbc&map=/etc/milepost/car.toml&interface=socketcan
    mqtt:vss    mqtt:vss?distance=km
    can:can0?dbc=…&map=… + gpsd://127.0.0.1:2947        the wheels, and GPS where they are silent
    v4l2:/dev/video0?width=1280&height=720&rate=30&fps=10
    gst:nvarguscamerasrc ! … ! appsink drop=true
    rtsp://10.0.0.5/front#fps=10&latency=0.4    http://10.0.0.5/mjpeg#fps=10
    file:/data/video.mp4            folder:/data/images?fps=10

Camera and odometer of the same replay or road share one clock, so both are opened from one `Sources`. What a recording
or a camera needs is loaded when one is opened: it is a seventh of what a parked car would hold.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from agent.core import redact
from agent.errors import BAD_CONFIG, MilepostError
from agent.ports import Camera, Odometer, Wake, nobody
from agent.sense.canbus import CanOdometer, Decoder, load_database, load_map
from agent.sense.composed import ComposedOdometer
from agent.sense.gpsd import GpsdOdometer
from agent.sense.mqtt import MqttOdometer, Subscription
from agent.sentences import did_you_mean

if TYPE_CHECKING:
    import can

    from agent.sense.camera import CaptureDevice
    from agent.sense.drive import Drive
    from agent.sense.playback import Playback

GPSD_PORT = 2947
DISTANCES = {"m": 1.0, "km": 1000.0, "mi": 1609.344}
"""What `Vehicle.TraveledDistance` may be sent in: VSS counts in metres since 6, in kilometres before."""
LONGEST_LATENCY_S = 10.0
TOGETHER = " + "


class SourceUnusable(MilepostError):
    """The source {source} cannot be used: {why}."""

    exit_code = BAD_CONFIG

    def __init__(self, source: str, why: str) -> None:
        super().__init__(source=redact.shown(source)[:120], why=redact.text(why))


class SourceOptions:
    """The `name=value&…` part of a source. One that the source does not know is a mistake."""

    def __init__(self, source: str, text: str, known: tuple[str, ...]) -> None:
        self._source = source
        self._values = dict(parse_qsl(text, keep_blank_values=True))
        for name in self._values:
            if name not in known:
                hint = did_you_mean(name, known, f"it takes {', '.join(known)}")
                raise SourceUnusable(source=source, why=f"it has no setting {name}; {hint}")

    def text(self, name: str, default: str) -> str:
        return self._values.get(name, default)

    def number(self, name: str, default: float) -> float:
        """A finite number, not below 0."""
        if name not in self._values:
            return default
        try:
            number = float(self._values[name])
        except ValueError:
            number = math.nan
        if not 0 <= number < math.inf:
            why = f"{name} = {self._values[name]!r} is no number from 0 on"
            raise SourceUnusable(source=self._source, why=why)
        return number

    def path(self, name: str) -> Path:
        if not self._values.get(name):
            raise SourceUnusable(source=self._source, why=f"it needs {name}=/path")
        return Path(self._values[name])

    def flag(self, name: str) -> bool:
        """`true` or `false`; false where it is not said."""
        said = self._values.get(name, "false")
        if said not in ("true", "false"):
            raise SourceUnusable(source=self._source, why=f"{name} = {said!r} is neither true nor false")
        return said == "true"

    def has(self, name: str) -> bool:
        return name in self._values


DEVICES = ("v4l2", "gst", "rtsp", "http", "https")
STRETCH = ("start", "end", "speed")
REPLAY = (*STRETCH, "steering", "route", "nominal_mps")
ROAD = (*STRETCH, "seconds", "fps", "seed")
"""Camera and odometer take the same settings, so that both can be given the same text."""


class Sources:
    """Opens cameras and odometers. `link`: where MQTT signals arrive, if anywhere. `wake`: told of each reading that
    comes by itself, but for those of the link."""

    def __init__(self, link: Subscription | None = None, wake: Wake = nobody) -> None:
        self._link, self._wake = link, wake
        self._playbacks: dict[str, Playback] = {}

    def odometer(self, source: str) -> Odometer:
        """One source, or several in order of trust, joined by ` + `.

        What cannot work raises SourceUnusable, DriveUnusable, MappingUnusable or DatabaseUnusable; what is
        merely away is `trouble`.
        """
        if len(sources := source.split(TOGETHER)) > 1:
            return ComposedOdometer([self.odometer(one.strip()) for one in sources])
        kind, rest, text = _parts(source)
        if kind == "replay":
            from agent.sense.drive import load_drive
            from agent.sense.playback import ReplayOdometer

            settings = SourceOptions(source, text, REPLAY)
            route = load_drive(settings.path("route")) if settings.has("route") else None
            nominal_mps = settings.number("nominal_mps", 0) if settings.has("nominal_mps") else None
            return ReplayOdometer(self._replay(source, rest, settings), route, nominal_mps)
        if kind == "road":
            from agent.sense.playback import ReplayOdometer

            return ReplayOdometer(self._road(source, text))
        if kind == "gpsd":
            SourceOptions(source, text, ())
            host, port = _host(source)
            return GpsdOdometer(host, port, wake=self._wake)
        if kind == "can":
            return _can(source, rest, SourceOptions(source, text, ("dbc", "map", "interface", "fd")), self._wake)
        if kind == "mqtt":
            if self._link is None:
                raise SourceUnusable(source=source, why="no MQTT broker is configured")
            unit = SourceOptions(source, text, ("distance",)).text("distance", "m")
            if unit not in DISTANCES:
                raise SourceUnusable(source=source, why=f"distance = {unit!r} is none of {', '.join(DISTANCES)}")
            return MqttOdometer(self._link, rest or "vss", distance_m=DISTANCES[unit])
        raise _unknown(source, ("replay", "road", "gpsd", "can", "mqtt"))

    def camera(self, source: str) -> Camera:
        """What cannot work raises SourceUnusable, DriveUnusable or FilmUnusable; what is away is
        `trouble`."""
        from agent.sense.camera import LiveCamera
        from agent.sense.drive import load_film
        from agent.sense.playback import Playback, ReplayCamera

        kind, rest, text = _parts(source)
        if kind == "replay":
            return ReplayCamera(self._replay(source, rest, SourceOptions(source, text, REPLAY)))
        if kind == "road":
            return ReplayCamera(self._road(source, text))
        if kind in ("file", "folder"):
            return ReplayCamera(Playback(load_film(Path(rest), SourceOptions(source, text, ("fps",)).number("fps", 0))))
        if kind in DEVICES:
            device, fps, latency_s = _device(source, kind, rest, text)
            _able(source, device)
            return LiveCamera(device, fps, latency_s=latency_s)
        raise _unknown(source, ("replay", "road", "v4l2", "gst", "rtsp", "http", "file", "folder"))

    def _replay(self, source: str, folder: str, settings: SourceOptions) -> Playback:
        from agent.sense.drive import load_drive

        steering = settings.text("steering", "steering_deg")
        key = f"{folder} {steering} {[settings.text(name, '') for name in STRETCH]}"
        if key not in self._playbacks:
            self._playbacks[key] = _playback(load_drive(Path(folder), steering), settings)
        return self._playbacks[key]

    def _road(self, source: str, text: str) -> Playback:
        from agent.sense.road import synthetic_drive

        if text not in self._playbacks:
            settings = SourceOptions(source, text, ROAD)
            seconds, fps = settings.number("seconds", 120), settings.number("fps", 20)
            drive = synthetic_drive(seconds, fps, int(settings.number("seed", 0)))
            self._playbacks[text] = _playback(drive, settings)
        return self._playbacks[text]


def said_latency(source: str) -> float | None:
    """Seconds by which a camera's pictures come late, where its source says so; None: it is to be measured. In a
    recording the table says what belongs together. Raises SourceUnusable."""
    kind, rest, text = _parts(source)
    if kind not in DEVICES:
        return 0.0
    said = _device(source, kind, rest, text)[2]
    return said if re.search(r"(^|&)latency=", text) else None


def open_odometer(source: str) -> Odometer:
    """An odometer that shares nothing with a camera. Raises as `Sources.odometer`."""
    return Sources().odometer(source)


def open_camera(source: str) -> Camera:
    """A camera that shares nothing with an odometer. Raises as `Sources.camera`."""
    return Sources().camera(source)


def _parts(source: str) -> tuple[str, str, str]:
    """Kind, place, settings. In URLs the settings are the fragment, for the query is the server's."""
    kind, _, rest = source.partition(":")
    if kind == "gst":
        return kind, rest, ""
    place, _, text = rest.partition("#" if kind in ("rtsp", "http", "https") else "?")
    return kind, place, text


def _unknown(source: str, kinds: tuple[str, ...]) -> SourceUnusable:
    kind = source.partition(":")[0]
    hint = did_you_mean(f"{kind}:", [f"{kind}:" for kind in kinds], f"it begins with one of {': '.join(kinds)}:")
    return SourceUnusable(source=source[:80], why=hint)


def _playback(drive: Drive, settings: SourceOptions) -> Playback:
    from agent.sense.playback import Playback

    return Playback(
        drive,
        start_s=settings.number("start", 0.0),
        end_s=settings.number("end", math.inf),
        speed=settings.number("speed", 1.0),
    )


def _host(source: str) -> tuple[str, int]:
    try:
        url = urlsplit(source)
        return url.hostname or "127.0.0.1", url.port or GPSD_PORT
    except ValueError as error:
        raise SourceUnusable(source=source, why=str(error)) from None


def _can(source: str, channel: str, settings: SourceOptions, wake: Wake) -> Odometer:
    dbc, path = settings.path("dbc"), settings.path("map")
    try:
        decoder = Decoder.of(load_database(dbc), load_map(path), path)
    except ModuleNotFoundError:
        raise SourceUnusable(source=source, why="install milepost[can] for it") from None
    interface, fd = settings.text("interface", "socketcan"), settings.flag("fd")

    def connect() -> can.BusABC:
        import can

        return can.Bus(channel=channel, interface=interface, fd=fd)

    return CanOdometer(connect, decoder, channel, wake=wake)


def _device(source: str, kind: str, rest: str, text: str) -> tuple[CaptureDevice, float | None, float]:
    """The device, frames a second, seconds of latency."""
    from agent.sense.camera import PATIENCE, CaptureDevice

    if kind == "gst":
        return CaptureDevice(rest, "CAP_GSTREAMER"), None, 0.0
    known = ("width", "height", "rate", "fps", "latency") if kind == "v4l2" else ("fps", "latency")
    settings = SourceOptions(source, text, known)
    fps, latency_s = settings.number("fps", 0) or None, settings.number("latency", 0)
    if latency_s > LONGEST_LATENCY_S:
        why = f"latency = {latency_s:g} is in seconds, and no camera is more than {LONGEST_LATENCY_S:g} late"
        raise SourceUnusable(source=source, why=why)
    if kind != "v4l2" and not re.match("//[^/]", rest):
        raise SourceUnusable(source=source, why=f"behind {kind}: come // and a host")
    if kind != "v4l2":
        return CaptureDevice(f"{kind}:{rest}", "CAP_FFMPEG", PATIENCE), fps, latency_s
    asked = {"width": "CAP_PROP_FRAME_WIDTH", "height": "CAP_PROP_FRAME_HEIGHT", "rate": "CAP_PROP_FPS"}
    sizes = tuple((asked[name], int(settings.number(name, 0))) for name in asked if settings.has(name))
    return CaptureDevice(rest, "CAP_V4L2", sizes), fps, latency_s


def _able(source: str, device: CaptureDevice) -> None:
    """Whether this OpenCV has the backend at all: without it no cable and no patience help."""
    try:
        import cv2
    except ModuleNotFoundError:
        raise SourceUnusable(source=device.name, why="install milepost[train] for OpenCV") from None
    if not cv2.videoio_registry.hasBackend(getattr(cv2, device.backend)):
        why = f"this OpenCV is built without {device.backend[4:]}; use the system's python3-opencv"
        raise SourceUnusable(source=device.name, why=why)
