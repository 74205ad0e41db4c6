"""Tells what a new version of a flow changes, in sentences that may be read aloud."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ivr.steps import AnyStep, ways

if TYPE_CHECKING:
    from ivr.flow import Flow

_SECTIONS = {
    "name": "le nom de la ligne",
    "numbers": "les numéros",
    "languages": "les langues",
    "rings_within_seconds": "le délai promis avant la première sonnerie",
    "supervision": "ce que la ligne annonce",
    "danger": "la touche de danger",
    "attributes": "ce que l'appelant peut dire",
    "profiles": "les modes de crise",
}


def differences(before: Flow, after: Flow) -> list[str]:
    """What changes from one to the other, one sentence each, in the order of the file."""
    return list(_differences(before, after)) or ["seule la présentation du fichier change"]


def _differences(before: Flow, after: Flow) -> Iterator[str]:
    for field, title in _SECTIONS.items():
        if getattr(before, field) != getattr(after, field):
            yield f"{title} : changé"
    if before.start != after.start:
        yield f"l'appel commence maintenant à « {after.start} »"
    for name in after.calendars.keys() | before.calendars.keys():
        if before.calendars.get(name) != after.calendars.get(name):
            yield f"le calendrier « {name} » change"
    for name, step in after.steps.items():
        if name not in before.steps:
            yield f"nouvelle étape « {name} »"
        elif before.steps[name] != step:
            yield from _of_a_step(name, before.steps[name], step)
    for name in before.steps:
        if name not in after.steps:
            yield f"l'étape « {name} » disparaît"


def _of_a_step(name: str, before: AnyStep, after: AnyStep) -> Iterator[str]:
    if type(before) is not type(after):
        yield f"l'étape « {name} » fait autre chose"
        return
    led = {way.loc: way.target for way in ways(before)}
    told = False
    for way in ways(after):
        if led.get(way.loc) != way.target:
            told = True
            if way.loc[0] == "keys":
                new = "" if way.loc in led else " (nouvelle)"
                yield f"« {name} » : la touche {way.loc[1]}{new} mène maintenant à « {way.target} »"
            else:
                where = ".".join(map(str, way.loc))
                yield f"« {name} » : {where} mène maintenant à « {way.target} »"
    for loc in led.keys() - {way.loc for way in ways(after)}:
        told = True
        what = f"la touche {loc[1]}" if loc[0] == "keys" else ".".join(map(str, loc))
        yield f"« {name} » : {what} ne mène plus nulle part"
    spoken = {"prompt", "prompts", "more"}
    for field, value in after:
        if getattr(before, field) != value and field in spoken:
            told = True
            yield f"« {name} » : dit maintenant « {value} »"
    if not told:
        yield f"« {name} » : réglages changés"
