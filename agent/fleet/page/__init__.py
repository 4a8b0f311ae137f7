"""The fleet page: a board folded from MQTT, and the web server and terminal table that show it. Read only."""
