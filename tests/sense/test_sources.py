"""Cameras and odometers by what the configuration calls them, and what a mistake there gets."""

from __future__ import annotations

import numpy as np
import pytest

from agent.errors import BAD_CONFIG, MilepostError
from agent.sense.camera import LiveCamera
from agent.sense.canbus import CanOdometer
from agent.sense.composed import ComposedOdometer
from agent.sense.gpsd import GpsdOdometer
from agent.sense.road import write_drive
from agent.sense.sources import Sources, SourceUnusable, open_camera, open_odometer


@pytest.fixture(scope="module")
def drive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a drive")
    write_drive(folder, seconds=4, fps=10, seed=1)
    return folder


def test_camera_and_odometer_of_one_replay_share_one_clock(drive, until):
    sources = Sources()
    text = f"replay:{drive}?start=1&end=3&speed=20"
    odometer, camera = sources.odometer(text), sources.camera(text)
    frame = camera.read(1.0)
    readings = []
    until(lambda: readings.extend(odometer.poll()) or any(not reading.ignition for reading in readings))
    assert frame.t in [reading.t for reading in readings]
    assert sum(reading.ignition for reading in readings) == 21


def test_the_drawn_road_is_a_source(until):
    sources = Sources()
    text = "road:?seconds=2&fps=10&seed=7&speed=10"
    odometer, camera = sources.odometer(text), sources.camera(text)
    assert camera.read(1.0).image.shape == (100, 200, 3)
    until(odometer.poll)


def test_a_video_file_and_a_folder_of_images_are_cameras(drive, tmp_path):
    import cv2

    for shade in (10, 20):
        cv2.imwrite(str(tmp_path / f"{shade}.png"), np.full((4, 4, 3), shade, np.uint8))
    assert open_camera(f"file:{drive}/video.mp4").read(1.0).image.shape == (100, 200, 3)
    assert open_camera(f"folder:{tmp_path}?fps=50").read(1.0).image.shape == (4, 4, 3)


def test_live_sources_open_without_being_there(tmp_path):
    (tmp_path / "car.dbc").write_text(
        'VERSION ""\nBU_: CAR\nBO_ 100 MOTION: 8 CAR\n SG_ SPEED : 0|16@1+ (0.01,0) [0|655] "km/h" CAR\n'
    )
    (tmp_path / "car.toml").write_text('[signals."Vehicle.Speed"]\nmessage = "MOTION"\nsignals = ["SPEED"]\n')
    bus = f"can:nowhere?dbc={tmp_path}/car.dbc&map={tmp_path}/car.toml&interface=virtual"
    opened = [
        (open_odometer("gpsd://127.0.0.1:1"), GpsdOdometer),
        (open_odometer(bus), CanOdometer),
        (open_odometer(f"{bus} + gpsd://127.0.0.1:1"), ComposedOdometer),
        (open_camera("v4l2:/dev/video-none?width=640&height=480&rate=30&fps=10"), LiveCamera),
        (open_camera("http://127.0.0.1:1/front?cam=2#fps=10"), LiveCamera),
    ]
    for source, kind in opened:
        assert isinstance(source, kind)
        source.close()


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("replai:/drive", "did you mean replay:"),
        ("serial:/dev/ttyUSB0", "it begins with one of replay: road: gpsd: can: mqtt:"),
        ("replay:/drive?sped=4", "it has no setting sped; did you mean speed"),
        ("road:?speed=fast", "speed = 'fast' is no number from 0 on"),
        ("road:?speed=-1", "speed = '-1' is no number"),
        ("road:?seconds=nan", "seconds = 'nan' is no number"),
        ("gpsd://127.0.0.1:99999", "Port out of range"),
        ("can:can0", "it needs dbc=/path"),
        ("mqtt:vss", "no MQTT broker is configured"),
        ("replay:/nowhere", "telemetry.csv cannot be read"),
        ("road:?start=10&end=5", "hold no 10 to 5 s"),
    ],
)
def test_a_mistake_in_an_odometer_is_a_sentence_and_a_configuration_error(source, sentence):
    with pytest.raises(MilepostError, match=sentence.replace("?", r"\?")) as caught:
        open_odometer(source)
    assert caught.value.exit_code == BAD_CONFIG


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("v4l:/dev/video0", "did you mean v4l2:"),
        ("v4l2:/dev/video0?widht=4", "did you mean width"),
        ("file:/nowhere.mp4", "cannot be decoded"),
        ("rtsp:/10.0.0.5/front", "behind rtsp: come // and a host"),
        ("http:10.0.0.5/mjpeg", "behind http: come // and a host"),
    ],
)
def test_a_mistake_in_a_camera_is_a_sentence_and_a_configuration_error(source, sentence):
    with pytest.raises(MilepostError, match=sentence) as caught:
        open_camera(source)
    assert caught.value.exit_code == BAD_CONFIG


def test_a_pipeline_without_gstreamer_says_which_opencv_to_take():
    import cv2

    if cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        pytest.skip("this OpenCV has GStreamer")
    with pytest.raises(SourceUnusable, match="this OpenCV is built without GSTREAMER"):
        open_camera("gst:nvarguscamerasrc ! appsink")


def test_an_empty_folder_is_no_camera(tmp_path):
    with pytest.raises(MilepostError, match="it holds 0 images"):
        open_camera(f"folder:{tmp_path}")
