"""What others must not read is taken out, and what they may read stays."""

from __future__ import annotations

import pytest

from agent.core.redact import HIDDEN, shown, text


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://horizon.stellar.org", "https://horizon.stellar.org"),
        ("http://127.0.0.1:5001/", "http://127.0.0.1:5001"),
        ("https://node.example/v1/abcdef123456/rpc", "https://node.example/…"),
        ("rtsp://user:pw@10.0.0.5:554/front", "rtsp://10.0.0.5:554/…"),
        ("rtsp://user:p@ss@10.0.0.5", "rtsp://10.0.0.5"),
        ("rtsp://user:p/w@10.0.0.5/front", f"rtsp://{HIDDEN}"),
        ("rtsp://user:p#w@10.0.0.5/front", f"rtsp://{HIDDEN}"),
        ("rtsp://user:p?w@10.0.0.5/front", f"rtsp://{HIDDEN}"),
        ("rtsp://user:pw", f"rtsp://{HIDDEN}"),
        ("http://cam/mjpeg?pwd=hunter2", "http://cam/…"),
        ("gateway:https://u:p@gate.example", "gateway:https://gate.example"),
        ("http://[::1]:8000/x", "http://[::1]:8000/…"),
        ("gst:rtspsrc location=rtsp://u:p@h user-pw=x ! decodebin ! appsink", "gst:rtspsrc ! decodebin ! appsink"),
        ("/dev/video0", "/dev/video0"),
        ("folder:/srv/store", "folder:/srv/store"),
    ],
)
def test_of_an_address_its_host_is_shown(address: str, said: str) -> None:
    assert shown(address) == said
    assert shown(said) == said


@pytest.mark.parametrize(
    "sentence",
    [
        "The camera /dev/video0 is not there (it cannot be opened). It is tried again. Is it plugged in?",
        "No fix from gpsd for 61 s. Trips cannot start by GPS. Check the antenna, or run `milepost doctor`.",
        "Horizon at https://horizon.stellar.org cannot be reached (ConnectionError).",
        "The credential /etc/milepost/key cannot be used: it is missing. Make one with `milepost keys generate`",
        "milepost.toml, line 2: unknown key 'hsot' in [mqtt]. Did you mean 'host'?",
        "the loss is 1.31 times the base's, the figure 8.25, was 7.50",
        "job.entered ledger=12 credit=5000000 figure=0.123456 last=0.23456",
        "file:///opt/milepost/share/operations.md",
        "12:04:11 clock.set ratio=1.0001",
    ],
)
def test_what_anybody_may_read_stays(sentence: str) -> None:
    assert text(sentence) == sentence
