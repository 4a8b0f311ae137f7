"""What a broker grants a client, and why it refuses one, in words.

Sources: MQTT 5, 3.2.2 (CONNACK) and 3.14.2 (DISCONNECT). paho says the codes of MQTT 3.1.1 as those of 5.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from agent.errors import MilepostError
from agent.troubles import IdShared, IdTakenOver

UNSAID, UNSUPPORTED_VERSION, TAKEN_OVER, NO_RETAIN = 0x80, 0x84, 0x8E, 0x9A
AT_ONCE = 20
"""Messages on their way without a confirmation, where the broker does not ask for fewer."""

REFUSALS: Mapping[int, str] = MappingProxyType(
    {
        0x85: "it does not take the client id {client}. The vehicle's id must be the name that the broker knows",
        0x86: "its user name, or its password, is wrong. Check mqtt.username and mqtt.password_file",
        0x87: "{client} is not let in. Check user name, password, certificate and the broker's ACL",
        0x8A: "{client} is banned there. Ask whoever runs it",
        0x97: "its quota is used up. Ask whoever runs it",
        0x9F: "it is connected to too often. Another program may use the client id {client}",
    }
)
"""By reason code; the others are said in the standard's words."""

RIVAL_S = 600.0
"""For so long a lost session is held against whoever may have taken it."""
BRIEF_S = 10.0
"""A session that ends sooner was probably taken over: 3.1.1 does not say it."""
BRIEF_SESSIONS = 3


@dataclass(frozen=True, slots=True)
class Terms:
    """What this broker does for us."""

    at_once: int = AT_ONCE
    """QoS 1 messages that may wait for its confirmation (Receive Maximum)."""
    retains: bool = True

    @classmethod
    def of(cls, properties: object) -> Terms:
        """From a CONNACK's properties; what it does not say is granted."""
        most = getattr(properties, "ReceiveMaximum", AT_ONCE)
        return cls(max(1, min(AT_ONCE, int(most))), getattr(properties, "RetainAvailable", 1) != 0)

    def narrowed(self, other: Terms) -> Terms:
        """What both grant."""
        return Terms(min(self.at_once, other.at_once), self.retains and other.retains)


class Rivalry:
    """Whether somebody else uses our client id: the broker says so, or sessions end as soon as they begin."""

    def __init__(self) -> None:
        self._taken: deque[float] = deque(maxlen=1000)
        self._brief: deque[float] = deque(maxlen=BRIEF_SESSIONS)

    def lost(self, now: float, lasted_s: float, reason: int) -> None:
        """A session ended that was not ended here. `now`: monotonic seconds."""
        if reason == TAKEN_OVER:
            self._taken.append(now)
        elif lasted_s < BRIEF_S and reason == UNSAID:
            self._brief.append(now)

    def suspected(self, now: float, broker: object = "", client: str = "") -> MilepostError | None:
        """What there is to say of the last RIVAL_S."""
        taken = sum(now - then <= RIVAL_S for then in self._taken)
        if taken:
            return IdTakenOver(broker=broker, client=client, times=taken)
        if sum(now - then <= RIVAL_S for then in self._brief) == BRIEF_SESSIONS:
            return IdShared(broker=broker, client=client)
        return None
