"""The link to a real broker: paho-mqtt, MQTT 5 when the broker knows it and 3.1.1 when it does not.

paho's network thread connects, reconnects with backoff and keeps what was not yet confirmed. This side only puts
messages in and takes them out, and never waits for the network. Two things are the link's own: ids that do not wrap
(paho's are 16 bits), and the change to MQTT 3.1.1, which needs a new paho client and hands everything over to it.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Sequence

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.errors import Refused
from agent.fleet.broker import Broker
from agent.ports import Message

MAX_PAYLOAD = 64 * 1024
"""Bytes. What is larger is not handed on, and refused when it is to be sent."""
MAX_WAITING = 1000
"""Messages, each way: in, between two calls of `receive`; out, taken but not yet confirmed."""
UNSUPPORTED_VERSION = 0x84
GOODBYE_SECONDS = 2.0


class PahoLink:
    """A FleetLink over TCP or TLS. For one thread, beside paho's own.

    `will` is published by the broker when this link is lost without a goodbye, `will_delay` seconds later where the
    broker speaks MQTT 5, so that a tunnel is not an alarm. The last retained message on each topic is said again after
    every connection: the will may have overwritten it meanwhile, or the broker forgotten it.

    `session_seconds`: for how long the broker keeps QoS 1 messages for this client id while it is away; 0: not at all.

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
    ) -> None:
        self.broker = broker
        self.refused = 0
        """Messages from the broker that were too large or too many."""
        self._client_id = client_id
        self._subscriptions = tuple(subscriptions)
        self._will, self._will_delay, self._session_seconds = will, will_delay, session_seconds
        self._tls = broker.certificates.context() if broker.certificates else None
        self._max_waiting = max_waiting
        self._inbox: deque[Message] = deque()
        self._confirmed: deque[int] = deque()  # paho's ids, written by its thread
        self._taken: dict[int, tuple[int, Message]] = {}  # paho's id: our id and the message, until confirmed
        self._told: list[int] = []  # our ids that `acknowledged` has yet to hand out
        self._next_id = 1
        self._retained: dict[str, Message] = {}  # the last one on each topic
        self._trouble: str | None = f"Not connected to the MQTT broker {broker} yet."
        self._unanswered = 0
        self._closed = False
        self._answered = threading.Event()
        self._version = MQTTProtocolVersion.MQTTv5
        self._change_version = False
        self._client = self._start()

    @property
    def connected(self) -> bool:
        self._tend()
        return self._trouble is None

    @property
    def trouble(self) -> str | None:
        """Why there is no connection, as a sentence, or None."""
        return self._trouble

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
        if self._closed or (qos == 0 and self._trouble) or len(self._taken) >= self._max_waiting:
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
        info = self._client.publish(message.topic, message.payload, qos, message.retain)
        while_away = MQTTErrorCode.MQTT_ERR_NO_CONN if qos else MQTTErrorCode.MQTT_ERR_SUCCESS
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, while_away):
            return None
        number, self._next_id = self._next_id, self._next_id + 1
        if qos:
            self._taken[info.mid] = (number, message)
        return number

    def _settle(self) -> None:
        """Match the broker's answers with what was taken. In this thread, so that an answer which overtook `publish`
        finds its message."""
        while self._confirmed:
            entry = self._taken.pop(self._confirmed.popleft(), None)
            if entry is not None:
                self._told.append(entry[0])

    def _tend(self) -> None:
        """Change the version of MQTT when the broker did not like the last one. paho cannot do it from inside."""
        if not self._change_version or self._closed:
            return
        self._change_version, self._unanswered = False, 0
        self._client.disconnect()
        self._client.loop_stop()
        self._settle()
        five = self._version == MQTTProtocolVersion.MQTTv5
        self._version = MQTTProtocolVersion.MQTTv311 if five else MQTTProtocolVersion.MQTTv5
        taken, self._taken = self._taken, {}
        self._client = self._start()
        for number, message in taken.values():
            info = self._client.publish(message.topic, message.payload, 1, message.retain)
            self._taken[info.mid] = (number, message)

    def _start(self) -> mqtt.Client:
        five = self._version == MQTTProtocolVersion.MQTTv5
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            self._client_id,
            clean_session=None if five else self._session_seconds == 0,
            protocol=self._version,
        )
        client.max_queued_messages_set(self._max_waiting + 1)
        # No two cars start at the same tenth of a second: thousands come back at once when a broker was away.
        client.reconnect_delay_set(random.uniform(0.5, 1.5), random.randint(45, 75))  # type: ignore[arg-type]
        client.username_pw_set(self.broker.username, self.broker.password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        if self._will is not None:
            client.will_set(
                self._will.topic,
                self._will.payload,
                1,
                self._will.retain,
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
                keepalive=30,
                clean_start=self._session_seconds == 0,
                properties=self._connect_properties(),
            )
        else:
            client.connect_async(self.broker.host, self.broker.port, keepalive=30)
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
        self, client: mqtt.Client, _userdata: object, _flags: object, reason: ReasonCode, _properties: object
    ) -> None:
        self._unanswered = 0
        if reason.is_failure:
            self._trouble = f"The MQTT broker {self.broker} refused the connection: {reason}."
            if reason.value == UNSUPPORTED_VERSION:
                self._ask_for_other_version(client)
            return
        for message in list(self._retained.values()):  # the other thread may add one meanwhile
            client.publish(message.topic, message.payload, 1, True)
        if self._subscriptions:
            client.subscribe([(pattern, 1) for pattern in self._subscriptions])
        else:
            self._trouble = None

    def _on_subscribe(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: object,
    ) -> None:
        answers = zip(self._subscriptions, reasons, strict=True)
        denied = next((pattern for pattern, reason in answers if reason.is_failure), None)
        self._trouble = denied and f"The MQTT broker {self.broker} does not let us listen to {denied}."

    def _on_connect_fail(self, _client: mqtt.Client, _userdata: object) -> None:
        self._trouble = f"The MQTT broker {self.broker} does not answer."

    def _on_disconnect(
        self, client: mqtt.Client, _userdata: object, _flags: object, reason: ReasonCode, _properties: object
    ) -> None:
        if self._trouble is not None:
            # Hung up on before a word was said. Some brokers do so to a version they do not know.
            self._unanswered += 1
            if self._unanswered >= 2:
                self._ask_for_other_version(client)
        self._trouble = f"The connection to the MQTT broker {self.broker} was lost: {reason}."
        self._answered.set()

    def _ask_for_other_version(self, client: mqtt.Client) -> None:
        self._change_version = True
        client.disconnect()  # ends paho's thread, so that `_tend` need not wait for it

    def _on_publish(
        self, _client: mqtt.Client, _userdata: object, mid: int, _reason: object, _properties: object
    ) -> None:
        self._confirmed.append(mid)
        self._answered.set()

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        if len(message.payload) > MAX_PAYLOAD or len(self._inbox) >= self._max_waiting:
            self.refused += 1
            return
        self._inbox.append(Message(message.topic, bytes(message.payload), message.retain))
