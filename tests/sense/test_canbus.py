"""The car's own bus: real logs over a virtual one."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import can
import pytest

from agent.compose.vehicle import rules
from agent.core.trip import TripState, advance
from agent.host.sections import Trip
from agent.sense import vss
from agent.sense.canbus import (
    CanOdometer,
    DatabaseUnusable,
    Decoder,
    MappingUnusable,
    Signal,
    SignalMap,
    load_database,
    load_map,
)

RAV4 = """
[signals."Vehicle.Speed"]
message = "WHEEL_SPEEDS"
signals = ["WHEEL_SPEED_FL", "WHEEL_SPEED_FR", "WHEEL_SPEED_RL", "WHEEL_SPEED_RR"]
scale = 0.25

[signals."Vehicle.Chassis.SteeringWheel.Angle"]
message = "STEER_ANGLE_SENSOR"
signals = ["STEER_ANGLE", "STEER_FRACTION"]
"""

DBC = """
VERSION ""
BU_: CAR
BO_ 100 MOTION: 8 CAR
 SG_ SPEED : 0|16@1+ (0.01,0) [0|655] "km/h" CAR
 SG_ KEY : 16|1@1+ (1,0) [0|1] "" CAR
BO_ 101 ODOMETER: 4 CAR
 SG_ TOTAL : 0|32@1+ (0.1,0) [0|0] "m" CAR
"""

SMALL = """
signals."Vehicle.Speed" = { message = "MOTION", signals = ["SPEED"] }
signals."Vehicle.LowVoltageSystemState" = { message = "MOTION", signals = ["KEY"] }
signals."Vehicle.TraveledDistance" = { message = "ODOMETER", signals = ["TOTAL"] }
"""


def decoder(folder: Path, dbc: str = DBC, mapping: str = SMALL) -> Decoder:
    (folder / "car.dbc").write_text(dbc)
    (folder / "car.toml").write_text(mapping)
    return Decoder.of(load_database(folder / "car.dbc"), load_map(folder / "car.toml"), folder / "car.toml")


def virtual(name: str) -> can.BusABC:
    return can.Bus(channel=name, interface="virtual", preserve_timestamps=True)


@pytest.mark.slow
def test_a_real_minute_of_driving_over_the_bus_is_its_recorded_distance(shared, tmp_path, until):
    folder = shared / "data/can"
    (tmp_path / "rav4.toml").write_text(RAV4)
    mapping = load_map(tmp_path / "rav4.toml")
    toyota = Decoder.of(load_database(folder / "toyota_2017.dbc"), mapping, tmp_path / "rav4.toml")
    frames = [
        frame
        for number, frame in enumerate(can.LogReader(folder / "rav4_2017_i280_60s.log"))
        if frame.channel == "can0" and (toyota.mapped(frame.arbitration_id) or number % 20 == 0)
    ]
    wanted = sum(bool(toyota.mapped(frame.arbitration_id)) for frame in frames)
    odometer = CanOdometer(lambda: virtual("rav4"), toyota, stamp=lambda frame: frame.timestamp)
    readings = []
    with virtual("rav4") as car:
        until(lambda: odometer.trouble is None)
        for number, frame in enumerate(frames):
            car.send(frame)
            if number % 1000 == 0:
                readings += odometer.poll()
        until(lambda: readings.extend(odometer.poll()) or len(readings) >= wanted)
    odometer.close()
    state = TripState()
    for reading in readings:
        state, _ = advance(rules(Trip()), state, reading)
    assert odometer.refused == 0
    assert state.mileage.total_m == pytest.approx(1003.25, rel=0.01)
    steering = [reading.steering_deg for reading in readings if reading.steering_deg is not None]
    assert len(steering) == 4974
    assert (min(steering), max(steering)) == (pytest.approx(-4.6, abs=0.1), pytest.approx(2.4, abs=0.2))


def test_a_parked_car_whose_wheel_is_swept_drives_no_metre(shared, tmp_path):
    folder = shared / "data/can"
    database = load_database(folder / "logan.dbc")
    names = {message.frame_id: message.name for message in database.messages}
    mapping = SignalMap(
        signals={
            vss.SPEED: Signal(message=names[0x354], signals=("SPEED_KPS",)),
            vss.STEERING: Signal(message=names[0xC6], signals=("STEER_ANGLE",)),
        }
    )
    logan = Decoder.of(database, mapping, tmp_path)
    state, steering = TripState(), []
    for frame in can.LogReader(folder / "logan_a.log"):
        if logan.mapped(frame.arbitration_id):
            reading = vss.reading(frame.timestamp, logan.decode(frame.arbitration_id, bytes(frame.data)))
            state, _ = advance(rules(Trip()), state, reading)
            steering.append(reading.steering_deg or 0.0)
    assert state.mileage.total_m == 0
    assert (min(steering), max(steering)) == (pytest.approx(-577, abs=1), pytest.approx(573, abs=1))


def test_speed_ignition_and_odometer_come_out_as_vss_says(tmp_path):
    small = decoder(tmp_path)
    assert small.decode(100, bytes([0x10, 0x27, 1, 0, 0, 0, 0, 0])) == {vss.SPEED: 100.0, vss.IGNITION: True}
    assert small.decode(101, (12_345).to_bytes(4, "little")) == {vss.TRAVELLED: pytest.approx(1234.5)}


@pytest.mark.slow
def test_a_bus_that_vanishes_is_told_and_opened_again(tmp_path, until):
    buses = []

    def connect() -> can.BusABC:
        if len(buses) == 1:
            buses.append(None)
            raise OSError("no such device")
        buses.append(virtual("vanishing"))
        return buses[-1]

    odometer = CanOdometer(connect, decoder(tmp_path), "can0")
    until(lambda: odometer.trouble is None)
    buses[0].shutdown()
    until(lambda: odometer.trouble and "no such device" in odometer.trouble)
    until(lambda: odometer.trouble is None)
    with virtual("vanishing") as car:
        car.send(can.Message(arbitration_id=100, data=[0x10, 0x27, 1, 0, 0, 0, 0, 0], is_extended_id=False))
        seen = []
        until(lambda: seen.extend(odometer.poll()) or seen)
    odometer.close()
    assert (seen[0].speed_kmh, seen[0].ignition) == (100.0, True)


def test_a_controller_that_went_bus_off_is_opened_again(tmp_path, until):
    opened = []
    odometer = CanOdometer(lambda: opened.append(1) or virtual("off"), decoder(tmp_path), "can0")
    until(lambda: opened)
    with virtual("off") as car:
        until(lambda: odometer.trouble is None)
        car.send(can.Message(is_error_frame=True, arbitration_id=0x40, is_extended_id=False))
        until(lambda: len(opened) == 2)
    odometer.close()


def test_a_dbc_that_does_not_fit_the_bus_is_told_and_nothing_is_counted(tmp_path, until):
    odometer = CanOdometer(lambda: virtual("other"), decoder(tmp_path), "can0")
    with virtual("other") as car:
        until(lambda: odometer.trouble is None)
        for _ in range(5):
            car.send(can.Message(arbitration_id=100, data=[1], is_extended_id=False))
        until(lambda: odometer.refused == 5)
    odometer.close()
    assert "5 frames on can0 do not fit the DBC" in odometer.trouble
    assert not odometer.poll()


def test_values_that_no_car_has_are_refused(tmp_path):
    broken = decoder(tmp_path, mapping=SMALL.replace('["SPEED"] }', '["SPEED"], scale = 100 }'))
    with pytest.raises(ValueError, match="out of range"):
        broken.decode(100, bytes([0x10, 0x27, 1, 0, 0, 0, 0, 0]))


def test_whoever_waits_for_the_car_is_told_of_a_message(tmp_path, until):
    told = threading.Event()
    odometer = CanOdometer(lambda: virtual("wakes"), decoder(tmp_path), wake=told.set)
    with virtual("wakes") as car:
        until(lambda: odometer.trouble is None)
        car.send(can.Message(arbitration_id=100, data=[0, 1, 0, 0, 0, 0, 0, 0], is_extended_id=False))
        assert told.wait(60)
        assert len(odometer.poll()) == 1
    odometer.close()


class Socket(can.BusABC):
    """A bus with a file descriptor to wait for, as SocketCAN's; the test sends identifiers into it."""

    def __init__(self) -> None:
        super().__init__("socket")
        self._out, self.car = socket.socketpair()
        self._out.setblocking(False)

    def fileno(self) -> int:
        return self._out.fileno()

    def send(self, msg, timeout=None) -> None:
        raise NotImplementedError

    def shutdown(self) -> None:
        super().shutdown()
        self._out.close()
        self.car.close()

    def _recv_internal(self, timeout):
        try:
            number = self._out.recv(1)[0]
        except BlockingIOError:
            return None, False
        return can.Message(arbitration_id=number, data=bytes(8), is_extended_id=False), False


def test_a_bus_is_waited_for_and_not_looked_at(tmp_path, until):
    bus, told = Socket(), threading.Semaphore(0)
    odometer = CanOdometer(lambda: bus, decoder(tmp_path), wake=told.release)
    until(lambda: odometer.trouble is None)
    for frames in (b"\x64", b"\x01\x02\x64\x64"):  # others' messages come between
        bus.car.send(frames)
        for _ in range(frames.count(b"\x64")):
            assert told.acquire(timeout=60)
    odometer.close()
    assert len(odometer.poll()) == 3


def test_a_bus_without_a_mapped_message_is_told(tmp_path, until):
    clock = [0.0]
    odometer = CanOdometer(lambda: virtual("asleep"), decoder(tmp_path), "can0", now=lambda: clock[0])
    until(lambda: odometer.trouble is None)
    clock[0] = 4.0
    assert odometer.trouble.startswith("No mapped message on can0 for 3 s.")
    odometer.close()


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        (SMALL.replace("Vehicle.Speed", "Vehicle.Sped"), "did you mean Vehicle.Speed"),
        (
            SMALL.replace('"MOTION", signals = ["SPEED"]', '"MOTIONS", signals = ["SPEED"]'),
            "did you mean MOTION",
        ),
        (SMALL.replace('["SPEED"]', '["SPED"]'), "MOTION has no signal SPED .did you mean SPEED"),
        (SMALL.replace('["SPEED"]', "[]"), "signals"),
        (SMALL.replace('["SPEED"] }', '["SPEED"], factor = 2 }'), "factor: Extra inputs"),
        ("signals = 3", "signals"),
        ("signals = [", "car.toml"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_by_name(tmp_path, mapping, sentence):
    with pytest.raises(MappingUnusable, match=sentence):
        decoder(tmp_path, mapping=mapping)


def test_a_dbc_that_is_none_is_refused(tmp_path):
    with pytest.raises(DatabaseUnusable, match=r"car\.dbc cannot be used"):
        decoder(tmp_path, dbc="this is no DBC")
    with pytest.raises(DatabaseUnusable, match="No such file"):
        load_database(tmp_path / "absent.dbc")


def test_the_kernels_virtual_bus_is_read_like_a_real_one(tmp_path, until):
    if not Path("/sys/class/net/vcan0").exists():
        pytest.skip("there is no vcan0 here (ip link add dev vcan0 type vcan && ip link set vcan0 up)")

    def connect() -> can.BusABC:
        return can.Bus(channel="vcan0", interface="socketcan")

    odometer = CanOdometer(connect, decoder(tmp_path), "vcan0")
    until(lambda: odometer.trouble is None)
    with connect() as car:
        car.send(can.Message(arbitration_id=100, data=[0x10, 0x27, 1, 0, 0, 0, 0, 0], is_extended_id=False))
        seen = []
        until(lambda: seen.extend(odometer.poll()) or seen)
    odometer.close()
    assert (seen[0].speed_kmh, seen[0].ignition) == (100.0, True)


# --- what cars' buses are really like


def only(tmp_path, dbc: str, *signals: str) -> Decoder:
    """A decoder for one message M of a DBC."""
    lines = (
        f'signals."{path}" = {{ message = "M", signals = ["{name}"] }}'
        for path, name in zip(signals[::2], signals[1::2], strict=True)
    )
    return decoder(tmp_path, f'VERSION ""\nBU_: E\n{dbc}\n', "\n".join(lines))


def test_a_page_of_a_multiplexed_message_without_the_signal_says_nothing(tmp_path):
    """KeyError once ended the listening thread for good."""
    dash = only(
        tmp_path,
        'BO_ 800 M: 8 E\n SG_ PAGE M : 0|8@1+ (1,0) [0|3] "" E\n SG_ SPEED m0 : 8|16@1+ (0.01,0) [0|300] "km/h" E\n'
        ' SG_ COOLANT m1 : 8|16@1+ (0.1,-40) [-40|200] "C" E',
        vss.SPEED,
        "SPEED",
    )
    assert dash.decode(800, bytes([0]) + (5000).to_bytes(2, "little") + bytes(5)) == {vss.SPEED: 50.0}
    assert dash.decode(800, bytes([1]) + (900).to_bytes(2, "little") + bytes(5)) == {}
    assert dash.decode(800, bytes([9, 0, 0, 0, 0, 0, 0, 0])) == {}  # a page that the DBC leaves out


def test_no_frame_ends_the_listening(tmp_path, until):
    dash = only(
        tmp_path,
        'BO_ 800 M: 8 E\n SG_ PAGE M : 0|8@1+ (1,0) [0|3] "" E\n SG_ SPEED m0 : 8|16@1+ (0.01,0) [0|300] "km/h" E',
        vss.SPEED,
        "SPEED",
    )
    odometer = CanOdometer(lambda: virtual("pages"), dash, "can0")
    seen = []
    with virtual("pages") as car:
        until(lambda: odometer.trouble is None)
        for data in ([1, 0, 0], [9] * 8, [], [0, 0x88, 0x13, 0, 0, 0, 0, 0]):
            car.send(can.Message(arbitration_id=800, data=data, is_extended_id=False))
        until(lambda: seen.extend(odometer.poll()) or seen)
    odometer.close()
    assert [reading.speed_kmh for reading in seen] == [50.0]


def test_eleven_and_twenty_nine_bits_of_one_number_are_two_messages(tmp_path, until):
    short = only(tmp_path, 'BO_ 291 M: 8 E\n SG_ SPEED : 0|16@1+ (0.01,0) [0|300] "km/h" E', vss.SPEED, "SPEED")
    odometer = CanOdometer(lambda: virtual("widths"), short, "can0")
    seen = []
    with virtual("widths") as car:
        until(lambda: odometer.trouble is None)
        car.send(can.Message(arbitration_id=291, data=(9000).to_bytes(2, "little") + bytes(6), is_extended_id=True))
        car.send(can.Message(arbitration_id=291, data=(5000).to_bytes(2, "little") + bytes(6), is_extended_id=False))
        until(lambda: seen.extend(odometer.poll()) or seen)
    odometer.close()
    assert [reading.speed_kmh for reading in seen] == [50.0]


def test_the_parameter_group_decides_for_j1939(tmp_path, until):
    """The DBC has the null address where each truck's computer puts its own."""
    truck = only(
        tmp_path, 'BO_ 2566844926 M: 8 E\n SG_ SPEED : 8|16@1+ (0.00390625,0) [0|250.996] "km/h" E', vss.SPEED, "SPEED"
    )
    odometer = CanOdometer(lambda: virtual("truck"), truck, "can0")
    data = bytes([255]) + (50 * 256).to_bytes(2, "little") + bytes([255] * 5)
    seen = []
    with virtual("truck") as bus:
        until(lambda: odometer.trouble is None)
        for number in (0x18FEF200, 0x18FEF100, 0x0CFEF121):
            bus.send(can.Message(arbitration_id=number, data=data, is_extended_id=True))
        until(lambda: seen.extend(odometer.poll()) or len(seen) == 2)
    odometer.close()
    assert [reading.speed_kmh for reading in seen] == [50.0, 50.0]


def test_the_words_of_the_ignition_are_understood(tmp_path):
    body = only(
        tmp_path,
        'BO_ 100 M: 8 E\n SG_ SPEED : 0|16@1+ (0.01,0) [0|300] "km/h" E\n SG_ MODE : 16|3@1+ (1,0) [0|7] "" E\n'
        'VAL_ 100 MODE 0 "KEY_OFF" 1 "Acc_On" 2 "IGN_RUN" 3 "START" 7 "SNA" ;',
        vss.SPEED,
        "SPEED",
        vss.IGNITION,
        "MODE",
    )
    frames = [body.decode(100, (5000).to_bytes(2, "little") + bytes([mode]) + bytes(5)) for mode in (0, 1, 2, 3, 7)]
    assert [frame.get(vss.IGNITION) for frame in frames] == [False, False, True, True, None]
    assert {frame[vss.SPEED] for frame in frames} == {50.0}


def test_what_is_not_available_is_left_out_and_the_rest_of_the_frame_counts(tmp_path):
    esp = only(
        tmp_path,
        'BO_ 101 M: 8 E\n SG_ SPEED : 0|16@1+ (0.00390625,0) [0|250.996] "km/h" E\n'
        ' SG_ ANGLE : 16|16@1+ (0.1,-1600) [-1600|4953] "deg" E',
        vss.SPEED,
        "SPEED",
        vss.STEERING,
        "ANGLE",
    )
    assert esp.decode(101, (12800).to_bytes(2, "little") + b"\xff\xff" + bytes(4)) == {vss.SPEED: 50.0}
    assert esp.decode(101, b"\xff\xfe" + (16100).to_bytes(2, "little") + bytes(4)) == {vss.STEERING: pytest.approx(10)}


def test_a_frame_that_ends_early_says_what_it_holds(tmp_path):
    short = only(
        tmp_path,
        'BO_ 100 M: 8 E\n SG_ SPEED : 0|16@1+ (0.01,0) [0|300] "km/h" E\n SG_ MORE : 48|16@1+ (1,0) [0|0] "" E',
        vss.SPEED,
        "SPEED",
    )
    assert short.decode(100, (5000).to_bytes(2, "little")) == {vss.SPEED: 50.0}
    with pytest.raises(ValueError, match="ends before SPEED"):
        short.decode(100, b"\x01")


@pytest.mark.parametrize(
    ("number", "more"),
    [
        (0x18FEF1FE, ""),
        (0x18FEF100, ""),  # the engine's, in a standard's own group
        (
            0x18FF1200,
            'BA_DEF_ BO_ "VFrameFormat" ENUM "StandardCAN","ExtendedCAN","reserved","J1939PG";\n'
            'BA_DEF_DEF_ "VFrameFormat" "J1939PG";',
        ),
    ],
)
def test_a_trucks_message_is_found_whoever_the_dbc_takes_for_its_sender(tmp_path, number, more):
    signal = ' SG_ SPEED : 8|16@1+ (0.00390625,0) [0|250.996] "km/h" E'
    truck = only(tmp_path, f"BO_ {number | 1 << 31} M: 8 E\n{signal}\n{more}", vss.SPEED, "SPEED")
    assert truck.mapped(number & ~0xFF | 0x21, extended=True)
    assert not truck.mapped(number + 0x100, extended=True)


def test_a_car_of_29_bits_that_is_no_truck_is_taken_by_its_whole_number(tmp_path):
    car = only(
        tmp_path,
        f'BO_ {0x1BFD9301 | 1 << 31} M: 8 E\n SG_ SPEED : 0|16@1+ (0.01,0) [0|300] "km/h" E',
        vss.SPEED,
        "SPEED",
    )
    assert car.mapped(0x1BFD9301, extended=True)
    assert not car.mapped(0x1BFD9302, extended=True)


@pytest.mark.parametrize(
    ("words", "ignition"),
    [
        ('0 "Off" 1 "Accessory" 2 "Run" 3 "Crank"', [False, False, True, True]),
        ('0 "KeyOff" 1 "KeyAcc" 2 "KeyOn" 3 "EngineStart"', [False, False, True, True]),
        ('0 "Cl15_off" 1 "Radio" 2 "Cl15_on" 3 "Invalid"', [False, False, True, None]),
        ('0 "Aus" 1 "Zubehoer" 2 "Zuendung_Ein" 3 "NotAvailable"', [False, None, True, None]),
        ('0 "Not On" 1 "On"', [False, True, None, None]),
        ('0 "no" 1 "yes"', [False, True, None, None]),
    ],
)
def test_a_makers_own_words_for_the_ignition_are_understood_or_left_out(tmp_path, words, ignition):
    dbc = f'BO_ 100 M: 8 E\n SG_ MODE : 0|3@1+ (1,0) [0|7] "" E\nVAL_ 100 MODE {words} ;'
    body = only(tmp_path, dbc, vss.IGNITION, "MODE")
    assert [body.decode(100, bytes([mode, *bytes(7)])).get(vss.IGNITION) for mode in range(4)] == ignition


def test_a_value_that_the_dbc_calls_invalid_is_none_however_it_looks(tmp_path):
    """254 km/h and 819 degrees would be a speed and a label."""
    esp = only(
        tmp_path,
        'BO_ 101 M: 8 E\n SG_ SPEED : 0|8@1+ (1,0) [0|255] "km/h" E\n'
        ' SG_ ANGLE : 8|14@1+ (0.1,-819.2) [-820|820] "deg" E\n'
        'VAL_ 101 SPEED 254 "Not available" 255 "Invalid" 0 "Standstill" ;\nVAL_ 101 ANGLE 16382 "Init" 16383 "SNA" ;',
        vss.SPEED,
        "SPEED",
        vss.STEERING,
        "ANGLE",
    )
    said = [
        esp.decode(101, bytes([speed]) + angle.to_bytes(2, "little") + bytes(5))
        for speed, angle in ((254, 8192), (255, 8192), (0, 16382), (50, 16383))
    ]
    assert said == [{vss.STEERING: 0.0}, {vss.STEERING: 0.0}, {vss.SPEED: 0.0}, {vss.SPEED: 50.0}]


@pytest.mark.parametrize("raw", [b"\xff\x7f", b"\x00\x80"])
def test_either_end_of_a_signed_signal_may_say_that_there_is_none(tmp_path, raw):
    esp = only(
        tmp_path,
        'BO_ 101 M: 8 E\n SG_ SPEED : 0|16@1+ (0.01,0) [0|300] "km/h" E\n'
        ' SG_ ANGLE : 16|16@1- (0.1,0) [-780|780] "deg" E',
        vss.SPEED,
        "SPEED",
        vss.STEERING,
        "ANGLE",
    )
    assert esp.decode(101, (5000).to_bytes(2, "little") + raw + bytes(4)) == {vss.SPEED: 50.0}


def test_a_float_that_is_no_number_is_left_out(tmp_path):
    esp = only(
        tmp_path,
        'BO_ 101 M: 8 E\n SG_ SPEED : 0|32@1- (1,0) [0|0] "km/h" E\n SG_ ANGLE : 32|16@1- (0.1,0) [-780|780] "deg" E\n'
        "SIG_VALTYPE_ 101 SPEED : 1;",
        vss.SPEED,
        "SPEED",
        vss.STEERING,
        "ANGLE",
    )
    assert esp.decode(101, bytes.fromhex("0000c07f0a000000")) == {vss.STEERING: 1.0}


@pytest.mark.parametrize(
    ("path", "unit", "scale"),
    [
        (vss.TRAVELLED, "km", "1000"),
        (vss.TRAVELLED, "miles", "1609.34"),
        (vss.SPEED, "mph", "1.60934"),
        (vss.SPEED, "m/s", "3.6"),
    ],
)
def test_another_unit_in_the_dbc_is_refused_at_the_start_with_the_scale_to_say(tmp_path, path, unit, scale):
    dbc = f'VERSION ""\nBU_: E\nBO_ 260 M: 8 E\n SG_ S : 0|32@1+ (1,0) [0|0] "{unit}" E\n'
    signal = f'signals."{path}" = {{ message = "M", signals = ["S"]%s }}'
    with pytest.raises(MappingUnusable, match=rf"the DBC has S in {unit}\. Say scale = {scale}"):
        decoder(tmp_path, dbc, signal % "")
    said = decoder(tmp_path, dbc, signal % f", scale = {scale}")
    assert said.decode(260, (100).to_bytes(4, "little") + bytes(4)) == {path: pytest.approx(100 * float(scale))}


def test_two_messages_of_one_name_are_refused_by_their_numbers(tmp_path):
    twice = "".join(f'BO_ {n} M: 8 E\n SG_ SPEED : 0|16@1+ (0.01,0) [0|300] "km/h" E\n' for n in (200, 201))
    with pytest.raises(MappingUnusable, match="calls the messages 0xc8 and 0xc9 by one name, M"):
        only(tmp_path, twice, vss.SPEED, "SPEED")


def test_a_byte_order_mark_is_no_part_of_dbc_or_mapping(tmp_path):
    small = decoder(tmp_path, "\ufeff" + DBC.strip(), "\ufeff" + SMALL)
    assert small.decode(100, bytes([0x10, 0x27, 1, 0, 0, 0, 0, 0]))[vss.SPEED] == 100.0
