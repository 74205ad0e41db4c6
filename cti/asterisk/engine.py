"""The engine's configuration and its container: written from our settings, started, stopped.

The templates are in ``dialplan/``; what is rendered lies in ``<data>/engine/etc``,
readable by the engine's account alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import socket
import struct
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cti.config import Settings, SettingsError
from cti.relays.guard import NotDialled, may_dial

ENGINE_UID = 2600  # the account "asterisk" inside the image
# Files that Asterisk complains about when they are missing, and of which we want the
# defaults: its log is to hold only what matters.
LEFT_EMPTY = ("acl", "ccss", "cel", "features", "pjproject", "udptl", "websocket_client")
SIOCGIFADDR = 0x8915  # Linux: the address of a network card
PHONE_NAME = re.compile(r"[a-z][a-z0-9]{0,31}")  # but "trunk"
_HERE = Path(__file__).resolve().parent.parent


def _shipped(name: str) -> Path:
    """A folder of the distribution: beside the packages in a checkout, inside cti in a wheel."""
    beside = _HERE.parent / name
    return beside if beside.is_dir() else _HERE / f"_{name}"


TEMPLATES = _shipped("dialplan")
SCRIPT = _shipped("asterisk-docker") / "engine"


@dataclass(frozen=True)
class PhoneAccount:
    """A desk phone that may register: named as its agent, with its own password."""

    name: str
    secret: str


def _is_root() -> bool:
    return os.geteuid() == 0


def write_private(path: Path, text: str) -> None:
    """Write a file that only the engine's account can read, whole or not at all."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    if _is_root():
        os.chown(draft, ENGINE_UID, ENGINE_UID)
    draft.rename(path)


def render(settings: Settings) -> None:
    """Write the engine's whole configuration except the phones.

    Raises SettingsError when a template names a setting that does not exist.
    """
    for name in ("engine/etc", "engine/state", "engine/state/keys"):
        folder = settings.data / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _is_root():
            os.chown(folder, ENGINE_UID, ENGINE_UID)
    values = _values(settings)
    for template in sorted(TEMPLATES.glob("*.conf")):
        text = fill_in(template.read_text(), values)
        write_private(settings.data / "engine/etc" / template.name, text)
    for name in LEFT_EMPTY:
        write_private(settings.data / f"engine/etc/{name}.conf", "; Asterisk's defaults.\n")


def fill_in(template: str, values: dict[str, str]) -> str:
    """A template with its ``{{ names }}`` filled in. Raises SettingsError for one unknown."""
    return re.sub(r"\{\{ (\w+) \}\}", lambda found: _value(values, found[1]), template)


def _value(values: dict[str, str], name: str) -> str:
    if name not in values:
        raise SettingsError(f"a template names {{{{ {name} }}}}, which is no setting.")
    return values[name]


def _values(settings: Settings) -> dict[str, str]:
    matches = [a.strip() for a in settings.trunk_addresses.split(",") if a.strip()]
    trunk_aor = f"[trunk]\ntype=aor\ncontact={settings.trunk_contact}\nqualify_frequency=30"
    values = {name: str(getattr(settings, name)) for name in settings.__dataclass_fields__}
    if settings.overflow_number:
        try:
            values["overflow_number"] = may_dial(settings.overflow_number)
        except NotDialled as error:
            raise SettingsError(f"FIL_OVERFLOW_NUMBER: {error}") from None
    values |= {
        "trunk_matches": "\n".join(f"match={address}" for address in matches),
        "trunk_aors": "aors=trunk" if settings.trunk_contact else "; no way out: no aors",
        "trunk_aor": trunk_aor if settings.trunk_contact else "; no trunk contact",
        "ice_hosts": ice_hosts(settings.media_address, own_addresses()),
        "ari_secret": settings.secret("ari"),
        "ami_secret": settings.secret("ami"),
    }
    for name, value in values.items():
        if "\n" in value and not name.startswith("trunk_"):
            raise SettingsError(f"the setting {name} holds a line break.")
    return values


def own_addresses() -> list[str]:
    """The IPv4 addresses of this machine's network cards; none of loopback."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            with contextlib.suppress(OSError):  # a card without an address
                answer = fcntl.ioctl(any_socket.fileno(), SIOCGIFADDR, request)
                found.append(socket.inet_ntoa(answer[20:24]))
    return [address for address in found if not address.startswith("127.")]


def ice_hosts(media_address: str, own: list[str]) -> str:
    """Which address of ours stands for the one that browsers send their sound to."""
    if media_address in own:
        return "; the address of sound is this machine's own"
    if not own:
        return "; this machine has no address but loopback: no sound with browsers"
    return f"{own[0]} => {media_address}"


def write_phones(settings: Settings, phones: Iterable[PhoneAccount]) -> None:
    """Write the accounts of the desk phones; the engine reads them at start or when told to."""
    parts = ["; Written by Bout du fil. Each phone is named as its agent."]
    for phone in phones:
        named_well = PHONE_NAME.fullmatch(phone.name) and phone.name != "trunk"
        if not named_well or re.search(r"[\s;\\]", phone.secret):
            raise SettingsError(f"the phone account {phone.name!r} cannot be written.")
        parts.append(
            f"[{phone.name}](phone)\nauth={phone.name}\naors={phone.name}\n"
            f"[{phone.name}](phone-auth)\nusername={phone.name}\npassword={phone.secret}\n"
            f"[{phone.name}](phone-aor)\n"
        )
    write_private(settings.data / "engine/etc/phones.conf", "\n".join(parts))


def write_on_call(settings: Settings, phones: Iterable[str]) -> str:
    """Write whom the engine rings by itself; returns the value of FIL_ON_CALL."""
    value = "&".join(phones)
    path = settings.data / "engine/state/on-call.conf"
    draft = path.with_suffix(".new")
    draft.write_text(f"FIL_ON_CALL={value}\n")
    draft.chmod(0o644)  # names of accounts only; the engine's account reads it
    draft.rename(path)
    return value


class EngineFailed(Exception):
    """The engine could not be started or stopped; the text says what to do."""


def run_script(settings: Settings, *arguments: str, quiet: bool = False) -> str:
    """Run ``asterisk-docker/engine`` for this data directory. Raises EngineFailed."""
    project = "fil-" + hashlib.sha256(str(settings.data).encode()).hexdigest()[:8]
    # A demo and a test end with their terminal; a line comes back with its machine.
    restart = {"ENGINE_RESTART": "no" if settings.demo else "unless-stopped"}
    environment = (
        restart
        | os.environ
        | {
            "FIL_PROJECT": project,
            "FIL_ENGINE_DIR": str(settings.data / "engine"),
            "FIL_SOUNDS_DIR": str(settings.data / "sounds"),
            "FIL_TURN_DIR": str(settings.data / "turn"),
            "COMPOSE_PROFILES": "turn" if settings.turn_address else "",
            "FIL_ENGINE_UID": str(ENGINE_UID if _is_root() else os.getuid()),
        }
    )
    done = subprocess.run(  # noqa: S603 -- our own script, no shell
        [str(SCRIPT), *arguments],
        env=environment,
        text=True,
        errors="replace",  # a strange byte in Asterisk's log must not hide the rest
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if quiet else None,
        check=False,
    )
    if done.returncode != 0:
        raise EngineFailed(
            (done.stderr or "").strip() or "the engine's script failed; its last line says why."
        )
    return done.stdout
