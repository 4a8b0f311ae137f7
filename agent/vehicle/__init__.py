"""The vehicle: a car's trips, turned into contributions that are paid for."""
