"""An MQTT broker for development (amqtt, in Python), and a sample configuration of mosquitto for real fleets."""
