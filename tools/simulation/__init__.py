"""Simulated vehicles, thousands in one process: their own MQTT connections and keys, no camera and no
training."""
