"""The images of a drive: a video file or a folder, from some frame on, in order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from agent.errors import BAD_CONFIG, MilepostError

Image = npt.NDArray[np.uint8]
"""(height, width, 3), BGR."""

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})


class FilmUnusable(MilepostError):
    """The video {path} cannot be decoded. Is it there and whole, and in a format this OpenCV knows?"""

    exit_code = BAD_CONFIG


class Film(Protocol):
    """The images of a drive in order, from some frame on."""

    def read(self) -> Image | None:
        """The next image, or None when there is no further one."""

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

    def count(self) -> int:
        """Raises FilmUnusable for a file that OpenCV cannot open."""
        return int(self._property("CAP_PROP_FRAME_COUNT"))

    def fps(self) -> float:
        """As the file says, 25 when it does not. Raises FilmUnusable."""
        return self._property("CAP_PROP_FPS") or 25.0

    def _property(self, name: str) -> float:
        import cv2

        video = cv2.VideoCapture(str(self.path))
        try:
            if not video.isOpened():
                raise FilmUnusable(path=self.path)
            return float(video.get(getattr(cv2, name)))
        finally:
            video.release()

    def film(self, first: int) -> Film:
        return _VideoFilm(self.path, first)


class _VideoFilm:
    def __init__(self, path: Path, first: int) -> None:
        import cv2

        self._video = cv2.VideoCapture(str(path))
        self._video.set(cv2.CAP_PROP_POS_FRAMES, first)

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
