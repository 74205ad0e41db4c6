"""Promises to callers: their number is nowhere in clear, and what is sealed dies on its day."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti.records.privacy import Keys, KeysRefused, Phone, SealBroken


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys.load_or_create(tmp_path_factory.mktemp("data") / "keys")


@pytest.mark.parametrize(
    "written",
    [
        "0639980001",
        "06 39 98 00 01",
        "06.39.98.00.01",
        "06-39-98-00-01",
        "+33639980001",
        "+33 (0)6 39 98 00 01",
        "0033639980001",
        "33639980001",
    ],
)
def test_a_french_number_is_one_number_however_it_is_written(written: str) -> None:
    assert Phone.parse(written) == Phone("+33639980001")


@pytest.mark.parametrize(
    "withheld",
    [None, "", " ", "anonymous", "Anonymous", "restricted", "unavailable", "unknown", "private"],
)
def test_a_withheld_number_is_no_number(withheld: str | None) -> None:
    assert Phone.parse(withheld) is None


@pytest.mark.parametrize(
    "odd", ["rosa", "12", "3114", "0639980001\r\nX: 1", "+", "00", "6" * 79, "٠٦٣٩٩٨٠٠٠١", "\x00"]
)
def test_what_is_no_number_is_kept_out(odd: str) -> None:
    assert Phone.parse(odd) is None


@given(st.text(alphabet="0123456789+(). -/\0é٣x", max_size=90))
def test_whatever_a_caller_sends_as_a_number_is_a_number_or_nothing(text: str) -> None:
    phone = Phone.parse(text)
    assert phone is None or (phone.e164[0] == "+" and phone.e164[1:].isascii())


def test_a_number_never_shows_itself_by_accident() -> None:
    phone = Phone("+33639980178")
    for shown in (repr(phone), str(phone), f"{phone}", f"{[phone]}"):
        assert "3998" not in shown
        assert "78" not in shown
    assert phone.masked == "06 •• •• •• 78"
    assert "555" not in Phone("+12025550143").masked


def test_a_caller_keeps_their_pseudonym_and_another_has_another(keys: Keys) -> None:
    ref = keys.caller_ref(Phone("+33639980001"))
    assert ref == keys.caller_ref(Phone("+33639980001"))
    assert ref != keys.caller_ref(Phone("+33639980002"))
    assert len(ref) == 32
    assert int(ref, 16) >= 0


def test_pseudonyms_mean_nothing_without_the_key(keys: Keys, tmp_path: Path) -> None:
    other = Keys.load_or_create(tmp_path / "other")
    phone = Phone("+33639980001")
    assert keys.caller_ref(phone) != other.caller_ref(phone)
    assert keys.caller_ref(phone) != keys.login_ref("account", phone.e164)


def test_what_is_sealed_opens_in_its_own_place_alone(keys: Keys) -> None:
    sealing = keys.seal("call-1", "handover", "secret words")
    assert b"secret" not in sealing.ciphertext
    opened = keys.unseal("call-1", "handover", sealing.ciphertext, sealing.key_id)
    assert opened == "secret words"
    for owner, field in (
        ("call-2", "handover"),
        ("call-1", "caller_number"),
        ("call-1h", "andover"),
    ):
        with pytest.raises(SealBroken):
            keys.unseal(owner, field, sealing.ciphertext, sealing.key_id)


def test_what_is_sealed_twice_looks_different_each_time(keys: Keys) -> None:
    assert keys.seal("c", "f", "x").ciphertext != keys.seal("c", "f", "x").ciphertext


def test_an_altered_seal_is_refused(keys: Keys) -> None:
    sealing = keys.seal("call", "handover", "words")
    flipped = sealing.ciphertext[:-1] + bytes([sealing.ciphertext[-1] ^ 1])
    for altered in (flipped, sealing.ciphertext[:-1], b"", b"x" * 40):
        with pytest.raises(SealBroken):
            keys.unseal("call", "handover", altered, sealing.key_id)


def test_another_key_is_named_as_the_cause(keys: Keys, tmp_path: Path) -> None:
    other = Keys.load_or_create(tmp_path / "other")
    sealing = other.seal("call", "handover", "words")
    with pytest.raises(SealBroken, match=r"seal\.key"):
        keys.unseal("call", "handover", sealing.ciphertext, sealing.key_id)


def test_keys_are_made_once_and_read_by_nobody_else(tmp_path: Path) -> None:
    first = Keys.load_or_create(tmp_path / "keys")
    second = Keys.load_or_create(tmp_path / "keys")
    assert first.caller_ref(Phone("+33639980001")) == second.caller_ref(Phone("+33639980001"))
    assert first.seal_key_id == second.seal_key_id
    made = sorted((tmp_path / "keys").iterdir())
    assert [path.name for path in made] == ["login.key", "ref.key", "seal.key"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in made)
    assert len({path.read_bytes() for path in made}) == 3  # one key, one use


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_key_others_can_read_is_refused_with_the_command_to_run(
    tmp_path: Path, mode: int
) -> None:
    Keys.load_or_create(tmp_path / "keys")
    (tmp_path / "keys" / "seal.key").chmod(mode)
    with pytest.raises(KeysRefused, match=r"chmod 600 .*seal\.key"):
        Keys.load_or_create(tmp_path / "keys")


def test_a_lost_key_is_said_and_never_replaced_in_silence(tmp_path: Path) -> None:
    Keys.load_or_create(tmp_path / "keys")
    (tmp_path / "keys" / "seal.key").unlink()
    with pytest.raises(KeysRefused, match=r"seal\.key is missing"):
        Keys.load_or_create(tmp_path / "keys")
    assert not (tmp_path / "keys" / "seal.key").exists()


@pytest.mark.parametrize("content", ["", "zz", "00" * 31])
def test_a_damaged_key_is_said(tmp_path: Path, content: str) -> None:
    Keys.load_or_create(tmp_path / "keys")
    (tmp_path / "keys" / "ref.key").write_text(content)
    with pytest.raises(KeysRefused, match="damaged"):
        Keys.load_or_create(tmp_path / "keys")


def test_keys_do_not_show_themselves(tmp_path: Path) -> None:
    keys = Keys.load_or_create(tmp_path / "keys")
    secrets = [path.read_text() for path in (tmp_path / "keys").iterdir()]
    assert not any(secret in repr(keys) for secret in secrets)
