"""How an operation says no. Control flow inside the engine: none of these ever leaves it."""

from __future__ import annotations

from enum import IntEnum

from stellar_sdk import xdr


class Refused(Exception):
    """The operation's own result code, as `xdr.PaymentResultCode.PAYMENT_NO_TRUST`."""

    def __init__(self, code: IntEnum) -> None:
        super().__init__(code)
        self.code = code


class OperationRefused(Exception):
    """A code which any operation may get, as `xdr.OperationResultCode.opNO_ACCOUNT`."""

    def __init__(self, code: xdr.OperationResultCode) -> None:
        super().__init__(code)
        self.code = code


class Inconsistent(Exception):
    """The ledger contradicts itself. The transaction ends as txINTERNAL_ERROR, as in stellar-core."""
