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

# A list of forbidden numbers would miss the next one, and every prefix that hides one
# (a country, a carrier, 3651 before a number). So: what is no whole ordinary number is
# guarded. Abroad, ten digits at least: shorter ones may be a country's 112 or 116 000.
_ORDINARY = re.compile(r"0[1-9]\d{8}|(?:\+|00)33[1-9]\d{8}|(?:\+|00)(?!33)[1-9]\d{9,14}", re.ASCII)
_NUMBER = re.compile(r"\+?\d+", re.ASCII)
_SEPARATORS = re.compile(r"[ .\-()\u00a0\u202f]")
# Nobody's own telephone: what a caller pays for, or the operator pays dearly. A list, because
# every country has its own; those of France are whole, those of its neighbours the usual ones.
_NOT_ONES_OWN = (
    *("08", "+338", "+800", "+808", "+878", "+881", "+882", "+883", "+979"),
    *(
        "+3270",
        "+3278",
        "+3290",
        "+4184",
        "+4190",
        "+35290",
        "+49137",
        "+49180",
        "+49190",
        "+49900",
    ),
    *("+3480", "+3490", "+39199", "+3989", "+448", "+449"),
)
_ZERO_FOR_FRANCE = re.compile(r"^(\+33|0033)\(0\)")  # +33 (0)1 …: that zero is not dialled


class NotDialled(Exception):
    """The number is not rung. The text says why and what to do; it never holds the number."""


class NotAnOwnNumber(Exception):
    """Nobody's own telephone. The text says why and what to write; it never holds the number."""


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
    if not _NUMBER.fullmatch(cleaned):
        raise NotDialled("This is no telephone number: write digits, with + before a country.")
    if _ORDINARY.fullmatch(cleaned):
        return cleaned
    if relay is None:
        raise NotDialled(
            "Emergency and short numbers are never dialled from here, nor what is no whole "
            "number (ten digits, or + and a country). Tell the caller the number; or have "
            "the relay verified in the directory and switched live."
        )
    if _national(_cleaned(relay.number)) != _national(cleaned):
        raise NotDialled("This number is not the relay's. Check the relay in the directory.")
    if relay.verified_at is None or not relay.live:
        raise NotDialled(
            "This relay has not been verified and switched live by a person of the association."
        )
    return cleaned


def own_number(number: str) -> str:
    """Return the number, cleaned, when it may be an agent's own. Raises NotAnOwnNumber."""
    cleaned = _cleaned(number)
    if not _NUMBER.fullmatch(cleaned):
        raise NotAnOwnNumber(
            "Ce n'est pas un numéro de téléphone : écrivez dix chiffres, "
            "ou + et l'indicatif du pays."
        )
    if not _ORDINARY.fullmatch(cleaned):
        raise NotAnOwnNumber(
            "Un numéro d'urgence, un numéro court ou un numéro incomplet n'est le téléphone de "
            "personne : écrivez les dix chiffres, ou + et l'indicatif du pays."
        )
    abroad = "+" + cleaned.removeprefix("00") if cleaned.startswith("00") else cleaned
    if abroad.startswith(_NOT_ONES_OWN):
        raise NotAnOwnNumber(
            "Un numéro spécial ou surtaxé n'est le téléphone de personne : écrivez celui d'un "
            "mobile ou d'une ligne fixe."
        )
    return cleaned


def _cleaned(number: str) -> str:
    spaced = re.sub(r"[ \u00a0\u202f]", "", number)
    return _SEPARATORS.sub("", _ZERO_FOR_FRANCE.sub(r"\1", spaced))


def _national(number: str) -> str:
    """The number as dialled inside France, whatever prefix hides it."""
    for prefix in ("+33", "0033"):
        if number.startswith(prefix):
            return number.removeprefix(prefix)
    return number.removeprefix("+")
