"""A development ledger: Stellar's classic operations behind Horizon's HTTP API, on one machine.

    from localnet import Localnet    # `tools.localnet` within Milepost

    with Localnet() as net:
        net.fund(account)
        server = stellar_sdk.Server(net.url)

This folder is a distribution of its own (pyproject.toml and README.md beside this file): its files import each other
relatively, and nothing of Milepost.
"""

from __future__ import annotations

from .errors import LocalnetError
from .server import Localnet

__all__ = ["Localnet", "LocalnetError"]
