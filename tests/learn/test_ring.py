"""The ring between capture and training: bounded, never waiting, and what is lost is counted."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.round import Input
from agent.learn.ring import HEAD_BYTES, RECORD, Ring

TINY = Input(height=8, width=8, colour="grey")


def _put(ring: Ring, number: int) -> None:
    ring.put(number / 20, float(-number), np.full((8, 8, 1), number % 256, np.uint8))


def test_what_goes_in_comes_out_in_order() -> None:
    ring = Ring(TINY, 16)
    for number in range(1, 11):
        _put(ring, number)
    records = list(ring.take())
    assert [record.number for record in records] == list(range(1, 11))
    assert all(record.label == -record.number and record.t == record.number / 20 for record in records)
    assert all((record.image == record.number).all() for record in records)
    assert list(ring.take()) == []
    ring.close()


def test_a_label_of_many_numbers_comes_out_as_it_went_in() -> None:
    ring, label = Ring(TINY, 16, label=(32, 5)), np.arange(160, dtype=np.float32).reshape(32, 5)
    ring.put(1.0, label, np.full((8, 8, 1), 7, np.uint8))
    (record,) = ring.take()
    assert np.array_equal(record.label, label) and (record.image == 7).all()
    ring.close()


@settings(max_examples=50)
@given(st.lists(st.integers(1, 50), max_size=8))
def test_when_it_is_full_the_oldest_are_lost_and_counted(bursts: list[int]) -> None:
    ring, sent, got = Ring(TINY, 16), 0, []
    for burst in bursts:
        for _ in range(burst):
            sent += 1
            _put(ring, sent)
        got += [record.number for record in ring.take()]
    assert got == sorted(set(got))
    assert len(got) + ring.lost == sent
    if sent:
        assert got[-1] == sent
    ring.close()


def test_a_record_that_is_being_overwritten_is_lost_not_mixed() -> None:
    ring = Ring(TINY, 16)
    for number in (1, 2, 3):
        _put(ring, number)
    ring.memory[HEAD_BYTES + 2 * ring.stride + RECORD.size + 5] = 99
    assert [record.number for record in ring.take()] == [1, 3]
    assert ring.lost == 1
    ring.close()


def test_a_new_reader_starts_from_what_is_still_there() -> None:
    ring = Ring(TINY, 16)
    for number in range(1, 21):
        _put(ring, number)
    list(ring.take())
    ring.again()
    assert [record.number for record in ring.take()] == list(range(6, 21))
    ring.close()


def test_a_reader_beside_a_writer_never_sees_half_a_record() -> None:
    """Two ends in two threads, as two processes have them."""
    writer = Ring(TINY, 16)
    reader = Ring(TINY, 16, (os.dup(writer.ends[0]), os.dup(writer.ends[1])))
    done = threading.Event()

    def write() -> None:
        for number in range(1, 3001):
            _put(writer, number)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    got = []
    while not done.is_set() or reader.written > (got[-1].number if got else 0):
        got += list(reader.take())
    thread.join()
    assert all((record.image == record.number % 256).all() for record in got)
    assert len(got) + reader.lost == 3000
    writer.close()
    reader.close()


def test_waiting_ends_when_a_record_comes() -> None:
    ring = Ring(TINY, 16)
    thread = threading.Thread(target=_put, args=(ring, 1))
    thread.start()
    ring.wait(30)
    thread.join()
    assert len(list(ring.take())) == 1
    ring.close()


WRITER = """
import sys
import numpy as np
from agent.core.round import Input
from agent.learn.ring import Ring

ring = Ring(Input(height=8, width=8, colour="grey"), 16, (int(sys.argv[1]), int(sys.argv[2])))
for _ in range(200_000):
    ring.put(0.0, 0.0, np.zeros((8, 8, 1), np.uint8))
"""


@pytest.mark.slow
def test_another_process_never_sees_the_count_go_back() -> None:
    """Else a reader that is put to sleep at the wrong moment would chase numbers that never come."""
    ring, highest = Ring(TINY, 16), 0
    child = subprocess.Popen([sys.executable, "-c", WRITER, *map(str, ring.ends)], pass_fds=ring.ends)
    while child.poll() is None:
        seen = [ring.written for _ in range(1000)]
        assert [highest, *seen] == sorted([highest, *seen])
        highest = seen[-1]
    assert child.wait() == 0
    ring.close()
