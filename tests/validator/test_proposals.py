"""A proposal is a transaction: its record is built from the votes that are held, fetched where some are lacking, and
never believed."""

from __future__ import annotations

from pathlib import Path

import pytest
from stellar_sdk import ClaimClaimableBalance, Keypair

from agent.core import record as makers
from agent.core.agenda import LEAST_FEE, VALID_S
from agent.core.cid import Cid
from agent.core.ledger import BALANCE_V0
from agent.core.money import UNIT
from agent.fleet.link import MAX_PAYLOAD
from agent.fleet.loopback import LoopbackLink
from agent.ledger.envelope import build, opened
from agent.market import bundle, records
from agent.ports import Message
from agent.validator.ballots import vote
from agent.validator.committee import EVERYTHING, Committee, Proposal
from agent.validator.rounds import Served
from tests.market.town import Town, found
from tests.validator.committee import House
from tests.validator.test_settling import honest, speaker_now
from tools.localnet.server import Localnet

# --- a full batch


@pytest.mark.slow
@pytest.mark.parametrize("committee", [3, 7])
def test_a_full_record_is_settled_by_one_transaction(committee: int, tmp_path: Path) -> None:
    """They are judged while the broker is away, so that all are ripe when it is back."""
    with Localnet() as net:
        town = found(net, tmp_path / "town", committee, contributions=makers.MAX_ENTRIES, budget="1300", collect=200)
        house = House(town, tmp_path / "house")
        entries = [honest(town, seed) for seed in range(makers.MAX_ENTRIES)]
        house.enrol(*entries)
        house.broker.stop()
        house.turn(3)
        house.broker.start()
        listener = LoopbackLink(house.broker, (EVERYTHING,))
        house.settle(*entries, turns=4)
        assert {house.end(entry_id).outcome for entry_id in entries} == {"accepted"}
        (settlement,) = {town.horizon.touching(entry_id)[-1].hash for entry_id in entries}
        envelope = town.horizon.find(settlement).envelope
        assert len(opened(envelope, net.passphrase).operations) == 98
        assert len(town.shelf.record(house.chain_end().cid).votes) == makers.MAX_ENTRIES * committee
        proposals = [m for m in listener.receive() if "/proposal/" in m.topic]
        assert proposals
        assert max(len(m.payload) for m in proposals) < MAX_PAYLOAD // 2
        house.close()


# --- a validator that lacks votes


class Lacking:
    """The speaker holds all three votes; one validator is down after its vote, the other heard nobody else's."""

    def __init__(self, town: Town, house: House, seed: int) -> None:
        self.town, self.house = town, house
        self.entry = honest(town, seed)
        house.enrol(self.entry)
        self.speaker = speaker_now(house)
        self.down, self.deaf = (k.public_key for k in town.committee if k.public_key != self.speaker)
        link = house.validators[self.deaf].parts.link
        take = link.take

        def without_votes(message: Message) -> None:
            if "/vote/" not in message.topic:
                take(message)

        link.take = without_votes
        house.validators[self.down].turn()
        house.stop(self.down)
        house.validators[self.deaf].turn()

    @property
    def key(self) -> Keypair:
        return next(k for k in self.town.committee if k.public_key == self.speaker)

    def proposes(self) -> str:
        """The speaker's turn; the record's CID."""
        for _ in range(2):  # the first may end with what became of the roll
            self.house.validators[self.speaker].turn()
            draft = self.house.validators[self.speaker].parts.settling._states[self.town.settlement].state.draft
            if draft is not None:
                return str(records.record_cid(draft.record))
        raise AssertionError(self.house.log)

    def says(self, cid: Cid) -> None:
        """The speaker proposes to forfeit the stake, with this record."""
        town = self.town
        account = town.horizon.account(town.settlement)
        until = town.horizon.head().closed_at + VALID_S
        forfeits = [ClaimClaimableBalance(BALANCE_V0 + self.entry)]
        bounds = {"fee": LEAST_FEE, "max_time": until, "memo": cid.digest}
        made = build(account.id, account.sequence, forfeits, passphrase=town.net.passphrase, **bounds)
        made.sign(self.key)
        Committee(LoopbackLink(self.house.broker), self.speaker).say_proposal(town.settlement, Proposal(made.to_xdr()))

    def hears(self) -> str:
        """The deaf validator's turn; what it wrote down."""
        log = self.house.logs[self.deaf]
        before = len(log.getvalue())
        self.house.validators[self.deaf].turn()
        return log.getvalue()[before:]

    def settles_in_the_end(self) -> None:
        self.house.restart(self.down)
        self.house.settle(self.entry, turns=120, advance=10)
        assert self.house.end(self.entry).outcome == "accepted"


def blocks(town: Town) -> set[Path]:
    """The files in the content folder."""
    return {path for path in (town.folder / "content").rglob("*") if path.is_file()}


def test_votes_that_were_not_heard_are_fetched_with_the_record(town: Town, house: House) -> None:
    lacking = Lacking(town, house, 1)
    cid = lacking.proposes()
    assert "settlement.cosigned" in lacking.hears()
    house.turn(3)
    assert house.end(lacking.entry).signers == 2
    assert house.chain_end().cid == cid


@pytest.mark.parametrize("how", ["gone", pytest.param("rotten", marks=pytest.mark.slow)])
def test_a_record_that_cannot_be_had_is_not_signed_and_holds_nobody_up(town: Town, house: House, how: str) -> None:
    lacking = Lacking(town, house, 2 if how == "gone" else 3)
    before = blocks(town)
    lacking.proposes()
    pinned = blocks(town) - before
    assert pinned
    for block in pinned:
        block.unlink() if how == "gone" else block.write_bytes(b"x" * block.stat().st_size)
    assert "its record cannot be had" in lacking.hears()
    for block in pinned:
        block.unlink(missing_ok=True)
    lacking.settles_in_the_end()


def test_an_oversized_record_is_not_read(town: Town, house: House) -> None:
    lacking = Lacking(town, house, 4)
    lacking.says(town.store.put(bundle.lay(town.folder / "large", {bundle.RECORD: b"[" * (3 << 20)})))
    assert "its record cannot be had" in lacking.hears()
    lacking.settles_in_the_end()


def test_a_record_that_is_no_record_is_not_read(town: Town, house: House) -> None:
    lacking = Lacking(town, house, 5)
    lacking.says(town.store.put(bundle.lay(town.folder / "rubbish", {"hello.txt": b"hello"})))
    assert "its record cannot be had" in lacking.hears()
    lacking.settles_in_the_end()


def test_votes_in_a_fetched_record_are_checked_like_any_other(town: Town, house: House) -> None:
    """The speaker forges the absent validator's vote, so that the stake would be forfeited."""
    lacking = Lacking(town, house, 6)
    review = house.validators[lacking.deaf].parts.book.open[lacking.entry]
    roll = review.verdict.roll
    own = vote(review, lacking.key, roll)
    against = {"outcome": "rejected", "credit": 0, "reason": "I do not like it", "figure": None}
    forged = own.model_copy(update={**against, "validator": lacking.down})
    cases = [(review, [forged, own.model_copy(update=against)])]
    served = Served(town.cid, town.round, 0)
    made = makers.record(house.chain_end(), served, lacking.speaker, cases, lambda *_: None, roll)
    lacking.says(records.pin(made, town.store))
    assert "a vote is malformed" in lacking.hears()
    lacking.settles_in_the_end()


@pytest.mark.slow
def test_a_record_of_other_verdicts_than_the_votes_make_is_not_signed(
    town: Town, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Record and transaction fit each other, and give the vehicle half of what the votes say."""
    lacking = Lacking(town, house, 7)
    honestly = makers.record

    def halved(*asked):
        made = honestly(*asked)
        entries = tuple(e.model_copy(update={"credit": UNIT // 2}) for e in made.entries)
        return made.model_copy(update={"entries": entries})

    with monkeypatch.context() as patch:
        patch.setattr(makers, "record", halved)
        lacking.proposes()
    assert "not the one that its votes make" in lacking.hears()
    lacking.settles_in_the_end()


@pytest.mark.slow
def test_a_committee_that_dies_after_handing_in_settles_once(town: Town, house: House) -> None:
    entry_id = honest(town, 8)
    house.enrol(entry_id)
    before = house.chain_end().index
    for _ in range(4):  # within one ledger
        for validator in house.validators.values():
            validator.turn()
    assert "settlement.submitted" in house.log
    for key in town.committee:
        house.restart(key.public_key)
    house.settle(entry_id)
    house.turn(3)
    assert house.chain_end().index == before + 1
    assert all(t.successful for t in town.horizon.history(town.settlement, failed=True))
