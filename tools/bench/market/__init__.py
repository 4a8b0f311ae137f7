"""Whether the market pays whom it should: honest cars, hostile cars, and what an update is worth."""

from tools.bench.market.command import main

__all__ = ["main"]
