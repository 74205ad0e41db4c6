"""A compressed day of the line, drawn from a seed: who calls at which hour, who works when.

The flow of a day has lines of each strategy, skills whose level gives way, callers who would
rather speak with a woman or a man, or are young. Some days are long nights with nobody to spare,
for what is promised to who waits for hours.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random

from cti.simulation.actors import AgentPlan
from cti.simulation.fake import Faults
from cti.simulation.habits import DayAgentPlan, DayCallerPlan
from cti.simulation.plans import FAULTS, with_picks
from cti.simulation.world import BEGAN_AT, CATALOGUE, Fault, Plan, Scenery
from ivr.flow import Flow, load_flow
from ivr.relays import Relay
from ivr.steps import STRATEGIES, Strategy
from ivr.versions import FlowVersion

CALLS_A_DAY = (20, 60)
HOURS = 8  # of different weight, in each day
CALL_SECONDS = 55.0  # what a call costs an agent, with its wrap-up
FREQUENT_NUMBER = "0199000002"
RELAY = "relais"
LONG_NIGHTS = 0.02  # how many days are nights in which callers wait for hours
LONG_NIGHT_SECONDS = 13_000.0
FAULTS_OF_A_DAY = ("crash", "cut", "database_slow", "database_away", "phone_lost", "stall")
FAULTY = 0.25  # how many days know a fault

FLOW = """
name: Une journée
languages: [fr, en]
start: langue
rings_within: 60 s
danger: {{key: "0", say: danger, then: regulation}}
attributes:
  gender: [femme, homme]
  age: [mineur]
calendars:
  horaires: {{open: toujours}}
steps:
  langue: {{language: choix-langue, keys: {{"2": en}}, seconds: 2 s, then: ouverture}}
  ouverture: {{hours: horaires, open: besoin, closed: ferme}}
  ferme: {{say: ferme, then: fin}}
  fin: {{hang_up: true}}
  besoin:
    menu: besoin-aidants
    keys: {{"1": femme, "3": homme, "4": mineur, "5": violences, "6": femme-violences,
           "7": mineur-ecoute, "8": deuil}}
    seconds: 3 s
    otherwise: regulation
  femme: {{set: {{gender: femme}}, then: regulation}}
  homme: {{set: {{gender: homme}}, then: regulation}}
  mineur: {{set: {{age: mineur}}, then: regulation}}
  femme-violences: {{set: {{gender: femme}}, then: violences}}
  mineur-ecoute: {{set: {{age: mineur}}, then: ecoute}}

  regulation:
    line: regulators
    strategy: {regulation}
    stand_in_after: {stand_in} s
    while_waiting: patience
    on_no_staff: personne
    on_wait_longer_than: {{after: 30 min, then: attente-longue}}
  violences:
    line: regulators
    strategy: {violences}
    skills: {{violences: 3}}
    relax_every: {relax} s
    stand_in_after: {stand_in} s
    while_waiting: patience
    on_no_staff: personne
    on_wait_longer_than: {{after: 30 min, then: attente-longue-violences}}
  ecoute:
    line: listeners
    strategy: {ecoute}
    ring_after: 0 s
    while_waiting: patience
    on_no_staff: personne
    on_wait_longer_than: {{after: 30 min, then: attente-longue-ecoute}}
  deuil:
    line: listeners
    strategy: {deuil}
    skills: {{deuil: 2}}
    relax_every: {relax} s
    while_waiting: patience
    on_no_staff: personne
    on_wait_longer_than: {{after: 30 min, then: attente-longue-deuil}}

  patience: {{say: patience, then: musique}}
  musique: {{wait: 40 s, then: patience-encore}}
  patience-encore: {{say: patience-encore, then: musique}}
  attente-longue:
    {{menu: attente-longue, keys: {{"1": regulation}}, seconds: 8 s, otherwise: personne}}
  attente-longue-violences:
    {{menu: attente-longue, keys: {{"1": violences}}, seconds: 8 s, otherwise: personne}}
  attente-longue-ecoute:
    {{menu: attente-longue, keys: {{"1": ecoute}}, seconds: 8 s, otherwise: personne}}
  attente-longue-deuil:
    {{menu: attente-longue, keys: {{"1": deuil}}, seconds: 8 s, otherwise: personne}}
  personne: {{say: personne-disponible, then: {last}}}
"""
TO_RELAY = """
  relais: {relay: relais, say: relais-appel, then: au-revoir, otherwise: au-revoir}
  au-revoir: {say: au-revoir, then: fin}
"""


@dataclass(frozen=True)
class Day(Plan):
    """All that is decided before a day begins."""

    scenery: Scenery = field(default_factory=lambda: Scenery({}, CATALOGUE))


def draw(seed: str, between: tuple[int, int] = CALLS_A_DAY) -> Day:
    """The day of that seed; ``between``: how many callers it may have."""
    chance = Random(f"{seed}/day")
    long_night = chance.random() < LONG_NIGHTS
    agents = _agents(chance, long_night)
    calls = min(between[1], 14) if long_night else chance.randint(*between)
    load = chance.choice((0.4, 0.7, 1.0, 1.5))
    seconds = max(120.0, calls * CALL_SECONDS / len(agents) / load)
    if long_night:
        seconds = LONG_NIGHT_SECONDS
    agents = with_picks(seed, [_shifts(chance, agent, seconds) for agent in agents])
    callers = _callers(chance, calls, seconds, long_night)
    faults: list[Fault] = []
    if chance.random() < FAULTY and not long_night:
        for _ in range(chance.choice((1, 1, 2))):
            kind = chance.choice(FAULTS_OF_A_DAY)
            lasts, who = chance.uniform(*FAULTS[kind][1]), chance.choice(agents).id
            faults.append(
                Fault(chance.uniform(5, seconds), kind, lasts, chance.randint(0, 50), who)
            )
    return Day(
        callers=tuple(callers),
        agents=tuple(agents),
        faults=tuple(sorted(faults, key=lambda fault: fault.at)),
        any_order=chance.random() < 0.3,
        wire=Faults(
            request_seconds=(0.0002, 0.001),
            reply_seconds=(0.0002, 0.001),
            event_seconds=chance.choice(((0.0002, 0.001), (0.0002, 0.02))),
        ),
        scenery=_scenery(chance),
    )


def _scenery(chance: Random) -> Scenery:
    strategies = tuple(chance.choice(STRATEGIES) for _ in range(4))
    relay = chance.random() < 0.5
    return scenery(strategies, chance.choice((15, 40)), chance.choice((10, 30)), relay=relay)


def scenery(
    strategies: tuple[Strategy, ...], stand_in: int = 40, relax: int = 30, *, relay: bool = False
) -> Scenery:
    """A day's flow, with the strategy of each of its lines."""
    flow = _flow(strategies, stand_in, relax, relay)
    number = "0199000077"
    relays = {
        RELAY: Relay.model_validate(
            {
                "name": "Un relais",
                "number": number,
                "hours": "toujours",
                "cost": "gratuit",
                "verified_at": "2026-03-01",
                "live": "true",
            }
        )
    }
    return Scenery({"line": flow}, CATALOGUE, BEGAN_AT, relays=relays if relay else {})


@cache
def _flow(strategies: tuple[Strategy, ...], stand_in: int, relax: int, relay: bool) -> FlowVersion:
    names = ("regulation", "violences", "ecoute", "deuil")
    words = dict(zip(names, strategies, strict=True))
    text = FLOW.format(**words, stand_in=stand_in, relax=relax, last="relais" if relay else "fin")
    with tempfile.TemporaryDirectory(prefix="fil-day-") as folder:
        path = Path(folder) / "journee.yaml"
        path.write_text(text + (TO_RELAY if relay else ""), encoding="utf-8")
        flow: Flow = load_flow(path, CATALOGUE.lengths())
    return FlowVersion("line@1", flow)


# -- who works ----------------------------------------------------------------------


def _agents(chance: Random, long_night: bool) -> list[DayAgentPlan]:
    agents = []
    for number in range(2 if long_night else chance.randint(3, 9)):
        regulator = number == 0 or chance.random() < 0.5
        roles = {"regulator"} if regulator else {"listener"}
        if chance.random() < 0.15:
            roles = {"regulator", "listener"}
        steady = number == 0
        skills = {
            name: chance.randint(1, 3)
            for name in ("violences", "deuil")
            if steady or chance.random() < 0.5
        }
        agents.append(
            DayAgentPlan(
                f"agent{chr(ord('a') + number)}",
                frozenset(roles),
                frozenset({"fr", "en"} if steady or chance.random() < 0.4 else {"fr"}),
                steady=steady,
                skills=skills,
                gender=chance.choice(("femme", "homme", None)) if number else "femme",
                stands_in="listener" in roles and chance.random() < 0.5,
                trouble=0.0 if steady else chance.choice((0.02, 0.1, 0.3)),
            )
        )
    return agents


def _shifts(chance: Random, agent: AgentPlan, seconds: float) -> DayAgentPlan:
    """When this person works: all day, or from then to then; and the end that they tell."""
    assert isinstance(agent, DayAgentPlan)
    if agent.steady or chance.random() < 0.4:
        return agent
    begins = chance.choice((0.0, chance.uniform(0, seconds * 0.6)))
    ends = begins + chance.uniform(0.2, 0.8) * seconds
    later = ends + chance.uniform(20, 200)
    tells = ends + chance.uniform(0, 1300) if chance.random() < 0.7 else None
    return DayAgentPlan(
        **{**agent.__dict__, "shifts": ((begins, ends), (later, 1e9)), "tells_end_at": tells}
    )


# -- who calls ----------------------------------------------------------------------


def _callers(chance: Random, calls: int, seconds: float, long_night: bool) -> list[DayCallerPlan]:
    weights = [chance.choice((0.3, 1.0, 1.0, 2.0, 5.0)) for _ in range(HOURS)]
    hours = chance.choices(range(HOURS), weights, k=calls)
    times = sorted(5.0 + (hour + chance.random()) * seconds / HOURS for hour in hours)
    return [
        _caller(chance, at, number, long_night, seconds) for number, at in enumerate(times, start=1)
    ]


def _caller(
    chance: Random, at: float, number: int, long_night: bool, seconds: float
) -> DayCallerPlan:
    patience = chance.choice(
        (chance.uniform(2, 40), chance.uniform(20, 120), chance.uniform(60, 400), 900.0)
    )
    talk = chance.choice((chance.uniform(1, 12), chance.uniform(5, 60), 100.0))
    if long_night:  # somebody is with everybody for hours, and nobody gives up
        patience, talk = seconds, chance.choice((20.0, seconds / 4, seconds / 2))
    own = f"06399{chance.randint(80, 89)}{number:03d}"
    return DayCallerPlan(
        at=at,
        patience_seconds=patience,
        talk_seconds=talk,
        number=chance.choices((own, FREQUENT_NUMBER, None), (80, 12, 8))[0],
        vanishes=chance.random() < 0.04,
        language_key="2" if chance.random() < 0.2 else "",
        choice=chance.choices(("", *"1345678"), (8, 2, 1, 2, 3, 1, 1, 2))[0],
        danger_after_seconds=chance.uniform(1, 60) if chance.random() < 0.08 else None,
        returns_after_seconds=chance.choice((chance.uniform(0.5, 6), chance.uniform(1, 200)))
        if chance.random() < 0.4
        else None,
        stays=chance.random() < 0.1,
    )
