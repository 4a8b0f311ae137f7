"""Decisions, and nothing that reads a clock, a file, a socket or a random number."""
