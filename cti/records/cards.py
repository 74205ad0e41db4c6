"""Script cards: a few calm words to have at hand in a call, as experts wrote and signed them.

The association keeps them in ``cards.yaml``. A card without a signature is a draft, and is shown
as one; a card that was reviewed too long ago says so.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ivr.checking import checked, names
from ivr.hours import written_date
from ivr.reading import Source, Wrong, read, text
from ivr.values import Word, days, number, title

CARDS_MAX: Final = 60
PARTS_MAX: Final = 12  # of one card: it is read with somebody on the line
LETTERS_MAX: Final = 400  # of one paragraph, or of one point
REVIEW_DAYS_MAX: Final = 730
DANGER_MAX: Final = 3

_URL = re.compile(r"https://[\w.-]+(?:/[\w./%?=&#-]*)?")


def _unless_null(value: object) -> object:
    """``null`` is a word in these files, as any other."""
    return None if value in ("null", "~") else text(value)


def _review(value: object) -> object:
    return None if _unless_null(value) is None else written_date(value)


def _url(value: object) -> str:
    word = text(value)
    if not _URL.fullmatch(word):
        raise Wrong(f"adresse illisible `{word[:40]}`", "écrivez-la entière : `https://3114.fr`")
    return word


def _part(value: object) -> object:
    if isinstance(value, str):
        return {"text": value}
    if not isinstance(value, dict) or list(value) != ["points"] or not value["points"]:
        what = "un paragraphe ou des points sont attendus ici"
        raise Wrong(what, "écrivez une phrase entre guillemets, ou un bloc `points:`")
    return value


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Words = Annotated[str, title(LETTERS_MAX, "le paragraphe")]


class Title(_Frozen):
    """Le titre d'une fiche, dans les deux langues."""

    fr: Annotated[str, title(60, "le titre")] = Field(examples=["fr: Le silence"])
    en: Annotated[str, title(60, "le titre")] = Field(examples=["en: Silence"])


class Part(_Frozen):
    """Un paragraphe, ou une liste de points."""

    text: Words | None = None
    points: tuple[Words, ...] = ()


Parts = tuple[Annotated[Part, BeforeValidator(_part)], ...]


class Body(_Frozen):
    """Ce que dit une fiche, dans les deux langues."""

    fr: Parts = Field(examples=["fr:"])
    en: Parts = Field(examples=["en:"])


class Origin(_Frozen):
    """D'où vient ce qui est dit, pour qui veut le vérifier."""

    name: Annotated[str, title(120)] = Field(examples=["name: 3114"])
    url: Annotated[str, BeforeValidator(_url)] | None = None


class Card(_Frozen):
    """Une fiche d'aide."""

    title: Title = Field(examples=["title: {fr: Le silence, en: Silence}"])
    body: Body = Field(examples=["body:"])
    sources: tuple[Origin, ...] = Field(examples=["sources: [{name: 3114}]"])
    needs: tuple[Word, ...] = ()  # told with keys, or skills of the flow: then it is suggested
    danger: Annotated[int, number(DANGER_MAX, "de niveau de danger")] | None = None
    reviewed_at: Annotated[date | None, BeforeValidator(_review)] = Field(
        examples=["reviewed_at: null"]
    )
    review_every_days: Annotated[int, days(REVIEW_DAYS_MAX)] = Field(
        alias="review_every", examples=["review_every: 180 jours"]
    )
    signed_by: Annotated[str | None, BeforeValidator(_unless_null)] = Field(
        examples=["signed_by: null"]
    )

    @property
    def draft(self) -> bool:
        """Whether nobody has signed it yet."""
        return self.signed_by is None

    def overdue(self, today: date) -> bool:
        """Whether it should have been reviewed again by now."""
        every = timedelta(days=self.review_every_days)
        return self.reviewed_at is not None and self.reviewed_at + every < today

    def view(self, id_: str, today: date) -> dict[str, Any]:
        """The card as JSON."""
        shown = self.model_dump(mode="json", exclude={"body"})
        shown["body"] = {
            tongue: [part.model_dump(exclude_defaults=True) for part in parts]
            for tongue, parts in (("fr", self.body.fr), ("en", self.body.en))
        }
        return {"id": id_, **shown, "draft": self.draft, "overdue": self.overdue(today)}


class _Written(_Frozen):
    cards: dict[str, Any] = Field(examples=["cards:"])


def load_cards(path: Path, today: date) -> dict[str, Card]:
    """Read the cards, by id, in order. Raises FlowError, with every mistake, its place and fix."""
    source = read(path)
    checked(source, (), _Written, source.data)
    cards = {
        name: card
        for name, written in names(source, "cards")
        if (card := checked(source, ("cards", name), Card, written)) is not None
    }
    for name, card in cards.items():
        _check(source, name, card, today)
    if len(cards) > CARDS_MAX:
        what = f"plus de {CARDS_MAX} fiches : personne ne s'y retrouverait en ligne"
        source.wrong_key(("cards",), what, "gardez les plus utiles")
    if source.problems:
        raise source.error()
    return cards


def _check(source: Source, name: str, card: Card, today: date) -> None:
    loc = ("cards", name)
    for tongue, parts in (("fr", card.body.fr), ("en", card.body.en)):
        if not 1 <= len(parts) <= PARTS_MAX:
            what = f"une fiche a de 1 à {PARTS_MAX} paragraphes"
            source.wrong_key(
                (*loc, "body", tongue), what, "elle se lit pendant un appel : au plus court"
            )
    shapes = [[bool(part.points) for part in parts] for parts in (card.body.fr, card.body.en)]
    if shapes[0] != shapes[1]:
        what = "les deux langues n'ont pas les mêmes paragraphes"
        source.wrong_key((*loc, "body", "en"), what, "traduisez-les un à un, dans le même ordre")
    if not card.sources:
        source.wrong_key((*loc, "sources"), "une fiche dit d'où elle vient", "citez une source")
    if card.signed_by is not None and card.reviewed_at is None:
        what = "une fiche signée a été relue un jour"
        source.wrong((*loc, "reviewed_at"), what, f"écrivez ce jour : `{today}`")
    if card.reviewed_at is not None and card.reviewed_at > today:
        what = f"le {card.reviewed_at} n'est pas encore venu"
        source.wrong((*loc, "reviewed_at"), what, f"écrivez le jour de la relecture : `{today}`")
