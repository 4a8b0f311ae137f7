"""The sample configuration for mosquitto really keeps vehicle A out of vehicle B's topics."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import CredentialError
from agent.fleet.broker import Broker, Certificates
from agent.fleet.link import PahoLink
from agent.fleet.topics import VehicleTopics, whole_fleet
from agent.ports import Message
from tests.fleet.brokers import free_port, listening, mosquitto, until
from tests.fleet.certificates import Authority

SAMPLES = Path(__file__).resolve().parents[2] / "tools" / "broker"
A, B = VehicleTopics("north", "car-a"), VehicleTopics("north", "car-b")


class Guarded:
    """mosquitto with the sample files: only folders and the port are put in their place."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder / "certs")
        self.authority.issue("broker")
        self.port = free_port()
        acl = folder / "milepost.acl"
        acl.write_text((SAMPLES / "milepost.acl").read_text())
        text = (SAMPLES / "mosquitto.conf").read_text()
        text = text.replace("listener 8883", f"listener {self.port} 127.0.0.1")
        text = text.replace("/etc/mosquitto/certs", str(folder / "certs"))
        text = text.replace("/etc/mosquitto/milepost.acl", str(acl))
        text = text.replace("/var/lib/mosquitto/", f"{folder}/")
        config = folder / "mosquitto.conf"
        config.write_text(text + "user root\n")
        self.process = subprocess.Popen(
            [mosquitto(), "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(lambda: listening(self.port))
        self._links: list[PahoLink] = []

    def link(
        self, name: str, subscriptions: tuple[str, ...] = (), certificates: Certificates | None = None
    ) -> PahoLink:
        broker = Broker("127.0.0.1", self.port, certificates or self.authority.issue(name))
        self._links.append(PahoLink(broker, name, subscriptions))
        return self._links[-1]

    def close(self) -> None:
        for link in self._links:
            link.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    guarded = Guarded(tmp_path)
    yield guarded
    guarded.close()


def test_a_vehicle_neither_speaks_for_nor_hears_another(guarded: Guarded) -> None:
    page = guarded.link("fleet-page", whole_fleet())
    thief = guarded.link("car-a", ("milepost/#", B.commands, A.commands))
    victim = guarded.link("car-b", (B.commands,))
    workshop = guarded.link("workshop", (A.reply("+"), B.reply("+")))
    until(lambda: page.connected and workshop.connected and victim.connected)
    until(lambda: thief.connected or thief.trouble)
    for topic in (
        B.status,
        B.state,
        B.event("entered"),
        B.command("hold"),
        B.reply("hold"),
        A.command("hold"),
    ):
        thief.publish(Message(topic, b"forged"))
    victim.publish(Message(B.event("entered"), b"true"))
    thief.publish(Message(A.event("entered"), b"true"))
    workshop.publish(Message(B.command("hold"), b"order"))
    workshop.publish(Message(A.command("hold"), b"order"))
    heard: list[Message] = []
    until(lambda: heard.extend(page.receive()) or len(heard) >= 2)
    assert sorted((message.topic, message.payload) for message in heard) == [
        (A.event("entered"), b"true"),
        (B.event("entered"), b"true"),
    ]
    orders: list[Message] = []
    until(lambda: orders.extend(victim.receive()) or orders)
    assert [message.payload for message in orders] == [b"order"]
    stolen: list[Message] = []
    until(lambda: stolen.extend(thief.receive()) or stolen)
    assert {message.topic for message in stolen} == {A.command("hold")}


def test_the_page_cannot_send_commands(guarded: Guarded) -> None:
    page, car = guarded.link("fleet-page"), guarded.link("car-a", (A.commands,))
    workshop = guarded.link("workshop")
    until(lambda: page.connected and car.connected and workshop.connected)
    page.publish(Message(A.command("hold"), b"from the page"))
    assert f"does not let fleet-page say {A.command('hold')}" in str(until(lambda: page.fault))
    workshop.publish(Message(A.command("hold"), b"from the workshop"))
    orders: list[Message] = []
    until(lambda: orders.extend(car.receive()) or orders)
    assert [message.payload for message in orders] == [b"from the workshop"]


def test_a_vehicle_announces_itself_alone_and_wishes_for_nothing(guarded: Guarded) -> None:
    def place(name: str, kind: str = "device") -> str:
        return f"homeassistant/{kind}/{name}/config"

    house = guarded.link("home-assistant", ("homeassistant/#", A.metric, B.metric))
    thief, victim = guarded.link("car-a", (A.desired, B.desired)), guarded.link("car-b", (B.desired,))
    workshop = guarded.link("workshop", (A.reported, B.reported))
    until(lambda: house.connected and workshop.connected and victim.connected)
    until(lambda: thief.connected or thief.trouble)
    forged = (
        *(place("car-b"), place("car-a", "sensor"), place("car-a/x"), "homeassistant/status", "homeassistant/device"),
        *(A.desired, B.desired, B.reported, B.metric),
    )
    for topic in forged:
        thief.publish(Message(topic, b"forged", retain=True))
    for topic in (place("car-a"), A.metric, A.reported):
        thief.publish(Message(topic, b"true"))
    heard: list[Message] = []
    until(lambda: heard.extend(house.receive()) or len(heard) >= 2)
    assert sorted((message.topic, message.payload) for message in heard) == [
        (place("car-a"), b"true"),
        (A.metric, b"true"),
    ]
    reports: list[Message] = []
    until(lambda: reports.extend(workshop.receive()) or reports)
    assert [(message.topic, message.payload) for message in reports] == [(A.reported, b"true")]
    house.publish(Message(A.desired, b"from the house"))
    house.publish(Message(A.command("hold"), b"from the house"))
    workshop.publish(Message(B.desired, b"for another"))
    workshop.publish(Message(A.desired, b"from the workshop"))
    wishes: list[Message] = []
    until(lambda: wishes.extend(thief.receive()) or wishes)
    assert [message.payload for message in wishes] == [b"from the workshop"]


def test_a_client_is_who_its_certificate_says_whatever_it_calls_itself(guarded: Guarded) -> None:
    page = guarded.link("fleet-page", whole_fleet())
    liar = guarded.link("car-b", certificates=guarded.authority.issue("car-a"))
    until(lambda: page.connected and liar.connected)
    liar.publish(Message(B.event("entered"), b"forged"))
    liar.publish(Message(A.event("entered"), b"true"))
    heard: list[Message] = []
    until(lambda: heard.extend(page.receive()) or heard)
    assert [message.topic for message in heard] == [A.event("entered")]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho drops the socket unclosed
def test_a_certificate_of_another_authority_opens_nothing(guarded: Guarded, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "elsewhere").issue("car-a")
    forged = Certificates(guarded.authority.path, stranger.certificate, stranger.key)
    link = guarded.link("car-a", certificates=forged)
    until(lambda: link.trouble and "yet" not in str(link.trouble))
    assert not link.connected


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho drops the socket unclosed
def test_a_broker_with_a_certificate_of_another_authority_is_not_talked_to(guarded: Guarded, tmp_path: Path) -> None:
    own = guarded.authority.issue("car-a")
    other = Authority(tmp_path / "elsewhere")
    link = guarded.link("car-a", certificates=Certificates(other.path, own.certificate, own.key))
    until(lambda: link.trouble and "yet" not in str(link.trouble))
    assert not link.connected


def test_a_missing_or_mismatched_credential_is_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    car, other = authority.issue("car"), authority.issue("other")
    with pytest.raises(CredentialError, match="gone"):
        Certificates(tmp_path / "gone.pem", car.certificate, car.key).context()
    with pytest.raises(CredentialError, match="does not go with"):
        Certificates(authority.path, car.certificate, other.key).context()
