"""A look through the camera for whoever mounts it."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from agent.core.bundle_files import ROUND
from agent.core.round import Input, Round
from agent.errors import MilepostError, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from agent.host.sections import Config
    from agent.sense.mount import MountMeter
    from agent.sense.view import Floats

    Image = npt.NDArray[np.uint8]

LOOK_S = 5.0
FIRST_S = 10.0
"""How long a camera may take to show its first picture."""
GREYS = 60
"""Pictures of which sharpness, exposure and cover are told."""
USUAL = Input(height=66, width=200, crop_top=Decimal("0.3"))
"""PilotNet's, where no round has been fetched."""
MOST_TILT_DEG = 3.0
CUT_OFF, MUCH_SKY = 0.02, 0.4
"""How far the horizon may lie above the crop's edge, and below it, in heights of the picture."""


ONE_COLOUR = (
    "The picture is mostly of one colour, and nothing is learnt from such a one. Is something in front of the lens, or "
    "does the camera send a test picture?"
)


class NoPicture(Unavailable):
    """The camera shows nothing: {what}. Nothing can be told of it. Where the daemon drives, the camera is its own: see
    `milepost status`."""


@dataclass(frozen=True, slots=True)
class CameraReport:
    """`words`: by subject, whether it is well and a sentence. `still` and `sample`: BGR."""

    words: dict[str, tuple[bool, str]]
    facts: dict[str, Any]
    still: Image
    sample: Image

    @property
    def is_well(self) -> bool:
        return all(good for good, _ in self.words.values())


def look(config: Config, named: str) -> CameraReport:
    """Some seconds of pictures of one view. Raises NoPicture, and what a wrong source raises."""
    import numpy as np

    from agent.compose.doctor import latency
    from agent.compose.vehicle import aim as aim_of
    from agent.learn.frame_filter import one_colour
    from agent.learn.samples import prepare
    from agent.sense import still, view
    from agent.sense.mount import MountMeter

    meter = MountMeter()
    times, greys, image = _pictures(config.camera.sources[named], meter)
    seen = view.view(times, np.stack(greys), (image.shape[1], image.shape[0]))
    aim = aim_of(config, named)
    horizon = aim.horizon if meter.horizon is None else meter.horizon
    tilt = aim.tilt_deg if meter.tilt_deg is None else meter.tilt_deg
    spec, whose = sample_of(config.agent.state_dir)
    sample = prepare(image, spec.model_copy(update={"colour": "rgb"}))[:, :, ::-1]
    words = view.sentences(seen)
    if one_colour(image):
        words["lens"] = False, ONE_COLOUR
    words["horizon"] = horizon_words(horizon, tilt, float(spec.crop_top))
    words["aim"] = aim_words(aim)
    try:
        words["latency"] = True, latency(config, named)
    except MilepostError as wrong:
        words["latency"] = False, str(wrong)
    words["sample"] = True, f"The network sees {spec.width} x {spec.height} pixels, {whose}."
    facts = {
        "view": dataclasses.asdict(seen),
        "horizon": horizon,
        "tilt_deg": tilt,
        "sample": {"width": spec.width, "height": spec.height, "crop_top": float(spec.crop_top)},
        "words": {name: {"good": good, "sentence": sentence} for name, (good, sentence) in words.items()},
    }
    return CameraReport(words, facts, still.still(image, sample, float(spec.crop_top), horizon, tilt), sample)


def _pictures(source: str, meter: MountMeter) -> tuple[list[float], list[Floats], Image]:
    """Of some seconds: the times of all, some GREYS of them in grey, and the last. The meter looks at each. Raises
    NoPicture."""
    from agent.sense import view
    from agent.sense.sources import open_camera

    camera = open_camera(source)
    times, greys, image = list[float](), list[Any](), None
    try:
        end = time.monotonic() + FIRST_S
        while time.monotonic() < end:
            frame = camera.read(0.2)
            if frame is None:
                continue
            if image is None:
                end = time.monotonic() + LOOK_S
            image = frame.image
            times.append(frame.t)
            meter.look(frame.t, image)
            greys.append(view.grey(image))
            if len(greys) > GREYS:
                greys = greys[::2]
        if image is None:
            raise NoPicture(what=(camera.trouble or f"it opened, but gave none within {FIRST_S:.0f} s").rstrip("."))
    finally:
        camera.close()
    return times, greys, image


def sample_of(state_dir: Path) -> tuple[Input, str]:
    """What the round that was fetched last takes of a frame, and where that is from."""
    bundles = sorted(state_dir.glob(f"bundles/*/{ROUND}"), key=lambda path: path.stat().st_mtime)
    if not bundles:
        return USUAL, "as a PilotNet takes it: no round was fetched yet"
    round_ = Round.parse(bundles[-1].read_bytes())
    return round_.input, f"as round {round_.number} of {round_.model.partition(':')[0]} takes it"


def horizon_words(horizon: float | None, tilt_deg: float | None, crop_top: float) -> tuple[bool, str]:
    if horizon is None and tilt_deg is None:
        return True, "Not known: it shows on a drive. Until then look at the still."
    parts, good = list[str](), True
    if horizon is not None:
        where = f"The horizon is at {horizon:.0%} of the height from the top"
        if horizon < crop_top - CUT_OFF:
            good, where = False, f"{where}, and the crop cuts it off at {crop_top:.0%}: aim the camera higher"
        elif horizon > crop_top + MUCH_SKY:
            good, where = False, f"{where}, and most of what the network sees is sky: aim the camera lower"
        parts.append(where)
    if tilt_deg is not None:
        lean = f"it falls to the {'right' if tilt_deg > 0 else 'left'} by {abs(tilt_deg):.1f} degrees"
        if abs(tilt_deg) > MOST_TILT_DEG:
            good, lean = False, f"{lean}: turn the camera {'clockwise' if tilt_deg > 0 else 'anticlockwise'}"
        parts.append(lean if horizon is not None else f"Of the horizon, {lean}")
    return good, f"{'; '.join(parts)}."


def aim_words(aim: Any) -> tuple[bool, str]:
    moved = aim.change
    if moved is None:
        return True, "Not known yet: it is kept after two minutes of driving by day."
    return moved.sentence is None, moved.sentence or "As it was when the camera was aimed."
