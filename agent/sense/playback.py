"""A recorded drive played again, as if it happened now.

Odometer and camera of a playback share one clock, so that frame and steering stay together however fast it is
played. All stamps are in drive seconds from the playback's start: at four times the speed a second of wall
time is four seconds of `t`, and a car that drove 50 km/h still says 50 km/h.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np

from agent.ports import Frame, Position, Reading
from agent.sense.drive import Column, Drive, DriveUnusable
from agent.sense.film import Film

PARKED_EVERY_S = 0.5
"""Drive seconds between the readings of the car that has arrived."""

MOST_MISSES = 5
"""So many pictures in a row that cannot be read are the end of a video."""

LATE_S = 0.5
"""Wall seconds by which the camera may lag behind before it leaves frames out, as a real one would."""


class Playback:
    """Which second of which drive it is now. Begins when it is made."""

    def __init__(
        self,
        drive: Drive,
        *,
        start_s: float = 0.0,
        end_s: float = math.inf,
        speed: float = 1.0,
        now: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.drive = drive
        self.speed = speed
        self.first = int(np.searchsorted(drive.t, drive.t[0] + start_s))
        self.beyond = int(np.searchsorted(drive.t, drive.t[0] + end_s, side="right"))
        if not (0 <= start_s < end_s and speed > 0 and self.beyond - self.first >= 2):
            why = f"its {drive.seconds:.1f} s hold no {start_s:g} to {end_s:g} s to play at {speed:g}x"
            raise DriveUnusable(folder=drive.name, why=why)
        self.t = drive.t[self.first : self.beyond] - drive.t[self.first]
        """Drive seconds of each row since the start of the stretch."""
        self._now, self._wait = now, wait
        self._epoch = now()

    def __repr__(self) -> str:
        return f"<Playback {self.drive.name} {self.seconds:.1f} of {self.length:.1f} s at {self.speed:g}x>"

    @property
    def length(self) -> float:
        """Drive seconds from the first to the last row."""
        return float(self.t[-1])

    @property
    def seconds(self) -> float:
        """Drive seconds since the start; goes on after the end."""
        return (self._now() - self._epoch) * self.speed

    @property
    def over(self) -> bool:
        return self.seconds > self.length

    def stamp(self, seconds: float) -> float:
        """`t` of a frame or reading that lies `seconds` of drive after the start."""
        return self._epoch + seconds

    def wait(self, wall_seconds: float) -> None:
        self._wait(wall_seconds)


class ReplayOdometer:
    """The readings of a playback; after its end the car stands with the ignition off, so that the trip
    closes.

    Speed, distance and position come from the drive itself; where it has none, from `route`, round and
    round for as long as it takes; where there is no route, from `nominal_mps`, which whoever asks for it
    has to state.
    """

    def __init__(self, playback: Playback, route: Drive | None = None, nominal_mps: float | None = None) -> None:
        self._playback = playback
        self._steering = playback.drive.steering_deg[playback.first : playback.beyond]
        self._movement = _movement(playback, route, nominal_mps)
        self._next = 0
        self._parked_at = -math.inf

    trouble: str | None = None

    @property
    def pause_s(self) -> float:
        """Until the next row is due, or the car that has arrived says so again."""
        playback = self._playback
        due_s = float(playback.t[self._next]) if self._next < len(playback.t) else self._parked_at + PARKED_EVERY_S
        return max(0.0, due_s - playback.seconds) / playback.speed

    def poll(self) -> Sequence[Reading]:
        playback = self._playback
        seconds = playback.seconds
        beyond = int(np.searchsorted(playback.t, seconds, side="right"))
        readings = [self._row(row) for row in range(self._next, beyond)]
        self._next = max(self._next, beyond)
        if seconds > playback.length and seconds >= self._parked_at + PARKED_EVERY_S:
            self._parked_at = seconds
            speed, travelled, position = self._movement(playback.length, len(playback.t) - 1)
            parked = 0.0 if speed is not None else None
            readings.append(
                Reading(
                    playback.stamp(seconds),
                    speed_kmh=parked,
                    travelled_m=travelled,
                    ignition=False,
                    position=position,
                )
            )
        return readings

    def _row(self, row: int) -> Reading:
        seconds = float(self._playback.t[row])
        speed, travelled, position = self._movement(seconds, row)
        return Reading(
            self._playback.stamp(seconds),
            speed_kmh=speed,
            travelled_m=travelled,
            steering_deg=_known(self._steering[row]),
            ignition=True,
            position=position,
        )

    def close(self) -> None:
        """Nothing is held."""


Movement = tuple[float | None, float | None, Position | None]
"""Speed in km/h, distance in metres, position."""


def _movement(playback: Playback, route: Drive | None, nominal_mps: float | None) -> Callable[[float, int], Movement]:
    """How the car moves at a drive second and row."""
    drive, first = playback.drive, playback.first
    if drive.knows_movement:
        return lambda _, row: _at(drive, first + row)
    if route is not None:
        if not np.isfinite(route.speed_mps).all() or not np.isfinite(route.distance_m).all():
            raise DriveUnusable(folder=route.name, why="it does not know speed and distance in every row")
        return lambda seconds, _: _around(route, seconds)
    if nominal_mps is not None:
        return lambda seconds, _: (nominal_mps * 3.6, nominal_mps * seconds, None)
    raise DriveUnusable(
        folder=drive.name, why="it has no speed: name a route or a nominal speed to take the odometry from"
    )


def _at(drive: Drive, row: int) -> Movement:
    speed = _known(drive.speed_mps[row])
    return None if speed is None else speed * 3.6, _known(drive.distance_m[row]), _place(drive, row)


def _around(route: Drive, seconds: float) -> Movement:
    """The second round begins where the first did, so only the first has a position: the way back was not
    driven.
    """
    laps, rest = divmod(seconds, route.seconds)
    t, lap_m = route.t[0] + rest, float(route.distance_m[-1] - route.distance_m[0])
    travelled = laps * lap_m + float(np.interp(t, route.t, route.distance_m) - route.distance_m[0])
    row = int(np.searchsorted(route.t, t, side="right")) - 1
    return _interpolated(t, route, route.speed_mps) * 3.6, travelled, None if laps else _place(route, row)


def _interpolated(t: float, route: Drive, column: Column) -> float:
    return float(np.interp(t, route.t, column))


def _place(drive: Drive, row: int) -> Position | None:
    latitude, longitude = _known(drive.latitude_deg[row]), _known(drive.longitude_deg[row])
    return None if latitude is None or longitude is None else Position(latitude, longitude)


def _known(cell: float) -> float | None:
    return float(cell) if math.isfinite(cell) else None


class ReplayCamera:
    """The images of a playback, each when it is due. Starts in the middle when the playback already runs."""

    def __init__(self, playback: Playback) -> None:
        if playback.drive.images is None:
            raise DriveUnusable(folder=playback.drive.name, why="it has no video.mp4")
        self._playback = playback
        self._images = playback.drive.images
        self._film: Film | None = None
        self._next = 0
        self._misses = 0
        self.trouble: str | None = None
        self.unread = 0
        """Pictures that are there and cannot be decoded."""
        self.left_out = 0
        """Frames passed over because nobody fetched them in time."""

    def read(self, timeout: float) -> Frame | None:
        playback = self._playback
        self._catch_up()
        if self._next >= len(playback.t):
            playback.wait(timeout)
            return None
        due_s = (float(playback.t[self._next]) - playback.seconds) / playback.speed
        playback.wait(min(max(due_s, 0.0), timeout))
        if due_s > timeout:
            return None
        if self._film is None:
            self._film = self._images.film(playback.first + self._next)
        image, row = self._film.read(), self._next
        self._next += 1
        if image is None:
            self._unread(playback)
            return None
        self._misses = 0
        return Frame(playback.stamp(float(playback.t[row])), image)

    def _unread(self, playback: Playback) -> None:
        """A picture in a folder may be torn; after many in a row the video is at its end."""
        self.unread, self._misses = self.unread + 1, self._misses + 1
        self.trouble = f"{self.unread} pictures of {playback.drive.name} cannot be read: they are skipped."
        if self._misses >= MOST_MISSES:
            self.trouble = f"The video of {playback.drive.name} ends before its table. Check the recording."
            self._next = len(playback.t)

    def _catch_up(self) -> None:
        playback = self._playback
        oldest = int(np.searchsorted(playback.t, playback.seconds - LATE_S * playback.speed))
        behind = min(oldest, len(playback.t)) - self._next
        if behind <= 0:
            return
        if self._film is not None:
            self.left_out += behind
            for _ in range(behind):
                self._film.skip()
        self._next += behind

    def close(self) -> None:
        if self._film is not None:
            self._film.close()
        self._film, self._next = None, len(self._playback.t)
