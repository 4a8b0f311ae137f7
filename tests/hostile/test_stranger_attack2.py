"""Secrets and places in other shapes than the usual ones, and texts made to keep the reader busy."""

from __future__ import annotations

import multiprocessing

import pytest

from agent.core.redact import text

SECRET = "hunter2"
SHAPES = (
    "{{'pwd': '{0}'}}",
    '{{\\"password\\":\\"{0}\\"}}',
    '"password": "x\\"{0}"',
    "Bearer: {0}",
    "token is {0}",
    "<password>{0}</password>",
    "user:{0}@broker:1883",
    "//user:{0}@broker/path",
    "sip:bob:{0}@host",
    "https://host/?sv=1&sig={0}", "sig={0}&se=2026",
    "AccountKey={0}==;",
    "psk={0}",
    "eyJhbGciOiJIUzI1NiJ9.{0}.abcDEF",
    "rtsp://[fe80::1]:554/x?user=a&pwd={0}",
)  # fmt: skip
PLACES = (
    "+48.13712+011.57540/",
    "48,13712 11,57540",
    "48 08 13.8 N, 48 34 31.4 E",
    "N 48° 13.712' E 048° 13.754'",
    "latitude is 48.13712",
    "8FWH4HX8+QR",
    "lat=-48.13",
)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_secret_in_another_shape_is_hidden(shape: str) -> None:
    """(mm) As Python prints a dict, as JSON stands in JSON, in an address without a scheme, in a signed link."""
    assert SECRET not in text(f"It failed ({shape.format(SECRET)}) and is tried again.")


@pytest.mark.parametrize("place", PLACES)
def test_a_place_in_another_shape_is_hidden(place: str) -> None:
    """(mm) ISO 6709, decimal commas, minutes with decimals, degrees without a sign, a plus code."""
    said = text(f"The car was at {place} when it stopped.")
    assert not any(part in said for part in ("48", "13.7", "137", "8FWH", "-["))


LONG = (
    *("a:" * 20_000, "a:b" * 20_000, "123" * 20_000, 'password="' * 5_000, "pass" * 15_000, "auth-" * 12_000),
    *('password="' + "\\" * 40_000, "a." * 30_000, "a://" * 15_000, "<password>" * 6_000, "1 " * 20_000),
)


def _all() -> None:
    for long in LONG:
        text(long)


@pytest.mark.slow
def test_no_text_keeps_the_reader_busy() -> None:
    """(mm) 60,000 characters of a stranger took half a minute, on the daemon's own loop: minutes for all of these."""
    worker = multiprocessing.get_context("spawn").Process(target=_all)
    worker.start()
    worker.join(60)
    assert worker.exitcode == 0
    worker.close()
