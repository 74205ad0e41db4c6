"""Every setting of the line, read once at start and never changed afterwards.

A setting comes from the environment, else from ``fil.env`` in the data
directory, else from the default written here. Secrets are never settings:
they are files in ``<data>/secrets``, generated at first start.
"""

from __future__ import annotations

import os
import secrets as random_secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path


class SettingsError(Exception):
    """A setting cannot be used; the text says which one and what to write instead."""


@dataclass(frozen=True)
class Settings:
    """Where things are and how long they may take. Names: ``FIL_`` + the name in capitals."""

    data: Path  # live data: flows, sounds, journal, secrets, database
    number: str = "0800190000"  # the number callers dial
    flow: str = "accueil"  # what they hear: a flow of <data>/flows that is published
    engine_id: str = "engine-1"  # which Asterisk a call lives on
    bind_address: str = "127.0.0.1"  # SIP: where phones and the trunk reach us
    media_address: str = "127.0.0.1"  # RTP: where sound is exchanged
    sip_port: int = 5060
    rtp_port_first: int = 10000
    rtp_port_last: int = 10999
    ari_port: int = 8088  # loopback only, always
    ami_port: int = 5038  # loopback only, always
    agi_port: int = 0  # FastAGI, for the callers of another Asterisk; 0: off
    agi_address: str = "127.0.0.1"
    agi_sounds: str = "/sounds"  # where that Asterisk has our sounds
    web_address: str = "127.0.0.1"
    web_port: int = 8080
    web_origins: str = ""  # other origins the desk is served from, comma separated
    secure_cookies: bool = False  # true as soon as the desk is served over https
    trunk_addresses: str = "127.0.0.1"  # who may bring callers in without registering
    trunk_contact: str = ""  # sip:host:port of the operator for outgoing legs; empty: no way out
    turn_url: str = ""  # turn:host:3478, a relay of sound for browsers; empty: none
    turn_address: str = ""  # an address of this machine: our own relay listens there; empty: none
    outbound_number: str = ""  # what agents' own phones show; empty: the line's number
    overflow_number: str = ""  # after 60 s without any of us; empty: spoken numbers
    on_call: str = ""  # phones the engine rings by itself when nobody has signed in
    database_url: str = ""  # empty: SQLite in the data directory
    ring_seconds_max: int = 20  # one agent's phone
    ack_seconds_max: float = 0.5  # a screen showing the pop
    wrap_up_seconds: int = 60
    same_number_at_once_max: int = 5  # calls of one number; the next is turned away; 0: no limit
    same_number_per_hour_max: int = 30  # of one number; the next wait behind others; 0: no limit
    demo: bool = False

    @property
    def ari_url(self) -> str:
        """The engine's REST address; always on loopback."""
        return f"http://127.0.0.1:{self.ari_port}"

    @property
    def database(self) -> str:
        """The SQLAlchemy address of the database."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data / 'fil.sqlite'}"

    @property
    def origins(self) -> list[str]:
        """The web origins a browser may speak to us from."""
        own = [f"http://{host}:{self.web_port}" for host in (self.web_address, "localhost")]
        return own + [o.strip() for o in self.web_origins.split(",") if o.strip()]

    def secret(self, name: str) -> str:
        """The secret of that name, generated at first use, never readable by others.

        Raises SettingsError when the file may be read by other accounts.
        """
        folder = self.data / "secrets"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / name
        if not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as file:
                file.write(random_secrets.token_urlsafe(32))
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise SettingsError(
                f"{path} can be read by other accounts of this machine. "
                f"Run: chmod 600 {path}  (and change the secret if others use this machine)."
            )
        return path.read_text().strip()


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings. Raises SettingsError naming the one that cannot be used."""
    data = Path(environment.get("FIL_DATA", "var/fil")).resolve()
    given = _read_file(data / "fil.env") | {
        key: value for key, value in environment.items() if key.startswith("FIL_")
    }
    known = {f"FIL_{field.name.upper()}": field for field in fields(Settings)}
    chosen: dict[str, object] = {"data": data}
    for key, text in given.items():
        if key == "FIL_DATA":
            continue
        if key not in known:
            raise SettingsError(f"{key} is not a setting. Known: {', '.join(sorted(known))}.")
        chosen[known[key].name] = _convert(key, text, known[key].type)
    settings = Settings(**chosen)  # type: ignore[arg-type]  # each value converted just above
    if settings.rtp_port_last - settings.rtp_port_first < 20:
        raise SettingsError(
            "FIL_RTP_PORT_LAST must be at least 20 above FIL_RTP_PORT_FIRST: "
            "each leg of a call needs two ports."
        )
    return settings


def _read_file(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    given = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        key, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(f"{path}:{number}: write NAME=value (got: {key[:40]}).")
        given[key.strip()] = value.strip()
    return given


def _convert(key: str, text: str, kind: object) -> object:
    try:
        match kind:
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "bool":
                return {"true": True, "yes": True, "1": True, "": False}.get(
                    text.lower(), False if text.lower() in ("false", "no", "0") else None
                )
            case _:
                return text
    except ValueError:
        raise SettingsError(f"{key}={text}: a number is expected.") from None
