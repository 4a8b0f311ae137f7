"""Asking an arbiter, and being one."""
