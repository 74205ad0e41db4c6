"""The form that agents fill in about a call, as the association writes it in ``forms/note.yaml``.

Each field says why it is kept (``purpose``), for how long (``retention``) and whether it may
speak of a person (``pii``): without them, a form is refused. A form is known by what is in it:
two with the same fields are the same version.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic import Field as Key

from ivr.checking import checked, names
from ivr.reading import Source, read, text, write_instead
from ivr.values import YesNo, days, one_of, title

FIELDS_MAX: Final = 30
OPTIONS_MAX: Final = 40
LABEL_LETTERS_MAX: Final = 80
HELP_LETTERS_MAX: Final = 300
KEPT_DAYS_MAX: Final = 1095
PII_KEPT_DAYS_MAX: Final = 90  # of a field that may speak of a person
TEXT_CHARS_MAX: Final = 4000
NUMBER_MAX: Final = 999  # six digits could be a telephone number
KINDS: Final = ("choice", "choices", "text", "yes_no", "number")
VERSION: Final = re.compile(r"[0-9a-f]{12}")

Value = str | bool | int | list[str]

_ID = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class ValueRefused(Exception):
    """A value that a form cannot take. The text is a code; ``field`` is one of the form's, or None.

    The codes: ``unknown_field``, ``bad_value``, ``text_too_long``. It never holds the value.
    """

    def __init__(self, code: str, field: str | None = None) -> None:
        super().__init__(code)
        self.field = field


class Both(BaseModel):
    """Le même texte dans les deux langues de l'équipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fr: Annotated[str, title(HELP_LETTERS_MAX, "le texte")] = Key(examples=["fr: Demande"])
    en: Annotated[str, title(HELP_LETTERS_MAX, "le texte")] = Key(examples=["en: Request"])


class Label(Both):
    """Un nom court, dans les deux langues."""

    fr: Annotated[str, title(LABEL_LETTERS_MAX)] = Key(examples=["fr: Demande"])
    en: Annotated[str, title(LABEL_LETTERS_MAX)] = Key(examples=["en: Request"])


class Field(BaseModel):
    """Une question du formulaire."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Annotated[str, one_of(KINDS, "genre de champ inconnu")] = Key(examples=["kind: choice"])
    label: Label = Key(examples=["label: {fr: Demande, en: Request}"])
    help: Both = Key(examples=["help: {fr: …, en: …}"])
    options: dict[str, Label] = Key(
        default={}, examples=["options: {ecoute: {fr: Écoute, en: Listening}}"]
    )
    pii: YesNo = Key(examples=["pii: false"])
    purpose: Annotated[str, BeforeValidator(text)] = Key(examples=["purpose: chiffres"])
    retention_days: Annotated[int, days(KEPT_DAYS_MAX)] = Key(
        alias="retention", examples=["retention: 30 jours"]
    )

    @property
    def retention(self) -> timedelta:
        """How long an answer is kept."""
        return timedelta(days=self.retention_days)

    def refusal(self, value: object) -> str | None:
        """The code with which a value is refused, or None."""
        match self.kind:
            case "yes_no":
                fits = isinstance(value, bool)
            case "number":
                fits = type(value) is int and 0 <= value <= NUMBER_MAX
            case "choice":
                fits = isinstance(value, str) and value in self.options
            case "choices":
                fits = isinstance(value, list) and self._are_options(value)
            case _:
                fits = isinstance(value, str)
                if isinstance(value, str) and len(value) > TEXT_CHARS_MAX:
                    return "text_too_long"
        return None if fits else "bad_value"

    def _are_options(self, values: list[Any]) -> bool:
        known = all(isinstance(one, str) and one in self.options for one in values)
        return known and len(set(values)) == len(values)


class Form:
    """A form: its fields by id, in order, and why each is kept."""

    def __init__(self, fields: dict[str, Field], purposes: dict[str, Label]) -> None:
        self.fields = fields
        self.purposes = purposes
        written = json.dumps(self.view(), ensure_ascii=False)
        self.version = hashlib.sha256(written.encode()).hexdigest()[:12]

    def view(self) -> dict[str, Any]:
        """The form as JSON, without its version; texts are ``{"fr": …, "en": …}``."""
        return {
            "fields": [
                {
                    "id": id_,
                    "kind": field.kind,
                    "label": field.label.model_dump(),
                    "help": field.help.model_dump(),
                    "options": [
                        {"id": option, "label": label.model_dump()}
                        for option, label in field.options.items()
                    ],
                    "pii": field.pii,
                    "purpose": self.purposes[field.purpose].model_dump() | {"id": field.purpose},
                    "retention_days": field.retention_days,
                    "chars_max": TEXT_CHARS_MAX if field.kind == "text" else None,
                    "number_max": NUMBER_MAX if field.kind == "number" else None,
                }
                for id_, field in self.fields.items()
            ]
        }

    def accept(self, values: dict[str, Any]) -> dict[str, Value]:
        """The answers among ``values``, without the empty ones. Raises ValueRefused."""
        answers: dict[str, Value] = {}
        for id_, value in values.items():
            field = self.fields.get(id_)
            if field is None:
                raise ValueRefused("unknown_field")
            if value is None or value in ("", []):
                continue
            if refusal := field.refusal(value):
                raise ValueRefused(refusal, id_)
            answers[id_] = value
        return answers


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    purposes: dict[str, Any] = Key(examples=["purposes:"])
    fields: dict[str, Any] = Key(examples=["fields:"])


def load_form(path: Path) -> Form:
    """Read a form. Raises FlowError, which lists every mistake with its place and the fix."""
    source = read(path)
    checked(source, (), _Written, source.data)
    purposes = {
        name: label
        for name, written in _named(source, "purposes")
        if (label := checked(source, ("purposes", name), Label, written)) is not None
    }
    fields = {
        name: field
        for name, written in _named(source, "fields")
        if (field := checked(source, ("fields", name), Field, written)) is not None
    }
    for name, field in fields.items():
        _check(source, name, field, source.data["purposes"])
    if not source.problems and not 1 <= len(fields) <= FIELDS_MAX:
        what = f"un formulaire a de 1 à {FIELDS_MAX} champs"
        source.wrong_key(("fields",), what, "gardez ceux qui servent à la personne qui appelle")
    if source.problems:
        raise source.error()
    return Form(fields, purposes)


def _named(source: Source, section: str) -> list[tuple[str, object]]:
    found = list(names(source, section, quietly=True))
    for name, _ in found:
        _check_id(source, (section, name), name)
    return found


def _check_id(source: Source, loc: tuple[str | int, ...], name: str) -> None:
    if not _ID.fullmatch(name):
        what = f"`{name[:40]}` ne peut pas servir de nom"
        fix = "écrivez des minuscules sans accent, 40 au plus : `ce-qui-est-donne`"
        source.wrong_key(loc, what, fix)


def _check(source: Source, name: str, field: Field, purposes: object) -> None:
    loc = ("fields", name)
    known = purposes if isinstance(purposes, dict) else {}
    if field.purpose not in known:
        what = f"raison de conserver inconnue `{field.purpose[:40]}`"
        source.wrong((*loc, "purpose"), what, write_instead(field.purpose, known))
    if field.kind in ("choice", "choices"):
        if not 2 <= len(field.options) <= OPTIONS_MAX:
            what = f"un choix se fait entre 2 et {OPTIONS_MAX} réponses"
            source.wrong_key((*loc, "options"), what, "écrivez-les sous `options:`")
        for option in field.options:
            _check_id(source, (*loc, "options", option), option)
    elif field.options:
        what = f"un champ `{field.kind}` n'a pas de réponses toutes prêtes"
        source.wrong_key((*loc, "options"), what, "retirez `options`, ou écrivez `kind: choice`")
    if field.kind == "text" and not field.pii:
        what = "un texte libre peut toujours dire de qui l'on parle"
        source.wrong((*loc, "pii"), what, "écrivez `pii: true`")
    if field.pii and field.retention_days > PII_KEPT_DAYS_MAX:
        what = f"ce qui peut dire de qui l'on parle se garde {PII_KEPT_DAYS_MAX} jours au plus"
        source.wrong((*loc, "retention"), what, "raccourcissez la durée, par exemple `30 jours`")
