"""The daemons put together from the configuration: the one room that sees it whole."""
