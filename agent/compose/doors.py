"""The doors to the market that a configuration names: ledger, content store, MQTT broker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agent.content.store import open_store
from agent.fleet.broker import Broker, Certificates
from agent.host.sections import Config, Mqtt
from agent.ledger import keys
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
    token = _secret(config.content.token_file)
    tokens = {url: token for url in urls if token and url.startswith("pinning:")}
    return open_store(urls, config.agent.state_dir / "content", tokens)


def broker(mqtt: Mqtt) -> Broker:
    tls = mqtt.tls
    certificates = Certificates(tls.ca, tls.cert, tls.key) if tls else None
    return Broker(mqtt.host, mqtt.port, certificates, mqtt.username, _secret(mqtt.password_file))


def _secret(path: Path | None) -> str | None:
    """What a file of mode 0600 holds. Raises CredentialError."""
    if path is None:
        return None
    keys.check_mode(path)
    return path.read_text().strip()
