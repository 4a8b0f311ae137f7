"""The doors to the market that a configuration names: ledger, content store, MQTT broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.content.store import open_store
from agent.fleet.broker import Broker, Certificates
from agent.host.sections import Config, Mqtt
from agent.ledger.horizon import Horizon

if TYPE_CHECKING:
    from agent.content.folder import FolderStore
    from agent.content.nodes import NodeStore


def horizon(config: Config) -> Horizon:
    return Horizon(config.ledger.horizon, config.ledger.passphrase, config.ledger.timeout_s)


def store(config: Config) -> FolderStore | NodeStore:
    urls = [*config.content.stores, *(f"pinning:{url}" for url in config.content.pinning)]
    token = config.content.token_file.read_text().strip() if config.content.token_file else None
    tokens = {url: token for url in urls if token and url.startswith("pinning:")}
    return open_store(urls, config.agent.state_dir / "content", tokens)


def broker(mqtt: Mqtt) -> Broker:
    tls = mqtt.tls
    certificates = Certificates(tls.ca, tls.cert, tls.key) if tls and tls.ca and tls.cert and tls.key else None
    password = mqtt.password_file.read_text().strip() if mqtt.password_file else None
    return Broker(mqtt.host, mqtt.port, certificates, mqtt.username, password)
