"""What a proved flow promises is what a caller lives through, in our real call code."""

from __future__ import annotations

from pathlib import Path

import ivr
from cti.people.agents import Orient
from cti.simulation.scenario import Lived, play
from cti.simulation.world import CATALOGUE, World
from ivr.flow import load_flow
from ivr.relays import load_relays
from ivr.scenarios import load_scenarios
from ivr.versions import FlowVersion
from tests.stories import Oriented, Tell, decides

FLOWS = Path(ivr.__file__).parent / "flows"
RELAYS = load_relays(FLOWS.parent / "relays.yaml")


def lived(tmp_path: Path, scenario: str, *changes: tuple[str, str]) -> Lived:
    """One call to the public line, some of whose flow is changed."""
    text = (FLOWS / "accueil.yaml").read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    (tmp_path / "parts").symlink_to(FLOWS / "parts")
    (tmp_path / "accueil.yaml").write_text(text)
    (tmp_path / "accueil.scenarios.yaml").write_text(
        f"scenarios:\n  Un appel:\n    at: 2026-03-10 14:00\n{scenario}"
    )
    flow = load_flow(tmp_path / "accueil.yaml", CATALOGUE.lengths(), RELAYS)
    one = load_scenarios(tmp_path / "accueil.scenarios.yaml").by_name["Un appel"]
    found = play(one, FlowVersion("accueil@1", flow), CATALOGUE, RELAYS)
    assert found.held, (found.wrong, found.met)
    return found


def test_a_line_that_speaks_another_language_greets_in_it(tmp_path: Path) -> None:
    call = lived(
        tmp_path,
        """\
    staff: {regulators: 1}
    languages: [en]
    call:
      - hears: en/accueil
      - talks_to: regulators
    never_hears: [fr/accueil]
""",
        ("languages: [fr, en]", "languages: [en]"),
    )
    assert {what for _, what in call.met if what.startswith("fr/")} == set()


def test_danger_after_a_long_wait_waits_on_at_the_head_of_the_line(tmp_path: Path) -> None:
    lived(
        tmp_path,
        """\
    staff: {regulators: 1}
    busy_for: 25 min
    call:
      - hears: attente-longue
      - presses: "0"
      - hears: danger
      - talks_to: regulators
    never_hears: [personne-disponible, au-revoir]
""",
    )


def test_who_tries_a_relay_while_waiting_keeps_their_place(tmp_path: Path) -> None:
    lived(
        tmp_path,
        """\
    staff: {regulators: 1}
    busy_for: 4 min
    relays: {exemple: no_answer}
    call:
      - hears: choix-attente
      - presses: "3"
      - hears: relais-appel
      - talks_to: regulators
""",
        ('      "9": droits\n', '      "9": droits\n      "3": relais\n'),
        (
            "  droits:\n    say: droits",
            "  relais: {relay: exemple, say: relais-appel, then: au-revoir,\n"
            "    otherwise: regulation}\n"
            "  au-revoir: {say: au-revoir, then: fin}\n  droits:\n    say: droits",
        ),
    )


def test_two_messages_that_must_be_heard_are_both_heard(tmp_path: Path) -> None:
    lived(
        tmp_path,
        """\
    staff: {regulators: 1}
    answers_after: 0.5 s
    call:
      - hears: accueil
      - hears: accueil-aidants
      - talks_to: regulators
""",
        ("    then: langue\n", "    then: second\n"),
        ("    then: langue-affluence\n", "    then: second-affluence\n"),
        (
            "  langue:\n",
            "  second: {notice: accueil-aidants, then: langue}\n"
            "  second-affluence: {notice: accueil-aidants, then: langue-affluence}\n  langue:\n",
        ),
    )


def test_what_must_be_heard_whole_is_when_nobody_is_there_for_that_need(tmp_path: Path) -> None:
    call = lived(
        tmp_path,
        """\
    staff: {regulators: 1}
    call:
      - hears: droits
      - talks_to: regulators
""",
        ("    open: regulation\n", "    open: formes\n"),
        (
            "  regulation:\n    line: regulators\n",
            "  formes:\n    line: regulators\n    skills: [aidants]\n    while_waiting: avertis\n"
            "    on_no_staff: regulation\n"
            "    on_wait_longer_than: {after: 10 min, then: regulation}\n"
            "  avertis: {notice: droits, then: musique-encore}\n"
            "  regulation:\n    line: regulators\n",
        ),
    )
    met = {what: at for at, what in reversed(call.met)}
    lasts = CATALOGUE.lengths()["fr", "droits"]
    assert met["personne regulator0"] - met["fr/droits"] >= lasts
    after = [at for at, what in call.met if at > met["fr/droits"]]
    assert after[0] - met["fr/droits"] >= lasts - 0.001


def test_a_call_keeps_its_version_when_another_is_published_meanwhile(tell: Tell) -> None:
    def publish(world: World) -> None:
        assert world.controller is not None
        flows = world.controller.house.flows
        flow = flows.for_number("").flow
        said = flow.steps["orientation"].model_copy(update={"prompt": "patience"})
        changed = flow.model_copy(update={"steps": {**flow.steps, "orientation": said}})
        flows.served["line"] = FlowVersion("line@2", changed)

    oriented = decides(Orient(line="listeners"))
    story = tell(Oriented((10.0, publish), (12.0, oriented)))

    heard = story.heard(12.0)
    assert "prompt:/sounds/fr/orientation" in heard
    assert "prompt:/sounds/fr/patience" not in heard
