"""A slip in a flow is answered with what was meant, at once, however large the file."""

from __future__ import annotations

from pathlib import Path

import pytest

import ivr.parts
from ivr.flow import Flow, FlowError, load_flow
from ivr.reading import Source, read
from ivr.steps import RelayStep

GOOD = """\
name: Essai
languages: [fr]
start: regulation
calendars:
  horaires:
    open:
      tous les jours: "09:00-19:00"
    closings:
      - {from: 2026-12-24 12:00, to: 2026-12-26 09:00}
steps:
  regulation:
    line: regulators
    while_waiting: musique
    on_no_staff: fermeture
    on_wait_longer_than: {after: 10 min, then: fermeture}
  ecoute:
    line: listeners
    while_waiting: musique
    on_no_staff: fermeture
    on_wait_longer_than: {after: 10 min, then: fermeture}
  musique:
    wait: 20 s
    then: patience
  patience:
    say: patience
    then: musique
  fermeture:
    hours: horaires
    open: relais
    closed: ferme
  relais:
    relay: exemple
    say: relais-appel
    then: ferme
    otherwise: ferme
  ferme:
    say: ferme
    then: fin
  fin:
    hang_up: true
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "essai.yaml"
    path.write_text(text)
    return path


def loaded(folder: Path, old: str, new: str) -> Flow:
    assert old in GOOD
    return load_flow(written(folder, GOOD.replace(old, new, 1)), None)


def problems(folder: Path, old: str, new: str) -> list[str]:
    """What is said of the flow with one thing changed, each with its line and column."""
    with pytest.raises(FlowError) as refused:
        loaded(folder, old, new)
    return [f"{p.place.line}:{p.place.column} {p.what} ; {p.fix}" for p in refused.value.problems]


def test_the_flow_that_these_tests_change_is_right(tmp_path: Path) -> None:
    assert loaded(tmp_path, "name: Essai", "name: Essai").name == "Essai"


@pytest.mark.parametrize("first", ["relay: exemple", "say: relais-appel", "then: ferme"])
def test_what_a_relay_step_says_may_be_written_in_any_place(tmp_path: Path, first: str) -> None:
    lines = ["relay: exemple", "say: relais-appel", "then: ferme", "otherwise: ferme"]
    block = "".join(f"    {line}\n" for line in lines)
    turned = "".join(f"    {line}\n" for line in sorted(lines, key=lambda line: line != first))

    step = loaded(tmp_path, block, turned).steps["relais"]

    assert isinstance(step, RelayStep)
    assert (step.relay, step.prompt) == ("exemple", "relais-appel")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("    wait: 5 s\n    say: ferme\n", "23:5 deux actions dans une étape : `wait` et `say`"),
        ("    say: ferme\n    wait: 5 s\n", "23:5 deux actions dans une étape : `say` et `wait`"),
        (
            "    say: ferme\n    relay: exemple\n    wait: 5 s\n",
            "24:5 deux actions dans une étape : `relay` et `wait`",
        ),
    ],
)
def test_two_actions_are_told_in_whichever_order(tmp_path: Path, lines: str, said: str) -> None:
    found = problems(tmp_path, "    wait: 20 s\n", lines)

    assert found == [f"{said} ; faites-en deux étapes, liées par `then`"]


def test_a_slip_inside_a_list_is_answered_with_the_nearest_key(tmp_path: Path) -> None:
    found = problems(tmp_path, ", to: 2026-12-26 09:00}", ", too: 2026-12-26 09:00}")

    assert "9:34 clé inconnue `too` ; écrivez `to`" in found
    assert "9:9 il manque `to` ; ajoutez `to: 2026-12-26 09:00`" in found


def test_several_days_in_one_are_told_day_by_day(tmp_path: Path) -> None:
    found = problems(tmp_path, "tous les jours:", "lundi-vendredi:")

    days = "lundi, mardi, mercredi, jeudi, vendredi"
    assert found == [f"7:7 jour inconnu `lundi-vendredi` ; écrivez une ligne par jour : {days}"]


def test_too_many_steps_are_told_before_they_are_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ivr.parts, "checked_step", None)
    monkeypatch.setattr(ivr.parts, "write_instead", None)
    many = "".join(f"  e{i}: {{say: ferme, then: nulle-part-{i}}}\n" for i in range(3500))

    found = problems(tmp_path, "  fin:\n", f"{many}  fin:\n")

    assert found == ["10:1 plus de 200 étapes ; gardez seulement les étapes utiles"]


def test_too_many_steps_of_a_part_are_told_in_its_file(tmp_path: Path) -> None:
    many = "".join(f"  e{i}: {{say: ferme, then: nulle-part-{i}}}\n" for i in range(201))
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/a.yaml").write_text(f"start: e0\nsteps:\n{many}")

    with pytest.raises(FlowError) as refused:
        loaded(tmp_path, "    wait: 20 s\n", "    flow: a\n")

    assert f"{tmp_path / 'parts/a.yaml'}:2:1: plus de 200 étapes" in str(refused.value)


def test_a_part_that_is_wrong_is_told_once_however_often_it_is_brought_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: list[str] = []

    def counted(file: Path) -> Source:
        files.append(file.stem)
        assert len(files) < 50, "the same files are read again and again"
        return read(file)

    monkeypatch.setattr(ivr.parts, "read", counted)
    many = "".join(f"  e{i}: {{flow: a, then: fin}}\n" for i in range(150))
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/a.yaml").write_text(f"start: e0\nsteps:\n{many}  fin: {{back: true}}\n")

    found = problems(tmp_path, "  fin:\n", f"{many}  fin:\n")

    assert "plus de 3 fichiers sont emboîtés" in found[0]
    assert len(found) == 150  # the steps of the innermost, each in its place
