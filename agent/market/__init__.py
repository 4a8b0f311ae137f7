"""The protocol's moves on top of ledger and content: publish, find, enter, settle, close (docs/protocol.md)."""
