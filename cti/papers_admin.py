"""The commands of who looks after the note form and the script cards: ``fil form``, ``fil cards``.

A running line follows by itself, within a second; what cannot be read changes nothing.
"""

from __future__ import annotations

import argparse

from cti import clock
from cti.config import Settings
from cti.records.cards import Card, load_cards
from cti.records.form import load_form
from cti.records.mine import PARIS
from cti.records.papers import CARDS, FORM


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands ``fil form check`` and ``fil cards check``."""
    for name, run, text, verb in (
        ("form", _check_form, "the form of agents' notes", "check it, and tell what it keeps"),
        ("cards", _check_cards, "the script cards", "check them, and tell which are due"),
    ):
        verbs = commands.add_parser(name, help=text, description=text).add_subparsers(
            required=True, metavar="verb"
        )
        verbs.add_parser("check", help=verb, description=verb).set_defaults(run=run)


def _check_form(settings: Settings, _: argparse.Namespace) -> None:
    form = load_form(settings.data / FORM)
    for id_, field in form.fields.items():
        personal = "peut désigner quelqu'un" if field.pii else "ne désigne personne"
        kept = f"gardé {field.retention_days} j pour « {form.purposes[field.purpose].fr} »"
        print(f"· {id_:<20} {field.kind:<8} {personal}, {kept}")
    print(f"{FORM} : rien à corriger ({len(form.fields)} champs, version {form.version}).")


def _check_cards(settings: Settings, _: argparse.Namespace) -> int:
    today = clock.now().astimezone(PARIS).date()
    cards = load_cards(settings.data / CARDS, today)
    late = [id_ for id_, card in cards.items() if card.overdue(today)]
    for id_, card in cards.items():
        print(f"{'✗' if id_ in late else '·'} {id_:<24} {_said(card, late=id_ in late)}")
    drafts = sum(card.draft for card in cards.values())
    print(f"{len(cards)} fiches, {drafts} brouillons, {len(late)} à relire.")
    return 1 if late else 0


def _said(card: Card, *, late: bool) -> str:
    if card.reviewed_at is None:
        return "brouillon, que personne n'a relu"
    when = f"relue le {card.reviewed_at:%d/%m/%Y}"
    by = "brouillon" if card.signed_by is None else f"signée par {card.signed_by}"
    return f"{by}, {when}{' : à relire' if late else ''}"
