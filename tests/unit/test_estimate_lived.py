"""What waiting callers are told of their wait, in our real call code, beside what they lived."""

from __future__ import annotations

from dataclasses import replace

from cti.calls.estimate import JUDGED_MAX, TALKS_MIN, Past
from cti.calls.house import House
from cti.simulation.actors import AgentPlan, CallerPlan
from cti.simulation.world import WRAP_UP_SECONDS, Plan, World
from ivr.steps import ESTIMATE_PROMPTS, estimate_prompt
from tests.stories import Deed, Story, crash

ROSA = AgentPlan(
    "rosa", frozenset({"regulator"}), frozenset({"fr"}), True, "listen", answers_after_seconds=3.0
)
TALK_SECONDS = 280.0


class Line(Story):
    """rosa talks with one caller; another comes and waits, and perhaps leaves."""

    def __init__(
        self,
        *script: tuple[float, Deed],
        errors: float | None = None,
        patience: float = 900.0,
        talks: int = TALKS_MIN,
        more: tuple[CallerPlan, ...] = (),
    ) -> None:
        self.script, self.errors, self.talks = script, errors, talks
        first = CallerPlan(at=1.0, patience_seconds=900.0, talk_seconds=TALK_SECONDS)
        second = CallerPlan(30.0, patience, 60.0, number="0199000002")
        plan = Plan(callers=(first, second, *more), agents=(ROSA,))
        World.__init__(self, plan, "estimate")

    def _house(self) -> House:
        house = super()._house()
        usual = [Past(TALK_SECONDS, WRAP_UP_SECONDS)] * self.talks
        house.estimates.recall("regulators", usual)
        if self.errors is not None:
            house.estimates._line("regulators").errors.extend([self.errors] * JUDGED_MAX)
        return house

    @property
    def house(self) -> House:
        assert self.controller is not None
        return self.controller.house

    def told(self, caller: int = 1) -> list[tuple[float, str]]:
        """Each estimate that this caller heard, and when."""
        end = self.callers[caller].end
        assert end is not None
        heard = [(at, sound.rpartition("/")[2]) for at, sound in end.heard]
        return [(at, prompt) for at, prompt in heard if prompt in ESTIMATE_PROMPTS]

    def person_at(self, caller: int = 1) -> float:
        end = self.callers[caller].end
        assert end is not None
        return next(at for at, sound in end.heard if sound.startswith("people:"))

    def lived(self) -> Line:
        self.run()
        self.close()
        return self


def nearly(seconds: float) -> set[str]:
    """What may be said of a wait by who is right to a seventh of it."""
    return {estimate_prompt(seconds * part) for part in (0.86, 1.0, 1.14)}


def test_a_caller_is_told_what_comes_true() -> None:
    line = Line().lived()

    told = line.told()
    assert len(told) >= 3  # again and again, while they wait
    for at, prompt in told:
        assert prompt in nearly(line.person_at() - at)


def test_while_the_last_fifty_were_wrong_nothing_is_said_but_the_wait_goes_on() -> None:
    line = Line(errors=0.6).lived()

    assert line.told() == []
    assert line.person_at() > 250.0
    assert Line(errors=0.3).lived().told()


def test_before_enough_is_known_nothing_is_said() -> None:
    assert Line(talks=TALKS_MIN - 1).lived().told() == []


def test_what_came_true_is_judged_though_nothing_was_said() -> None:
    line = Line(errors=0.6)
    line.lived()

    errors = line.house.estimates._line("regulators").errors
    assert list(errors)[:-1] == [0.6] * (JUDGED_MAX - 1)
    assert errors[-1] < 0.2


def test_who_hangs_up_while_waiting_is_not_judged() -> None:
    line = Line(errors=0.6, patience=120.0).lived()

    assert list(line.house.estimates._line("regulators").errors) == [0.6] * JUDGED_MAX
    assert line.house.estimates._given == {}


def test_the_next_in_line_is_told_a_whole_talk_more() -> None:
    third = CallerPlan(at=40.0, patience_seconds=900.0, talk_seconds=60.0, number="0199000003")
    line = Line(more=(third,)).lived()

    (_, second_heard), (_, third_heard) = line.told(1)[0], line.told(2)[0]
    assert second_heard == "attente-5"
    assert third_heard == "attente-10"


def test_after_a_restart_the_wait_is_foretold_from_the_talk_that_goes_on() -> None:
    line = Line((60.0, crash)).lived()

    after = [(at, prompt) for at, prompt in line.told() if at > 70.0]
    assert len(line.lives) == 2
    assert after
    assert estimate_prompt(line.person_at() - after[-1][0]) in ("attente-moins-de-2", "attente-3")


def test_a_line_learns_from_its_own_day() -> None:
    """Nothing is known in the morning; ten talks later, callers are told, and it is true."""
    plans = [
        CallerPlan(1.0 + 130.0 * n, 900.0, 100.0 + 5 * (n % 3), number=f"01990001{n:02d}")
        for n in range(TALKS_MIN + 3)
    ]
    behind = CallerPlan(plans[-1].at + 8.0, 900.0, 20.0, number="0199000002")
    line = Line(talks=0)
    line.callers_due = 0
    line.plan = replace(line.plan, callers=(*plans, behind))
    line.lived()

    at, prompt = line.told(-1)[0]
    assert prompt in nearly(line.person_at(-1) - at)
    assert not any(line.told(number) for number in range(TALKS_MIN))
