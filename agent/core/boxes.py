"""Boxes around what is to be found in a picture: a label of detection."""

from __future__ import annotations

from dataclasses import dataclass

LEAST = 0.4
"""Of a box's height must be left below a crop: of less nobody can say what it was."""


@dataclass(frozen=True, slots=True)
class Box:
    """One thing of a class. Sides are shares of the picture, 0 at the left and the top, 1 at the right and the
    bottom."""

    index: int
    """Of the class, as the round names them."""
    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        return (self.right - self.left) * (self.bottom - self.top)

    def below(self, crop_top: float) -> Box | None:
        """The box in a picture whose top was cut off so far, clipped to it; None where too little of it is left."""
        top = max(self.top, crop_top)
        if self.bottom - top < LEAST * (self.bottom - self.top) or self.bottom <= top:
            return None
        return Box(self.index, self.left, _under(top, crop_top), self.right, _under(self.bottom, crop_top))

    def above(self, crop_top: float) -> Box:
        """`below` undone: the box in the whole picture."""
        top, bottom = (crop_top + side * (1 - crop_top) for side in (self.top, self.bottom))
        return Box(self.index, self.left, top, self.right, bottom)


def _under(side: float, crop_top: float) -> float:
    return (side - crop_top) / (1 - crop_top)
