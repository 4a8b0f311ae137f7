from __future__ import annotations

import json
from pathlib import Path

from stellar_sdk import xdr

from tools.localnet.horizon.codes import inner_word, operation_word, transaction_word


def test_every_result_code_has_the_word_that_horizon_gives_it(shared: Path) -> None:
    enums = json.loads((shared / "conformance/stellar/result_codes.json").read_text())["codes"]
    kinds = {kind.name.replace("_", "").lower() + "resultcode": kind.name for kind in xdr.OperationType}
    expected, found = {}, {}
    for enum, members in enums.items():
        for member, fact in members.items():
            code = getattr(xdr, enum)(fact["value"])
            expected[member] = fact["horizon"]
            if enum == "TransactionResultCode":
                found[member] = transaction_word(code)
            elif enum == "OperationResultCode":
                found[member] = operation_word(code)
            else:
                found[member] = inner_word(kinds[enum.lower()], code.name)
    assert len(expected) == 203
    assert found == expected
