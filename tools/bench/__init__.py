"""Speed, always as a ratio to the plain alternative measured in the same run."""
