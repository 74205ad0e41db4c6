"""The configuration of our own relay of sound (coturn), for browsers behind strict networks.

It is written where FIL_TURN_ADDRESS asks for one, into ``<data>/turn``, readable by its account
alone: it holds the secret that passwords are signed with.
"""

from __future__ import annotations

import ipaddress
import os
import re

from cti.asterisk.engine import ENGINE_UID, SCRIPT, fill_in, write_private
from cti.config import Settings, SettingsError

PORTS = (49152, 49999)  # UDP: where the engine and a relayed browser meet
PORT_DEFAULT = 3478
RELAYS_PER_AGENT_MAX = 24
RELAYS_MAX = 600
BYTES_PER_SECOND_MAX = 40_000  # of one relay, each way
TEMPLATE = SCRIPT.parent / "turn/turnserver.conf"
TURN_URL = re.compile(
    r"turn:(?:[\w.-]+|\[[0-9a-fA-F:]+\])(?::(\d{1,5}))?(?:\?transport=(?:udp|tcp))?"
)


def render_turn(settings: Settings) -> None:
    """Write the relay's configuration, if there is to be one. Raises SettingsError."""
    if not settings.turn_address:
        return
    folder = settings.data / "turn"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(folder, ENGINE_UID, ENGINE_UID)
    write_private(folder / "turnserver.conf", fill_in(TEMPLATE.read_text(), turn_values(settings)))


def turn_values(settings: Settings) -> dict[str, str]:
    """What the configuration says of this line. Raises SettingsError when it would be unsafe."""
    address = _address("FIL_TURN_ADDRESS", settings.turn_address)
    media = _address("FIL_MEDIA_ADDRESS", settings.media_address)
    found = TURN_URL.fullmatch(settings.turn_url)
    if found is None:
        raise SettingsError(
            "FIL_TURN_ADDRESS asks for a relay of sound: say in FIL_TURN_URL how browsers reach "
            "it, for example turn:line.example.org:3478."
        )
    loopback = address.is_loopback or media.is_loopback
    if loopback and not settings.demo:
        raise SettingsError(
            "A relay of sound must not lead to loopback, where the engine trusts who speaks to "
            "it: give FIL_TURN_ADDRESS and FIL_MEDIA_ADDRESS an address of this machine that "
            "browsers and the relay can reach."
        )
    trusted = {one.strip() for one in settings.trunk_addresses.split(",")}
    if settings.turn_address in trusted and not settings.demo:
        raise SettingsError(
            "FIL_TRUNK_ADDRESSES holds FIL_TURN_ADDRESS: whoever is relayed would pass for the "
            "operator. Give the relay another address."
        )
    return {
        "turn_address": str(address),
        "turn_port": found[1] or str(PORT_DEFAULT),
        "turn_ports_first": str(PORTS[0]),
        "turn_ports_last": str(PORTS[1]),
        "turn_secret": settings.secret("turn"),
        "media_address": str(media),
        "turn_relays_per_agent_max": str(RELAYS_PER_AGENT_MAX),
        "turn_relays_max": str(RELAYS_MAX),
        "turn_bytes_per_second_max": str(BYTES_PER_SECOND_MAX),
        "turn_bytes_per_second_in_all_max": str(RELAYS_MAX * BYTES_PER_SECOND_MAX),
        "turn_loopback": "allow-loopback-peers" if loopback else "# loopback: refused",
    }


def _address(name: str, text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        found = None
    if found is None or found.is_unspecified:  # "any" leads to loopback too
        raise SettingsError(
            f"{name}={text}: an address of this machine is expected, for example 203.0.113.5."
        )
    return found
