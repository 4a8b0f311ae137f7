"""Where the car is and what it sees: odometers, cameras, and the two brought together in time."""
