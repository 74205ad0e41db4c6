"""Who waited for whom, since when: read from the journal and from what callers did themselves.

One ``Wait`` is a time in which nothing changed of what a caller waited for. What the judge
cannot know for sure is said so, and judged in nobody's favour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cti.simulation.actors import AgentPlan
from cti.simulation.verdicts import Call, seconds, told_danger
from ivr.flow import Flow
from ivr.steps import LineStep

if TYPE_CHECKING:
    from cti.simulation.checker import Checker

# What the line promises (docs/flows.md): so many seconds count as waited already.
DANGER_SECONDS = (0.0, 600.0, 1800.0, 7200.0)  # by its level; by a key, the highest
LOST_SECONDS = 3600.0  # they had somebody, and lost them
YOUNG_SECONDS = 600.0
BEHIND_SECONDS = 600.0
BOUND_SECONDS = 12_000.0  # nobody is overtaken by who came so much later
NOBODY_CAME_SECONDS = 1.0  # from being found to be alone to hearing so, at most
WANTED_SECONDS = 20.0  # how long one person is looked for, and no other
ASKED_AGAIN_SECONDS = 15.0  # after the last who passed, when nobody else was there
ROLE_OF = {"regulators": "regulator", "listeners": "listener"}


@dataclass(frozen=True)
class Wait:
    """A stretch of one caller's waiting, during which nothing about it changes."""

    call: str
    line: str
    step: LineStep
    since: float
    from_: float  # when this stretch began
    fresh: bool  # the line was just entered: phones do not ring at once
    language: str = "fr"
    gender: str | None = None
    young: bool = False
    danger: int = 0  # its level
    first: tuple[bool, bool] = (False, False)  # whether they had somebody and lost them, at least
    behind: bool = False
    wanted: str | None = None  # oriented to this person
    back_to: str | None = None
    unsure: bool = False  # a controller that died may have known more
    passed: Mapping[str, float] = field(default_factory=dict)  # agent, and when they passed
    again_from: float = 0.0  # who had passed before may be asked again
    until: float = 0.0

    def counts_from(self) -> tuple[float, float]:
        """The earliest and the latest moment from which this caller may count as waiting."""
        at = self.since + BEHIND_SECONDS * self.behind - YOUNG_SECONDS * self.young
        at -= DANGER_SECONDS[self.danger]
        surely, perhaps = self.first
        return at - LOST_SECONDS * perhaps, at - LOST_SECONDS * surely

    def levels(self, at: float) -> dict[str, int]:
        """The level of each skill that is needed at a moment."""
        every = self.step.relax_every_seconds
        steps = int((at - self.since) // every) if every is not None else 0
        return {one: max(1, level - max(0, steps)) for one, level in self.step.skills.items()}

    def starved(self, at: float) -> bool:
        """Whether they have waited so long that stand-ins are asked."""
        return at - self.since >= self.step.stand_in_after_seconds

    def could_have(self, agent: AgentPlan, at: float) -> str | None:
        """As what this person may take them: ``own``, ``stands_in``, or not at all."""
        return fits(agent, self, self.levels(at))

    @property
    def last_pass(self) -> float:
        """When somebody passed last."""
        return max(self.passed.values(), default=float("-inf"))


def fits(agent: AgentPlan, wait: Wait, levels: Mapping[str, int]) -> str | None:
    """What the specification says of this person for this caller; never widened."""
    if wait.language not in agent.languages:
        return None
    if wait.gender is not None and wait.gender != agent.gender:
        return None
    if wait.wanted is not None:
        return "own" if agent.id == wait.wanted else None
    if agent.id == wait.back_to and agent.roles & set(ROLE_OF.values()):
        return "own"
    if any(agent.skills.get(skill, 0) < level for skill, level in levels.items()):
        return None
    if ROLE_OF[wait.line] in agent.roles:
        return "own"
    may = wait.line == "regulators" and agent.stands_in and "listener" in agent.roles
    return "stands_in" if may else None


class _Reader:
    """Follows one call through the journal."""

    def __init__(self, checker: Checker, call: Call) -> None:
        self.checker, self.call = checker, call
        self.flow: Flow = checker.world.scenery.flows["line"].flow
        self.caller = checker.caller_of.get(call.id)
        self.wait: Wait | None = None
        self.entered: Wait | None = None  # the line they are in, while they are offered to somebody
        self.live: set[str] = set()  # legs that ring
        self.taken_by: str | None = None  # who picked them, until a phone rings
        self.by_hand: set[str] = set()  # the legs of those who picked them
        self.key_danger = self.closing = False
        self.sent = self.from_the_desk = False  # to another line, by who does not have them
        self.language, self.danger, self.step = "fr", 0, ""
        self.told: dict[str, str] = {}
        self.first = (False, False)
        self.answered = self.behind = self.oriented = False
        self.stepped = self.parted = False  # since somebody last had them
        self.before_this = False  # they have been in a line since anybody spoke with them
        self.wanted: str | None = None
        self.back_to: str | None = None
        self.breaks = sorted(self._breaks())

    def _breaks(self) -> Iterator[float]:
        """When their waiting ended, as they heard or did themselves."""
        caller = self.caller
        if caller is None or caller.end is None:
            return
        for at, sound in caller.end.heard:
            if sound.endswith(("/personne-disponible", "/complet")) or sound == "":
                yield at - (NOBODY_CAME_SECONDS if sound else 0.0)
            elif sound.startswith("people:"):
                yield at
        if caller.left_at is not None:
            yield caller.left_at

    def read(self) -> Iterator[Wait]:
        """Every stretch of waiting, in order."""
        for at, op, data in [*self.call.entries, (float("inf"), "", {})]:
            yield from self._entry(at, op, data)

    def _stop(self, at: float, *, chosen: bool = False) -> Iterator[Wait]:
        """They no longer wait so. ``chosen``: it may have been no time at all."""
        if self.wait is not None:
            ends = [moment for moment in self.breaks if moment >= self.wait.from_]
            until = min([at, self.checker.world.loop.time(), *ends[:1]])
            if until > self.wait.from_ or chosen:
                yield from self._stretches(self.wait, until)
            self.wait = None

    def _stretches(self, wait: Wait, until: float) -> Iterator[Wait]:
        """Who was sent to a person from the desk, and does not get them, is anybody's."""
        given_up_at = wait.from_ + WANTED_SECONDS
        if not self.from_the_desk or wait.wanted is None or until < given_up_at:
            yield replace(wait, until=until)
            return
        yield replace(wait, until=given_up_at)
        if until > given_up_at + 1.0:
            yield replace(wait, from_=given_up_at + 1.0, until=until, wanted=None, fresh=False)

    def _change(self, at: float) -> Iterator[Wait]:
        """Something about the caller changes while they wait, or are offered to somebody."""
        waiting = self.wait
        yield from self._stop(at)
        if self.entered is not None:
            self.entered = replace(
                self.entered,
                from_=at,
                fresh=self.entered.fresh and waiting is not None,
                language=self.language,
                gender=self.told.get("gender"),
                young=self.told.get("age") == "mineur",
                danger=self.danger,
                first=self.first,
                behind=self.behind and not self.answered,
                wanted=self.wanted,
                back_to=self.back_to,
            )
            if waiting is not None:
                self.wait = replace(self.entered, fresh=waiting.fresh, from_=at)

    def _entry(self, at: float, op: str, data: dict[str, Any]) -> Iterator[Wait]:
        set_ = data.get("set", {}) if op == "call.stage" else {}
        kind = data.get("type") if op == "event" else op
        if op == "call.told":  # sealed there: what it was, the caller knows
            self.told = getattr(self.caller, "told", {})
            yield from self._change(at)
        if "language" in set_ or "danger" in set_:
            self.language = set_.get("language") or self.language
            self.key_danger |= told_danger(set_)
            self.danger = set_.get("danger_level", self.danger)
            if self.key_danger:
                self.danger = len(DANGER_SECONDS) - 1
            yield from self._change(at)
        if "step" in set_:
            yield from self._stop(at)
            # One that is said as somebody has them, rung again after a loss, is no parting.
            self.step, self.entered, self.stepped = set_["step"] or "", None, self.parted
        if set_.get("line") and not self.closing:
            yield from self._enters(at, set_)
        if kind in ("line.full", "line.nobody", "call.closed", ""):
            yield from self._stop(at)
        elif kind == "call.frequent":
            self.behind = True
        elif kind == "call.returned":
            self.back_to = data["agent_id"]
        elif kind in ("call.closed_kindly", "call.stays"):
            self.closing = kind == "call.closed_kindly"
        elif kind == "call.taken":
            self.taken_by = data["agent_id"]
        elif kind == "call.oriented":
            self.oriented, self.wanted = True, self.checker.oriented_to(self.call.id, at)
            self.sent = self.from_the_desk = data["how"] == "waiting"
            if self.sent:
                yield from self._stop(at)
                if self.entered is not None and self.entered.passed:
                    self.back_to = None  # once somebody passed, nobody promises
                self.entered = None
        elif kind and kind.startswith("leg."):
            yield from self._leg(at, kind, data)

    def _enters(self, at: float, set_: dict[str, Any]) -> Iterator[Wait]:
        yield from self._stop(at)
        if self.sent:
            self.sent = False  # they keep what they had
        elif self.answered and not self.oriented:
            self.first = (self.stepped, True)  # a wire that failed may have kept their place
        elif self.before_this:  # they were about to be sent away, perhaps
            self.first, self.wanted = (self.first[0], True), None
        elif self.oriented:
            together = self.call.id in self.checker.world.together
            self.first = (False, together)
        self.before_this = True
        step = self.flow.steps.get(self.step)
        if not isinstance(step, LineStep) or step.line != set_["line"]:
            step = self.flow.line(set_["line"])
        self.live.clear()
        life = self.checker.life_at
        self.entered = Wait(
            call=self.call.id,
            line=set_["line"],
            step=step,
            since=seconds(set_["waiting_since_at"]),
            from_=at,
            fresh=True,
            unsure=life(at) != life(self.call.opened_at),
        )
        self.wait = self.entered
        yield from self._change(at)

    def _leg(self, at: float, kind: str, data: dict[str, Any]) -> Iterator[Wait]:
        event, leg = kind.removeprefix("leg."), data["leg_id"]
        if event == "rung":
            yield from self._stop(at, chosen=True)
            if (
                self.entered is not None
                and at - self.entered.last_pass >= ASKED_AGAIN_SECONDS - 0.1
            ):
                self.entered = replace(self.entered, again_from=at)
            self.live.add(leg)
            if data["agent_id"] == self.taken_by:
                self.by_hand.add(leg)
                self.taken_by = None
        elif event == "answered":
            yield from self._stop(at)
            self.answered, self.oriented, self.entered = True, False, None
            self.first, self.wanted, self.back_to = (False, False), None, None
            self.sent = self.from_the_desk = False
            self.live.clear()
            self.before_this = self.stepped = self.parted = False
        elif event in ("ended", "lost"):
            self.parted = True
        elif leg in self.live:  # missed, declined or withdrawn
            self.live.discard(leg)
            if self.entered is not None:
                passed = {**self.entered.passed, data["agent_id"]: at}
                self.entered = replace(self.entered, passed=passed, from_=at, fresh=False)
                if leg not in self.by_hand:
                    self.wanted = None
                if data["agent_id"] == self.back_to:
                    self.back_to = None
                if not self.live:
                    self.wait = self.entered
                    yield from self._change(at)


def waits_of(checker: Checker, call: Call) -> list[Wait]:
    """Each stretch of this call's waiting."""
    return list(_Reader(checker, call).read())
