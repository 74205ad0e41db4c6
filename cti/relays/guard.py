"""The dialler guard: which numbers this line may never ring by itself.

Emergency and short numbers are reached from where the caller is; dialled from our
trunk they ring in the wrong département, and a test call there may cost a life. So
none is dialled unless a person of the association has verified that very relay and
switched it live.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

EMERGENCY = frozenset(
    {"15", "17", "18", "110", "111", "112", "113", "114", "115", "116", "118", "119"}
    | {"191", "196", "197", "911", "999", "3114", "3919"}
)
SHORT_DIGITS_MAX = 6  # French short numbers have two to six digits
_NUMBER = re.compile(r"\+?\d+")


class NotDialled(Exception):
    """The number is not rung. The text says why and what to do; it never holds the number."""


@dataclass(frozen=True)
class Relay:
    """A partner line, as far as the guard needs it."""

    id: str
    number: str
    verified_at: datetime | None = None
    live: bool = False


def may_dial(number: str, relay: Relay | None = None) -> str:
    """Return the number, cleaned, when it may be dialled. Raises NotDialled otherwise.

    ``relay`` is the directory's row for this number: verified and live, it lifts the ban.
    """
    cleaned = _cleaned(number)
    if not _NUMBER.fullmatch(cleaned) or not cleaned.isascii():
        raise NotDialled("This is no telephone number: write digits, with + before a country.")
    if not _is_guarded(cleaned):
        return cleaned
    if relay is None:
        raise NotDialled(
            "Emergency and short numbers are never dialled from here. Tell the caller the "
            "number; or have the relay verified in the directory and switched live."
        )
    if _national(_cleaned(relay.number)) != _national(cleaned):
        raise NotDialled("This number is not the relay's. Check the relay in the directory.")
    if relay.verified_at is None or not relay.live:
        raise NotDialled(
            "This relay has not been verified and switched live by a person of the association."
        )
    return cleaned


def _cleaned(number: str) -> str:
    return re.sub(r"[ .\-()\u00a0\u202f]", "", number)


def _national(number: str) -> str:
    """The number as dialled inside France, whatever prefix hides it."""
    for prefix in ("+33", "0033"):
        if number.startswith(prefix):
            return number.removeprefix(prefix)
    return number.removeprefix("+")


def _is_guarded(number: str) -> bool:
    national = _national(number)
    bare = national.lstrip("0")
    return (
        len(national) <= SHORT_DIGITS_MAX
        or len(bare) <= SHORT_DIGITS_MAX
        or national in EMERGENCY
        or bare in EMERGENCY
        or (bare.startswith("116") and len(bare) == SHORT_DIGITS_MAX)
    )
