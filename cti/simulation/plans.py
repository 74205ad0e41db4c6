"""What a world will be like: drawn from a seed, before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import TypeVar

from cti.simulation.actors import AgentPlan, CallerPlan
from cti.simulation.fake import Faults
from cti.simulation.world import Fault, Plan

A = TypeVar("A", bound=AgentPlan)
CALLS_A_WORLD = (10, 50)
ARRIVALS_APART_SECONDS = 2.0
# What may go wrong, how often compared with the rest, and for how many seconds.
FAULTS: dict[str, tuple[int, tuple[float, float]]] = {
    "crash": (30, (0, 0)),
    "hang": (12, (1, 30)),
    "cut": (10, (0, 0)),
    "stall": (6, (0.2, 20)),
    "events_late": (6, (2, 30)),
    "events_twice": (4, (5, 60)),
    "replies_late": (6, (2, 30)),
    "replies_lost": (4, (1, 10)),
    "refusals": (4, (1, 10)),
    "database_away": (6, (1, 60)),
    "database_slow": (4, (1, 60)),
    "engine_killed": (2, (1, 6)),
    "engine_stopped": (2, (1, 6)),
    "phone_lost": (6, (5, 60)),
    "phone_unregistered": (4, (5, 60)),
    "signs_out": (6, (10, 60)),
}
SHARED_NUMBER = "0199000001"  # of a hospital: several people call from it
FAULTLESS = 0.2  # how many worlds know no fault


def draw(seed: str, between: tuple[int, int] = CALLS_A_WORLD) -> Plan:
    """The plan of the world of that seed; ``between``: how many callers it may have."""
    chance = Random(f"{seed}/plan")
    calls = chance.randint(*between)
    apart = ARRIVALS_APART_SECONDS * chance.choice((0.1, 0.5, 1, 1.5))
    at, callers = 1.0, []
    for _ in range(calls):
        at += chance.expovariate(1 / apart)
        callers.append(_caller(chance, at))
    agents = _agents(chance)
    faults: list[Fault] = []
    if chance.random() > FAULTLESS:
        number = chance.choice((1, 1, 2, 3, 5, 8))
        faults = [_fault(chance, at + 30, agents) for _ in range(number)]
    return Plan(
        callers=tuple(callers),
        agents=tuple(with_picks(seed, agents)),
        faults=tuple(sorted(faults, key=lambda fault: fault.at)),
        any_order=chance.random() < 0.5,
        database=chance.choice(("there", "there", "there", "away")),
        wire=_wire(chance),
    )


def _caller(chance: Random, at: float) -> CallerPlan:
    patience = chance.choice(
        (chance.uniform(0, 5), chance.uniform(5, 40), chance.uniform(30, 90), 110.0)
    )
    keys = []
    if chance.random() < 0.2:
        keys.append((chance.uniform(3, 9), "2"))
    while chance.random() < 0.2:
        keys.append((chance.uniform(0, 90), chance.choice("0123456789*#")))
    own = f"06399{chance.randint(80000, 89999)}"
    number = chance.choices((own, SHARED_NUMBER, None), (85, 8, 7))[0]
    return CallerPlan(
        number=number,
        at=at,
        patience_seconds=patience,
        talk_seconds=chance.choice((chance.uniform(0, 12), chance.uniform(5, 50), 90.0)),
        keys=tuple(keys),
        leaves_at_sound=chance.randint(1, 12) if chance.random() < 0.3 else None,
        leaves_after_seconds=chance.choice((0.0, chance.uniform(0, 0.02), chance.uniform(0, 3))),
        vanishes=chance.random() < 0.04,
        calls_again=chance.random() < 0.08,
    )


def _agents(chance: Random) -> list[AgentPlan]:
    agents = []
    for number in range(chance.randint(1, 10)):
        regulator = number == 0 or chance.random() < 0.5
        roles = {"regulator"} if regulator else {"listener"}
        if chance.random() < 0.15:
            roles = {"regulator", "listener"}
        languages = {"fr", "en"} if chance.random() < 0.3 else {"fr"}
        agents.append(
            AgentPlan(
                f"agent{chr(ord('a') + number)}",
                frozenset(roles),
                frozenset(languages),
                steady=number == 0,
                # No draw: the seeds of before keep their other chances.
                own_number=f"06399870{number:02}" if number % 4 == 3 else None,
            )
        )
    return agents


def with_picks(seed: str, agents: Sequence[A]) -> list[A]:
    """These people, some of whom now and then pick a caller among those who wait.

    By a chance of its own: the seeds of before keep their other people as they were.
    """
    chance = Random(f"{seed}/picks")
    often = (0.0, 0.02, 0.1, 0.4)
    return [replace(agent, picks=chance.choice(often)) for agent in agents]


def _fault(chance: Random, until: float, agents: list[AgentPlan]) -> Fault:
    kind = chance.choices(list(FAULTS), [weight for weight, _ in FAULTS.values()])[0]
    return Fault(
        at=chance.uniform(0.5, until),
        kind=kind,
        seconds=chance.uniform(*FAULTS[kind][1]),
        steps=chance.choice((0, 1, chance.randint(2, 20), chance.randint(10, 300))),
        who=chance.choice(agents).id,
    )


def _wire(chance: Random) -> Faults:
    """How quick the wire is: a moment, or long enough that anything may overtake anything."""
    usual = chance.choice(((0.0002, 0.001), (0.0002, 0.02), (0.001, 0.1)))
    other = chance.choice(((0.0002, 0.001), (0.0002, 0.02)))
    return Faults(request_seconds=other, reply_seconds=other, event_seconds=usual)
