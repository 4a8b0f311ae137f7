"""What troubles a vehicle from outside: broker, ledger, store, camera, disk, clock. One class each, whose docstring is
the sentence that status, doctor, log, MQTT and page say.

A trouble that passes by itself is an Unavailable.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from types import MappingProxyType

from agent import errors
from agent.errors import MilepostError, Unavailable

# --- broker


class BrokerSilent(Unavailable):
    """The MQTT broker {broker} does not answer. What the fleet is to hear is kept, and said when it does."""


class BrokerLost(Unavailable):
    """The connection to the MQTT broker {broker} was lost: {why}. It is opened again, and nothing is lost."""


class BrokerNotTrusted(MilepostError):
    """The MQTT broker {broker} shows a certificate that is not to be trusted: {why}. Nothing was said to it. Check
    mqtt.host, mqtt.tls.ca and this machine's clock."""


class BrokerRefuses(MilepostError):
    """The MQTT broker {broker} refused the connection: {why}."""


class BrokerDenies(MilepostError):
    """The MQTT broker {broker} does not let {client} {what}. Check the broker's ACL."""


class IdTakenOver(MilepostError):
    """At the MQTT broker {broker} another client uses the id {client} too and took the session over, {times} times in
    the last ten minutes. Give each vehicle an id (agent.id) of its own."""


class IdShared(MilepostError):
    """At the MQTT broker {broker} sessions end as soon as they begin. Another client may use the id {client} too: give
    each vehicle an id (agent.id) of its own."""


class BrokerKeepsNothing(MilepostError):
    """The MQTT broker {broker} keeps no retained messages: whoever looks later does not see this vehicle until it
    speaks again. Allow them there (mosquitto: retain_available true)."""


# --- ledger


class LedgerUnavailable(Unavailable):
    """Horizon at {url} {why}. Nothing is lost: the work waits. Check the network, or ledger.horizon."""


class LedgerNotTrusted(LedgerUnavailable):
    """Horizon at {url} shows a certificate that is not to be trusted: {why}. Nothing was said to it, and the work
    waits. Check ledger.horizon and this machine's clock."""


class HistoryTooShort(Unavailable):
    """{url} remembers from ledger {elder} on, and what happened from ledger {wanted} on is needed: that it shows
    nothing earlier says nothing. Nothing is lost: the work waits. Name a Horizon that remembers more, as
    ledger.horizon or ledger.archive."""


class LedgerLate(Unavailable):
    """Parts of {url} are more than {most} ledgers behind each other: entries wait. Nothing is lost. Ask another
    Horizon, as ledger.horizon."""


class WrongNetwork(MilepostError):
    """Horizon at {url} serves the network {theirs!r}, but ledger.passphrase is {ours!r}. Nothing was signed."""

    exit_code = errors.BAD_CONFIG


# --- content store


class StoreSilent(Unavailable):
    """{what} cannot be reached. Nothing is lost: the work waits and goes on when it is back."""


class StoreNotTrusted(Unavailable):
    """{what} shows a certificate that is not to be trusted: {why}. Nothing was said to it, and the work waits. Check
    its address and this machine's clock."""


class NotLetIn(Unavailable):
    """{what} does not let us in ({status}): {why}. The work waits: check the token in the credentials."""

    exit_code = errors.NO_PERMISSION


class Answered(Unavailable):
    """{what} answered {status}: {why}. The work waits and goes on when it can."""


class LeftAlone(Unavailable):
    """{what} asked to be left alone for {seconds:.0f} s more. The work waits and goes on then."""


class BrokenOff(Unavailable):
    """The answer of {what} cannot be used: {why}. It is asked again later."""


class BlockMissing(Unavailable):
    """{what} is not to be had now. Nothing is lost: the work waits and goes on when it is back."""


class WrongBytes(Unavailable):
    """{source} gave {size} bytes for {cid} that are not that block. They are dropped; another source is asked."""


class NoSource(Unavailable):
    """No source gives the block {cid} now: {why}. What came so far is kept; the work waits and goes on."""


# --- camera


class CameraAway(Unavailable):
    """The camera {name} is not there ({why}). It is tried again. Is it plugged in?"""


class CameraSilent(Unavailable):
    """The camera {name} opens but gives no image. Check its cable, format and frame rate."""


class CameraBlack(Unavailable):
    """The image of {name} is black. Nothing is learnt from it. Is the lens covered?"""


class CameraFrozen(Unavailable):
    """The image of {name} is frozen. Nothing is learnt from it. Replug the camera."""


# --- this machine's disk and clock


class DiskFails(Unavailable):
    """The disk that holds {path} fails: {why}. What was written before is not touched, and the work goes on when the
    disk is well again. Look into `dmesg`, copy the disk and replace it."""


class DiskFull(DiskFails):
    """The disk under {path} is full. Nothing half-written is left; the work goes on when there is room."""


class DiskReadOnly(DiskFails):
    """The disk under {path} is read-only: a card that fails is mounted so, and so is one after an error. What was
    written before can be read. Nothing is lost: the work goes on when it can be written again. Look into `dmesg`, copy
    the card and replace it."""


class DiskSlow(Unavailable):
    """The disk under {path} takes more than {seconds:g} s to keep one line. Nothing is lost, but a power cut costs more
    of the drive. A card does so before it fails: copy it and replace it."""


class JournalFull(Unavailable):
    """The disk that holds {path} is full: nothing more can be written down, so nothing more is done.
    Everything written before is safe. Free some space; the agent then goes on by itself."""


class JournalBusy(Unavailable):
    """{path} is locked by another process for longer than {seconds:g} s. A daemon that runs waits and tries again.
    Close whatever has it open for writing."""

    exit_code = errors.TRY_AGAIN


class JournalDamaged(MilepostError):
    """The journal {path} is damaged: {why}. The agent does not guess what it has paid for. Keep the file,
    restore a copy of it, or start anew with an empty state directory once its stakes are settled or taken
    back."""


class ClockUnset(Unavailable):
    """This machine's clock says {date}: it was not set since it started. Certificates seem not to be valid yet, so
    what needs them waits. What is signed goes by the ledger's time. Start time synchronisation (NTP, or chrony with
    gpsd)."""


TROUBLES: Mapping[str, tuple[type[MilepostError], ...]] = MappingProxyType(
    {
        "broker": (
            *(BrokerSilent, BrokerLost, BrokerNotTrusted, BrokerRefuses),
            *(BrokerDenies, IdTakenOver, IdShared, BrokerKeepsNothing),
        ),
        "ledger": (LedgerUnavailable, LedgerNotTrusted, HistoryTooShort, LedgerLate, WrongNetwork),
        "store": (
            *(StoreSilent, StoreNotTrusted, NotLetIn, Answered, LeftAlone),
            *(BrokenOff, BlockMissing, WrongBytes, NoSource),
        ),
        "camera": (CameraAway, CameraSilent, CameraBlack, CameraFrozen),
        "disk": (DiskFails, DiskFull, DiskReadOnly, DiskSlow, JournalFull, JournalBusy, JournalDamaged),
        "clock": (ClockUnset,),
    }
)
"""By what is troubled."""

FOR_SOMEBODY = (LedgerNotTrusted, LedgerLate, StoreNotTrusted, NotLetIn, DiskFails, DiskSlow, JournalFull, ClockUnset)
"""Those that somebody should look at, though the agent waits and goes on."""


def distrusted(error: BaseException | None) -> str | None:
    """Why a certificate was not believed, in OpenSSL's words, where that is what is behind an HTTP library's error."""
    for _ in range(8):  # they wrap each other's
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        inner = [getattr(error, "reason", None), *getattr(error, "args", ())]
        error = next((each for each in inner if isinstance(each, BaseException)), None)
    return None
