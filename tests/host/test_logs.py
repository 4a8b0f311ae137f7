from __future__ import annotations

import io
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import Unavailable
from agent.host.logs import Log
from agent.ports import Position


def logged(level: str = "debug", journald: bool = True) -> tuple[Log, io.StringIO]:
    stream = io.StringIO()
    return Log(level, stream, journald), stream


def test_an_event_is_one_line_that_journald_understands() -> None:
    log, stream = logged()
    log.event("trip.opened", metres=1002.5, path=Path("/a"), offline=None, trained=True)
    log.error("entry.refused", Unavailable(what="Horizon"), attempt=2)
    assert stream.getvalue().splitlines() == [
        "<6>trip.opened metres=1002.5 path=/a offline=None trained=True",
        '<3>entry.refused attempt=2 error="Horizon cannot be reached. Nothing is lost: the work waits and '
        'goes on when it is back."',
    ]


def test_less_is_logged_when_less_is_asked_for() -> None:
    log, stream = logged("warning")
    log.detail("frame.read")
    log.event("trip.opened")
    log.warning("camera.lost")
    assert stream.getvalue() == "<4>camera.lost\n"


def test_on_a_terminal_a_line_begins_with_the_time() -> None:
    log, stream = logged(journald=False)
    log.event("trip.opened")
    assert stream.getvalue()[2::3][:2] == "::"


def test_no_position_no_frame_and_no_secret_gets_into_the_log() -> None:
    log, stream = logged()
    log.event("a.happened", where=Position(52.516275, 13.377704), image=np.zeros(3), raw=b"abc")
    log.event("b.happened", latitude=52.516275, lon=13.377704, secret="abc", token="t", position="x")
    log.event("c.happened", text="seed S" + "A" * 55, url="rtsp://user:hunter2@cam/1", at="52.516275,13.377704")
    for word in ("52.5", "13.3", "abc", "AAAA", "hunter2", "=t "):
        assert word not in stream.getvalue()
    assert "where=<Position> image=<ndarray> raw=<bytes>" in stream.getvalue()


def test_a_word_from_outside_cannot_forge_a_line() -> None:
    log, stream = logged()
    log.event("message.refused", topic='x\n<6>entry.settled credit="1"')
    assert stream.getvalue().count("\n") == 1


@given(st.text())
def test_any_word_stays_on_its_line(word: str) -> None:
    log, stream = logged()
    log.event("a.happened", word=word)
    assert len(stream.getvalue().splitlines()) == 1


def test_a_state_is_logged_by_its_word() -> None:
    class Phase(Enum):
        OPEN = "open"

    log, stream = logged()
    log.event("trip.changed", phase=Phase.OPEN)
    assert stream.getvalue() == "<6>trip.changed phase=open\n"


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(KeyError):
        Log("loud")
