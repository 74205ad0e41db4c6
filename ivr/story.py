"""Tells how a caller comes to a place of a flow: what they hear, what they press, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ivr.reading import Loc
from ivr.steps import AnyStep, LineStep, RelayStep, Wait, WaitEstimate, Way, prompts_of, ways
from ivr.values import written_seconds

if TYPE_CHECKING:
    from ivr.flow import Flow

Trail = tuple[tuple[str, Way | None], ...]  # (step, the way taken out of it)

STORY_LINES_MAX = 14


class Stories:
    """The shortest story that leads to each place of one flow."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        # The way to each step: by steps and ways, the silent ones first.
        self._trails: dict[str, Trail] = {flow.start: ()}
        self._follow(flow.start)
        first = next((n for n, s in flow.steps.items() if _is_first_voice(s)), flow.start)
        for name, step in flow.steps.items():
            if isinstance(step, LineStep) and name not in self._trails:
                oriented = Way((), name, "oriented", "un régulateur répond, et l'oriente")
                self._trails[name] = (*self._trails.get(first, ()), (first, oriented))
                self._follow(name)

    def _follow(self, root: str) -> None:
        flow, to_follow = self._flow, [root]
        while to_follow:
            name = to_follow.pop(0)
            for way in ways(flow.steps[name]):
                if way.target not in self._trails:
                    self._trails[way.target] = (*self._trails[name], (name, way))
                    to_follow.append(way.target)

    def to(self, named_at: Loc, end: str = "") -> list[str]:
        """The story of a caller who goes on from where ``named_at`` names the next step."""
        if named_at[:1] != ("steps",):
            return self._told((), end)
        name, loc = str(named_at[1]), named_at[2:]
        if name not in self._trails:
            return []
        way = next((way for way in ways(self._flow.steps[name]) if way.loc == loc), None)
        last = "" if way is None else end or _arrives(self._flow.steps[way.target])
        return self._told((*self._trails[name], (name, way)), last)

    def at(self, name: str, end: str) -> list[str]:
        """The story of a caller who comes to the end of a step."""
        if name not in self._trails:
            return []
        return self._told((*self._trails[name], (name, None)), end)

    def along(self, trail: Trail, end: str) -> list[str]:
        """The story of a caller who comes to where this trail begins, then takes it."""
        begins = trail[0][0]
        if begins not in self._trails:
            return []
        return self._told((*self._trails[begins], *trail), end)

    def _told(self, trail: Trail, end: str) -> list[str]:
        lines = ["l'appel est décroché"]
        for name, way in trail:
            lines += _lives(self._flow.steps[name])
            if way is not None and way.caption:
                lines.append(f"→ {way.caption}")
        if end:
            lines.append(end)
        if len(lines) > STORY_LINES_MAX:
            lines[1 : len(lines) - STORY_LINES_MAX + 2] = ["…"]
        return lines


def _is_first_voice(step: AnyStep) -> bool:
    return isinstance(step, LineStep) and step.line == "regulators"


def _lives(step: AnyStep) -> list[str]:
    match step:
        case Wait():
            return [f"musique, {written_seconds(step.seconds)}"]
        case WaitEstimate():
            return ["l'attente estimée, si elle est connue"]
        case LineStep():
            return [f"ligne {step.line} : l'appelant attend une personne"]
        case RelayStep():
            return [f"le relais {step.relay} est appelé"]
        case _:
            return [f"« {prompt} »" for _, prompt in prompts_of(step)][:1]


def _arrives(step: AnyStep) -> str:
    return "".join(_lives(step)) or "raccroché"
