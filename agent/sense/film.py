"""The images of a drive: a video file or a folder, from some frame on, in order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from agent.errors import BAD_CONFIG, MilepostError

Image = npt.NDArray[np.uint8]
"""(height, width, 3), BGR."""

Times = npt.NDArray[np.float64]
"""(frames,), seconds, strictly increasing."""

USUAL_FPS = 25.0
MOST_FPS = 1000.0
MOST_FRAMES = 1e8
NEAR = 50
"""Frames that are gone through: broadcast streams lose their first ones when they are sought for."""

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})


class FilmUnusable(MilepostError):
    """The video {path} cannot be decoded. Is it there and whole, and in a format this OpenCV knows?"""

    exit_code = BAD_CONFIG


class Film(Protocol):
    """The images of a drive in order, from some frame on."""

    def read(self) -> Image | None:
        """The next image, or None when it cannot be read or there is no further one."""

    def skip(self) -> None:
        """Pass over the next image, cheaper than reading it."""

    def close(self) -> None:
        """Idempotent."""


class Images(Protocol):
    """Where a drive's images come from: a video file, or the synthetic road."""

    def film(self, first: int) -> Film:
        """Begin at frame `first`."""


@dataclass(frozen=True, slots=True)
class VideoImages:
    """The frames of a video file, through OpenCV."""

    path: Path

    def times(self) -> Times:
        """When each frame is shown, seconds from the first on. Found by going through the whole file: a recording that
        was cut off, or streamed, says nothing true of how many there are, and dashcams do not keep an even pace.
        Frames without a time of their own follow at the file's rate. Raises FilmUnusable."""
        import cv2

        video = cv2.VideoCapture(str(self.path))
        try:
            if not video.isOpened():
                raise FilmUnusable(path=self.path)
            fps = video.get(cv2.CAP_PROP_FPS)
            pace = 1 / fps if 0 < fps < MOST_FPS else 1 / USUAL_FPS
            shown: list[float] = []
            while video.grab():
                t = video.get(cv2.CAP_PROP_POS_MSEC) / 1000
                after = shown[-1] if shown else -pace
                shown.append(t if after < t < math.inf else after + pace)
        finally:
            video.release()
        return np.array(shown, np.float64) - (shown[0] if shown else 0.0)

    def count(self) -> int:
        """As the file says; where it does not, by going through it. Raises FilmUnusable."""
        import cv2

        video = cv2.VideoCapture(str(self.path))
        try:
            if not video.isOpened():
                raise FilmUnusable(path=self.path)
            said = video.get(cv2.CAP_PROP_FRAME_COUNT)
        finally:
            video.release()
        return int(said) if 0 < said < MOST_FRAMES else len(self.times())

    def film(self, first: int) -> Film:
        return _VideoFilm(self.path, first)


class _VideoFilm:
    def __init__(self, path: Path, first: int) -> None:
        import cv2

        self._video = cv2.VideoCapture(str(path))
        if first > NEAR:
            self._video.set(cv2.CAP_PROP_POS_FRAMES, first)
            if self._video.get(cv2.CAP_PROP_POS_FRAMES) == first:
                return
            self._video.release()  # a stream without an index: there is no way but through
            self._video = cv2.VideoCapture(str(path))
        for _ in range(first):
            self._video.grab()

    def read(self) -> Image | None:
        good, image = self._video.read()
        return image if good else None

    def skip(self) -> None:
        self._video.grab()

    def close(self) -> None:
        self._video.release()


@dataclass(frozen=True, slots=True)
class FolderImages:
    """One image file per frame."""

    paths: tuple[Path, ...]

    def count(self) -> int:
        return len(self.paths)

    def film(self, first: int) -> Film:
        return _FolderFilm(self.paths[first:])


def folder_images(folder: Path) -> FolderImages:
    """A folder's image files in the order of their names."""
    return FolderImages(tuple(sorted(one for one in folder.iterdir() if one.suffix.lower() in IMAGE_SUFFIXES)))


class _FolderFilm:
    def __init__(self, paths: tuple[Path, ...]) -> None:
        self._paths = iter(paths)

    def read(self) -> Image | None:
        import cv2

        path = next(self._paths, None)
        image = cv2.imread(str(path)) if path else None
        return None if image is None else np.asarray(image, dtype=np.uint8)

    def skip(self) -> None:
        next(self._paths, None)

    def close(self) -> None:
        """Nothing is held."""
