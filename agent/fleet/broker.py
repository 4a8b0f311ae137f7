"""Where the broker is and how to prove who one is."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from agent.errors import CredentialError


@dataclass(frozen=True, slots=True)
class Certificates:
    """TLS, with a client certificate where there is one. The client id is the certificate's common name:
    brokers hold it against the topics. Without `authority` the system's authorities are trusted."""

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Raises CredentialError naming the file that cannot be used."""
        for path in (self.authority, self.certificate, self.key):
            _readable(path)
        try:
            context = ssl.create_default_context(cafile=self.authority)
        except ssl.SSLError as error:
            raise CredentialError(path=self.authority, why=f"no certificate authority: {error}") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate is not None:
            try:
                context.load_cert_chain(self.certificate, self.key)
            except ssl.SSLError as error:
                why = f"it does not go with {self.key or 'a key in the same file'}: {error}"
                raise CredentialError(path=self.certificate, why=why) from None
        return context


def _readable(path: Path | None) -> None:
    if path is None:
        return
    try:
        path.open("rb").close()
    except OSError as error:
        raise CredentialError(path=path, why=error.strerror) from None


@dataclass(frozen=True, slots=True)
class Broker:
    """An MQTT broker. Without certificates only a broker on this machine or behind a tunnel should be used."""

    host: str
    port: int
    certificates: Certificates | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"
