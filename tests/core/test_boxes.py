"""Boxes move with the crop, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.boxes import Box


@given(st.floats(0, 0.9), st.floats(0, 0.5), st.floats(0.51, 1))
def test_a_box_below_the_crop_is_where_it_was_when_the_crop_is_undone(crop: float, top: float, bottom: float) -> None:
    box = Box(0, 0.1, crop + top * (1 - crop), 0.2, crop + bottom * (1 - crop))
    below = box.below(crop)
    assert below is not None
    back = below.above(crop)
    assert (back.left, back.right) == (box.left, box.right)
    assert (back.top, back.bottom) == (pytest.approx(box.top), pytest.approx(box.bottom))


def test_of_a_box_that_the_crop_cuts_the_rest_is_kept_or_nothing() -> None:
    assert Box(0, 0, 0.2, 1, 0.8).below(0.5) == Box(0, 0, 0.0, 1, pytest.approx(0.6))
    assert Box(0, 0, 0.0, 1, 0.6).below(0.5) is None
    assert Box(0, 0, 0.0, 1, 0.4).below(0.5) is None
