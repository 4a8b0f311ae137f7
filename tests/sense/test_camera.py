"""Live cameras: a real server of moving JPEG, lost and found, black and frozen."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from agent.sense.camera import PATIENCE, CaptureDevice, LiveCamera
from agent.sense.sources import SourceUnusable, open_camera

Serve = Callable[[str], subprocess.Popen]


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.fixture
def serve(port) -> Iterator[Serve]:
    """Starts ffmpeg as an MJPEG server for one client, showing a test picture."""
    if not shutil.which("ffmpeg"):
        pytest.skip("ffmpeg is not installed here (apt-get install ffmpeg)")
    running = []

    def start(picture: str) -> subprocess.Popen:
        command = ["ffmpeg", "-loglevel", "quiet", "-nostdin", "-re", "-f", "lavfi", "-i", picture, "-f", "mpjpeg"]
        listen = ["-content_type", "multipart/x-mixed-replace;boundary=ffmpeg", "-listen", "1"]
        server = subprocess.Popen([*command, *listen, f"http://127.0.0.1:{port}/front"])
        running.append(server)
        return server

    yield start
    for server in running:
        server.kill()
        server.wait()


RTSP = """
import sys
import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer

Gst.init(None)
server = GstRtspServer.RTSPServer(address="127.0.0.1", service=sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory(shared=True)
picture = "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=20/1"
factory.set_launch(f"( {picture} ! jpegenc ! rtpjpegpay name=pay0 pt=96 )")
server.get_mount_points().add_factory("/front", factory)
server.attach(None)
print("ready", flush=True)
GLib.MainLoop().run()
"""
SYSTEM_PYTHON = "/usr/bin/python3"
"""Debian's, which has the bindings to its GStreamer."""


@pytest.fixture
def rtsp(port: int) -> Iterator[Callable[[], subprocess.Popen]]:
    """Starts GStreamer's RTSP server."""
    asked = 'import gi; gi.require_version("GstRtspServer", "1.0"); from gi.repository import GstRtspServer'
    there = (
        Path(SYSTEM_PYTHON).exists()
        and not subprocess.run([SYSTEM_PYTHON, "-c", asked], check=False, capture_output=True).returncode
    )
    if not there:
        pytest.skip("GStreamer's RTSP server is not installed here (apt-get install gir1.2-gst-rtsp-server-1.0)")
    running = []

    def start() -> subprocess.Popen:
        server = subprocess.Popen([SYSTEM_PYTHON, "-c", RTSP, str(port)], stdout=subprocess.PIPE)
        running.append(server)
        assert server.stdout is not None and server.stdout.readline() == b"ready\n"
        return server

    yield start
    for server in running:
        server.kill()
        server.wait()
        server.stdout.close()


def camera(port: int, hurry: float = 1.0, fps: float | None = None) -> LiveCamera:
    """`hurry`: how many seconds pass for the camera in one of ours."""
    device = CaptureDevice(f"http://127.0.0.1:{port}/front", "CAP_FFMPEG", PATIENCE)
    return LiveCamera(device, fps, now=lambda: time.monotonic() * hurry)


@pytest.mark.slow
def test_frames_come_in_order_with_the_time_of_their_capture(serve, port, until):
    serve("testsrc=size=160x120:rate=25")
    began = time.monotonic()
    front = camera(port)
    frames = []
    until(lambda: frames.append(front.read(0.5)) or len([frame for frame in frames if frame]) >= 20)
    front.close()
    stamps = [frame.t for frame in frames if frame]
    assert stamps == sorted(stamps)
    assert began <= stamps[0] <= stamps[-1] <= time.monotonic()
    assert next(frame for frame in frames if frame).image.shape == (120, 160, 3)


def test_a_late_cameras_frame_is_of_the_moment_that_it_shows(until):
    class Late:
        def grab(self) -> bool:
            return True

        def retrieve(self) -> tuple[bool, np.ndarray]:
            return True, np.random.default_rng(1).integers(0, 255, (20, 20, 3), np.uint8)

        def release(self) -> None:
            pass

    class Plugged(CaptureDevice):
        def open(self):
            return Late()

    front = LiveCamera(Plugged("rtsp://front", "CAP_FFMPEG"), now=lambda: 100.0, latency_s=0.4)
    frames = []
    until(lambda: frames.append(front.read(0.1)) or frames[-1])
    assert frames[-1].t == pytest.approx(99.6)
    front.close()


@pytest.mark.parametrize("source", ["rtsp://10.0.0.5/front#latency=400", "http://10.0.0.5/front#latency=soon"])
def test_a_latency_that_is_none_is_a_mistake_of_the_configuration(source):
    with pytest.raises(SourceUnusable, match="latency = "):
        open_camera(source)


@pytest.mark.slow
def test_only_as_many_frames_are_kept_as_are_wanted(serve, port, until):
    serve("testsrc=size=160x120:rate=25")
    front = camera(port, fps=5)
    frames = []
    until(lambda: frames.append(front.read(0.5)) or len([frame for frame in frames if frame]) >= 6)
    front.close()
    stamps = [frame.t for frame in frames if frame]
    assert min(later - earlier for earlier, later in itertools.pairwise(stamps)) >= 0.18


@pytest.mark.slow
def test_a_camera_that_dies_is_told_and_found_again(serve, port, until):
    server = serve("testsrc=size=160x120:rate=25")
    front = camera(port)
    until(lambda: front.read(0.5))
    server.kill()
    until(lambda: front.trouble and "is not there" in front.trouble)
    assert f"http://127.0.0.1:{port}/…" in front.trouble
    serve("testsrc=size=160x120:rate=25")
    until(lambda: front.opened == 2 and front.read(0.5))
    assert front.trouble is None
    front.close()


@pytest.mark.slow
def test_an_rtsp_camera_that_dies_is_told_and_found_again(rtsp, port, until):
    server = rtsp()
    front = open_camera(f"rtsp://127.0.0.1:{port}/front#fps=10")
    frames = []
    until(lambda: frames.append(front.read(0.5)) or len([frame for frame in frames if frame]) >= 10, 60)
    assert {frame.image.shape for frame in frames if frame} == {(240, 320, 3)}
    server.kill()
    until(lambda: front.trouble and "is not there" in front.trouble, 60)
    rtsp()
    until(lambda: front.opened == 2 and front.read(0.5), 60)
    front.close()


PIPELINE = """
import time
from agent.sense.camera import CaptureDevice, LiveCamera

picture = "videotestsrc num-buffers=30 is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=20/1"
pipeline = f"{picture} ! videoconvert ! video/x-raw,format=BGR ! appsink drop=true"
front, end, seen = LiveCamera(CaptureDevice(pipeline, "CAP_GSTREAMER")), time.monotonic() + 30, []
while front.opened < 2 or len(seen) < 20:
    frame = front.read(0.5)
    seen += [] if frame is None else [frame.image.shape]
    assert time.monotonic() < end, front.trouble
assert set(seen) == {(240, 320, 3)}
front.close()
"""


@pytest.mark.slow
def test_the_systems_own_opencv_opens_a_gstreamer_pipeline_and_again_when_it_ends():
    """The index's OpenCV has no GStreamer; the distribution's and JetPack's have, and are older."""
    asked = 'import cv2; assert "GStreamer:                   YES" in cv2.getBuildInformation()'
    if not Path(SYSTEM_PYTHON).exists() or subprocess.run([SYSTEM_PYTHON, "-c", asked], capture_output=True).returncode:
        pytest.skip("the system has no OpenCV with GStreamer (apt-get install python3-opencv)")
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([SYSTEM_PYTHON, "-c", PIPELINE], env=here, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("picture", "word"), [("color=black", "black"), ("color=gray", "frozen")])
def test_an_image_that_shows_nothing_is_told_and_not_handed_on(serve, port, until, picture, word):
    serve(f"{picture}:size=160x120:rate=25")
    front = camera(port, hurry=5)
    until(lambda: front.trouble and word in front.trouble)
    until(lambda: front.read(0.05) is None)
    front.close()


def test_a_camera_that_opens_but_gives_no_image_is_told(until):
    class Mute:
        def __init__(self) -> None:
            self.released = False

        def grab(self) -> bool:
            until(lambda: self.released)
            return False

        def release(self) -> None:
            pass

    mute, clock = Mute(), [0.0]

    class Plugged(CaptureDevice):
        def open(self):
            return mute

    front = LiveCamera(Plugged("/dev/video0", "CAP_V4L2"), now=lambda: clock[0])
    until(lambda: front.opened)
    assert front.trouble is None
    clock[0] = 6.0
    assert front.trouble == ("The camera /dev/video0 opens but gives no image. Check its cable, format and frame rate.")
    mute.released = True
    front.close()


def test_a_camera_that_is_not_plugged_in_is_told_and_closing_does_not_wait(until):
    front = LiveCamera(CaptureDevice("/dev/video-none", "CAP_V4L2"))
    until(lambda: front.trouble and "cannot be opened" in front.trouble)
    assert front.read(0.01) is None
    front.close()
    front.close()


def test_the_password_of_a_camera_is_not_told():
    device = CaptureDevice("rtsp://admin:secret@10.0.0.5/front", "CAP_FFMPEG")
    assert device.name == "rtsp://10.0.0.5/…"
