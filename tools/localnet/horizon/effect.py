"""What an operation did to accounts, one effect each, in Horizon's words.

Read from the operation, its result and the entries it changed. Offers that are placed or withdrawn have no
effects of their own; only their trades do.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from stellar_sdk import xdr

from ..engine.assets import account_from_xdr, muxed_from_xdr
from ..engine.entries import Account, Change, Changes, ClaimableBalance, TrustLine
from .address import BALANCE_V0
from .amount import coins
from .asset import NATIVE, asset_fields, asset_text
from .codes import inner_result
from .details import allow_trust_asset, sent_amount
from .predicate import xdr_predicate

TYPES = {
    "account_created": 0,
    "account_removed": 1,
    "account_credited": 2,
    "account_debited": 3,
    "account_thresholds_updated": 4,
    "account_home_domain_updated": 5,
    "account_flags_updated": 6,
    "account_inflation_destination_updated": 7,
    "signer_created": 10,
    "signer_removed": 11,
    "signer_updated": 12,
    "trustline_created": 20,
    "trustline_removed": 21,
    "trustline_updated": 22,
    "trustline_authorized": 23,
    "trustline_deauthorized": 24,
    "trustline_authorized_to_maintain_liabilities": 25,
    "trustline_flags_updated": 26,
    "trade": 33,
    "data_created": 40,
    "data_removed": 41,
    "data_updated": 42,
    "sequence_bumped": 43,
    "claimable_balance_created": 50,
    "claimable_balance_claimant_created": 51,
    "claimable_balance_claimed": 52,
    "claimable_balance_sponsorship_created": 69,
    "claimable_balance_sponsorship_removed": 71,
    "claimable_balance_clawed_back": 80,
}
NAMES = {number: name for name, number in TYPES.items()}


@dataclass(frozen=True, slots=True)
class Effect:
    account: str
    name: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Done:
    """One operation that succeeded: its body, its result's arm, its source, and what it changed by key."""

    body: Any
    arm: Any
    source: str
    changes: dict[Any, Change]

    def change(self, *key: Any) -> Change:
        return self.changes.get(key) or Change(key, None, None)


Effects = Iterator[Effect]


def effects(op: xdr.Operation, result: xdr.OperationResult, source: str, changes: Changes) -> list[Effect]:
    """The effects of one successful operation, in their order."""
    done = Done(op.body, inner_result(result), source, {change.key: change for change in changes})
    return list(_BY_TYPE[op.body.type.name](done))


def claimed_offers(arm: Any) -> list[xdr.ClaimOfferAtom]:
    """The trades in an operation's result, without those that moved nothing."""
    success = getattr(arm, "success", None)
    atoms = getattr(success, "offers_claimed", None) or getattr(success, "offers", None) or []
    return [a.order_book for a in atoms if a.order_book.amount_sold.int64 or a.order_book.amount_bought.int64]


def _moved(name: str, account: str, asset: str, stroops: int) -> Effect:
    return Effect(account, name, {**asset_fields(asset), "amount": coins(stroops)})


def _create_account(done: Done) -> Effects:
    op = done.body.create_account_op
    account, amount = account_from_xdr(op.destination), op.starting_balance.int64
    yield Effect(account, "account_created", {"starting_balance": coins(amount)})
    yield _moved("account_debited", done.source, NATIVE, amount)
    yield Effect(account, "signer_created", _signer_fields(account, 1))


def _payment(done: Done) -> Effects:
    op = done.body.payment_op
    asset, amount = asset_text(op.asset), op.amount.int64
    yield _moved("account_credited", muxed_from_xdr(op.destination), asset, amount)
    yield _moved("account_debited", done.source, asset, amount)


def _path_receive(done: Done) -> Effects:
    op = done.body.path_payment_strict_receive_op
    yield _moved("account_credited", muxed_from_xdr(op.destination), asset_text(op.dest_asset), op.dest_amount.int64)
    yield _moved("account_debited", done.source, asset_text(op.send_asset), sent_amount(op, done.arm))
    yield from _trades(done)


def _path_send(done: Done) -> Effects:
    op = done.body.path_payment_strict_send_op
    received = done.arm.success.last.amount.int64
    yield _moved("account_credited", muxed_from_xdr(op.destination), asset_text(op.dest_asset), received)
    yield _moved("account_debited", done.source, asset_text(op.send_asset), op.send_amount.int64)
    yield from _trades(done)


def _trades(done: Done) -> Effects:
    """Two effects for each trade: the taker's view, then the maker's."""
    for atom in claimed_offers(done.arm):
        maker, offer = account_from_xdr(atom.seller_id), str(atom.offer_id.int64)
        sold, bought = asset_text(atom.asset_sold), asset_text(atom.asset_bought)
        paid, got = coins(atom.amount_bought.int64), coins(atom.amount_sold.int64)
        yield Effect(done.source, "trade", _trade_fields(maker, offer, paid, bought, got, sold))
        yield Effect(maker, "trade", _trade_fields(done.source, offer, got, sold, paid, bought))


def _trade_fields(other: str, offer: str, sold: str, sold_asset: str, bought: str, bought_asset: str) -> dict[str, Any]:
    return {
        "seller": other,
        "offer_id": offer,
        "sold_amount": sold,
        **asset_fields(sold_asset, "sold_"),
        "bought_amount": bought,
        **asset_fields(bought_asset, "bought_"),
    }


def _set_options(done: Done) -> Effects:
    op = done.body.set_options_op
    if op.home_domain is not None:
        domain = op.home_domain.string32.decode("utf-8", "replace")
        yield Effect(done.source, "account_home_domain_updated", {"home_domain": domain})
    levels = {
        "low_threshold": op.low_threshold,
        "med_threshold": op.med_threshold,
        "high_threshold": op.high_threshold,
    }
    if any(level is not None for level in levels.values()):
        told = {name: level.uint32 if level is not None else 0 for name, level in levels.items()}
        yield Effect(done.source, "account_thresholds_updated", told)
    on, off = (bits.uint32 if bits else 0 for bits in (op.set_flags, op.clear_flags))
    if on | off:
        yield Effect(done.source, "account_flags_updated", _flags(_ACCOUNT_FLAGS, on, off))
    if op.inflation_dest is not None:
        yield Effect(done.source, "account_inflation_destination_updated", {})
    change = done.change("account", done.source)
    yield from _signers(done.source, change.before, change.after)


# Horizon tells of these alone: it reads the others by names other than those it wrote them by.
_ACCOUNT_FLAGS = {1: "auth_required_flag"}
_LINE_FLAGS = {1: "authorized_flag", 4: "clawback_enabled_flag"}


def _flags(names: dict[int, str], switched_on: int, switched_off: int) -> dict[str, bool]:
    """What an operation asked for, flag by flag."""
    asked = [(switched_on, True), (switched_off, False)]
    return {name: value for bits, value in asked for bit, name in names.items() if bits & bit}


def _signers(account: str, before: Any, after: Any) -> Effects:
    """What became of the signers, the master key among them, between two versions of an account."""
    old, new = _weights(before), _weights(after)
    for key in [*sorted(old), *sorted(new.keys() - old.keys())]:
        if key not in new:
            yield Effect(account, "signer_removed", _signer_fields(key, 0))
        elif key not in old:
            yield Effect(account, "signer_created", _signer_fields(key, new[key]))
        elif old[key] != new[key]:
            yield Effect(account, "signer_updated", _signer_fields(key, new[key]))


def _weights(account: Account | None) -> dict[str, int]:
    if account is None:
        return {}
    master = {account.account: account.thresholds[0]} if account.thresholds[0] else {}
    return master | {signer.key: signer.weight for signer in account.signers}


def _signer_fields(key: str, weight: int) -> dict[str, Any]:
    return {"weight": weight, "public_key": key, "key": key}


def _change_trust(done: Done) -> Effects:
    for change in done.changes.values():
        if change.key[0] == "trustline":
            line: Any = change.after or change.before
            name = "trustline_" + _fate(change)
            limit = change.after.limit if isinstance(change.after, TrustLine) else 0
            yield Effect(done.source, name, {**asset_fields(str(line.asset)), "limit": coins(limit)})


def _fate(change: Change) -> str:
    return "created" if change.before is None else "removed" if change.after is None else "updated"


# what `authorize` means: the effect of old, then the flags switched on and off
_AUTHORIZE = {
    0: ("trustline_deauthorized", 0, 3),
    1: ("trustline_authorized", 1, 0),
    2: ("trustline_authorized_to_maintain_liabilities", 2, 0),
}


def _allow_trust(done: Done) -> Effects:
    op = done.body.allow_trust_op
    fields = {"trustor": account_from_xdr(op.trustor), **asset_fields(allow_trust_asset(op, done.source))}
    name, on, off = _AUTHORIZE[op.authorize.uint32]
    yield Effect(done.source, name, {one: text for one, text in fields.items() if one != "asset_issuer"})
    yield Effect(done.source, "trustline_flags_updated", fields | _flags(_LINE_FLAGS, on, off))


def _set_line_flags(done: Done) -> Effects:
    op = done.body.set_trust_line_flags_op
    fields = {"trustor": account_from_xdr(op.trustor), **asset_fields(asset_text(op.asset))}
    asked = _flags(_LINE_FLAGS, op.set_flags.uint32, op.clear_flags.uint32)
    yield Effect(done.source, "trustline_flags_updated", fields | asked)


def _account_merge(done: Done) -> Effects:
    amount = done.arm.source_account_balance.int64
    yield _moved("account_debited", done.source, NATIVE, amount)
    yield _moved("account_credited", muxed_from_xdr(done.body.destination), NATIVE, amount)
    yield Effect(done.source, "account_removed", {})


def _manage_data(done: Done) -> Effects:
    op = done.body.manage_data_op
    for change in done.changes.values():
        if change.key[0] == "data":
            fields = {"name": op.data_name.string64.decode("utf-8", "replace")}
            if op.data_value:
                fields["value"] = base64.b64encode(op.data_value.data_value).decode()
            yield Effect(done.source, "data_" + _fate(change), fields)


def _bump_sequence(done: Done) -> Effects:
    change = done.change("account", done.source)
    old, new = change.before, change.after
    if isinstance(old, Account) and isinstance(new, Account) and old.sequence != new.sequence:
        yield Effect(done.source, "sequence_bumped", {"new_seq": str(new.sequence)})


def _balances(done: Done) -> Iterator[tuple[ClaimableBalance, dict[str, Any], dict[str, Any]]]:
    """The claimable balance that the operation made or took, with the fields that name it and say its worth."""
    for change in done.changes.values():
        entry = change.after or change.before
        if isinstance(entry, ClaimableBalance):
            named = {"balance_id": BALANCE_V0 + entry.id}
            yield entry, named, {**named, "amount": coins(entry.amount), "asset": str(entry.asset)}


def _create_balance(done: Done) -> Effects:
    for entry, named, worth in _balances(done):
        yield Effect(done.source, "claimable_balance_created", worth)
        # the predicates as they were asked for: in the entry, relative times are absolute
        for one in done.body.create_claimable_balance_op.claimants:
            fields = {**worth, "predicate": xdr_predicate(one.v0.predicate)}
            yield Effect(account_from_xdr(one.v0.destination), "claimable_balance_claimant_created", fields)
        yield _moved("account_debited", done.source, str(entry.asset), entry.amount)
        yield Effect(done.source, "claimable_balance_sponsorship_created", {**named, "sponsor": entry.sponsor})


def _claim_balance(done: Done) -> Effects:
    for entry, named, worth in _balances(done):
        yield Effect(done.source, "claimable_balance_claimed", worth)
        yield _moved("account_credited", done.source, str(entry.asset), entry.amount)
        yield _no_longer_sponsored(done, entry, named)


def _clawback_balance(done: Done) -> Effects:
    for entry, named, _ in _balances(done):
        yield Effect(done.source, "claimable_balance_clawed_back", named)
        yield _moved("account_credited", done.source, str(entry.asset), entry.amount)
        yield _no_longer_sponsored(done, entry, named)


def _no_longer_sponsored(done: Done, entry: ClaimableBalance, named: dict[str, Any]) -> Effect:
    fields = {**named, "former_sponsor": entry.sponsor}
    return Effect(done.source, "claimable_balance_sponsorship_removed", fields)


def _clawback(done: Done) -> Effects:
    op = done.body.clawback_op
    asset, amount = asset_text(op.asset), op.amount.int64
    yield _moved("account_credited", done.source, asset, amount)
    yield _moved("account_debited", muxed_from_xdr(op.from_), asset, amount)


def _none(_done: Done) -> Effects:
    return iter(())


_BY_TYPE: dict[str, Callable[[Done], Effects]] = {kind.name: _none for kind in xdr.OperationType} | {
    "CREATE_ACCOUNT": _create_account,
    "PAYMENT": _payment,
    "PATH_PAYMENT_STRICT_RECEIVE": _path_receive,
    "PATH_PAYMENT_STRICT_SEND": _path_send,
    "MANAGE_SELL_OFFER": _trades,
    "MANAGE_BUY_OFFER": _trades,
    "CREATE_PASSIVE_SELL_OFFER": _trades,
    "SET_OPTIONS": _set_options,
    "CHANGE_TRUST": _change_trust,
    "ALLOW_TRUST": _allow_trust,
    "SET_TRUST_LINE_FLAGS": _set_line_flags,
    "ACCOUNT_MERGE": _account_merge,
    "MANAGE_DATA": _manage_data,
    "BUMP_SEQUENCE": _bump_sequence,
    "CREATE_CLAIMABLE_BALANCE": _create_balance,
    "CLAIM_CLAIMABLE_BALANCE": _claim_balance,
    "CLAWBACK": _clawback,
    "CLAWBACK_CLAIMABLE_BALANCE": _clawback_balance,
}
