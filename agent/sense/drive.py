"""A recorded drive: a folder with `telemetry.csv` and, for the camera, `video.mp4`.

Row i of the table is frame i of the video. A blank cell means that the recording does not have it; anything
else that is not a finite number is an error, named by its line, because a wrong label is worse than none.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agent.errors import BAD_CONFIG, MilepostError
from agent.sense import vss
from agent.sense.film import FolderImages, Images, VideoImages, folder_images
from agent.sense.sheet import Sheet

Column = npt.NDArray[np.float64]
"""(rows,), NaN where the cell was blank."""

LONGEST_STEP_S = 1.0
"""A step in `t` above this is a gap: nobody knows what the car did meanwhile."""

WIDEST_DEG = vss.LIMITS[vss.STEERING][1]

COLUMNS = ("speed_mps", "lat", "lon", "distance_m")


class DriveUnusable(MilepostError):
    """The drive {folder} cannot be used: {why}. Repair the recording or choose another; nothing was read
    from it.
    """

    exit_code = BAD_CONFIG


@dataclass(frozen=True, slots=True)
class Drive:
    """One recorded drive. All columns have the same length, at least 2."""

    name: str
    t: Column
    """Seconds of video time, strictly increasing, no step above LONGEST_STEP_S."""
    steering_deg: Column
    """Positive is left."""
    speed_mps: Column
    distance_m: Column
    latitude_deg: Column
    longitude_deg: Column
    images: Images | None = None

    @property
    def seconds(self) -> float:
        """From the first to the last row."""
        return float(self.t[-1] - self.t[0])

    @property
    def knows_movement(self) -> bool:
        """Whether speed or distance were recorded at all."""
        return bool(np.isfinite(self.speed_mps).any() or np.isfinite(self.distance_m).any())


def load_drive(folder: Path, steering: str = "steering_deg") -> Drive:
    """Read a drive's table and check it against its video, if it has one.

    `steering` names the column to learn from (the simulator's pack has a smoothed one). Raises DriveUnusable.
    """
    path = folder / "telemetry.csv"
    columns = _columns(folder, path, ("t", steering, *COLUMNS))
    film = folder / "video.mp4"
    drive = Drive(
        name=folder.name,
        t=columns["t"],
        steering_deg=columns[steering],
        speed_mps=columns["speed_mps"],
        distance_m=columns["distance_m"],
        latitude_deg=columns["lat"],
        longitude_deg=columns["lon"],
        images=VideoImages(film) if film.exists() else None,
    )
    if isinstance(drive.images, VideoImages) and (frames := drive.images.count()) != len(drive.t):
        raise DriveUnusable(folder=folder, why=f"video.mp4 has {frames} frames and telemetry.csv {len(drive.t)} rows")
    return drive


def load_film(path: Path, fps: float) -> Drive:
    """A video file or a folder of images (in the order of their names) as a drive that knows nothing but
    images.

    `fps`: how fast to show it; 0 means as recorded, or 10 for a folder. Raises DriveUnusable.
    """
    images: VideoImages | FolderImages
    if path.is_dir():
        images = folder_images(path)
        t = np.arange(images.count()) / (fps or 10.0)
    else:
        images = VideoImages(path)
        t = images.times()
        t = np.arange(len(t)) / fps if fps else t
    if len(t) < 2:
        raise DriveUnusable(folder=path, why=f"it holds {len(t)} images")
    unknown = np.full(len(t), math.nan)
    return Drive(path.name, t, unknown, unknown, unknown, unknown, unknown, images)


def _columns(folder: Path, path: Path, names: tuple[str, ...]) -> dict[str, Column]:
    try:
        sheet = Sheet(path)
        missing = [name for name in ("frame", *names) if name not in sheet.columns]
        if missing:
            raise DriveUnusable(folder=folder, why=f"telemetry.csv has no column {', '.join(missing)}")
        table = [_row(folder, line, number, row, names) for number, (line, row) in enumerate(sheet)]
    except OSError as error:
        raise DriveUnusable(folder=folder, why=f"telemetry.csv cannot be read ({error.strerror})") from None
    except (csv.Error, UnicodeError) as error:
        raise DriveUnusable(folder=folder, why=f"telemetry.csv is no table ({error})") from None
    if len(table) < 2:
        raise DriveUnusable(folder=folder, why=f"telemetry.csv has {len(table)} rows")
    numbers = np.array(table, dtype=np.float64)
    _without_gaps(folder, numbers[:, 0])
    return {name: np.ascontiguousarray(numbers[:, place]) for place, name in enumerate(names)}


def _row(folder: Path, line: int, number: int, row: dict[str, str], names: tuple[str, ...]) -> list[float]:
    if row.get("frame") != str(number):
        why = f"line {line} of telemetry.csv is frame {row.get('frame')!r}, expected {number}"
        raise DriveUnusable(folder=folder, why=why)
    return [_cell(folder, line, name, row.get(name)) for name in names]


def _cell(folder: Path, line: int, name: str, text: str | None) -> float:
    if text is not None and not text.strip() and name != "t":
        return math.nan
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        why = f"line {line} of telemetry.csv has {name} = {text!r}, which is no number"
        raise DriveUnusable(folder=folder, why=why)
    if name not in ("t", *COLUMNS) and abs(number) > WIDEST_DEG:
        why = f"line {line} of telemetry.csv has {name} = {text}, and no wheel turns beyond {WIDEST_DEG:g} degrees"
        raise DriveUnusable(folder=folder, why=why)
    return number


def _without_gaps(folder: Path, t: Column) -> None:
    steps = np.diff(t)
    for row in np.flatnonzero((steps <= 0) | (steps > LONGEST_STEP_S)):
        what = f"t goes back by {-steps[row]:.3f} s" if steps[row] <= 0 else f"{steps[row]:.3f} s are missing"
        why = f"{what} between lines {row + 2} and {row + 3} of telemetry.csv"
        raise DriveUnusable(folder=folder, why=why)
