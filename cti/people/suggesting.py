"""Where a caller might be oriented, best first, with reasons: a person decides.

A language, a gender and a skill that the flow names are never widened: somebody who has them,
or nobody. Only who is free is suggested by name. Who has had much today comes later, and nobody
is told why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from cti.people.agents import Agent, Presence, Role
from cti.people.choosing import LINE_ROLES, LINES, ON_DUTY

SUGGESTIONS_MAX = 3
MUCH_TODAY_MINUTES = 180.0  # of talks, the hard ones counted twice
USUAL_LANGUAGE = "fr"  # that somebody speaks it is no reason

Tongue = Literal["fr", "en"]

# A reason is a code: its kind, and what it is about, parted by colons.
_WORDS: Mapping[str, Mapping[Tongue, str]] = {
    "speaks": {"fr": "parle {}", "en": "speaks {}"},
    "gender": {"fr": "{}, comme demandé", "en": "{}, as asked"},
    "skill": {"fr": "compétence : {} (niveau {})", "en": "skill: {} (level {})"},
    "danger": {"fr": "danger : peut répondre tout de suite", "en": "danger: can answer at once"},
    "free_minutes": {"fr": "libre depuis {} min", "en": "free for {} min"},
    "just_free": {"fr": "vient de se libérer", "en": "has just come free"},
    "nobody_waits": {"fr": "personne n'attend", "en": "nobody waits"},
    "waiting": {"fr": "en attente : {}", "en": "waiting: {}"},
    "free_people": {"fr": "libres : {}", "en": "free: {}"},
    "all_busy": {"fr": "en service, pas encore libres : {}", "en": "on duty, not free yet: {}"},
}
_VALUES: Mapping[str, Mapping[Tongue, str]] = {
    "en": {"fr": "anglais", "en": "English"},
    "femme": {"fr": "une femme", "en": "a woman"},
    "homme": {"fr": "un homme", "en": "a man"},
}


@dataclass(frozen=True)
class Known:
    """What is known of a call, for whoever has the caller now."""

    agent: str  # the id of who asks, never suggested to themselves
    line: str  # where the caller is: no way onward
    language: str | None = None
    told: Mapping[str, str] = field(default_factory=dict)  # with keys
    danger: bool = False
    gender: str | None = None  # the caller would rather speak with
    # That each line asks for, with the level at first.
    skills: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Suggestion:
    """One way onward, as ``call.orient`` takes it, and why, in codes."""

    to: Mapping[str, str]  # {"line": id} or {"agent": id}
    label: str
    reasons: tuple[str, ...]


def suggest(
    known: Known,
    agents: Iterable[Agent],
    waiting: Mapping[str, int],
    loads: Mapping[str, float],
    now: float,
) -> list[Suggestion]:
    """The best ways onward, the first the best, three at most.

    ``waiting``: how many wait in each line. ``loads``: the weighted minutes of each agent's
    talks today, by id. ``now``: monotonic seconds.
    """
    team = [agent for agent in agents if agent.id != known.agent]
    ranked: list[tuple[tuple[float, float, float, str], Suggestion]] = []
    for agent in team:
        line = line_of(agent)
        if line is None or not _free(agent) or not _fits(agent, known, line):
            continue
        matching = _matching(agent, known, line)
        spared = loads.get(agent.id, 0.0) >= MUCH_TODAY_MINUTES or agent.missed > 0
        group = 4.0 if spared else 0.0 if matching or known.danger else 2.0
        rank = (group, -float(sum(matching.values())), agent.free_since, agent.id)
        reasons = _of_a_person(agent, known, matching, now)
        ranked.append((rank, Suggestion({"agent": agent.id}, agent.name, reasons)))
    for line, label in LINES.items():
        serving = [a for a in team if a.presence in ON_DUTY and _fits_line(a, known, line)]
        if line == known.line or not serving:
            continue
        queue, free = waiting.get(line, 0), sum(map(_free, serving))
        rank = (1.0 if free > queue else 3.0, float(queue), 0.0, line)
        reasons = _of_a_line(queue, free, len(serving))
        ranked.append((rank, Suggestion({"line": line}, label, reasons)))
    ranked.sort(key=lambda one: one[0])
    return [suggestion for _, suggestion in ranked[:SUGGESTIONS_MAX]]


def words(reason: str, tongue: Tongue) -> str:
    """A reason for people."""
    kind, *values = reason.split(":")
    told = [_VALUES[v][tongue] if v in _VALUES else v for v in values]
    return _WORDS[kind][tongue].format(*told)


def line_of(agent: Agent) -> str | None:
    """Where a caller goes who is oriented to this person; None: this person takes no callers."""
    if Role.LISTENER in agent.roles:
        return "listeners"
    return "regulators" if Role.REGULATOR in agent.roles else None


def _free(agent: Agent) -> bool:
    return agent.presence is Presence.READY and agent.outbox.screens > 0


def _fits_line(agent: Agent, known: Known, line: str) -> bool:
    needed = known.skills.get(line, {}).items()
    enough = all(agent.skills.get(skill, 0) >= level for skill, level in needed)
    return enough and LINE_ROLES[line] in agent.roles and _fits(agent, known, line)


def _fits(agent: Agent, known: Known, line: str) -> bool:
    """Whether they have what may not be widened: the language, the gender, the flow's skills."""
    if known.language is not None and known.language not in agent.languages:
        return False
    if known.gender is not None and known.gender != agent.gender:
        return False
    return agent.skills.keys() >= known.skills.get(line, {}).keys()


def _matching(agent: Agent, known: Known, line: str) -> dict[str, int]:
    """The skills, with their levels, that the flow names or that the caller told of."""
    wished = known.skills.get(line, {}).keys() | set(known.told.values())
    return {skill: level for skill, level in agent.skills.items() if skill in wished}


def _of_a_person(
    agent: Agent, known: Known, matching: Mapping[str, int], now: float
) -> tuple[str, ...]:
    reasons = ["danger"] if known.danger else []
    best_first = sorted(matching.items(), key=lambda one: (-one[1], one[0]))
    reasons += [f"skill:{skill}:{level}" for skill, level in best_first]
    if known.language not in (None, USUAL_LANGUAGE):
        reasons.append(f"speaks:{known.language}")
    if known.gender is not None:
        reasons.append(f"gender:{known.gender}")
    minutes = int((now - agent.free_since) // 60)
    return (*reasons, f"free_minutes:{minutes}" if minutes >= 1 else "just_free")


def _of_a_line(queue: int, free: int, serving: int) -> tuple[str, ...]:
    waits = f"waiting:{queue}" if queue else "nobody_waits"
    return waits, f"free_people:{free}" if free else f"all_busy:{serving}"
