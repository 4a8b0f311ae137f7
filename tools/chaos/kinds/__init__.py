"""What can go wrong, and what somebody can try: one table, one function a kind."""
