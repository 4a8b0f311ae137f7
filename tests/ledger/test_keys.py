from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stellar_sdk import Keypair

from agent.errors import NO_PERMISSION, CredentialError, Malformed
from agent.ledger import keys


def test_a_new_key_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    address = keys.generate(tmp_path / "stellar-key")
    assert stat.S_IMODE((tmp_path / "stellar-key").stat().st_mode) == 0o600
    assert keys.address(tmp_path / "stellar-key") == address
    assert [path.name for path in tmp_path.iterdir()] == ["stellar-key"]


def test_a_key_is_never_replaced(tmp_path: Path) -> None:
    address = keys.generate(tmp_path / "stellar-key")
    with pytest.raises(CredentialError, match="never replaced"):
        keys.generate(tmp_path / "stellar-key")
    assert keys.address(tmp_path / "stellar-key") == address
    assert len(list(tmp_path.iterdir())) == 1


def test_a_key_in_a_folder_that_is_not_there_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match="there is no folder"):
        keys.generate(tmp_path / "nowhere" / "stellar-key")


def test_a_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match="milepost keys generate") as caught:
        keys.load(tmp_path / "stellar-key")
    assert caught.value.exit_code == NO_PERMISSION


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o610, 0o777])
def test_a_key_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "stellar-key"
    keys.generate(path)
    path.chmod(mode)
    with pytest.raises(CredentialError, match="others may use it"):
        keys.load(path)


def test_systemd_shows_its_credentials_as_group_readable_and_they_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "stellar-key"
    keys.generate(path)
    path.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    keys.load(path)
    path.chmod(0o444)
    with pytest.raises(CredentialError, match="others may use it"):
        keys.load(path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"GABC", b"S" * 56, b"S" * 5000])
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "stellar-key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(CredentialError, match="does not hold a Stellar secret"):
        keys.load(path)


def test_a_mistyped_secret_shows_in_no_message_and_no_traceback(tmp_path: Path) -> None:
    path = tmp_path / "stellar-key"
    secret = Keypair.random().secret
    path.write_text(secret[:-1] + ("A" if secret[-1] != "A" else "B"))
    path.chmod(0o600)
    with pytest.raises(CredentialError) as caught:
        keys.load(path)
    assert secret[:20] not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_folder_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(CredentialError, match="not a file"):
        keys.load(tmp_path)


@given(st.binary(max_size=200))
@settings(max_examples=25)
def test_what_is_sealed_to_an_account_opens_with_its_key_alone(data: bytes) -> None:
    holder, other = Keypair.random(), Keypair.random()
    sealed = keys.seal(holder.public_key, data)
    assert len(sealed) == len(data) + 48
    assert keys.unseal(holder, sealed) == data
    with pytest.raises(keys.SealedToAnother):
        keys.unseal(other, sealed)


@given(st.binary(max_size=120))
@settings(max_examples=25)
def test_a_changed_box_stays_shut(noise: bytes) -> None:
    with pytest.raises(keys.SealedToAnother):
        keys.unseal(Keypair.random(), noise)


@pytest.mark.parametrize("account", ["", "GABC", "MABC", "G" + "A" * 55, "\u00e4" * 56])
def test_nothing_is_sealed_to_what_is_no_account(account: str) -> None:
    with pytest.raises(Malformed):
        keys.seal(account, b"secret")
