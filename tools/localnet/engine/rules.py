"""The one switch between the protocol of the recordings and the network as it is today.

What differs is listed in docs/localnet.md; each difference is a property here, so that the code asks for the
behaviour and not for a number.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rules:
    """Protocol 19 is the recorded one; `TODAY` is what a server follows unless told otherwise."""

    protocol: int

    @property
    def one_pending_per_account(self) -> bool:
        """Since core v20 a source account has at most one transaction in the queue."""
        return self.protocol >= 20

    @property
    def refuses_applied_again(self) -> bool:
        """Whether an applied envelope that is sent again is turned away unread; before, its number was bad."""
        return self.protocol >= 20

    @property
    def inner_fee_is_zero(self) -> bool:
        """Since protocol 25 the inner result of a fee bump says that nothing was charged."""
        return self.protocol >= 25


PROTOCOL_19 = Rules(19)
TODAY = Rules(25)
