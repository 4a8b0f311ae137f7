"""One of a car's cameras, by what it looks at."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.core.round import Task
from agent.errors import Refused
from agent.ports import Camera
from agent.vehicle.camera_latency import CameraLatency

if TYPE_CHECKING:
    from agent.vehicle.camera_aim import CameraAim


class NoSuchView(Refused):
    """A round for the view {what} was refused: {why}. The offer is passed over."""


@dataclass(frozen=True, slots=True)
class View:
    """A camera that may be plugged in at any time: it is opened when a trip is trained on, and tried until it is
    there."""

    open: Callable[[], Camera]
    latency: CameraLatency
    aim: Callable[[], CameraAim]
    """Opens what is known of how it is aimed, with the camera."""


def wanted(task: Task, views: Collection[str]) -> str:
    """The view that a task is learnt from: the first of a car's, unless it asks for another. Raises NoSuchView."""
    if task.view is None:
        return next(iter(views))
    if task.view not in views:
        raise NoSuchView(what=task.view, why=f"the cameras of this car look {', '.join(views)}")
    return task.view
