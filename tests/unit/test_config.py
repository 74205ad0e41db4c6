"""Settings: where they come from, which ones are refused, and what a person is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cti.config import Settings, SettingsError, load


def write(data: Path, text: str) -> dict[str, str]:
    (data / "fil.env").write_text(text)
    return {"FIL_DATA": str(data)}


def test_the_environment_beats_the_file_and_the_file_beats_the_default(tmp_path: Path) -> None:
    environment = write(tmp_path, "FIL_WEB_PORT=8081\nFIL_SIP_PORT=5070\n")
    settings = load(environment | {"FIL_WEB_PORT": "8082"})
    assert (settings.web_port, settings.sip_port, settings.ari_port) == (8082, 5070, 8088)
    assert settings.data == tmp_path


def test_notes_blank_lines_and_spaces_of_the_file_mean_nothing(tmp_path: Path) -> None:
    text = "# our line\n\n  FIL_NUMBER =  0800190001 \nFIL_WEB_ORIGINS=https://a.example?x=1\n"
    settings = load(write(tmp_path, text))
    assert settings.number == "0800190001"
    assert settings.web_origins == "https://a.example?x=1"


def test_other_programs_variables_are_not_read(tmp_path: Path) -> None:
    assert load({"FIL_DATA": str(tmp_path), "HOME": "/x", "FILE": "y"}).number == "0800190000"


@pytest.mark.parametrize("where", ["environment", "file"])
def test_a_setting_that_does_not_exist_is_named_and_the_known_ones_are_listed(
    tmp_path: Path, where: str
) -> None:
    environment = {"FIL_DATA": str(tmp_path)}
    if where == "file":
        write(tmp_path, "FIL_WEB_PROT=8080\n")
    else:
        environment["FIL_WEB_PROT"] = "8080"
    with pytest.raises(SettingsError, match=r"FIL_WEB_PROT is not a setting.*FIL_WEB_PORT"):
        load(environment)


def test_a_line_of_the_file_that_is_no_setting_is_named_by_its_number(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"fil\.env:2: write NAME=value"):
        load(write(tmp_path, "FIL_DEMO=true\nweb port 8080\n"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FIL_WEB_PORT", "eighty"),
        ("FIL_WEB_PORT", ""),
        ("FIL_WEB_PORT", "80.5"),
        ("FIL_ACK_SECONDS_MAX", "soon"),
    ],
)
def test_what_is_no_number_is_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}={value}: a number is expected"):
        load({"FIL_DATA": str(tmp_path), name: value})


@pytest.mark.parametrize(
    ("text", "meant"),
    [("true", True), ("Yes", True), ("1", True), ("false", False), ("no", False), ("0", False),
     ("", False)],
)  # fmt: skip
def test_yes_and_no_are_understood(tmp_path: Path, text: str, meant: bool) -> None:
    assert load({"FIL_DATA": str(tmp_path), "FIL_DEMO": text}).demo is meant


def test_too_few_ports_for_sound_are_refused(tmp_path: Path) -> None:
    ports = {"FIL_RTP_PORT_FIRST": "10000", "FIL_RTP_PORT_LAST": "10019"}
    with pytest.raises(SettingsError, match="FIL_RTP_PORT_LAST"):
        load({"FIL_DATA": str(tmp_path)} | ports)
    load({"FIL_DATA": str(tmp_path)} | ports | {"FIL_RTP_PORT_LAST": "10020"})


def test_settings_do_not_change_once_read(tmp_path: Path) -> None:
    settings = load({"FIL_DATA": str(tmp_path)})
    with pytest.raises(AttributeError):
        settings.web_port = 1


def test_the_telephones_own_doors_stay_on_this_machine(tmp_path: Path) -> None:
    settings = load({"FIL_DATA": str(tmp_path), "FIL_BIND_ADDRESS": "192.0.2.1"})
    assert settings.ari_url == "http://127.0.0.1:8088"


def test_a_secret_is_made_once_for_its_owner_alone_and_differs_from_any_other(
    tmp_path: Path,
) -> None:
    settings = Settings(data=tmp_path)
    secret = settings.secret("ari")
    assert len(secret) >= 32
    assert settings.secret("ari") == secret
    assert settings.secret("ami") != secret
    assert (tmp_path / "secrets/ari").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_a_secret_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Settings(data=tmp_path).secret("ari")
    finally:
        os.umask(before)
    assert (tmp_path / "secrets/ari").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_secret_others_can_read_is_refused_with_the_command_that_mends_it(
    tmp_path: Path, mode: int
) -> None:
    settings = Settings(data=tmp_path)
    secret = settings.secret("ari")
    path = tmp_path / "secrets/ari"
    path.chmod(mode)
    with pytest.raises(SettingsError, match=f"chmod 600 {path}") as refused:
        settings.secret("ari")
    assert secret not in str(refused.value)
