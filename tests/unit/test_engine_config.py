"""What the engine reads: complete, private, and unable to say more than it was given."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cti.asterisk import engine
from cti.asterisk.ari import Ari
from cti.asterisk.engine import TEMPLATES, PhoneAccount, render, write_on_call, write_phones
from cti.asterisk.exchange import Exchange
from cti.asterisk.wire import HttpWire
from cti.config import Settings, SettingsError


@pytest.fixture(autouse=True)
def _our_own_account(monkeypatch: pytest.MonkeyPatch) -> None:
    # The engine's account may not exist here; files are ours, as in an install without root.
    monkeypatch.setattr(engine, "_is_root", lambda: False)


def rendered(data: Path, **settings: Any) -> Path:
    render(Settings(data=data, **settings))
    return data / "engine/etc"


def active(path: Path) -> list[str]:
    """The lines the engine acts on."""
    lines = [line.split(";")[0].strip() for line in path.read_text().splitlines()]
    return [line for line in lines if line]


@pytest.mark.parametrize(
    "settings",
    [{}, {"trunk_contact": "sip:192.0.2.1:5060", "overflow_number": "01 99 00 00 99"}],
)
def test_nothing_is_left_to_fill_in(tmp_path: Path, settings: dict[str, str]) -> None:
    etc = rendered(tmp_path, **settings)
    files = sorted(etc.iterdir())
    assert {path.name for path in TEMPLATES.glob("*.conf")} <= {path.name for path in files}
    for path in files:
        assert "{{" not in path.read_text(), path.name
        assert "None" not in path.read_text(), path.name


def test_every_file_and_folder_is_for_the_engines_account_alone(tmp_path: Path) -> None:
    etc = rendered(tmp_path)
    write_phones(Settings(data=tmp_path), [PhoneAccount("rosa", "secret-of-rosa")])
    for folder in (etc, tmp_path / "engine/state", tmp_path / "engine/state/keys"):
        assert folder.stat().st_mode & 0o777 == 0o700, folder
    for path in etc.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path.name


def test_rendering_twice_gives_the_same_and_keeps_the_secrets(tmp_path: Path) -> None:
    first = {path.name: path.read_text() for path in rendered(tmp_path).iterdir()}
    assert {path.name: path.read_text() for path in rendered(tmp_path).iterdir()} == first


def test_no_secret_is_a_default_and_no_two_are_the_same(tmp_path: Path) -> None:
    texts = []
    for name in ("one", "other"):
        etc = rendered(tmp_path / name)
        ari = re.search(r"^password=(.+)$", (etc / "ari.conf").read_text(), re.MULTILINE)
        ami = re.search(r"^secret=(.+)$", (etc / "manager.conf").read_text(), re.MULTILINE)
        assert ari is not None
        assert ami is not None
        texts += [ari[1], ami[1]]
    assert all(len(text) >= 32 for text in texts)
    assert len(set(texts)) == 4


def test_ports_and_addresses_are_those_of_the_settings(tmp_path: Path) -> None:
    etc = rendered(
        tmp_path, sip_port=5070, bind_address="192.0.2.7", ari_port=8089, ami_port=5039,
        rtp_port_first=20000, rtp_port_last=20100,
    )  # fmt: skip
    assert "bind=192.0.2.7:5070" in active(etc / "pjsip.conf")
    assert "port=5039" in active(etc / "manager.conf")
    assert "20000" in (etc / "rtp.conf").read_text()
    assert "20100" in (etc / "rtp.conf").read_text()
    http = active(etc / "http.conf")
    assert any("8089" in line for line in http)


def test_the_engines_doors_for_programs_listen_on_this_machine_only(tmp_path: Path) -> None:
    etc = rendered(tmp_path, bind_address="192.0.2.7", media_address="192.0.2.7")
    for name in ("http.conf", "manager.conf"):
        addresses = [line for line in active(etc / name) if line.startswith("bindaddr")]
        assert [a.partition("=")[2].strip() for a in addresses] == ["127.0.0.1"], name
    manager = active(etc / "manager.conf")
    assert "write=system" in manager
    assert not any("originate" in line or "command" in line for line in manager)


def test_without_a_trunk_there_is_no_way_out(tmp_path: Path) -> None:
    assert not any(
        line.startswith("aors=trunk") for line in active(rendered(tmp_path) / "pjsip.conf")
    )
    etc = rendered(tmp_path, trunk_contact="sip:192.0.2.1:5060")
    lines = active(etc / "pjsip.conf")
    assert "aors=trunk" in lines
    assert "contact=sip:192.0.2.1:5060" in lines


def test_each_address_of_the_operator_is_one_line(tmp_path: Path) -> None:
    lines = active(rendered(tmp_path, trunk_addresses="192.0.2.1, 192.0.2.2,") / "pjsip.conf")
    assert [line for line in lines if line.startswith("match=")] == [
        "match=192.0.2.1",
        "match=192.0.2.2",
    ]


@pytest.mark.parametrize("number", ["15", "112", "116006", "3114", "119", "not a number"])
def test_an_overflow_to_an_emergency_or_short_number_is_refused(
    tmp_path: Path, number: str
) -> None:
    with pytest.raises(SettingsError, match="FIL_OVERFLOW_NUMBER") as refused:
        rendered(tmp_path, overflow_number=number)
    assert number not in str(refused.value).removeprefix("FIL_OVERFLOW_NUMBER")


@pytest.mark.parametrize("name", ["number", "bind_address", "on_call", "overflow_number"])
def test_a_setting_cannot_add_lines_to_the_configuration(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError):
        rendered(tmp_path, **{name: "0199000042\nexten => _X.,1,System(reboot)"})


def test_a_template_that_names_no_setting_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    templates = tmp_path / "templates"
    templates.mkdir()
    (templates / "odd.conf").write_text("x={{ colour }}\n")
    monkeypatch.setattr(engine, "TEMPLATES", templates)
    with pytest.raises(SettingsError, match=r"\{\{ colour \}\}"):
        rendered(tmp_path / "data")


def test_phones_may_only_receive_and_each_has_its_own_password(tmp_path: Path) -> None:
    rendered(tmp_path)
    write_phones(
        Settings(data=tmp_path), [PhoneAccount("rosa", "one-secret"), PhoneAccount("lea", "other")]
    )
    lines = active(tmp_path / "engine/etc/phones.conf")
    assert lines.count("[rosa](phone)") == 1
    assert lines[lines.index("username=rosa") + 1] == "password=one-secret"
    assert lines[lines.index("username=lea") + 1] == "password=other"
    dialplan = active(tmp_path / "engine/etc/extensions.conf")
    phones_context = dialplan[dialplan.index("[from-phone]") + 1 :]
    assert not any(line.startswith("exten") for line in phones_context)


@pytest.mark.parametrize(
    "name", ["", "Rosa", "rosa phone", "rosa\n[x]", "ro]sa", "9rosa", "trunk/../x", "r" * 33]
)
def test_a_phone_with_an_odd_name_is_refused(tmp_path: Path, name: str) -> None:
    rendered(tmp_path)
    with pytest.raises(SettingsError):
        write_phones(Settings(data=tmp_path), [PhoneAccount(name, "secret")])


@pytest.mark.parametrize("secret", ["two words", "a;b", "a\nb", "a\\b", "a\tb"])
def test_a_phone_whose_password_would_be_read_otherwise_is_refused_without_showing_it(
    tmp_path: Path, secret: str
) -> None:
    rendered(tmp_path)
    with pytest.raises(SettingsError) as refused:
        write_phones(Settings(data=tmp_path), [PhoneAccount("rosa", secret)])
    assert secret not in str(refused.value)


def test_a_refused_phone_leaves_the_accounts_as_they_were(tmp_path: Path) -> None:
    rendered(tmp_path)
    settings = Settings(data=tmp_path)
    write_phones(settings, [PhoneAccount("rosa", "secret")])
    before = (tmp_path / "engine/etc/phones.conf").read_text()
    with pytest.raises(SettingsError):
        write_phones(settings, [PhoneAccount("lea", "x"), PhoneAccount("Rosa", "secret")])
    assert (tmp_path / "engine/etc/phones.conf").read_text() == before


def test_whom_the_engine_rings_by_itself_is_one_line_of_account_names(tmp_path: Path) -> None:
    rendered(tmp_path)
    assert write_on_call(Settings(data=tmp_path), ["rosa", "remy"]) == "rosa&remy"
    path = tmp_path / "engine/state/on-call.conf"
    assert path.read_text() == "FIL_ON_CALL=rosa&remy\n"
    assert path.stat().st_mode & 0o777 == 0o644
    assert write_on_call(Settings(data=tmp_path), []) == ""
    assert path.read_text() == "FIL_ON_CALL=\n"


async def test_a_presence_that_changes_nobody_on_call_writes_no_file(tmp_path: Path) -> None:
    rendered(tmp_path)
    exchange = Exchange(Ari(HttpWire("http://127.0.0.1:1", "fil", "")), Settings(data=tmp_path))
    path = tmp_path / "engine/state/on-call.conf"
    await exchange.tell_on_call(["rosa", "remy"])
    first = path.stat().st_ino
    await exchange.tell_on_call(["rosa", "remy"])
    assert path.stat().st_ino == first
    await exchange.tell_on_call(["remy"])
    assert path.read_text() == "FIL_ON_CALL=remy\n"


async def test_an_on_call_file_that_could_not_be_written_is_written_next_time(
    tmp_path: Path,
) -> None:
    state = rendered(tmp_path).parent / "state"
    exchange = Exchange(Ari(HttpWire("http://127.0.0.1:1", "fil", "")), Settings(data=tmp_path))
    state.rename(state.with_name("away"))  # as a disk that refuses
    await exchange.tell_on_call(["rosa"])
    state.with_name("away").rename(state)
    await exchange.tell_on_call(["rosa"])
    assert (state / "on-call.conf").read_text() == "FIL_ON_CALL=rosa\n"
