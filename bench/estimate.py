"""How right the estimated wait is, in simulated days: ``python -m bench.estimate [DAYS]``.

Our real call code in virtual time: calls come as a Poisson stream, talks are of very unequal
length (log-normal), callers lose patience. Every wait that ends with a person and was foretold
is compared with what was foretold first. The seeds are printed; the same seed is the same day.
Ends with status 1 when the median error is above what silences a line.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass, field
from random import Random

from cti import clock
from cti.calls.estimate import ERROR_MAX, JUDGED_AGAINST_SECONDS_MIN, Estimates
from cti.calls.house import House
from cti.simulation.actors import AgentPlan, CallerPlan
from cti.simulation.world import Plan, World

DAYS, DAY_HOURS = 2, 8.0
TALK_SECONDS_MEDIAN, TALK_SPREAD = 330.0, 0.6  # log-normal: one in ten talks is over 12 minutes
TALK_SECONDS_MAX = 2400.0
PATIENCE_SECONDS_MEAN = 1200.0
WAITS_MIN = 30  # judged, of a kind of day; fewer prove nothing


@dataclass(frozen=True)
class Kind:
    """What a day is like."""

    name: str
    agents: int
    load: float  # talk that comes in, for each second of an agent
    steady: bool = True  # else agents pause, decline and let it ring now and then


KINDS = (
    Kind("one agent", 1, 0.85),
    Kind("three agents", 3, 0.95),
    Kind("six agents", 6, 1.05),
    Kind("six agents who come and go", 6, 0.95, steady=False),
)


@dataclass
class Judged(Estimates):
    """Remembers every estimate that was judged, as foretold and as it came true."""

    pairs: list[tuple[float, float, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def came_true(self, call_id: str) -> None:
        """Judge, and keep both."""
        given = self._given.get(call_id)
        if given is not None:
            line, seconds, at = given
            self.pairs.append((seconds, clock.monotonic() - at, self.trusted(line)))
        super().came_true(call_id)


class Day(World):
    """One day of a line, its estimates remembered."""

    def __init__(self, kind: Kind, seed: str) -> None:
        self.judged = Judged()
        super().__init__(_plan(kind, seed), seed)

    def _house(self) -> House:
        house = super()._house()
        house.estimates = self.judged
        house.team.moved = self.judged.moved
        return house


def _plan(kind: Kind, seed: str) -> Plan:
    chance = Random(f"{seed}/plan")
    mean = TALK_SECONDS_MEDIAN * 2.718281828 ** (TALK_SPREAD**2 / 2)
    apart = mean / kind.load / kind.agents
    callers, at = [], 1.0
    while at < DAY_HOURS * 3600:
        talk = chance.lognormvariate(0, TALK_SPREAD) * TALK_SECONDS_MEDIAN
        patience = chance.expovariate(1 / PATIENCE_SECONDS_MEAN)
        number = f"06399{80000 + len(callers) % 10000:05d}"
        callers.append(CallerPlan(at, patience, min(talk, TALK_SECONDS_MAX), number=number))
        at += chance.expovariate(1 / apart)
    agents = tuple(
        AgentPlan(f"agent{n}", frozenset({"regulator"}), frozenset({"fr"}), kind.steady, "listen")
        for n in range(kind.agents)
    )
    return Plan(tuple(callers), agents, quiet_seconds=TALK_SECONDS_MAX)


def error(foretold: float, waited: float) -> float:
    """How wrong, as the line judges it."""
    return abs(foretold - waited) / max(waited, JUDGED_AGAINST_SECONDS_MIN)


def main(days: int) -> int:
    """Live the days, print the table."""
    everything: list[tuple[float, float, bool]] = []
    print("| day | seeds | calls | judged | median wait | median error | said | error of those |")
    print("|---|---|---|---|---|---|---|---|")
    for kind in KINDS:
        seeds, pairs, calls = [f"{kind.name}/{day}" for day in range(days)], [], 0
        for seed in seeds:
            day = Day(kind, seed)
            began = time.perf_counter()
            try:
                day.run()
            finally:
                day.close()
            pairs += day.judged.pairs
            calls += len(day.callers)
            print(f"{seed}: {time.perf_counter() - began:.1f} s", file=sys.stderr)
        if len(pairs) < WAITS_MIN:
            raise SystemExit(f"{kind.name}: only {len(pairs)} waits; a median needs {WAITS_MIN}.")
        everything += pairs
        _row(kind.name, f"`{seeds[0]}` to `{days - 1}`", str(calls), pairs)
    _row("all", "", "", everything)
    return int(statistics.median(error(said, was) for said, was, _ in everything) > ERROR_MAX)


def _row(name: str, seeds: str, calls: str, pairs: list[tuple[float, float, bool]]) -> None:
    wait = statistics.median(was for _, was, _ in pairs)
    errors = [error(foretold, was) for foretold, was, _ in pairs]
    said = [error(foretold, was) for foretold, was, trusted in pairs if trusted]
    of_those = f"{statistics.median(said):.0%}" if said else ""
    print(
        f"| {name} | {seeds} | {calls} | {len(pairs)} | {wait:.0f} s | "
        f"{statistics.median(errors):.0%} | {len(said) / len(pairs):.0%} | {of_those} |"
    )


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else DAYS
    if wanted < 1:
        raise SystemExit("At least one day.")
    sys.exit(main(wanted))
