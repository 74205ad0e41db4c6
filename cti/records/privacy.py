"""What keeps a caller unknown: numbers that hide themselves, pseudonyms, seals, and the purge.

Three keys, one use each, live in files outside the database: a copy of the
database alone says nobody's number and opens nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import CursorResult, delete
from sqlalchemy.ext.asyncio import AsyncSession

from cti.records.database import Database
from cti.records.models import Duty, Note, Sealed

NUMBER_KEPT: Final = timedelta(hours=24)
HANDOVER_KEPT: Final = timedelta(hours=24)
DUTY_KEPT: Final = timedelta(days=396)  # thirteen months: a year can be looked back on
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
KEY_USES: Final = ("ref", "seal", "login")

_SEPARATORS = re.compile(r"[\s.\-/()]")
_E164 = re.compile(r"\+[1-9][0-9]{5,14}")


class KeysRefused(Exception):
    """The key files cannot be trusted; the message says which and what to do."""


class SealBroken(Exception):
    """What was sealed cannot be read: another key, another call, or altered data."""


@dataclass(frozen=True)
class Phone:
    """A telephone number that never shows itself by accident. Equal numbers are equal."""

    e164: str = field(repr=False)

    @classmethod
    def parse(cls, number: str | None) -> Phone | None:
        """The number in its international form (+33…), or None when it is withheld or is no number.

        A national French form (ten digits beginning with 0) is understood as +33.
        """
        digits = _SEPARATORS.sub("", (number or "").replace("(0)", ""))
        if digits.startswith("00"):
            digits = "+" + digits[2:]
        elif len(digits) == 10 and digits.startswith("0"):
            digits = "+33" + digits[1:]
        elif digits[:1] in "123456789":
            digits = "+" + digits
        return cls(digits) if _E164.fullmatch(digits) else None

    @property
    def masked(self) -> str:
        """What a screen may show: ``06 •• •• •• 78``, or ``+32 … 78`` for a number from abroad."""
        if self.e164.startswith("+33") and len(self.e164) == 12:
            return f"0{self.e164[3]} •• •• •• {self.e164[-2:]}"
        return f"{self.e164[:3]} … {self.e164[-2:]}"

    def __str__(self) -> str:
        return "Phone(•••)"

    __repr__ = __str__


@dataclass(frozen=True)
class Sealing:
    """Something sealed, with the id of the key that opens it."""

    ciphertext: bytes
    key_id: str


class Keys:
    """The three secrets of this line: pseudonyms, seals, and sign-in failures."""

    def __init__(self, ref: bytes, seal: bytes, login: bytes) -> None:
        self._ref = ref
        self._login = login
        self._seal = AESGCM(seal)
        self.seal_key_id = hashlib.sha256(b"fil seal key id" + seal).hexdigest()[:16]

    def __repr__(self) -> str:
        return "Keys(•••)"

    @classmethod
    def load_or_create(cls, folder: Path) -> Keys:
        """Read the keys in ``folder``, or make them when there are none yet.

        Raises KeysRefused when a file can be read by other accounts, is damaged, or is alone:
        a new key in its place would silently lock what the old one sealed.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        paths = {use: folder / f"{use}.key" for use in KEY_USES}
        missing = [path for path in paths.values() if not path.exists()]
        if missing and len(missing) < len(paths):
            raise KeysRefused(
                f"The key file {missing[0]} is missing. Put it back from a backup of the keys; "
                f"without it, what it protects cannot be read."
            )
        if missing:
            for path in paths.values():
                _create_key(path)
        return cls(**{use: _read_key(path) for use, path in paths.items()})

    def caller_ref(self, number: Phone) -> str:
        """The keyed pseudonym of a number (32 hex digits): the same caller, the same ref."""
        return _keyed_hash(self._ref, number.e164)

    def login_ref(self, kind: str, value: str) -> str:
        """The keyed hash under which failed sign-ins of an account or address are counted."""
        return _keyed_hash(self._login, f"{kind}\0{value}")

    def seal(self, owner_id: str, field_: str, text: str) -> Sealing:
        """Seal ``text`` for one field of one call (or agent); moved elsewhere it stays shut."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._seal.encrypt(nonce, text.encode(), _bound_to(owner_id, field_))
        return Sealing(nonce + sealed, self.seal_key_id)

    def unseal(self, owner_id: str, field_: str, ciphertext: bytes, key_id: str) -> str:
        """The text that was sealed. Raises SealBroken."""
        if key_id != self.seal_key_id:
            raise SealBroken("It was sealed with another key. Put back the seal.key of that time.")
        nonce, sealed = ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:]
        try:
            return self._seal.decrypt(nonce, sealed, _bound_to(owner_id, field_)).decode()
        except (InvalidTag, ValueError):
            raise SealBroken("It was altered, or sealed for another call or field.") from None


def _bound_to(owner_id: str, field_: str) -> bytes:
    return f"{owner_id}\0{field_}".encode()


def _keyed_hash(key: bytes, value: str) -> str:
    return hmac.new(key, value.encode(), hashlib.sha256).hexdigest()[:32]


def _create_key(path: Path) -> None:
    # Written aside and linked into place: a crash never leaves half a key.
    aside = path.with_suffix(f".new-{os.getpid()}")
    fd = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.write(fd, os.urandom(KEY_BYTES).hex().encode())
        os.fsync(fd)
    finally:
        os.close(fd)
    try:
        os.link(aside, path)
    finally:
        aside.unlink()


def _read_key(path: Path) -> bytes:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise KeysRefused(
            f"The key file {path} can be read by other accounts of this machine. "
            f"Run: chmod 600 {path}"
        )
    try:
        key = bytes.fromhex(path.read_text("ascii"))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise KeysRefused(f"The key file {path} is damaged. Put it back from a backup of the keys.")
    return key


async def purge(database: Database, now: datetime) -> int:
    """Delete what is past its day, leaving no trace; returns how many sealed things it was."""

    async def delete_old(session: AsyncSession) -> int:
        gone = await session.execute(delete(Sealed).where(Sealed.purge_at <= now))
        assert isinstance(gone, CursorResult)
        await session.execute(delete(Note).where(Note.purge_at <= now))
        await session.execute(delete(Duty).where(Duty.to_at <= now - DUTY_KEPT))
        return gone.rowcount

    count = await database.write(delete_old)
    await database.scrub()
    return count
