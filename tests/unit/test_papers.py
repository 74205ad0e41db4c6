"""The form of notes and the script cards: what is refused, with its place; what is followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cti.__main__ import main
from cti.records import papers as papers_module
from cti.records.cards import load_cards
from cti.records.form import TEXT_CHARS_MAX, Form, ValueRefused, load_form
from cti.records.papers import CARDS, CARDS_TEMPLATE, FORM, FORM_TEMPLATE, Papers
from cti.setup import copy_templates
from ivr.reading import FlowError

TODAY = date(2026, 3, 2)
FORM_TEXT = """\
purposes:
  suite: {fr: Donner suite, en: Follow up}
fields:
  demande:
    kind: choice
    label: {fr: Demande, en: Request}
    help: {fr: "Ce qui est attendu.", en: "What is hoped for."}
    options:
      parler: {fr: Parler, en: Talk}
      conseil: {fr: Un conseil, en: Advice}
    pii: false
    purpose: suite
    retention: 365 jours
  themes:
    kind: choices
    label: {fr: Thèmes, en: Themes}
    help: {fr: "Plusieurs choix.", en: "Several choices."}
    options:
      deuil: {fr: Deuil, en: Bereavement}
      travail: {fr: Travail, en: Work}
    pii: false
    purpose: suite
    retention: 30 j
  age:
    kind: number
    label: {fr: Âge, en: Age}
    help: {fr: "Si elle l'a dit.", en: "If they said it."}
    pii: true
    purpose: suite
    retention: 10 days
  danger:
    kind: yes_no
    label: {fr: Danger, en: Danger}
    help: {fr: "S'il en a été question.", en: "If it was spoken of."}
    pii: false
    purpose: suite
    retention: 1 jour
  note:
    kind: text
    label: {fr: Note, en: Note}
    help: {fr: "Ni nom, ni numéro.", en: "No name, no number."}
    pii: true
    purpose: suite
    retention: 2 jours
"""
CARDS_TEXT = """\
cards:
  silence:
    title: {fr: Le silence, en: Silence}
    body:
      fr:
        - "Vous êtes là."
        - points: ["Dites-le.", "Attendez."]
      en:
        - "You are there."
        - points: ["Say so.", "Wait."]
    sources: [{name: "114", url: https://www.urgence114.fr}]
    needs: [muet]
    danger: 2
    reviewed_at: 2026-01-01
    review_every: 60 jours
    signed_by: Dr Martin
"""


def form(tmp_path: Path, text: str = FORM_TEXT) -> Form:
    path = tmp_path / "note.yaml"
    path.write_text(text, encoding="utf-8")
    return load_form(path)


def problems(load: Callable[[], object]) -> list[str]:
    """Each mistake as line:column and what is said of it."""
    with pytest.raises(FlowError) as refused:
        load()
    return [
        f"{one.place.line}:{one.place.column} {one.what} ; {one.fix}"
        for one in refused.value.problems
    ]


# The form


def test_a_form_is_known_by_what_is_in_it_and_by_nothing_else(tmp_path: Path) -> None:
    version = form(tmp_path).version
    assert form(tmp_path, "# Un mot.\n" + FORM_TEXT).version == version
    assert form(tmp_path, FORM_TEXT.replace("30 j", "31 j")).version != version
    assert form(tmp_path, FORM_TEXT.replace("en: Themes", "en: Subjects")).version != version


def test_a_form_is_shown_in_order_with_all_that_a_page_needs(tmp_path: Path) -> None:
    shown = form(tmp_path).view()["fields"]
    assert [field["id"] for field in shown] == ["demande", "themes", "age", "danger", "note"]
    assert shown[0] == {
        "id": "demande",
        "kind": "choice",
        "label": {"fr": "Demande", "en": "Request"},
        "help": {"fr": "Ce qui est attendu.", "en": "What is hoped for."},
        "options": [
            {"id": "parler", "label": {"fr": "Parler", "en": "Talk"}},
            {"id": "conseil", "label": {"fr": "Un conseil", "en": "Advice"}},
        ],
        "pii": False,
        "purpose": {"id": "suite", "fr": "Donner suite", "en": "Follow up"},
        "retention_days": 365,
        "chars_max": None,
        "number_max": None,
    }
    assert [field["retention_days"] for field in shown] == [365, 30, 10, 1, 2]
    assert (shown[2]["number_max"], shown[4]["chars_max"]) == (999, TEXT_CHARS_MAX)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "kind: choices",
            "kind: chioce",
            "15:11 genre de champ inconnu `chioce` ; écrivez `choice`",
        ),
        (
            "    pii: true\n    purpose: suite\n    retention: 10 days\n",
            "    pii: true\n",
            "24:3 il manque",
        ),
        ("fr: Âge, en: Age", "fr: Âge", "26:5 il manque `en` ; ajoutez `en: Request`"),
        (
            "purpose: suite\n    retention: 1 jour",
            "purpose: suit\n    retention: 1 jour",
            "36:14 raison de conserver inconnue `suit` ; écrivez `suite`",
        ),
        ("retention: 2 jours", "retention: 2", "44:16 nombre de jours illisible `2` ; écrivez"),
        (
            "retention: 2 jours",
            "retention: 91 jours",
            "44:16 ce qui peut dire de qui l'on parle se garde 90 jours",
        ),
        ("retention: 365 jours", "retention: 5000 jours", "13:16 `5000 jours` est hors limites"),
        (
            "pii: true\n    purpose: suite\n    retention: 2 jours",
            "pii: false\n    purpose: suite\n    retention: 2 jours",
            "42:10 un texte libre peut toujours dire",
        ),
        (
            "pii: true\n    purpose: suite\n    retention: 10",
            "pii: oui\n    purpose: suite\n    retention: 10",
            "28:10 `oui` n'est ni oui ni non",
        ),
        (
            "      conseil: {fr: Un conseil, en: Advice}\n",
            "",
            "8:5 un choix se fait entre 2 et 40 réponses",
        ),
        (
            "    kind: number\n",
            "    kind: number\n    options: {a: {fr: A, en: A}, b: {fr: B, en: B}}\n",
            "26:5 un champ `number` n'a pas de réponses",
        ),
        ("  danger:\n", "  Danger !:\n", "31:3 `Danger !` ne peut pas servir de nom"),
        ("      deuil:", "      Deuil:", "19:7 `Deuil` ne peut pas servir de nom"),
        (
            "    pii: false\n    purpose: suite\n    retention: 1 jour",
            "    pi: false\n    purpose: suite\n    retention: 1 jour",
            "35:5 clé inconnue `pi` ; écrivez `pii`",
        ),
    ],
)
def test_each_mistake_has_its_line_its_column_and_the_fix(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert FORM_TEXT.count(old) == 1
    found = problems(lambda: form(tmp_path, FORM_TEXT.replace(old, new)))
    assert any(one.startswith(said) for one in found), found


def test_a_form_without_a_question_is_refused(tmp_path: Path) -> None:
    text = FORM_TEXT[: FORM_TEXT.index("fields:")] + "fields: {}\n"
    (said,) = problems(lambda: form(tmp_path, text))
    assert said.startswith("3:1 un formulaire a de 1 à 30 champs")


def test_every_field_says_all_that_the_law_asks(tmp_path: Path) -> None:
    for key in ("pii", "purpose", "retention", "label", "help", "kind"):
        lines = FORM_TEXT.splitlines(keepends=True)
        first = next(n for n, line in enumerate(lines) if line.startswith(f"    {key}:"))
        text = "".join(lines[:first] + lines[first + 1 :])
        assert any(
            f"il manque `{key}`" in one for one in problems(lambda t=text: form(tmp_path, t))
        )


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ({"demande": "parler"}, {"demande": "parler"}),
        ({"themes": ["travail", "deuil"]}, {"themes": ["travail", "deuil"]}),
        ({"age": 0, "danger": False}, {"age": 0, "danger": False}),
        ({"note": "é\ud800\u202e\0"}, {"note": "é\ud800\u202e\0"}),
        ({"note": "", "themes": [], "demande": None}, {}),
    ],
)
def test_what_fits_is_kept_and_what_is_empty_is_no_answer(
    tmp_path: Path, values: dict[str, Any], kept: dict[str, Any]
) -> None:
    assert form(tmp_path).accept(values) == kept


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        ({"nom": "Claire"}, "unknown_field", None),
        ({"demande": "Claire"}, "bad_value", "demande"),
        ({"demande": ["parler"]}, "bad_value", "demande"),
        ({"themes": "deuil"}, "bad_value", "themes"),
        ({"themes": ["deuil", "deuil"]}, "bad_value", "themes"),
        ({"themes": [["deuil"]]}, "bad_value", "themes"),
        ({"age": "12"}, "bad_value", "age"),
        ({"age": True}, "bad_value", "age"),
        ({"age": 639980001}, "bad_value", "age"),
        ({"age": -1}, "bad_value", "age"),
        ({"danger": 1}, "bad_value", "danger"),
        ({"note": 12}, "bad_value", "note"),
        ({"note": "x" * (TEXT_CHARS_MAX + 1)}, "text_too_long", "note"),
    ],
)
def test_what_does_not_fit_is_refused_without_being_repeated(
    tmp_path: Path, values: dict[str, Any], code: str, field: str | None
) -> None:
    with pytest.raises(ValueRefused) as refused:
        form(tmp_path).accept(values)
    assert (str(refused.value), refused.value.field) == (code, field)
    assert "Claire" not in repr(refused.value)


def test_the_shipped_form_asks_for_nothing_that_names_anybody() -> None:
    shipped = load_form(FORM_TEMPLATE)
    assert [id_ for id_, field in shipped.fields.items() if field.pii] == ["note"]
    assert shipped.fields["note"].retention_days <= 7
    assert {field.kind for id_, field in shipped.fields.items() if id_ != "note"} == {
        "choice", "choices", "yes_no",
    }  # fmt: skip


# The cards


def cards(tmp_path: Path, text: str = CARDS_TEXT) -> Any:
    path = tmp_path / "cards.yaml"
    path.write_text(text, encoding="utf-8")
    return load_cards(path, TODAY)


def test_a_card_is_shown_with_its_paragraphs_its_points_and_what_is_due(tmp_path: Path) -> None:
    silence = cards(tmp_path)["silence"]
    assert silence.view("silence", TODAY) == {
        "id": "silence",
        "title": {"fr": "Le silence", "en": "Silence"},
        "body": {
            "fr": [{"text": "Vous êtes là."}, {"points": ("Dites-le.", "Attendez.")}],
            "en": [{"text": "You are there."}, {"points": ("Say so.", "Wait.")}],
        },
        "sources": [{"name": "114", "url": "https://www.urgence114.fr"}],
        "needs": ["muet"],
        "danger": 2,
        "reviewed_at": "2026-01-01",
        "review_every_days": 60,
        "signed_by": "Dr Martin",
        "draft": False,
        "overdue": False,
    }
    assert not silence.overdue(date(2026, 3, 2))  # the sixtieth day
    assert silence.overdue(date(2026, 3, 3))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "reviewed_at: 2026-01-01",
            "reviewed_at: null",
            "14:18 une fiche signée a été relue un jour ; écrivez ce jour",
        ),
        (
            "reviewed_at: 2026-01-01",
            "reviewed_at: 2026-03-03",
            "14:18 le 2026-03-03 n'est pas encore venu",
        ),
        (
            "reviewed_at: 2026-01-01",
            "reviewed_at: 01/02/2026",
            "14:18 la date `01/02/2026` commence par le jour",
        ),
        ("    signed_by: Dr Martin\n", "", "2:3 il manque `signed_by` ; ajoutez `signed_by: null`"),
        ("review_every: 60 jours", "review_every: bientôt", "15:19 nombre de jours illisible"),
        ("https://www", "http://www", "11:34 adresse illisible"),
        (
            '[{name: "114", url: https://www.urgence114.fr}]',
            "[]",
            "11:5 une fiche dit d'où elle vient",
        ),
        (
            '        - "You are there."\n',
            "",
            "8:7 les deux langues n'ont pas les mêmes paragraphes",
        ),
        ('points: ["Say so.", "Wait."]', 'point: ["Say so."]', "10:11 un paragraphe ou des points"),
        ("danger: 2", "danger: 4", "13:13 `4` n'est pas un nombre de niveau de danger"),
        ('"Vous êtes là."', '"' + "a" * 401 + '"', "6:11 le paragraphe dépasse 400"),
    ],
)
def test_each_mistake_of_a_card_has_its_line_its_column_and_the_fix(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert CARDS_TEXT.count(old) == 1
    found = problems(lambda: cards(tmp_path, CARDS_TEXT.replace(old, new)))
    assert any(one.startswith(said) for one in found), found


def test_the_shipped_cards_are_drafts_until_somebody_signs_them() -> None:
    shipped = load_cards(CARDS_TEMPLATE, TODAY)
    assert len(shipped) == 8
    assert all(card.draft and card.reviewed_at is None for card in shipped.values())
    assert not any(card.overdue(TODAY) for card in shipped.values())
    named = " ".join(one.name for card in shipped.values() for one in card.sources)
    assert [number for number in ("3114", "119", "3919", "114", "112") if number not in named] == []


# Following the files


class Told:
    def __init__(self) -> None:
        self.wrong: dict[str, str] = {}

    def note(self, name: str, why: str) -> None:
        self.wrong[name] = why


def change(path: Path, text: str) -> None:
    """Write it so that it is newer, however fast the machine is."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(before + 10**9, before + 10**9))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    change(tmp_path / FORM, FORM_TEXT)
    change(tmp_path / CARDS, CARDS_TEXT)
    return tmp_path


def test_what_is_edited_is_followed_and_earlier_forms_are_found_again(data: Path) -> None:
    papers = Papers(data, Told())
    assert papers.form
    first = papers.form.version
    change(data / FORM, FORM_TEXT.replace("30 j", "31 j"))
    change(data / CARDS, CARDS_TEXT.replace("Le silence", "Se taire"))
    papers.refresh()
    assert papers.form
    assert papers.form.version != first
    assert papers.cards["silence"].title.fr == "Se taire"
    for one in (papers, Papers(data, Told())):  # the next process too
        assert (before := one.form_of(first))
        assert before.fields["themes"].retention_days == 30


def test_a_file_that_cannot_be_read_changes_nothing_and_is_told_until_it_is_mended(
    data: Path,
) -> None:
    told = Told()
    papers = Papers(data, told)
    assert papers.form
    first = papers.form.version
    change(data / FORM, FORM_TEXT.replace("kind: choices", "kind: chioce"))
    change(data / CARDS, "cards: [")
    papers.refresh()
    assert papers.form.version == first
    assert list(papers.cards) == ["silence"]
    assert "note.yaml:15:11: genre de champ inconnu `chioce`" in told.wrong[FORM]
    assert CARDS in told.wrong
    assert (again := Papers(data, Told()).form)  # a start in that state
    assert again.version == first
    change(data / FORM, FORM_TEXT)
    change(data / CARDS, "cards: {}")  # somebody wants none
    papers.refresh()
    assert told.wrong == {}
    assert papers.cards == {}


def test_a_data_directory_of_before_has_no_form_and_nothing_is_wrong(tmp_path: Path) -> None:
    told = Told()
    papers = Papers(tmp_path, told)
    assert (papers.form, papers.cards, told.wrong) == (None, {}, {})


@pytest.mark.parametrize("version", ["../note", "", "0" * 12, "é", "a" * 400])
def test_a_version_that_nobody_kept_is_not_found(data: Path, version: str) -> None:
    assert Papers(data, Told()).form_of(version) is None


def test_what_is_no_version_reads_no_file(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    papers, asked = Papers(data, Told()), []
    monkeypatch.setattr(papers_module, "load_form", asked.append)
    assert papers.form_of("../note") is None
    assert asked == []


def test_a_folder_that_takes_nothing_costs_no_form(data: Path) -> None:
    (data / "forms/kept").write_text("a file where a folder should be")
    assert Papers(data, Told()).form is not None


# The commands


def test_the_templates_are_put_in_place_once_and_pass_their_own_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FIL_DATA", str(tmp_path))
    copy_templates(tmp_path)
    assert main(["form", "check"]) == 0
    assert "forms/note.yaml : rien à corriger (6 champs, version " in capsys.readouterr().out
    assert main(["cards", "check"]) == 0
    assert "8 fiches, 8 brouillons, 0 à relire." in capsys.readouterr().out
    (tmp_path / FORM).write_text(FORM_TEXT)
    copy_templates(tmp_path)
    assert (tmp_path / FORM).read_text() == FORM_TEXT
    assert stat.S_IMODE((tmp_path / CARDS).stat().st_mode) & stat.S_IWUSR


def test_a_form_that_is_wrong_is_told_with_its_place_and_cards_that_are_due_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FIL_DATA", str(tmp_path))
    change(tmp_path / FORM, FORM_TEXT.replace("pii: true", "pii: peut-être", 1))
    assert main(["form", "check"]) != 0
    assert "forms/note.yaml:28:10: `peut-être` n'est ni oui ni non" in capsys.readouterr().err
    (tmp_path / CARDS).write_text(CARDS_TEXT.replace("2026-01-01", "2020-01-01"))
    assert main(["cards", "check"]) == 1
    out = capsys.readouterr().out
    assert "✗ silence" in out
    assert "signée par Dr Martin, relue le 01/01/2020 : à relire" in out
