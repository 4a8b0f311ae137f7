"""Content by its hash: importer and exporter for UnixFS, a folder of blocks, IPFS nodes and gateways."""
