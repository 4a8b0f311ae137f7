"""A broker inside this process, for tests and simulations, and links to it that keep the same contract."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from agent.errors import Refused
from agent.fleet.link import MAX_PAYLOAD, MAX_WAITING
from agent.fleet.topics import matches
from agent.ports import Message
from agent.troubles import BrokerSilent


class LoopbackBroker:
    """Retained messages, subscriptions and last wills; can be away, and can lose a link. No threads."""

    def __init__(self) -> None:
        self.up = True
        self._retained: dict[str, Message] = {}
        self._links: list[LoopbackLink] = []

    def stop(self) -> None:
        """Away: links stay attached and hold what they are given."""
        self.up = False

    def start(self) -> None:
        """Back: every link greets, then sends what it held."""
        self.up = True
        for link in list(self._links):
            link.flush()

    def cut(self, link: LoopbackLink) -> None:
        """Lose a link without its goodbye, as when a car dies: its will is published."""
        self._links.remove(link)
        if link.will is not None:
            self.deliver(link.will)

    def attach(self, link: LoopbackLink) -> None:
        self._links.append(link)
        for message in self._retained.values():
            link.take(Message(message.topic, message.payload, True))

    def detach(self, link: LoopbackLink) -> None:
        if link in self._links:
            self._links.remove(link)

    def deliver(self, message: Message) -> None:
        if message.retain:
            self._retained[message.topic] = message
            if not message.payload:  # an empty retained message forgets the one before
                del self._retained[message.topic]
        for link in self._links:
            link.take(Message(message.topic, message.payload, False))


class LoopbackLink:
    """A FleetLink to a LoopbackBroker."""

    def __init__(
        self,
        broker: LoopbackBroker,
        subscriptions: Sequence[str] = (),
        *,
        will: Message | None = None,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self.will = will
        self.refused = 0
        self._broker = broker
        self._subscriptions = tuple(subscriptions)
        self._max_waiting = max_waiting
        self._inbox: deque[Message] = deque()
        self._held: deque[tuple[int, Message]] = deque()
        self._confirmed: list[int] = []
        self._next_id = 1
        self._closed = False
        broker.attach(self)

    @property
    def connected(self) -> bool:
        return self._broker.up and not self._closed

    @property
    def trouble(self) -> BrokerSilent | None:
        return None if self.connected else BrokerSilent(broker="in this process")

    def publish(self, message: Message, qos: int = 1) -> int | None:
        if len(message.payload) > MAX_PAYLOAD:
            raise Refused(what=f"a message on {message.topic}", why=f"more than {MAX_PAYLOAD} bytes")
        if self._closed or (qos == 0 and not self.connected) or len(self._held) >= self._max_waiting:
            return None
        number, self._next_id = self._next_id, self._next_id + 1
        if qos == 0:
            self._broker.deliver(message)
            return number
        self._held.append((number, message))
        self.flush()
        return number

    def acknowledged(self) -> Sequence[int]:
        confirmed, self._confirmed = self._confirmed, []
        return confirmed

    def receive(self) -> Sequence[Message]:
        messages = list(self._inbox)
        self._inbox.clear()
        return messages

    def close(self) -> None:
        self._closed = True
        self._broker.detach(self)

    # --- the broker's side --------------------------------------------------------------------------------

    def flush(self) -> None:
        while self._held and self.connected:
            number, message = self._held.popleft()
            self._broker.deliver(message)
            self._confirmed.append(number)

    def take(self, message: Message) -> None:
        if not any(matches(pattern, message.topic) for pattern in self._subscriptions):
            return
        if len(message.payload) > MAX_PAYLOAD or len(self._inbox) >= self._max_waiting:
            self.refused += 1
            return
        self._inbox.append(message)
