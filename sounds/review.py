"""Says of each sentence of a line what is missing, whose voice it is, and what should be redone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from sounds.source import Wanted, text_mark

REVIEWED_FOR = timedelta(days=365)  # then somebody should listen to it again
# What the machine plays by itself, whatever the flows say.
OWN_PROMPTS = (
    "accepter-appel",
    "appels-en-cours",
    "au-revoir",
    "fermeture-bienveillante",
    "fermeture-silencieuse",
    "fin-de-conversation",
    "ne-quittez-pas",
    "secours-accepter",
    "secours-accueil",
    "secours-numeros",
    "secours-patience",
    "un-appel-arrive",
)


@dataclass(frozen=True, order=True)
class Remark:
    """One thing about one sentence. ``grave``: callers would hear nothing, or something wrong."""

    grave: bool
    language: str
    prompt: str
    what: str


def review(
    wanted: Iterable[Wanted],
    recordings: Mapping[tuple[str, str], Path],
    needed: Mapping[str, Collection[str]],
    today: date,
) -> list[Remark]:
    """What there is to say, the gravest first.

    ``needed``: the languages in which each prompt that a published flow plays must exist.
    """
    known = {(one.language, one.id): one for one in wanted}
    found = [
        Remark(True, language, prompt, "il manque : la ligne ne peut pas le dire")
        for prompt, languages in needed.items()
        for language in languages
        if (language, prompt) not in known
    ]
    used = needed.keys() | set(OWN_PROMPTS)
    for (language, prompt), one in known.items():
        found += [
            Remark(grave, language, prompt, what)
            for grave, what in _of_one(one, (language, prompt) in recordings, today)
        ]
        if prompt not in used:
            found.append(Remark(False, language, prompt, "aucun flux publié ne le dit"))
    return sorted(found, key=lambda one: (not one.grave, one.prompt, one.language))


def _of_one(one: Wanted, is_recorded: bool, today: date) -> Iterable[tuple[bool, str]]:
    if not is_recorded:
        yield False, "voix de synthèse : une personne devrait le dire"
        return
    if one.recorded is None:
        yield False, "enregistré, mais par qui et quand n'est pas écrit (recorded)"
        return
    if one.recorded.of != text_mark(one.text):
        yield True, "périmé : le texte a changé depuis l'enregistrement"
    if today - one.recorded.on > REVIEWED_FOR:
        yield False, f"écouté pour la dernière fois le {one.recorded.on:%d/%m/%Y}"
