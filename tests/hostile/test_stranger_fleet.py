"""A stranger who reads what the agent says, or writes what it shows."""

from __future__ import annotations

import json
import tempfile
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.compose.remote import CHANGEABLE, settle
from agent.core import redact
from agent.fleet.commands import REMEMBERED, Commands
from agent.fleet.desired import Desired
from agent.fleet.event_message import describer
from agent.fleet.loopback import LoopbackBroker, LoopbackLink
from agent.fleet.outbox import Outbox
from agent.fleet.status import Presence
from agent.fleet.topics import VehicleTopics
from agent.host.clock import ManualClock
from agent.host.sections import Config
from agent.journal import Journal
from agent.ports import Message
from agent.sense.camera import CaptureDevice
from agent.sense.sources import SourceUnusable, open_camera

SECRET = "hunter2"
TEXTS = (
    "rtsp://admin:{}@cam/front",
    "rtsp://admin:p@{}@cam/front",
    "rtsp://admin:{}/x@cam/front",
    "rtsp://admin:a/{}@cam/front",
    "rtsp://admin:a#{}@cam/front",
    "rtsp://admin:a?{}@cam/front",
    "http://cam/mjpeg?user=admin&pwd={}",
    "http://cam/mjpeg?user=admin&x={}",
    "https://node.example/v1/{}/rpc",
    "https://node.example/rpc#{}",
    "Authorization: Basic {}",
    "authorization=Digest username={}",
    'headers={{"Authorization": "Bearer {}"}}',
    "Cookie: milepost={}",
    "sent Basic {}== to it",
    "password={}",
    "the password is: {}",
    'user-pw="{}"',
    "api_key: {}",
    "AWS_SECRET_ACCESS_KEY={}",
)
PLACES = (
    "48.13712, 11.57540",
    "48.13712 11.57540",
    "48.13712;11.57540",
    "48.13712/11.57540",
    "48.137 N 11.575 E",
    "N48.13712 E11.57540",
    "lat 48.13712 lon 11.57540",
    "lat=48.1 lon=11.5",
    "latitude: 48.13712 and longitude: 11.57540",
    "geo:48.13712,11.57540",
    "4807.038,N,01131.000,E",
    "48°08'13.6\"N 11°34'31.4\"E",
)


@pytest.mark.parametrize("form", TEXTS)
def test_a_secret_in_a_sentence_is_hidden(form: str) -> None:
    """(mm) Passwords with @, / and #, ?pwd=, Authorization: Basic, tokens in paths."""
    text = form.format(SECRET)
    if "the password is" in form:
        text = text.replace("the password is", "password")
    assert SECRET not in redact.text(f"It failed at {text}, and is tried again.")


@pytest.mark.parametrize("place", PLACES)
def test_a_place_in_a_sentence_is_hidden(place: str) -> None:
    """(mm) Coordinates without a comma."""
    said = redact.text(f"The car was at {place} when it stopped.")
    assert not any(part in said for part in ("48", "11.5", "1131", "11°"))
    assert said.startswith("The car was at ")


words = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=20)
schemes = st.sampled_from(["rtsp", "http", "https", "mqtts"])


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(schemes, words, words, words)
def test_no_password_of_an_address_is_shown_whatever_is_in_it(scheme: str, user: str, password: str, path: str) -> None:
    """(mm) Not by an address of its own, nor by the sentence it stands in."""
    password = f"Zq{password}qZ"
    address = f"{scheme}://{user}:{password}@cam.example:554/{path}"
    for said in (redact.shown(address), CaptureDevice(address, "CAP_FFMPEG").name):
        assert password not in said
        assert path not in said or path in f"{scheme}://cam.example:554"


@pytest.mark.parametrize(
    "source",
    [f"rtsp://admin:{SECRET}@cam/front#fsp=10", f"rtsp://a:b/{SECRET}@cam#fps=x", f"https://cam/{SECRET}#fps=-1"],
)
def test_a_camera_that_cannot_be_used_keeps_its_password(source: str) -> None:
    """(mm) The sentence becomes a trouble, and troubles are published."""
    with pytest.raises(SourceUnusable) as caught:
        open_camera(source)
    assert SECRET not in str(caught.value)


def state_of(*troubles: str, **facts: Any) -> dict[str, Any]:
    broker = LoopbackBroker()
    ears = LoopbackLink(broker, ("milepost/v1/north/car/state",))
    topics = VehicleTopics("north", "car")
    Presence(LoopbackLink(broker), topics, "s", ManualClock()).state(not troubles, list(troubles), facts)
    (message,) = ears.receive()
    assert message.retain is False or message.payload
    body: dict[str, Any] = json.loads(message.payload)
    return body


@pytest.mark.parametrize("form", [*TEXTS[:8], *PLACES])
def test_the_state_that_is_published_and_retained_holds_neither(form: str) -> None:
    """(mm) Whoever wrote the trouble."""
    said = state_of(f"The camera {form.format(SECRET)} is not there.")["troubles"][0]
    assert SECRET not in said
    assert "48.13" not in said


def test_a_trouble_that_others_wrote_moves_no_cursor() -> None:
    """(nn) A reason of a stranger's is a trouble here, and is read in a terminal there."""
    (said,) = state_of("refused: \x1b]0;x\x07\x1b[2J\u202egone\r\nnext")["troubles"]
    assert said == "refused: \ufffd]0;x\ufffd\ufffd[2J\ufffdgone  next"


HUGE = 10**400
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([HUGE, -HUGE, 2**63, "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
args = st.dictionaries(st.sampled_from(["after", "until", "why", "x"]), anything)
orders = st.fixed_dictionaries({"id": st.sampled_from(["a", "b", "c"]) | anything}, optional={"args": args | anything})
keys = st.sampled_from([*CHANGEABLE, "market.max_stake", "x"])
wishes = st.fixed_dictionaries({"id": st.just("w") | anything, "settings": st.dictionaries(keys, anything) | anything})
payloads = (orders | wishes | anything).map(lambda body: json.dumps(body).encode()) | st.binary(max_size=60)
verbs = st.sampled_from(["resend", "hold", "broken", "later", "nothing"])


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(st.lists(st.tuples(st.none() | verbs, payloads | st.just(b"[" * 60_000)), max_size=30))
def test_whatever_the_workshops_topics_carry_the_vehicle_answers_and_keeps_little(
    said: list[tuple[str | None, bytes]],
) -> None:
    """(ii) Commands and wishes are typed and bounded: no exception but the journal's, and nothing that grows."""
    with tempfile.TemporaryDirectory() as folder:
        hears(Path(folder), said)


def hears(folder: Path, said: list[tuple[str | None, bytes]]) -> None:
    journal, clock, broker = Journal(folder / "journal.sqlite"), ManualClock(), LoopbackBroker()
    topics = VehicleTopics("north", "car")
    link = LoopbackLink(broker, (topics.commands, topics.desired))
    answers = LoopbackLink(broker, (topics.reply("+"), topics.reported))
    outbox = Outbox(journal, link, describer(topics))
    never: Future[Any] = Future()

    def broken(_args: Any) -> Any:
        raise RuntimeError("a handler with a fault")

    handlers = {"resend": outbox.resend, "hold": lambda _: {}, "broken": broken, "later": lambda _: never}
    commands = Commands(link, topics, journal, clock, handlers)
    desired = Desired(link, topics, "s", journal, clock, lambda wish: settle(Config(), wish).outcome)
    for verb, payload in said:
        clock.sleep(1)
        broker.deliver(Message(topics.command(verb) if verb else topics.desired, payload))
        heard = link.receive()
        commands.obey(heard)
        desired.hear(heard)
        outbox.pump()
    for message in answers.receive():
        json.loads(message.payload)
        assert len(message.payload) <= 16_384
    journal.close()


def test_commands_that_are_never_answered_are_kept_up_to_a_bound(tmp_path: Path) -> None:
    """(ii) A doctor that hangs, asked by a new id every second."""
    journal, clock, broker = Journal(tmp_path / "journal.sqlite"), ManualClock(), LoopbackBroker()
    topics = VehicleTopics("north", "car")
    never: Future[Any] = Future()
    link = LoopbackLink(broker, (topics.commands,))
    commands = Commands(link, topics, journal, clock, {"doctor": lambda _: never})
    for number in range(3 * REMEMBERED):
        clock.sleep(1)
        broker.deliver(Message(topics.command("doctor"), json.dumps({"id": str(number)}).encode()))
        commands.obey(link.receive())
    assert len(commands._awaited) == REMEMBERED
    journal.close()
