"""ManageData: a named value of at most 64 bytes on the source."""

from __future__ import annotations

from stellar_sdk.xdr import ManageDataResultCode as Code

from ..entries import DataEntry
from ..envelope import Operation
from ..refusal import Refused
from ..reserves import claim_subentry, release_subentry
from ..step import Step
from .set_options import is_plain_text


def check(operation: Operation) -> None:
    name = operation.body.data_name.string64
    if not name or not is_plain_text(name):
        raise Refused(Code.MANAGE_DATA_INVALID_NAME)


def apply(step: Step) -> bytes:
    name = step.body.data_name.string64.decode("ascii")
    old = step.state.data(step.source, name)
    if step.body.data_value is None:
        if old is None:
            raise Refused(Code.MANAGE_DATA_NAME_NOT_FOUND)
        step.state.remove(old)
        release_subentry(step.state, step.source)
        return b""
    if old is None:
        claim_subentry(step.state, step.source, Code.MANAGE_DATA_LOW_RESERVE)
    step.state.put(DataEntry(step.source, name, step.body.data_value.data_value))
    return b""
