"""A ledger header in XDR, for clients that read it.

Localnet has no validators and no bucket list: what only those would fill is zero.
"""

from __future__ import annotations

from stellar_sdk import xdr

from .engine import Header

_ZERO = xdr.Hash(bytes(32))


def header_xdr(header: Header) -> bytes:
    value = xdr.StellarValue(
        tx_set_hash=_ZERO,
        close_time=xdr.TimePoint(xdr.Uint64(header.close_time)),
        upgrades=[],
        ext=xdr.StellarValueExt(xdr.StellarValueType.STELLAR_VALUE_BASIC),
    )
    return xdr.LedgerHeader(
        ledger_version=xdr.Uint32(header.protocol),
        previous_ledger_hash=xdr.Hash(header.previous_hash),
        scp_value=value,
        tx_set_result_hash=_ZERO,
        bucket_list_hash=_ZERO,
        ledger_seq=xdr.Uint32(header.ledger_seq),
        total_coins=xdr.Int64(header.total_coins),
        fee_pool=xdr.Int64(header.fee_pool),
        inflation_seq=xdr.Uint32(0),
        id_pool=xdr.Uint64(header.id_pool),
        base_fee=xdr.Uint32(header.base_fee),
        base_reserve=xdr.Uint32(header.base_reserve),
        max_tx_set_size=xdr.Uint32(header.max_tx_set_size),
        skip_list=[_ZERO] * 4,
        ext=xdr.LedgerHeaderExt(0),
    ).to_xdr_bytes()
