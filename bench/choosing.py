"""How long one look at everybody takes: a thousand agents, five hundred waiting callers.

``python -m bench.choosing``. What is measured is the whole round of the distributor before
anybody is reserved: sorting the callers, saying what each needs, matching.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

from cti.calls.waiting import Ask, WaitingLines
from cti.people.agents import Agent, Presence, Role
from cti.people.team import Team

AGENTS = 1000
CALLERS = 500
ROUNDS = 60
SEED = 7
# How many of the agents are free, by the name of the moment.
MOMENTS = {"nobody is free": 0.0, "a few come free": 0.01, "everybody is free": 1.0}


class NoStore:
    """A store that is never asked."""

    async def reserve(self, *_: object) -> bool:
        """Never asked."""
        return True

    async def set_presence(self, *_: object) -> None:
        """Never asked."""


def agents(chance: Random, free: float) -> dict[str, Agent]:
    """A team with languages, skills and a past, of whom some are free."""
    team = {}
    for number in range(AGENTS):
        one = Agent(
            f"agent{number:04d}",
            "",
            frozenset({chance.choice([Role.REGULATOR, Role.LISTENER])}),
            "",
            languages=frozenset(chance.choice([("fr",), ("fr", "en")])),
            skills={
                s: chance.randint(1, 3) for s in ("violences", "mineurs") if chance.random() < 0.3
            },
            gender=chance.choice(["femme", "homme", None]),
            stands_in=chance.random() < 0.1,
            presence=Presence.READY if chance.random() < free else Presence.TALKING,
            free_since=chance.uniform(0, 3600),
        )
        for _ in range(chance.randint(0, 8)):
            one.exposure.add(time.monotonic() - chance.uniform(0, 9000), chance.uniform(1, 30), 1.0)
        one.outbox.open_screen(lambda _: None)
        team[one.id] = one
    return team


def asks(chance: Random) -> list[Ask]:
    """Callers with needs of all kinds."""
    future: asyncio.Future[list[Agent]] = asyncio.new_event_loop().create_future()
    now = datetime.now(UTC)
    return [
        Ask(
            f"{number:032x}",
            chance.choice(["regulators", "listeners"]),
            chance.choice(["fr", "fr", "fr", "en"]),
            now - timedelta(seconds=chance.uniform(0, 1200)),
            danger=chance.choices([0, 1, 2, 3], [90, 4, 3, 3])[0],
            young=chance.random() < 0.1,
            gender=chance.choices([None, "femme"], [9, 1])[0],
            skills=chance.choices([{}, {"violences": 2}], [8, 2])[0],
            relax_every_seconds=120.0,
            strategy="longest_idle",
            found=future,
        )
        for number in range(CALLERS)
    ]


def look(lines: WaitingLines) -> int:
    """One round; returns how many callers were given somebody."""
    return len(list(lines._match()))


def milliseconds(do: Callable[[], int]) -> list[float]:
    """How long each of many rounds took."""
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        do()
        took.append((time.perf_counter() - began) * 1000)
    return took


def main() -> None:
    """Print the median and the worst of each moment."""
    print(f"{AGENTS} agents, {CALLERS} waiting callers, {ROUNDS} rounds, seed {SEED}")
    for moment, free in MOMENTS.items():
        chance = Random(SEED)
        team, waiting = agents(chance, free), asks(chance)
        team_ = Team(team.values(), NoStore(), lambda *_: None, 60.0)
        lines = WaitingLines(team_, asyncio.Event())
        lines._asks = waiting
        served = look(lines)
        took = milliseconds(lambda lines=lines: look(lines))
        print(
            f"{moment}: {served} given, median {statistics.median(took):.2f} ms, "
            f"best {min(took):.2f} ms, worst {max(took):.2f} ms"
        )


if __name__ == "__main__":
    main()
