"""What a page may say to the engine, and the accounts of browsers."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cti.asterisk.browser import account_of, may_pass, phone_of, tells_arrival
from cti.asterisk.engine import PHONE_NAME, ice_hosts
from cti.asterisk.turn import render_turn
from cti.calls.browsers import TURN_LASTS, turn_servers
from cti.config import Settings, SettingsError
from cti.people.agents import Agent, Role

MINE = "<sip:rosa-web@fil.invalid>;tag=a1"


def sip(start: str, **headers: str) -> str:
    """A SIP message of a page; a header named with None is left out."""
    usual = {"Via": "SIP/2.0/WS x.invalid", "From": MINE, "To": "<sip:rosa-web@fil.invalid>"}
    lines = [f"{name}: {value}" for name, value in (usual | headers).items() if value]
    return "\r\n".join([start, *lines, "", ""])


IN_CALL = {"To": "<sip:engine@x>;tag=b2"}


@pytest.mark.parametrize(
    "message",
    [
        sip("REGISTER sip:fil.invalid SIP/2.0"),
        sip(
            "REGISTER sip:fil.invalid SIP/2.0",
            Authorization='Digest username="rosa-web", realm="asterisk"',
        ),
        sip("SIP/2.0 200 OK", From="<sip:0800190000@x>;tag=z"),
        sip("SIP/2.0 486 Busy Here", From="<sip:anybody@x>;tag=z"),
        sip("BYE sip:engine@x SIP/2.0", **IN_CALL),
        sip("INVITE sip:engine@x SIP/2.0", **IN_CALL),
        sip("ACK sip:engine@x SIP/2.0", **IN_CALL),
        # In a call it goes by the address it was rung at.
        sip("INVITE sip:engine@x SIP/2.0", **IN_CALL, From="<sip:k3v9@x.invalid>;tag=a"),
        "\r\n\r\n",
    ],
)
def test_a_page_registers_and_answers(message: str) -> None:
    assert may_pass(message, "rosa-web")


@pytest.mark.parametrize(
    "message",
    [
        sip("INVITE sip:0800190000@fil.invalid SIP/2.0"),  # it never begins a call
        sip("REGISTER sip:fil.invalid SIP/2.0", From="<sip:lea-web@fil.invalid>;tag=a"),
        sip("REGISTER sip:fil.invalid SIP/2.0", From="<sip:rosa@fil.invalid>;tag=a"),
        sip("REGISTER sip:fil.invalid SIP/2.0", From="<sip:rosa-web2@fil.invalid>;tag=a"),
        sip("REGISTER sip:fil.invalid SIP/2.0", From="", f="<sip:trunk@fil.invalid>;tag=a"),
        sip("REGISTER sip:fil.invalid SIP/2.0", f="<sip:trunk@fil.invalid>;tag=a"),  # two of them
        sip(
            "REGISTER sip:fil.invalid SIP/2.0", From='"<sip:rosa-web@x>" <sip:trunk@x>;tag=a'
        ).replace("rosa-web@x", "trunk@x"),
        sip(
            "REGISTER sip:fil.invalid SIP/2.0",
            Authorization='Digest username="trunk", realm="asterisk"',
        ),
        sip("REGISTER sip:fil.invalid SIP/2.0").replace("From:", "X: y\r\n From:"),
        sip("REFER sip:engine@x SIP/2.0", **IN_CALL),
        sip("SUBSCRIBE sip:engine@x SIP/2.0", **IN_CALL),
        sip("MESSAGE sip:engine@x SIP/2.0", **IN_CALL),
        sip("OPTIONS sip:engine@x SIP/2.0"),
        sip("BYE sip:engine@x SIP/2.0"),  # in no call
        sip("INVITE sip:engine@x SIP/2.0", To="<sip:engine@x;tag=b2>"),
        sip("REGISTER sip:fil.invalid SIP/2.0", From=""),
        "GARBAGE",
    ],
)
def test_a_page_passes_for_nobody_else_and_begins_nothing(message: str) -> None:
    assert not may_pass(message, "rosa-web")


def test_a_display_name_does_not_count_as_the_address() -> None:
    said = sip("REGISTER sip:fil.invalid SIP/2.0", From='"<sip:rosa-web@x>" <sip:trunk@x>;tag=a')
    assert not may_pass(said, "rosa-web")


def test_the_engine_tells_when_a_page_has_registered() -> None:
    said = sip("SIP/2.0 200 OK", CSeq="2 REGISTER", Contact="<sip:x@y>;expires=299")
    assert tells_arrival(said)
    assert not tells_arrival(said.replace("Contact", "X-Contact"))  # it has signed off
    assert not tells_arrival(said.replace("200 OK", "401 Unauthorized"))
    assert not tells_arrival(said.replace("2 REGISTER", "2 INVITE"))


def test_no_telephone_on_a_table_can_have_the_name_of_a_browser() -> None:
    assert phone_of(account_of("rosa")) == "rosa"
    assert phone_of("rosa") is None
    assert not PHONE_NAME.fullmatch(account_of("rosa"))


@pytest.mark.parametrize(
    ("media", "own", "line"),
    [
        ("127.0.0.1", ["192.0.2.2", "172.17.0.1"], "192.0.2.2 => 127.0.0.1"),
        ("203.0.113.9", ["192.0.2.2"], "192.0.2.2 => 203.0.113.9"),  # behind a router
        ("192.0.2.2", ["192.0.2.2"], "; the address of sound is this machine's own"),
    ],
)
def test_one_address_is_offered_to_browsers(media: str, own: list[str], line: str) -> None:
    assert ice_hosts(media, own) == line


def test_relays_of_sound_are_lent_for_a_time(tmp_path: Path) -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    settings = Settings(data=tmp_path)
    rosa, lea = (Agent(name, name, frozenset({Role.LISTENER}), name) for name in ("rosa", "lea"))
    assert turn_servers(settings, rosa, now) == []
    settings = dataclasses.replace(settings, turn_url="turn:t.invalid:3478")
    server, by_tcp = turn_servers(settings, rosa, now)
    assert by_tcp == server | {"urls": "turn:t.invalid:3478?transport=tcp"}
    until, _, name = server["username"].partition(":")
    assert int(until) == int((now + TURN_LASTS).timestamp())
    assert "rosa" not in name
    assert name in turn_servers(settings, rosa, now + TURN_LASTS)[0]["username"]
    assert name not in turn_servers(settings, lea, now)[0]["username"]
    signed = hmac.new(
        settings.secret("turn").encode(), server["username"].encode(), hashlib.sha1
    ).digest()
    assert base64.b64decode(server["credential"]) == signed


@pytest.fixture
def own_relay(tmp_path: Path) -> Settings:
    return Settings(
        data=tmp_path,
        media_address="203.0.113.9",
        turn_address="203.0.113.9",
        turn_url="turn:line.invalid:3479",
    )


def written(settings: Settings) -> list[str]:
    """What our own relay acts on."""
    render_turn(settings)
    path = settings.data / "turn/turnserver.conf"
    assert path.stat().st_mode & 0o077 == path.parent.stat().st_mode & 0o077 == 0
    return [line for line in path.read_text().splitlines() if line and line[0] != "#"]


def test_our_own_relay_of_sound_leads_to_the_engine_and_nowhere_else(own_relay: Settings) -> None:
    said = written(own_relay)
    assert [line for line in said if "peer" in line] == [
        "denied-peer-ip=0.0.0.0-255.255.255.255",
        "denied-peer-ip=::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "allowed-peer-ip=203.0.113.9",
        "no-multicast-peers",
    ]
    assert f"static-auth-secret={own_relay.secret('turn')}" in said
    assert {"use-auth-secret", "listening-port=3479", "no-tcp-relay", "no-stdout-log"} <= set(said)
    assert not [line for line in said if "{{" in line or line.startswith("cli")]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"media_address": "127.0.0.1"}, "loopback"),
        ({"turn_address": "127.0.0.1"}, "loopback"),
        ({"turn_address": "everywhere"}, "FIL_TURN_ADDRESS=everywhere"),
        ({"media_address": "0.0.0.0"}, "FIL_MEDIA_ADDRESS=0.0.0.0"),
        ({"turn_url": ""}, "FIL_TURN_URL"),
        ({"turn_url": "turn:a\ncli"}, "FIL_TURN_URL"),
        ({"trunk_addresses": "192.0.2.1, 203.0.113.9"}, "FIL_TRUNK_ADDRESSES"),
    ],
)
def test_a_relay_that_would_be_unsafe_is_refused(
    own_relay: Settings, changed: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsError, match=named):
        written(dataclasses.replace(own_relay, **changed))


def test_no_relay_of_our_own_unless_asked_for(tmp_path: Path) -> None:
    render_turn(Settings(data=tmp_path, turn_url="turn:t.invalid:3478"))
    assert not (tmp_path / "turn").exists()
