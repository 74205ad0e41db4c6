"""The relays a flow may name: partner lines, their numbers, their hours, what they cost a caller.

``relays.yaml`` stands beside the flows. A relay that costs the caller more than an ordinary
call is refused, whatever is written of its cost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ivr.checking import checked, names
from ivr.hours import Calendar, is_open, written_date
from ivr.reading import Source, Wrong, read, text
from ivr.values import YesNo, one_of, title

COSTS = ("gratuit", "prix d'un appel")
# Arcep's plan: 081 082 089 are surcharged, and 118xyz; 32 to 39 may be; 30 and 31 are free.
_SURCHARGED = re.compile(r"0(?:81|82|836|89)\d*|118\d*")
_MAY_BE_SURCHARGED = re.compile(r"3[2-9]\d\d|10\d\d")


def _number(value: object) -> str:
    written = re.sub(r"[ .]", "", text(value))
    if not re.fullmatch(r"\+?\d{2,15}", written):
        what = f"`{written[:20]}` n'est pas un numéro de téléphone"
        raise Wrong(what, 'écrivez des chiffres entre guillemets : `"0199005501"`')
    if _SURCHARGED.fullmatch(national(written)):
        what = "ce numéro est surtaxé : un appelant ne doit rien payer de plus"
        raise Wrong(what, "écrivez le numéro non surtaxé de ce relais, ou retirez le relais")
    return written


def national(number: str) -> str:
    """A number as dialled inside France, whatever prefix hides it."""
    return re.sub(r"^(?:\+33|0033)", "0", number)


def _hours(value: object) -> object:
    return {"open": value} if isinstance(value, str) else value


class Relay(BaseModel):
    """Un relais : une ligne partenaire."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, title(80)] = Field(
        examples=["name: SOS Amitié"], description="Son nom, tel qu'on le dit à un appelant."
    )
    number: Annotated[str, BeforeValidator(_number)] = Field(
        examples=['number: "0199005501"'], description="Son numéro, entre guillemets."
    )
    hours: Annotated[Calendar, BeforeValidator(_hours)] = Field(
        examples=["hours: toujours"],
        description="`toujours`, ou un bloc `open:` comme celui d'un calendrier.",
    )
    cost: Annotated[str, one_of(COSTS, "coût inconnu")] = Field(
        examples=["cost: gratuit"], description="Ce que l'appelant paie."
    )
    verified_at: Annotated[date, BeforeValidator(written_date)] | None = Field(
        default=None, description="Quand une personne de l'association l'a vérifié."
    )
    live: YesNo = Field(
        default=False, description="true : on peut y mener un appelant. Jamais avant vérification."
    )

    def is_open(self, at: datetime) -> bool:
        """Whether a caller may be led there at an aware time: verified, live and open."""
        return self.live and self.verified_at is not None and is_open(self.hours, at)


class _Directory(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    relays: dict[str, Any] = Field(examples=["relays:"])


def load_relays(path: Path) -> Mapping[str, Relay]:
    """Read ``relays.yaml``. Raises FlowError, which lists every mistake with its place."""
    source = read(path)
    checked(source, (), _Directory, source.data)
    found = {
        name: checked(source, ("relays", name), Relay, written)
        for name, written in names(source, "relays")
    }
    relays = {name: relay for name, relay in found.items() if relay is not None}
    for name, relay in relays.items():
        _check(source, name, relay)
    if source.problems:
        raise source.error()
    return relays


def _check(source: Source, name: str, relay: Relay) -> None:
    if _MAY_BE_SURCHARGED.fullmatch(national(relay.number)) and relay.cost != "gratuit":
        what = "ce numéro court peut être surtaxé"
        fix = "vérifiez son prix, et écrivez `cost: gratuit` s'il l'est"
        source.wrong(("relays", name, "number"), what, fix)
    if relay.live and relay.verified_at is None:
        what = f"le relais `{name}` n'a pas été vérifié"
        source.wrong(("relays", name, "live"), what, "ajoutez `verified_at: 2026-12-31`")
