"""Worlds of screens that flap: lived through, and judged by what every screen was told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from cti.people import agents
from cti.simulation.actors import AgentPlan, CallerPlan
from cti.simulation.world import Fault, Plan
from cti.web import screen as line_end
from tests.flapping import (
    IN_DANGER_SHARE,
    KEPT_MAX,
    LONG_AWAY_SECONDS,
    QUEUED_MAX,
    Client,
    FlappingWorld,
    Pushed,
)


@contextmanager
def small_limits() -> Iterator[None]:
    """So few frames kept and queued that a short absence is too long."""
    before = agents.MESSAGES_KEPT_MAX, line_end.FRAMES_QUEUED_MAX
    agents.MESSAGES_KEPT_MAX, line_end.FRAMES_QUEUED_MAX = KEPT_MAX, QUEUED_MAX
    try:
        yield
    finally:
        agents.MESSAGES_KEPT_MAX, line_end.FRAMES_QUEUED_MAX = before


def a_plan(seed: str, callers: int, people: int) -> Plan:
    """So many callers, whom most agents decline; the controller dies twice."""
    chance = Random(f"{seed}/flapping")
    at, coming = 3.0, []
    for number in range(callers):
        at += chance.expovariate(1 / 1.5)
        patience = chance.uniform(30, 100)
        # Some tell that they are in danger, whether offered already or not: their sheet changes.
        keys = ((chance.uniform(3, 15), "0"),) if chance.random() < IN_DANGER_SHARE else ()
        coming.append(CallerPlan(at, patience, 60.0, keys, number=f"0199{number:06}"))
    roles, languages = frozenset({"regulator"}), frozenset({"fr"})
    team = [AgentPlan(f"agent{n:02}", roles, languages, steady=True) for n in range(people)]
    ends = sorted(chance.uniform(10, at) for _ in range(2))
    crashes = tuple(Fault(end, "crash", steps=chance.randint(0, 300)) for end in ends)
    return Plan(
        tuple(coming),
        tuple(team),
        crashes,
        any_order=True,
        database="away",
        quiet_seconds=LONG_AWAY_SECONDS[1] + 5,  # whoever is away comes back
    )


@dataclass
class Tally:
    """What was lived through, so that nothing was proved by nothing happening."""

    pops: int = 0
    rings: int = 0
    cuts: int = 0
    lives: int = 0
    fates: Counter[str] = field(default_factory=Counter)  # of each pop at each screen of its agent
    met: Counter[str] = field(default_factory=Counter)
    closes: Counter[int] = field(default_factory=Counter)


def judge(world: FlappingWorld, tally: Tally) -> list[str]:
    """What was lost, doubled, told to somebody else, or rung unseen; counts the rest."""
    wrong = list(world.wrong) + [text for _, text in world.troubles]
    wrong += [repr(one.get("exception", one))[:300] for one in world.loop.trouble]
    tally.cuts += world.cuts
    tally.lives += len(world.lives)
    tally.met += world.met
    tally.closes += world.closes
    offers: dict[str, str] = {}
    for epoch, frames in world.pushed.items():
        agent, life = world.owners[epoch]
        for pop in (frame for frame in frames if frame.type == "call.offered"):
            tally.pops += 1
            offers[pop.data["offer"]] = agent
            if f"-{agent}-" not in pop.data["offer"]:
                wrong.append(f"{agent} is offered {pop.data['offer']}")
            for client in world.desks[agent].clients:
                fate = _fate(client, epoch, pop, world.lives[life].ended_at is not None)
                tally.fates[fate] += 1
                if fate == "lost":
                    wrong.append(f"{agent} never knew of {pop.data['offer']}")
    for agent, desk in world.desks.items():
        wrong += [f"{agent} was told of {o}" for _, o in desk.shown if offers.get(o) != agent]
        wrong += [f"{agent} saw {o} {n} times" for (_, o), n in desk.shown.items() if n > 1]
    for at, ring in world.rings:
        if ring.channel_id in offers:
            tally.rings += 1
            seen = world.desks[ring.name].pops.get(ring.channel_id)
            if seen is None or seen.acked_at is None or seen.acked_at > at:
                wrong.append(f"{ring.channel_id} rang before it was seen")
    return wrong


def _fate(client: Client, epoch: str, pop: Pushed, line_died: bool) -> str:
    """What became of one pop at one screen."""
    if (got := client.got.get((epoch, pop.seq))) is not None:
        return "told after a cut" if got.missed else "told"
    shown = [(seq, call) for e, seq, call in client.snapshots if e == epoch and seq >= pop.seq]
    if shown:
        seq, call = shown[0]
        if call == pop.data["call"]["id"]:
            return "in a snapshot"
        frames = client.world.pushed[epoch][pop.seq : seq]
        return "over before the snapshot" if any(_ends(f, pop) for f in frames) else "lost"
    return "died with its line" if line_died else "lost"


def _ends(frame: Pushed, pop: Pushed) -> bool:
    if frame.type == "call.withdrawn":
        return bool(frame.data["offer"] == pop.data["offer"])
    return frame.type == "call.ended" and bool(frame.data["call"]["id"] == pop.data["call"]["id"])


def live(seed: str, callers: int, people: int, tally: Tally) -> list[str]:
    """Live through one world; returns what was wrong."""
    with small_limits():
        world = FlappingWorld(a_plan(seed, callers, people), seed)
        try:
            world.run()
            return [f"{seed}: {one}" for one in judge(world, tally)]
        finally:
            world.close()
