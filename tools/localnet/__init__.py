"""A development ledger: Stellar's classic operations behind Horizon's HTTP API, on one machine."""
