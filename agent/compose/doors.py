"""The doors to the market that a configuration names: ledger, content store, MQTT broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent import credential
from agent.content.store import open_store
from agent.fleet.broker import Broker, Certificates
from agent.host.sections import Config, Mqtt
from agent.ledger.horizon import Horizon

if TYPE_CHECKING:
    from agent.content.folder import FolderStore
    from agent.content.nodes import NodeStore


def horizon(config: Config) -> Horizon:
    ledger = config.ledger
    archive = Horizon(ledger.archive, ledger.passphrase, ledger.timeout_s) if ledger.archive else None
    return Horizon(ledger.horizon, ledger.passphrase, ledger.timeout_s, archive)


def store(config: Config) -> FolderStore | NodeStore:
    urls = [*config.content.stores, *(f"pinning:{url}" for url in config.content.pinning)]
    file = config.content.token_file
    token = credential.read(file) if file else None
    tokens = {url: token for url in urls if token and url.startswith("pinning:")}
    return open_store(urls, config.agent.state_dir / "content", tokens)


def broker(mqtt: Mqtt) -> Broker:
    tls = mqtt.tls
    certificates = Certificates(tls.ca, tls.cert, tls.key) if tls else None
    password = credential.read(mqtt.password_file) if mqtt.password_file else None
    return Broker(mqtt.host, mqtt.port, certificates, mqtt.username, password)
