"""A real IPFS node for tests and demonstrations: js-ipfs with its RPC and its gateway, on loopback."""
