"""What a node answers to a submission, and what waits for the next ledger."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from stellar_sdk import Asset, BumpSequence, CreateAccount, ManageData, Operation, Payment

from tools.localnet.engine import PROTOCOL_19, TODAY, Envelope


@pytest.fixture(params=[PROTOCOL_19, TODAY], ids=["protocol 19", "today"])
def town(request: Any, Town: Any) -> Any:
    return Town("ann", "ben", "ivy", rules=request.param)


def note(text: str = "hello") -> Operation:
    return ManageData("note", text)


def test_a_valid_transaction_waits_and_is_applied(town: Any) -> None:
    envelope = town.envelope("ann", note())
    assert town.admit(envelope).status == "PENDING"
    assert len(town.queue) == 1
    assert [one.envelope for one in town.close().transactions] == [envelope]
    assert len(town.queue) == 0


def test_the_same_envelope_twice_is_a_duplicate(town: Any) -> None:
    envelope = town.envelope("ann", note())
    town.admit(envelope)
    assert town.admit(envelope).status == "DUPLICATE"


def test_a_transaction_whose_fee_bump_waits_is_a_duplicate(town: Any) -> None:
    inner = town.envelope("ann", note())
    assert town.admit(town.fee_bump("ben", inner, 1000)).status == "PENDING"
    assert town.admit(inner).status == "DUPLICATE"


def test_an_applied_envelope_is_not_looked_at_again_for_ten_ledgers(Town: Any, told: Any) -> None:
    town = Town("ann", rules=TODAY)
    envelope = town.envelope("ann", note())
    town.admit(envelope)
    town.close()
    for _ in range(9):
        assert town.admit(envelope).status == "TRY_AGAIN_LATER"
        town.close()
    town.close()
    again = town.admit(envelope)
    assert told(again.result)["result"] == "txbad_seq"


def test_an_applied_envelope_has_a_bad_sequence_number_in_protocol_19(Town: Any, told: Any) -> None:
    town = Town("ann", rules=PROTOCOL_19)
    envelope = town.envelope("ann", note())
    town.admit(envelope)
    town.close()
    assert told(town.admit(envelope).result)["result"] == "txbad_seq"


def test_a_second_transaction_of_an_account_waits_in_protocol_19_and_is_sent_away_today(Town: Any) -> None:
    for rules, expected in ((PROTOCOL_19, "PENDING"), (TODAY, "TRY_AGAIN_LATER")):
        town = Town("ann", rules=rules)
        town.admit(town.envelope("ann", note()))
        assert town.admit(town.envelope("ann", note("again"), ahead=1)).status == expected


def test_a_row_of_transactions_is_applied_in_one_ledger(Town: Any) -> None:
    town = Town("ann", rules=PROTOCOL_19)
    for ahead in range(5):
        assert town.admit(town.envelope("ann", note(str(ahead)), ahead=ahead)).status == "PENDING"
    assert [one.successful for one in town.close().transactions] == [True] * 5


def test_a_gap_in_the_numbers_is_a_bad_sequence(town: Any, told: Any) -> None:
    admission = town.admit(town.envelope("ann", note(), ahead=1))
    assert admission.status == "ERROR"
    assert told(admission.result) == {"fee_charged": "100", "result": "txbad_seq", "ext": "v0"}


@pytest.mark.parametrize(("fee", "status"), [(999, "ERROR"), (1000, "PENDING")])
def test_a_fee_bump_replaces_what_waits_for_ten_times_its_rate(town: Any, told: Any, fee: int, status: str) -> None:
    inner = town.envelope("ann", note())
    town.admit(inner)
    # The rate is per operation, and a fee bump counts as one more.
    bump = town.fee_bump("ben", inner, fee)
    admission = town.admit(bump)
    assert admission.status == status
    if status == "ERROR":
        assert told(admission.result)["result"] == "txinsufficient_fee"
        assert told(admission.result)["fee_charged"] == "2000"
    else:
        assert [one.envelope for one in town.close().transactions] == [bump]


def test_fees_of_all_that_waits_must_be_affordable(Town: Any, told: Any) -> None:
    town = Town("ann", rules=PROTOCOL_19)
    town.do("ann", CreateAccount(town["pip"].public_key, "1.0000150"))
    assert town.admit(town.envelope("pip", BumpSequence(0))).status == "PENDING"
    refused = town.admit(town.envelope("pip", BumpSequence(0), ahead=1))
    assert told(refused.result)["result"] == "txinsufficient_balance"


def test_what_would_expire_within_two_ledgers_is_refused_early(town: Any, told: Any) -> None:
    now = town.state.header.close_time + 3
    for max_time, status in ((now + 9, "ERROR"), (now + 10, "PENDING")):
        builder = town.builder("ann").append_operation(note())
        builder.time_bounds = None
        builder.add_time_bounds(0, max_time)
        admission = town.admit(town.decode(town.sign(builder, "ann")), seconds=3)
        assert admission.status == status
        if status == "ERROR":
            assert told(admission.result)["result"] == "txtoo_late"


def test_what_expired_while_it_waited_is_left_out_and_then_sent_away(town: Any) -> None:
    builder = town.builder("ann").append_operation(note())
    builder.time_bounds = None
    builder.add_time_bounds(0, town.state.header.close_time + 11)
    envelope = town.decode(town.sign(builder, "ann"))
    assert town.admit(envelope).status == "PENDING"
    assert town.close(seconds=12).transactions == ()
    assert len(town.queue) == 0
    assert town.account("ann").sequence < envelope.sequence
    assert town.admit(envelope).status == "TRY_AGAIN_LATER"


def test_an_error_names_the_first_bad_operation_and_leaves_the_rest_unjudged(town: Any, told: Any) -> None:
    bad = Payment(town["ben"].public_key, Asset.native(), "0")
    admission = town.admit(town.envelope("ann", note(), bad, bad))
    results = told(admission.result)["result"]["txfailed"]
    assert [one["opinner"] for one in results] == [
        {"manage_data": "success"},
        {"payment": "malformed"},
        {"payment": "success"},
    ]


def test_a_stranger_s_signature_too_many_is_refused(town: Any, told: Any) -> None:
    admission = town.admit(town.envelope("ann", note(), signers=["ben"]))
    assert told(admission.result)["result"] == "txbad_auth_extra"


def test_a_transaction_signed_for_another_network_is_refused(town: Any, told: Any) -> None:
    envelope = town.envelope("ann", note())
    elsewhere = Envelope.decode(envelope.xdr, bytes(32))
    assert told(town.admit(elsewhere).result)["result"] == "txbad_auth"


def test_a_ledger_takes_no_more_operations_than_its_limit(Town: Any) -> None:
    town = Town("ann", "ben", "cat", rules=PROTOCOL_19)
    town.state.load([replace(town.state.header, max_tx_set_size=2)])
    for name in ("ann", "ben", "cat"):
        town.admit(town.envelope(name, note()))
    assert len(town.close().transactions) == 2
    assert len(town.close().transactions) == 1


def test_what_a_bumped_sequence_made_impossible_does_not_wait_for_ever(Town: Any) -> None:
    town = Town("ann", rules=PROTOCOL_19)
    beyond = town.account("ann").sequence + 100
    town.admit(town.envelope("ann", BumpSequence(beyond)))
    town.admit(town.envelope("ann", note(), ahead=1))
    closed = town.close()
    # Both were valid when they were nominated; the second one's number is gone when its turn comes.
    assert [one.successful for one in closed.transactions] == [True, False]
    assert len(town.queue) == 0


def test_the_inner_fee_of_a_fee_bump_is_told_in_protocol_19_and_is_zero_today(Town: Any, told: Any) -> None:
    for rules, fee in ((PROTOCOL_19, "100"), (TODAY, "0")):
        town = Town("ann", "ben", rules=rules)
        bump = town.fee_bump("ben", town.envelope("ann", note()), 200)
        result = told(town.close(bump).transactions[0].result)
        assert result["fee_charged"] == "200"
        inner = result["result"]["txfee_bump_inner_success"]["result"]
        assert inner["fee_charged"] == fee


def test_the_fee_payer_pays_and_the_inner_source_s_number_is_used(town: Any) -> None:
    inner = town.envelope("ann", CreateAccount(town["dan"].public_key, "5"))
    before = {name: town.account(name) for name in ("ann", "ben")}
    town.close(town.fee_bump("ben", inner, 500))
    assert before["ben"].balance - town.account("ben").balance == 200
    assert town.account("ben").sequence == before["ben"].sequence
    assert before["ann"].balance - town.account("ann").balance == 5 * 10**7
    assert town.account("ann").sequence == before["ann"].sequence + 1
