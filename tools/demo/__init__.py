"""The whole job on one machine: a ledger, a broker, three vehicles, three validators, an initiator, real processes."""
