"""The link to a real broker: paho-mqtt, MQTT 5 when the broker knows it and 3.1.1 when it does not.

paho's network thread connects, reconnects with backoff and keeps what was not yet confirmed. This side only puts
messages in and takes them out, and never waits for the network. The link's own are: ids that do not wrap (paho's
are 16 bits); the change to MQTT 3.1.1 or to a broker that retains nothing, which needs a new paho client and hands
everything over to it; and the broker's Receive Maximum, which paho does not look at.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.errors import MilepostError, Refused, TryAgain
from agent.fleet.broker import Broker
from agent.fleet.terms import NO_RETAIN, REFUSALS, TAKEN_OVER, UNSUPPORTED_VERSION, Rivalry, Terms
from agent.ports import Message, Wake, nobody
from agent.troubles import (
    BrokerDenies,
    BrokerKeepsNothing,
    BrokerLost,
    BrokerNotTrusted,
    BrokerRefuses,
    BrokerSilent,
    distrusted,
)

MAX_PAYLOAD = 64 * 1024
"""Bytes. What is larger is not handed on, and refused when it is to be sent."""
MAX_WAITING = 1000
"""Messages, each way: in, between two calls of `receive`; out, taken but not yet confirmed."""
GOODBYE_SECONDS = 2.0
KEEPALIVE_S = 25
LISTEN_S = 5.0
"""Between two looks of paho's thread at what is due by time: a ping, and its answer. Both together are 30 s at most."""
GIVE_WAY_SECONDS = 60.0
"""Two cars of one id would throw each other out every second; they still do, but seldom enough to be spoken to."""


GREETING = "what it retains"
"""The topics of what is said again after a connection."""
DENIED_S = 60.0
"""Before what the broker does not let us say is said again: by then somebody may have mended its ACL."""


class BrokerNotReady(TryAgain):
    """The connection to the MQTT broker {broker} is not ready yet."""


class _Client(mqtt.Client):
    """paho's thread looks every second whether a ping is due, unless it is told otherwise here; and paho does not tell
    why it could not connect."""

    distrust: str | None = None
    """Why the broker's certificate was not believed the last time."""

    def loop_forever(self, timeout: float = LISTEN_S, retry_first_connection: bool = False) -> MQTTErrorCode:
        return super().loop_forever(timeout, retry_first_connection)

    def reconnect(self) -> MQTTErrorCode:
        try:
            return super().reconnect()
        except OSError as error:
            self.distrust = distrusted(error)
            raise


class PahoLink:
    """A FleetLink over TCP or TLS. For one thread, beside paho's own.

    `will` is published by the broker when this link is lost without a goodbye, `will_delay` seconds later where the
    broker speaks MQTT 5, so that a tunnel is not an alarm. The last retained message on each topic is said again after
    every connection: the will may have overwritten it meanwhile, or the broker forgotten it.

    `session_seconds`: for how long the broker keeps QoS 1 messages for this client id while it is away; 0: not at all.
    `wake` is told of each message that can be received.

    QoS 1 messages are taken while offline, up to MAX_WAITING, and sent in order when the broker is back. QoS 0 messages
    are not taken while offline. A message that was taken reaches the broker once or more often.
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        subscriptions: Sequence[str] = (),
        *,
        will: Message | None = None,
        will_delay: int = 60,
        session_seconds: int = 86_400,
        max_waiting: int = MAX_WAITING,
        wake: Wake = nobody,
    ) -> None:
        self.broker = broker
        self.refused = 0
        """Messages from the broker that were too large or too many."""
        self._client_id = client_id
        self._subscriptions = tuple(subscriptions)
        self._will, self._will_delay, self._session_seconds = will, will_delay, session_seconds
        self._tls = broker.certificates.context() if broker.certificates else None
        self._max_waiting, self._wake = max_waiting, wake
        self._inbox: deque[Message] = deque()
        self._confirmed: deque[tuple[int, bool]] = deque()  # paho's ids, and if it was let, written by its thread
        self._taken: dict[int, tuple[int, Message]] = {}  # paho's id: our id and the message, until confirmed
        self._told: list[int] = []  # our ids that `acknowledged` has yet to hand out
        self._next_id = 1
        self._denied: deque[tuple[int, Message]] = deque()  # taken, and turned down by the broker
        self._denied_until = 0.0
        self._retained: dict[str, Message] = {}  # the last one on each topic
        self._trouble: MilepostError | None = BrokerNotReady(broker=broker)
        self._refusal: MilepostError | None = None
        self._mute: set[str] = set()  # topics on which the broker lets us say nothing
        self._terms = Terms()
        self._rivalry = Rivalry()
        self._since = 0.0  # when the session began
        self._unanswered = 0
        self._closed = False
        self._answered = threading.Event()
        self._version = MQTTProtocolVersion.MQTTv5
        self._start_anew = False
        self._client = self._start()

    @property
    def connected(self) -> bool:
        self._tend()
        return self._trouble is None

    @property
    def has_heard(self) -> bool:
        """Whether `receive` has something to give."""
        return bool(self._inbox)

    @property
    def trouble(self) -> MilepostError | None:
        """Why there is no connection, or what is wrong with it: one of `agent.troubles`, BrokerNotReady, or None."""
        return self.fault or self._trouble

    @property
    def fault(self) -> MilepostError | None:
        """The part of `trouble` that does not pass by itself: somebody must mend this vehicle or its broker."""
        self._settle()
        if suspicion := self._rivalry.suspected(time.monotonic(), self.broker, self._client_id):
            return suspicion
        if not self._terms.retains and self._refusal is None:
            return BrokerKeepsNothing(broker=self.broker)
        if self._refusal is None and self._mute:
            what = f"say {min(self._mute)}"
            return BrokerDenies(broker=self.broker, client=self._client_id, what=what)
        return self._refusal

    @property
    def version(self) -> str:
        """The MQTT version spoken or tried: '5' or '3.1.1'."""
        return "5" if self._version == MQTTProtocolVersion.MQTTv5 else "3.1.1"

    def publish(self, message: Message, qos: int = 1) -> int | None:
        """See FleetLink. Raises Refused for a payload that no reader would take."""
        if len(message.payload) > MAX_PAYLOAD:
            raise Refused(what=f"a message on {message.topic}", why=f"more than {MAX_PAYLOAD} bytes")
        self._tend()
        if message.retain:
            self._retained[message.topic] = message
        waiting = len(self._taken) + len(self._denied)
        if self._closed or (qos == 0 and self._trouble) or waiting >= self._max_waiting:
            return None
        return self._hand_over(message, qos)

    def acknowledged(self) -> Sequence[int]:
        self._tend()
        self._settle()
        told, self._told = self._told, []
        return told

    def receive(self) -> Sequence[Message]:
        self._tend()
        messages = []
        while self._inbox:
            messages.append(self._inbox.popleft())
        return messages

    def close(self) -> None:
        """Waits up to GOODBYE_SECONDS for what was taken to be confirmed."""
        if self._closed:
            return
        self._closed = True
        patience = time.monotonic() + GOODBYE_SECONDS
        self._settle()
        while self._taken and self._trouble is None and time.monotonic() < patience:
            self._answered.wait(0.1)
            self._answered.clear()
            self._settle()
        self._client.disconnect()
        self._client.loop_stop()

    def __repr__(self) -> str:
        return f"<PahoLink {self._client_id} at {self.broker}: {self._trouble or 'connected'}>"

    # --- this thread --------------------------------------------------------------------------------------

    def _hand_over(self, message: Message, qos: int) -> int | None:
        """Of an id of its own."""
        number = self._next_id
        if not self._give(number, message, qos):
            return None
        self._next_id += 1
        return number

    def _give(self, number: int, message: Message, qos: int) -> bool:
        info = self._client.publish(message.topic, message.payload, qos, message.retain and self._terms.retains)
        while_away = MQTTErrorCode.MQTT_ERR_NO_CONN if qos else MQTTErrorCode.MQTT_ERR_SUCCESS
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, while_away):
            return False
        if qos:
            self._taken[info.mid] = (number, message)
        return True

    def _settle(self) -> None:
        """Match the broker's answers with what was taken. In this thread, so that an answer which overtook `publish`
        finds its message."""
        while self._confirmed:
            mid, is_let = self._confirmed.popleft()
            entry = self._taken.pop(mid, None)
            topic = entry[1].topic if entry else GREETING
            if is_let:
                self._mute.discard(topic)
            else:
                self._mute.add(topic)
                self._denied_until = time.monotonic() + DENIED_S
                if entry and not entry[1].retain:  # what is retained is said again with the next connection
                    self._denied.append(entry)
                    continue
            if entry is not None:
                self._told.append(entry[0])

    def _tend(self) -> None:
        """A new client when the broker takes less than the last one gave: a version, retained messages, so many at
        once. paho cannot do it from inside."""
        if self._denied and self._trouble is None and time.monotonic() >= self._denied_until:
            again, self._denied = self._denied, deque()
            self._denied.extend(entry for entry in again if not self._give(*entry, 1))
        if not self._start_anew or self._closed:
            return
        self._start_anew, self._unanswered = False, 0
        self._client.disconnect()
        self._client.loop_stop()
        self._settle()
        taken, self._taken = self._taken, {}
        self._client = self._start()
        for number, message in taken.values():
            info = self._client.publish(message.topic, message.payload, 1, message.retain and self._terms.retains)
            self._taken[info.mid] = (number, message)

    def _start(self) -> mqtt.Client:
        five = self._version == MQTTProtocolVersion.MQTTv5
        client = _Client(
            CallbackAPIVersion.VERSION2,
            self._client_id,
            clean_session=None if five else self._session_seconds == 0,
            protocol=self._version,
        )
        client.max_queued_messages_set(self._max_waiting + 1)
        # Half: what this thread hands over while paho's begins to send again is not held against the bound by paho.
        client.max_inflight_messages_set(max(1, self._terms.at_once // 2))
        self._pace(client)
        client.username_pw_set(self.broker.username, self.broker.password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        if self._will is not None:
            client.will_set(
                self._will.topic,
                self._will.payload,
                1,
                self._will.retain and self._terms.retains,
                self._will_properties() if five else None,
            )
        client.suppress_exceptions = True  # a topic that is not UTF-8 must not end paho's thread
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        if five:
            client.connect_async(
                self.broker.host,
                self.broker.port,
                keepalive=KEEPALIVE_S,
                clean_start=self._session_seconds == 0,
                properties=self._connect_properties(),
            )
        else:
            client.connect_async(self.broker.host, self.broker.port, keepalive=KEEPALIVE_S)
        client.loop_start()
        return client

    def _connect_properties(self) -> Properties:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._session_seconds
        properties.MaximumPacketSize = MAX_PAYLOAD + 1024  # the rest: topic and header
        return properties

    def _will_properties(self) -> Properties:
        properties = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
        properties.WillDelayInterval = self._will_delay
        return properties

    # --- paho's thread: these only note down what happened ------------------------------------------------

    def _on_connect(
        self, client: mqtt.Client, _userdata: object, _flags: object, reason: ReasonCode, properties: object
    ) -> None:
        self._unanswered, self._refusal = 0, None
        if reason.is_failure:
            why = REFUSALS.get(reason.value, str(reason)).format(client=self._client_id)
            self._trouble = BrokerRefuses(broker=self.broker, why=why)
            if reason.value == UNSUPPORTED_VERSION:
                self._ask_for_other_version(client)
            elif reason.value == NO_RETAIN:
                self._begin_anew(client, replace(self._terms, retains=False))
            else:
                self._refusal = self._trouble
            return
        if (terms := self._terms.narrowed(Terms.of(properties))) != self._terms:
            self._begin_anew(client, terms)
            return
        self._since = time.monotonic()
        self._pace(client)
        if self._subscriptions:
            client.subscribe([(pattern, 1) for pattern in self._subscriptions])
        else:
            self._greet(client)
            self._trouble = None

    def _greet(self, client: mqtt.Client) -> None:
        for message in list(self._retained.values()):  # the other thread may add one meanwhile
            client.publish(message.topic, message.payload, 1, self._terms.retains)

    def _on_subscribe(
        self,
        client: mqtt.Client,
        _userdata: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: object,
    ) -> None:
        self._greet(client)
        denied = [pattern for pattern, reason in zip(self._subscriptions, reasons, strict=False) if reason.is_failure]
        self._refusal = None
        if denied:
            self._refusal = BrokerDenies(broker=self.broker, client=self._client_id, what=f"listen to {denied[0]}")
        self._trouble = self._refusal

    def _on_connect_fail(self, client: mqtt.Client, _userdata: object) -> None:
        why = client.distrust if isinstance(client, _Client) else None
        self._refusal = BrokerNotTrusted(broker=self.broker, why=why) if why is not None else None
        self._trouble = self._refusal or BrokerSilent(broker=self.broker)

    def _on_disconnect(
        self, client: mqtt.Client, _userdata: object, _flags: object, reason: ReasonCode, _properties: object
    ) -> None:
        if self._trouble is None or reason.value == TAKEN_OVER:
            self._rivalry.lost(time.monotonic(), time.monotonic() - self._since, reason.value)
            self._pace(client)
        elif self._refusal is None:
            # Hung up on before a word was said. Some brokers do so to a version they do not know.
            self._unanswered += 1
            if self._unanswered >= 2:
                self._ask_for_other_version(client)
        if reason.value == NO_RETAIN:
            self._begin_anew(client, replace(self._terms, retains=False))
        self._trouble = self._refusal or BrokerLost(broker=self.broker, why=reason)
        self._answered.set()

    def _pace(self, client: mqtt.Client) -> None:
        """No two cars start at the same tenth of a second: thousands come back at once when a broker was away."""
        first = GIVE_WAY_SECONDS if self._rivalry.suspected(time.monotonic()) else 1.0
        client.reconnect_delay_set(first * random.uniform(0.5, 1.5), first + random.randint(45, 75))  # type: ignore[arg-type]

    def _ask_for_other_version(self, client: mqtt.Client) -> None:
        if self._start_anew:
            return
        five = self._version == MQTTProtocolVersion.MQTTv5
        self._version = MQTTProtocolVersion.MQTTv311 if five else MQTTProtocolVersion.MQTTv5
        self._begin_anew(client, self._terms)

    def _begin_anew(self, client: mqtt.Client, terms: Terms) -> None:
        self._terms, self._start_anew = terms, True
        client.disconnect()  # ends paho's thread, so that `_tend` need not wait for it

    def _on_publish(
        self, _client: mqtt.Client, _userdata: object, mid: int, reason: ReasonCode, _properties: object
    ) -> None:
        self._confirmed.append((mid, not reason.is_failure))
        self._answered.set()

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        if len(message.payload) > MAX_PAYLOAD or len(self._inbox) >= self._max_waiting:
            self.refused += 1
            return
        self._inbox.append(Message(message.topic, bytes(message.payload), message.retain))
        self._wake()
