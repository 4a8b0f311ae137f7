from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.cid import DAG_PB, RAW, Cid
from agent.errors import Malformed

QM = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"
DIGEST = "59948439065f29619ef41280cbb932be52c56d99c5966b65e0111239f098bbef"


def test_the_empty_directory_is_known_by_its_usual_names() -> None:
    cid = Cid.parse(QM)
    assert (cid.version, cid.codec, cid.digest.hex()) == (0, DAG_PB, DIGEST)
    assert str(cid) == QM
    assert str(Cid.v1(DAG_PB, cid.digest)) == "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"


@given(st.binary(min_size=32, max_size=32), st.sampled_from([RAW, DAG_PB]))
def test_every_cid_reads_back_from_its_text_and_bytes(digest: bytes, codec: int) -> None:
    for cid in (Cid.v0(digest), Cid.v1(codec, digest)):
        assert Cid.parse(str(cid)) == cid
        assert Cid.from_bytes(cid.to_bytes()) == cid


@given(st.binary(min_size=32, max_size=32))
def test_base16_and_upper_case_are_read(digest: bytes) -> None:
    cid = Cid.v1(RAW, digest)
    assert Cid.parse("f" + cid.to_bytes().hex()) == cid
    assert Cid.parse(str(cid).upper()) == cid


@given(st.text(max_size=200))
def test_no_text_does_more_harm_than_malformed(text: str) -> None:
    with suppress(Malformed):
        assert Cid.parse(text).digest


@given(st.binary(max_size=60))
def test_no_bytes_do_more_harm_than_malformed(data: bytes) -> None:
    with suppress(Malformed):
        assert Cid.from_bytes(data).to_bytes() == data


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("zdj7W" + "1" * 44, "cut short|version|codec|hash|bytes"),
        ("bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua", "codec 0x71"),
        ("bafk2bzaced5smcgxbvmlnlw3vjogiavhhllrmxnkkvsfdvrkfrzuvdrmlkd7g", "sha2-256"),
        ("mAXASIA", "the base 'm'"),
        ("Qm", "cut short|base"),
    ],
)
def test_another_hash_or_codec_is_named_in_the_message(text: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        Cid.parse(text)
