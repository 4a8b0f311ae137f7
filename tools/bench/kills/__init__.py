"""kill -9 at any moment of publication, settlement, reclaim and payout, and what the ledger says afterwards."""

from tools.bench.kills.command import main

__all__ = ["main"]
