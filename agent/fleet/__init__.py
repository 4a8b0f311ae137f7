"""The fleet: what vehicles and validators say to each other and to people over MQTT."""
