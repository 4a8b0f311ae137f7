"""gpsd: Debian's real one, and every way in which it can be of no use."""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest

from agent.core.mileage import distance_m
from agent.sense.gpsd import GpsdOdometer, fix
from tests.sense.nmea import sentences

TPV = {
    "class": "TPV",
    "mode": 3,
    "time": "2018-08-02T16:14:49.300Z",
    "lat": 37.7,
    "lon": -122.4,
    "speed": 10.0,
}


class Daemon:
    """Stands where gpsd would and says what it is told to."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.link: socket.socket | None = None
        self.taken = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._server.accept()
            except OSError:
                return
            if self.link:
                self.link.close()
            self.link = link
            self.taken += 1

    def say(self, *reports: object) -> None:
        for report in reports:
            line = report if isinstance(report, bytes) else json.dumps(report).encode()
            self.link.sendall(line + b"\r\n")

    def hang_up(self) -> None:
        self.link.shutdown(socket.SHUT_RDWR)
        self.link.close()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        if self.link:
            self.link.close()


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    daemon = Daemon()
    yield daemon
    daemon.close()


@pytest.fixture
def odometer(daemon, until) -> Iterator[GpsdOdometer]:
    odometer = GpsdOdometer("127.0.0.1", daemon.port)
    until(lambda: daemon.taken)
    daemon.say({"class": "VERSION", "release": "3.22"})
    until(lambda: odometer.trouble is None)
    yield odometer
    odometer.close()


def heard(odometer: GpsdOdometer, daemon: Daemon, until, *reports: object) -> list:
    """What comes out of some reports, up to a last one that is always good."""
    daemon.say(*reports, {**TPV, "time": "last", "speed": 99.0})
    readings: list = []
    until(lambda: readings.extend(odometer.poll()) or (readings and readings[-1].speed_kmh == pytest.approx(356.4)))
    return readings[:-1]


def test_a_fix_is_speed_and_position(odometer, daemon, until):
    (reading,) = heard(odometer, daemon, until, {**TPV, "eph": 4.2})
    assert reading.speed_kmh == pytest.approx(36.0)
    assert (reading.position.latitude_deg, reading.position.accuracy_m) == (37.7, 4.2)


def test_whoever_waits_for_the_car_is_told_of_a_fix(daemon, until):
    told = threading.Event()
    odometer = GpsdOdometer("127.0.0.1", daemon.port, wake=told.set)
    until(lambda: daemon.taken)
    daemon.say(TPV)
    assert told.wait(60)
    assert len(odometer.poll()) == 1
    odometer.close()


def test_no_fix_is_no_position(odometer, daemon, until):
    assert not heard(odometer, daemon, until, {**TPV, "mode": 1}, {**TPV, "mode": 0}, {"class": "TPV"})


@pytest.mark.parametrize("said", [{}, {"time": ""}, {"time": None}])
def test_a_receiver_that_knows_no_time_has_a_fix_all_the_same(odometer, daemon, until, said):
    timeless = {**{name: value for name, value in TPV.items() if name != "time"}, **said}
    assert len(heard(odometer, daemon, until, *[timeless] * 8)) == 4  # from the fifth on: it could have been a part


def test_an_old_fix_said_again_is_no_fix(odometer, daemon, until):
    assert len(heard(odometer, daemon, until, TPV, TPV, TPV)) == 1


def test_a_clock_of_the_receiver_that_jumps_back_goes_on_being_heard(odometer, daemon, until):
    assert len(heard(odometer, daemon, until, TPV, {**TPV, "time": "1999-08-22T00:00:00.000Z"})) == 2


@pytest.mark.parametrize(
    "broken",
    [
        b"not json",
        b"[1, 2]",
        b"[" * 20_000,
        b'{"class":"TPV","mode":3,"lat":NaN,"lon":0,"time":1}',
        b'{"class":"TPV","mode":3,"lat":1e999,"lon":0,"time":2}',
        b'{"class":"TPV","mode":3,"lat":"37","lon":0,"time":3}',
        b'{"class":"TPV","mode":"3","lat":37,"lon":0,"time":4}',
        b'{"class":"TPV","mode":3,"lat":true,"lon":0,"time":5}',
        b'{"class":7}',
        b"\xff\xfe",
    ],
)
def test_garbage_is_passed_over(odometer, daemon, until, broken):
    assert not heard(odometer, daemon, until, broken)


def test_a_line_without_end_is_given_up(odometer, daemon, until):
    with contextlib.suppress(ConnectionError):
        daemon.link.sendall(b"x" * 200_000)
    until(lambda: odometer.refused == 1 and daemon.taken == 2)


def test_gpsd_that_went_away_is_told_and_found_again(odometer, daemon, until):
    daemon.hang_up()
    until(lambda: odometer.trouble and "No gpsd at" in odometer.trouble)
    until(lambda: daemon.taken == 2)
    assert len(heard(odometer, daemon, until, TPV)) == 1
    assert odometer.trouble is None


def test_a_minute_without_a_fix_is_told(daemon, until):
    clock = [0.0]
    odometer = GpsdOdometer("127.0.0.1", daemon.port, now=lambda: clock[0])
    until(lambda: daemon.taken)
    daemon.say({"class": "VERSION"})
    until(lambda: odometer.trouble is None)
    clock[0] = 61.0
    assert odometer.trouble == (
        "No fix from gpsd for 60 s. Trips cannot start by GPS. Check the antenna, or run `milepost doctor`."
    )
    odometer.close()


def test_a_speed_is_not_made_up():
    assert fix(0.0, {**TPV, "speed": None}).speed_kmh is None
    assert fix(0.0, {**TPV, "speed": 1e9}).speed_kmh is None


def test_a_position_is_in_no_representation(odometer, daemon, until):
    heard(odometer, daemon, until, TPV)
    assert "37.7" not in repr(odometer)


@pytest.mark.slow
def test_the_real_gpsd_gives_a_real_track_its_length_and_speed(shared, tmp_path, until):
    path = os.pathsep.join((os.environ["PATH"], "/usr/sbin"))
    if not shutil.which("gpsfake", path=path) or not shutil.which("gpsd", path=path):
        pytest.skip("gpsd is not installed here (apt-get install gpsd gpsd-clients)")
    track = tmp_path / "track.nmea"
    track.write_text("\r\n".join(sentences(shared / "data/route_real/gnss_ublox.csv", 0, 60)) + "\r\n")
    with (shared / "data/route_real/telemetry.csv").open() as file:
        columns = ("lat", "lon", "distance_m", "speed_mps")
        rows = [tuple(float(row[name]) for name in columns) for row in csv.DictReader(file)]

    def place(reading) -> tuple[float, float]:
        return reading.position.latitude_deg, reading.position.longitude_deg

    def left_m(reading) -> float:
        return distance_m(place(reading), rows[-1][:2])

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # gpsfake feeds a pseudo-terminal: one sentence every 5 ms is ten times as fast as it was driven.
    command = ["gpsfake", "-q", "-1", "-c", "0.005", "-P", str(port), str(track)]
    with (tmp_path / "log").open("w") as log:
        gpsfake = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, "PATH": path}, start_new_session=True
        )
    odometer = GpsdOdometer("127.0.0.1", port)
    readings: list = []
    try:
        until(lambda: odometer.trouble is None, 30)
        until(lambda: readings.extend(odometer.poll()) or (readings and left_m(readings[-1]) < 5), 60)
    finally:
        odometer.close()
        os.killpg(gpsfake.pid, signal.SIGKILL)
        gpsfake.wait(10)
    places = [place(reading) for reading in readings]
    driven = sum(distance_m(*step) for step in itertools.pairwise(places))
    recorded = [min(rows, key=lambda row: distance_m(row[:2], here)) for here in (places[0], places[-1])]
    assert len(readings) > 300
    assert driven == pytest.approx(recorded[1][2] - recorded[0][2], rel=0.01)
    for reading in readings[::50]:
        speed_mps = min(rows, key=lambda row: distance_m(row[:2], place(reading)))[3]
        assert reading.speed_kmh / 3.6 == pytest.approx(speed_mps, abs=0.8)
