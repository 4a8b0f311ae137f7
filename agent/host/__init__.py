"""This machine: its configuration, firmware profile, conditions, clock, log, metrics and doctor."""
