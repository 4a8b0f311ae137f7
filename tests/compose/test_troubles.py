"""Whatever breaks outside the car is told in the same words by status, log, doctor and MQTT."""

from __future__ import annotations

import http.server
import io
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent import troubles
from agent.compose import doctor
from agent.compose.vehicle import vehicle
from agent.core.jobs.contribution import JobState
from agent.errors import MilepostError
from agent.fleet.topics import VehicleTopics
from agent.host import status_file
from agent.host.clock import SystemClock
from agent.host.config import load, trace
from agent.host.doctor import CheckState, Finding, examine
from agent.host.logs import Log
from tests.fleet.brokers import Mosquitto, free_port, until
from tests.fleet.certificates import Authority
from tests.market.town import Town, found
from tests.vehicle.test_daemon import Honest, Ride, Wheel
from tests.vehicle.test_offers import Car
from tools.localnet.server import Localnet

pytestmark = pytest.mark.slow

TOPICS = VehicleTopics("test", "car")
Tables = dict[str, dict[str, object]]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Localnet() as net:
        yield found(net, tmp_path_factory.mktemp("town"))


class Driven(Ride):
    """A vehicle whose log is kept."""

    log: io.StringIO

    def told(self, of: type[MilepostError]) -> str:
        """The sentence in `milepost status`, once it is there."""
        pattern = words(of)

        def look() -> list[str]:
            file = self.vehicle.parts.state_dir / status_file.FILE
            said = json.loads(file.read_bytes())["troubles"] if file.exists() else []
            return [why for why in said if re.search(pattern, why)]

        self.until(lambda: bool(look()))
        return look()[0]


def words(of: type[MilepostError]) -> str:
    """A class's sentence as a pattern, whatever its facts are."""
    return re.sub(r"\\{[^{}]*\\}", ".+?", re.escape(" ".join((of.__doc__ or "").split())))


def steady(text: str) -> str:
    """What is the same tomorrow, and in another session: without numbers and the doctor's own client id."""
    return re.sub(r"\d+", "#", text.replace("car-doctor", "car"))


@pytest.fixture
def drive(town: Town, tmp_path: Path) -> Iterator[Callable[..., Driven]]:
    driven: list[Driven] = []

    def begin(**tables: dict[str, object]) -> Driven:
        car = Car(town, town.driver(), tmp_path)
        usual: Tables = {
            "agent": {"fleet": "test"},
            "camera": {"source": "road:?seconds=600&fps=10"},
            "odometer": {"source": "road:?seconds=1"},
            "trip": {"trigger_m": 20, "ignition_off_s": 1.0},
            "gates": {"pause_above_load": 1.0, "resume_below_load": 1.0, "disk_free_mb": 0},
        }
        whole = {name: {**usual.get(name, {}), **tables.get(name, {})} for name in {**usual, **tables}}
        mine = {"id": "car", "state_dir": f"{tmp_path}/state", "key_file": f"{tmp_path}/key"}
        whole["agent"] = {**mine, **whole["agent"]}
        config = load(car.config(**whole))
        made = Driven(town, car, vehicle(config, SystemClock(), dict, Honest()), Wheel())
        made.log = io.StringIO()
        made.vehicle._log = made.vehicle.parts.supervisor._log = Log(stream=made.log)
        made.vehicle.parts.odometer = made.wheel
        driven.append(made)
        return made

    yield begin
    for each in driven:
        each.vehicle.close()


def examined(one: Driven, check: str) -> Finding:
    """What `milepost doctor` finds, once the daemon has let go of broker and camera."""
    one.vehicle.close()
    loaded = trace(str(one.car.folder / "milepost.toml"))
    (finding,) = examine([each for each in doctor.checks(loaded) if each.name == check])
    return finding


def same(one: Driven, of: type[MilepostError], check: str, state: CheckState) -> None:
    """Status, log and doctor say it, and say the same."""
    said = one.told(of)
    assert steady(said) in steady(one.log.getvalue().replace('\\"', '"'))
    found = examined(one, check)
    assert steady(said) == steady(found.sentence), found
    assert found.state is state


# --- the broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    made: list[Mosquitto] = []

    def start(settings: str = "allow_anonymous true") -> Mosquitto:
        folder = tmp_path / "broker"
        folder.mkdir()
        made.append(Mosquitto(folder, settings))
        return made[-1]

    yield start
    for each in made:
        each.close()


def at(port: int, **more: object) -> dict[str, object]:
    return {"enabled": True, "host": "127.0.0.1", "port": port, **more}


def test_a_broker_that_died(drive: Callable[..., Driven], broker: Callable[..., Mosquitto]) -> None:
    mosquitto = broker()
    one = drive(mqtt=at(mosquitto.port))
    one.until(lambda: one.vehicle.parts.supervisor._radio.link.connected)  # type: ignore[union-attr]
    mosquitto.kill()
    same(one, troubles.BrokerSilent, "broker", CheckState.OFFLINE)


def test_a_wrong_password(drive: Callable[..., Driven], broker: Callable[..., Mosquitto], tmp_path: Path) -> None:
    (tmp_path / "passwords").write_text("")
    mosquitto = broker(f"allow_anonymous false\npassword_file {tmp_path}/passwords")
    same(drive(mqtt=at(mosquitto.port)), troubles.BrokerRefuses, "broker", CheckState.WRONG)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho drops the socket unclosed
def test_a_broker_whose_certificate_names_another_host(
    drive: Callable[..., Driven], broker: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    mine = Authority(tmp_path / "pki").issue("broker")
    mosquitto = broker(f"allow_anonymous true\ncertfile {mine.certificate}\nkeyfile {mine.key}")
    one = drive(mqtt=at(mosquitto.port, host="localhost"), **{"mqtt.tls": {"ca": str(mine.authority)}})
    same(one, troubles.BrokerNotTrusted, "broker", CheckState.WRONG)
    assert "localhost" in one.told(troubles.BrokerNotTrusted)


def test_a_broker_that_lets_the_car_say_nothing_loses_none_of_its_events(
    drive: Callable[..., Driven], broker: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    """They were taken for confirmed: the fleet never heard of them."""
    acl = tmp_path / "acl"
    acl.write_text(f"topic write {TOPICS.state}\ntopic write {TOPICS.status}\ntopic read #\n")
    mosquitto = broker(f"allow_anonymous true\nacl_file {acl}")
    page = mosquitto.link("page", [TOPICS.state])
    until(lambda: page.connected)
    one = drive(mqtt=at(mosquitto.port))
    one.wheel.drives = True
    said = one.told(troubles.BrokerDenies)
    assert "does not let car say" in said
    heard: list[str] = []
    one.until(
        lambda: heard.extend(m.payload.decode() for m in page.receive()) or any("does not let" in h for h in heard)
    )
    assert steady(said) in steady(next(h for h in heard if "does not let" in h)), "the page says so too"
    assert one.book.journal.cursor("outbox") == 0
    found = examined(one, "broker")
    assert re.sub("say .*? Check", "say Check", steady(said)) == re.sub(
        "say .*? Check", "say Check", steady(found.sentence)
    )
    assert found.state is CheckState.WRONG


# --- the ledger


@contextmanager
def horizon(status: int, folder: Path | None = None) -> Iterator[str]:
    """A server that answers everything with a status; in a folder: with a certificate that nobody knows."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps({"status": status, "title": "Internal Server Error"}).encode())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    class Quiet(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A handshake that was broken off."""

    server = Quiet(("127.0.0.1", 0), Answer)
    if folder is not None:
        mine = Authority(folder).issue("horizon")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(mine.certificate, mine.key)  # type: ignore[arg-type]
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, name="horizon", daemon=True).start()
    try:
        yield f"{'https' if folder else 'http'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_horizon_that_answers_500(drive: Callable[..., Driven]) -> None:
    with horizon(500) as url:
        one = drive(ledger={"horizon": url})
        one.wheel.drives = True
        assert "status 500" in one.told(troubles.LedgerUnavailable)
        same(one, troubles.LedgerUnavailable, "ledger", CheckState.OFFLINE)


def test_a_horizon_of_another_network(drive: Callable[..., Driven]) -> None:
    one = drive(ledger={"passphrase": "another"})
    one.wheel.drives = True
    same(one, troubles.WrongNetwork, "ledger", CheckState.WRONG)


def test_a_horizon_whose_certificate_is_not_to_be_trusted(drive: Callable[..., Driven], tmp_path: Path) -> None:
    with horizon(200, tmp_path / "pki") as url:
        one = drive(ledger={"horizon": url})
        one.wheel.drives = True
        same(one, troubles.LedgerNotTrusted, "ledger", CheckState.WRONG)


def test_a_horizon_whose_parts_are_late(drive: Callable[..., Driven], town: Town) -> None:
    one = drive()
    ledger = one.vehicle.parts.context.horizon
    ledger.account(one.car.key.public_key)
    for _ in range(20):
        town.net.close_ledger()
    assert ledger.trouble is None
    assert ledger._client is not None
    ledger._client.newest += 100  # a replica answered that is a hundred ledgers ahead of this one
    ledger.account(one.car.key.public_key)
    assert re.search(words(troubles.LedgerLate), one.told(troubles.LedgerLate))


# --- the store


def test_a_store_that_is_away(drive: Callable[..., Driven]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    one = drive(content={"stores": [url]})
    one.wheel.drives = True
    said = one.told(troubles.NoSource)
    assert f"the node {url}" in said
    found = examined(one, "store")
    assert found.state is CheckState.OFFLINE
    assert found.sentence.split(". ")[0] in said, "a block that no source gives: each source's own words"


# --- the camera


def test_a_camera_that_is_not_plugged_in(drive: Callable[..., Driven]) -> None:
    one = drive(camera={"source": "v4l2:/dev/video99"})
    one.wheel.drives = True
    one.until_it_is(JobState.TRAINING)
    same(one, troubles.CameraAway, "camera", CheckState.WRONG)


@pytest.mark.parametrize(("grey", "trouble"), [(0, troubles.CameraBlack), (120, troubles.CameraFrozen)])
def test_a_camera_that_is_covered_or_frozen(
    drive: Callable[..., Driven], grey: int, trouble: type[MilepostError]
) -> None:
    with still(grey) as url:
        one = drive(camera={"source": f"{url}#fps=10"})
        one.wheel.drives = True
        one.until_it_is(JobState.TRAINING)
        same(one, trouble, "camera", CheckState.WRONG)


@contextmanager
def still(grey: int) -> Iterator[str]:
    """A camera over HTTP that shows one picture for ever."""
    import cv2
    import numpy as np

    picture = np.full((120, 160, 3), grey, np.uint8)
    if grey:
        picture[40:80, 40:120] = 200
    whole, stop = cv2.imencode(".jpg", picture)[1].tobytes(), threading.Event()

    def show(client: socket.socket) -> None:
        with client:
            client.recv(4096)
            client.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=x\r\n\r\n")
            try:
                while not stop.wait(0.05):
                    head = f"--x\r\nContent-Type: image/jpeg\r\nContent-Length: {len(whole)}\r\n\r\n"
                    client.sendall(head.encode() + whole + b"\r\n")
            except OSError:
                pass  # it has seen enough

    def serve() -> None:
        while not stop.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=show, args=(client,), name="still", daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, name="stills", daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/eye"
        finally:
            stop.set()
            listener.shutdown(socket.SHUT_RDWR)
