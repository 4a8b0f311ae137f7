"""Milepost: vehicles train a shared network while they drive and are paid for it on the Stellar network."""

__version__ = "0.1.0"
