"""The scenarios that are shipped hold; one that does not says where and what was met instead."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import ivr
from cti.simulation.scenario import play
from cti.simulation.world import CATALOGUE
from ivr.flow import FlowError, load_flow
from ivr.relays import load_relays
from ivr.scenarios import Around, Scenario, load_scenarios, scenarios_file
from ivr.versions import FlowVersion

FLOWS = Path(ivr.__file__).parent / "flows"
RELAYS = load_relays(FLOWS.parent / "relays.yaml")
SHIPPED = [
    (path.name.partition(".")[0], name)
    for path in sorted(FLOWS.glob("*.scenarios.yaml"))
    for name in load_scenarios(path).by_name
]


def version(name: str) -> FlowVersion:
    return FlowVersion(f"{name}@1", load_flow(FLOWS / f"{name}.yaml", CATALOGUE.lengths(), RELAYS))


def scenario(name: str, title: str) -> Scenario:
    return load_scenarios(scenarios_file(FLOWS / f"{name}.yaml")).by_name[title]


@pytest.mark.parametrize(("name", "title"), SHIPPED, ids=[title for _, title in SHIPPED])
def test_every_shipped_scenario_holds(name: str, title: str) -> None:
    lived = play(scenario(name, title), version(name), CATALOGUE, RELAYS)

    assert lived.held, (lived.wrong, lived.met)


def test_there_are_scenarios_of_both_lines_open_closed_and_in_a_crisis() -> None:
    assert len(SHIPPED) >= 25
    assert {name for name, _ in SHIPPED} == {"accueil", "aidants"}


def test_a_scenario_that_does_not_hold_says_what_was_waited_for_and_what_was_met() -> None:
    night = scenario("accueil", "La nuit, la ligne est fermée, et le dit")
    day = night.model_copy(update={"at": night.at.replace(hour=14)})

    lived = play(day, version("accueil"), CATALOGUE, RELAYS)

    assert not lived.held
    assert lived.wrong == "on attendait : entendre fr/ferme"
    assert "fr/personne-disponible" in [what for _, what in lived.met]


def test_what_must_never_be_heard_is_told_when_it_is() -> None:
    held = scenario("accueil", "En anglais")
    never = held.model_copy(update={"never_hears": ("en/patience",)})

    lived = play(never, version("accueil"), CATALOGUE, RELAYS)

    assert lived.wrong == "on a entendu : en/patience"


def test_a_flow_that_is_changed_breaks_the_scenario_that_says_otherwise(tmp_path: Path) -> None:
    text = (FLOWS / "accueil.yaml").read_text().replace('keys: {"2": en}', 'keys: {"3": en}')
    path = tmp_path / "accueil.yaml"
    path.write_text(text)
    changed = FlowVersion("accueil@2", load_flow(path, CATALOGUE.lengths(), RELAYS))

    lived = play(scenario("accueil", "En anglais"), changed, CATALOGUE, RELAYS)

    assert lived.wrong == "on attendait : entendre en/patience"


GOOD = """\
scenarios:
  Un appel:
    at: 2026-03-10 14:00
    staff: {regulators: 1}
    call:
      - hears: accueil
      - talks_to: regulators
"""


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ("2026-03-10 14:00", "10/03/2026", ":3:9:", "moment illisible"),
        ("- hears: accueil", "- hears: Accueil", ":6:16:", "n'est pas un message"),
        ("- hears: accueil", "- heard: accueil", ":6:9:", "clé inconnue `heard`"),
        ("- hears: accueil", "- hear: accueil", ":6:9:", "`hear` ; écrivez `hears`"),
        ("2026-03-10 14:00", "0001-01-01 00:00", ":3:9:", "une année entre 2000 et 2100"),
        ("2026-03-10 14:00", "9999-12-31 23:59", ":3:9:", "une année entre 2000 et 2100"),
        ("- hears: accueil", '- hears: accueil\n        presses: "2"', ":6:9:", "exactement une"),
        ("talks_to: regulators", "talks_to: regulator", ":7:19:", "ligne inconnue"),
        ("regulators: 1}", "regulators: 99}", ":4:25:", "n'est pas un nombre de personnes"),
        (
            "    call:\n      - hears: accueil\n      - talks_to: regulators\n",
            "",
            ":2:3:",
            "il manque `call`",
        ),
        ("    staff", "    crew", ":4:5:", "clé inconnue `crew`"),
    ],
)
def test_a_mistake_in_a_scenario_is_shown(
    tmp_path: Path, old: str, new: str, place: str, said: str
) -> None:
    path = tmp_path / "x.scenarios.yaml"
    path.write_text(GOOD.replace(old, new))

    with pytest.raises(FlowError) as refused:
        load_scenarios(path)

    assert f"{path}{place}" in str(refused.value)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ("    staff", "    crisis: caniculle\n    staff", ":4:13:", "écrivez `canicule`"),
        ("    staff", "    message: patiance\n    staff", ":4:14:", "écrivez `patience`"),
        ("    staff", "    relays: {exampel: answers}\n    staff", ":4:14:", "écrivez `exemple`"),
        ("    staff", "    never_hears: [accueil, patiance]\n    staff", ":4:28:", "`patience`"),
        ("hears: accueil", "hears: acueil", ":6:16:", "écrivez `accueil`"),
        ("hears: accueil", "hears: en/acueil", ":6:16:", "écrivez `en/accueil`"),
        ("hears: accueil", "hears: de/accueil", ":6:16:", "message inconnu `de/accueil`"),
        ("talks_to: regulators", "talks_to_relay: exampel", ":7:25:", "écrivez `exemple`"),
    ],
)
def test_a_scenario_names_only_what_exists(
    tmp_path: Path, old: str, new: str, place: str, said: str
) -> None:
    path = tmp_path / "x.scenarios.yaml"
    path.write_text(GOOD.replace(old, new))
    around = Around(version("accueil").flow, CATALOGUE.lengths(), RELAYS)

    with pytest.raises(FlowError) as refused:
        load_scenarios(path, around)

    assert f"{path}{place}" in str(refused.value)
    assert said in str(refused.value)
    assert len(refused.value.problems) == 1


@pytest.mark.parametrize("name", ["accueil", "aidants"])
def test_what_the_shipped_scenarios_name_exists(name: str) -> None:
    around = Around(version(name).flow, CATALOGUE.lengths(), RELAYS)

    assert load_scenarios(scenarios_file(FLOWS / f"{name}.yaml"), around).by_name


def test_the_music_may_be_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "x.scenarios.yaml"
    path.write_text(GOOD.replace("hears: accueil", "hears: musique"))

    load_scenarios(path, Around(version("accueil").flow, CATALOGUE.lengths(), RELAYS))


def test_all_the_scenarios_take_a_moment() -> None:
    began = time.process_time()
    for name, title in SHIPPED:
        play(scenario(name, title), version(name), CATALOGUE, RELAYS)

    assert time.process_time() - began < 20.0  # five seconds on a quiet machine
