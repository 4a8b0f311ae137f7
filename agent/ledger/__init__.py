"""The Stellar network as Milepost uses it: keys, envelopes, Horizon, and how a transaction gets into a ledger."""
