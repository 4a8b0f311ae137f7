"""Content by its hash: importer and exporter for UnixFS, a folder of blocks, IPFS nodes and gateways."""

from agent.content.store import open_store

__all__ = ["open_store"]
