"""The judge of turns sees: each bug planted in the choice of people is caught within a few days."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cti import clock
from cti.calls import cards, offering, returning, taking, waiting
from cti.calls.offering import withdraw
from cti.calls.waiting import Ask, WaitingLines
from cti.people import choosing
from cti.people.agents import Agent, Presence, Role
from cti.people.choosing import Free
from cti.people.team import Team
from cti.simulation import days, run
from cti.simulation.actors import AgentPlan
from cti.simulation.days import Day, draw
from cti.simulation.habits import DayAgentPlan, DayCallerPlan

FAR = datetime(2040, 1, 1, tzinfo=UTC)
DAYS_TO_A_BUG_MAX = 12
FEW_CALLERS = (25, 40)

Patch = Callable[[pytest.MonkeyPatch], object]


@pytest.fixture(autouse=True)
def no_collection_within_a_world() -> Iterator[None]:
    with run.unhurried():
        yield


def changes_every_need(patch: pytest.MonkeyPatch, **changed: Any) -> None:
    need = Ask.need
    patch.setattr(Ask, "need", lambda self, *args: replace(need(self, *args), **changed))


def latest_first(patch: pytest.MonkeyPatch) -> None:
    order = Ask.counts_from
    patch.setattr(Ask, "counts_from", lambda ask: FAR - (order(ask) - FAR))


def danger_counts_for_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(waiting, "DANGER_CREDIT_SECONDS", (0.0,) * 4)
    patch.setattr(waiting, "FIRST_CREDIT_SECONDS", 0.0)


def danger_counts_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(waiting, "DANGER_CREDIT_SECONDS", (0.0, 6000.0, 18000.0, 72000.0))


def the_young_count_for_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(waiting, "YOUNG_CREDIT_SECONDS", 0.0)


def who_calls_often_goes_first(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(waiting, "BEHIND_SECONDS", -600.0)


def who_lost_somebody_goes_last(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(waiting, "FIRST_CREDIT_SECONDS", -3600.0)


def language_widened(patch: pytest.MonkeyPatch) -> None:
    changes_every_need(patch, language=None)


def gender_widened(patch: pytest.MonkeyPatch) -> None:
    changes_every_need(patch, gender=None)


def level_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(waiting, "level_after", lambda *_: 1)


def level_never_gives_way(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(waiting, "level_after", lambda level, *_: level)


def stand_in_asked_at_once(patch: pytest.MonkeyPatch) -> None:
    changes_every_need(patch, starved=True)


def stand_in_never_asked(patch: pytest.MonkeyPatch) -> None:
    changes_every_need(patch, starved=False)


def passed_over_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ask, "pass_over", lambda *_: None)


def passed_over_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(waiting, "ASKED_AGAIN_SECONDS", 1e9)


def withdrawn_counts_as_missed(patch: pytest.MonkeyPatch) -> None:
    def unfair(call: Any, house: Any, talk: Any, reason: str, not_ready: Any = None) -> bool:
        missed = reason in ("caller_left", "answered_elsewhere", "withdrawn")
        return withdraw(call, house, talk, "missed" if missed else reason, not_ready)

    patch.setattr(offering, "withdraw", unfair)


def second_missed_is_no_pause(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("cti.people.team.MISSED_MAX", 99)


def first_missed_is_a_pause(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("cti.people.team.MISSED_MAX", 1)


def who_missed_is_asked_first(patch: pytest.MonkeyPatch) -> None:
    group = Free._group

    def other_way_round(self: Free, *asked: Any) -> list[Agent]:
        return sorted(group(self, *asked), key=lambda agent: agent.missed == 0)

    patch.setattr(Free, "_group", other_way_round)


def a_rest_gives_way_to_anybody(patch: pytest.MonkeyPatch) -> None:
    init, reserve = Free.__init__, Team.reserve

    def rests_too(self: Free, agents: Any) -> None:
        init(self, agents)
        self._ready = self._agents

    async def reserved(self: Team, agent: Agent, call: str, rest_of: str | None = None) -> bool:
        return await reserve(self, agent, call, agent.call_id)

    patch.setattr(Free, "__init__", rests_too)
    patch.setattr(Team, "reserve", reserved)


def the_end_of_a_shift_is_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Agent, "shift_ends_soon", lambda *_: False)


def ring_all_keeps_the_losers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(offering, "take_back", lambda *_: None)


def ring_all_rings_one(patch: pytest.MonkeyPatch) -> None:
    take = Free.take
    patch.setattr(Free, "take", lambda *asked: take(*asked)[:1])


def anybody_can_be_reserved(patch: pytest.MonkeyPatch) -> None:
    async def reserve(self: Team, *_: Any) -> bool:
        return True

    init = Free.__init__

    def all_free(self: Free, agents: Any) -> None:
        init(self, agents)
        self._ready = self._agents

    patch.setattr(Team, "reserve", reserve)
    patch.setattr(Free, "__init__", all_free)
    patch.setattr(choosing, "_MAY_BE_FREE", frozenset(Presence) - {Presence.LOGGED_OUT})


def nobody_there_is_not_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(WaitingLines, "_look_after", lambda *_: None)


def strategies_ignored(patch: pytest.MonkeyPatch) -> None:
    changes_every_need(patch, strategy="longest_idle")


def who_is_asked_is_left_to_chance(patch: pytest.MonkeyPatch) -> None:
    group, chance = Free._group, random.Random("chance")

    def any_order(self: Free, *asked: Any) -> list[Agent]:
        found = group(self, *asked)
        return chance.sample(found, len(found))

    patch.setattr(Free, "_group", any_order)


def who_returns_is_a_stranger(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(returning.Returning, "was_with", lambda *_: None)


def who_returns_is_somebody_elses(patch: pytest.MonkeyPatch) -> None:
    was_with = returning.Returning.was_with

    def mistaken(self: Any, ref: str) -> Any:
        kept = dict(self._broken_off)
        found = was_with(self, next(reversed(kept)) if kept else ref)
        self._broken_off.update(kept)
        return found

    patch.setattr(returning.Returning, "was_with", mistaken)


def some_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    match = WaitingLines._match

    def skips(self: WaitingLines) -> Any:
        return [(ask, found) for ask, found in match(self) if ask.call_id[0] > "3"]

    patch.setattr(WaitingLines, "_match", skips)


def a_pause_is_told_to_all(patch: pytest.MonkeyPatch) -> None:
    move = Team.move

    def tells(self: Team, agent: Agent, presence: Presence, reason: Any = None, *more: Any) -> None:
        move(self, agent, presence, reason, *more)
        for other in self.agents.values():
            if other is not agent and reason is not None:
                other.outbox.push("colleague.moved", {"agent": agent.id, "reason": reason})

    patch.setattr(Team, "move", tells)


def who_is_picked_is_not_offered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ask, "take_by_hand", lambda *_: None)


def picked_in_any_language(patch: pytest.MonkeyPatch) -> None:
    may_take = taking.may_take

    def widened(*asked: Any) -> str | None:
        refused = may_take(*asked)
        return None if refused == "does_not_suit_you" else refused

    patch.setattr(taking, "may_take", widened)


def picked_in_vain_loses_their_place(patch: pytest.MonkeyPatch) -> None:
    pass_over = Ask.pass_over

    def forgets(ask: Ask, agent: Agent) -> None:
        pass_over(ask, agent)
        if ask.by_hand is agent:
            ask.waiting_since_at = clock.now()

    patch.setattr(Ask, "pass_over", forgets)


def sent_loses_their_place(patch: pytest.MonkeyPatch) -> None:
    choose = taking.choose_target

    def forgets(call: Any, *more: Any, **how: Any) -> Any:
        call.waiting_since_at = clock.now()
        return choose(call, *more, **how)

    patch.setattr(taking, "choose_target", forgets)


def danger_told_at_the_desk_changes_nothing(patch: pytest.MonkeyPatch) -> None:
    judge = taking.judge_danger

    def written_only(call: Any, house: Any, level: int) -> None:
        before = call.danger
        judge(call, house, level)
        call.danger = before

    patch.setattr(taking, "judge_danger", written_only)


def a_pick_nobody_made(patch: pytest.MonkeyPatch) -> None:
    take = taking.WaitingDesk.take

    async def mistaken(self: Any, agent: Agent, call_id: str) -> str | None:
        others = [one for one in self._house.team.agents.values() if Role.REGULATOR in one.roles]
        return await take(self, others[0], call_id)

    patch.setattr(taking.WaitingDesk, "take", mistaken)


def some_waiting_are_not_shown(patch: pytest.MonkeyPatch) -> None:
    waiting_now = cards._waiting
    patch.setattr(cards, "_waiting", lambda house: [c for c in waiting_now(house) if c.id[0] > "3"])


def who_waits_no_more_is_still_shown(patch: pytest.MonkeyPatch) -> None:
    async def once(*_: Any) -> Any:
        return cards._Told()

    patch.setattr(cards, "_tell", once)


def the_number_is_shown(patch: pytest.MonkeyPatch) -> None:
    card = cards._card
    patch.setattr(cards, "_card", lambda call: card(call) | {"from": "0639980001"})


def any_day(number: int) -> Day:
    return draw(f"bug/{number}", FEW_CALLERS)


def everybody_rings(number: int) -> Day:
    return replace(any_day(number), scenery=days.scenery(("ring_all",) * 4))


def rings_are_missed(number: int) -> Day:
    day = any_day(number)
    agents = [agent for agent in day.agents if isinstance(agent, DayAgentPlan)]
    return replace(
        day,
        agents=tuple(replace(agent, trouble=0.4 * (not agent.steady)) for agent in agents),
        scenery=days.scenery(("linear",) * 4),
    )


def long_night(number: int) -> Day:
    """Somebody has waited for three hours as somebody in danger calls, and one person answers."""
    day = draw("night", (1, 1))
    anna = DayAgentPlan("anna", frozenset({"regulator"}), frozenset({"fr"}), True, "listen")
    agents: Sequence[AgentPlan] = (anna,)
    patient = {"patience_seconds": 20_000.0, "talk_seconds": 60.0}
    callers = (
        DayCallerPlan(5.0, patience_seconds=60.0, talk_seconds=12_000.0, number="0639980001"),
        DayCallerPlan(at=60.0, number="0639980002", **patient),
        DayCallerPlan(at=11_500.0, number="0639980003", danger_after_seconds=30.0, **patient),
    )
    scenery = days.scenery(("longest_idle",) * 4)
    return replace(day, agents=tuple(agents), callers=callers, faults=(), scenery=scenery)


def busy_desks(number: int) -> Day:
    """Regulators who pick, send and warn all the time, and who pass often."""
    day = rings_are_missed(number)
    return replace(day, agents=tuple(replace(agent, picks=0.5) for agent in day.agents), faults=())


OF_A_KIND: dict[Patch, Callable[[int], Day]] = {
    ring_all_keeps_the_losers: everybody_rings,
    ring_all_rings_one: everybody_rings,
    who_missed_is_asked_first: rings_are_missed,
    who_is_picked_is_not_offered: busy_desks,
    picked_in_any_language: busy_desks,
    picked_in_vain_loses_their_place: busy_desks,
    sent_loses_their_place: busy_desks,
    danger_told_at_the_desk_changes_nothing: busy_desks,
    a_pick_nobody_made: busy_desks,
    some_waiting_are_not_shown: busy_desks,
    who_waits_no_more_is_still_shown: busy_desks,
    the_number_is_shown: busy_desks,
}
BUGS: list[tuple[Patch, str]] = [
    (latest_first, "order"),
    (danger_counts_for_nothing, "order"),
    (the_young_count_for_nothing, "order"),
    (who_calls_often_goes_first, "order"),
    (who_lost_somebody_goes_last, "order"),
    (language_widened, "widened"),
    (gender_widened, "widened"),
    (level_ignored, "widened"),
    (level_never_gives_way, "idle"),
    (stand_in_asked_at_once, "stand-in"),
    (stand_in_never_asked, "idle"),
    (passed_over_forgotten, "asked again"),
    (passed_over_for_ever, "idle"),
    (withdrawn_counts_as_missed, "missed"),
    (second_missed_is_no_pause, "missed"),
    (first_missed_is_a_pause, "missed"),
    (who_missed_is_asked_first, "strategy"),
    (a_rest_gives_way_to_anybody, "rest"),
    (the_end_of_a_shift_is_ignored, "shift"),
    (ring_all_keeps_the_losers, "still rings"),
    (ring_all_rings_one, "strategy"),
    (anybody_can_be_reserved, "two offers"),
    (nobody_there_is_not_told, "told nothing"),
    (strategies_ignored, "strategy"),
    (who_is_asked_is_left_to_chance, "strategy"),
    (who_returns_is_a_stranger, "return"),
    (who_returns_is_somebody_elses, "rest"),
    (some_are_forgotten, "idle"),
    (a_pause_is_told_to_all, "private"),
    (who_is_picked_is_not_offered, "taken"),
    (picked_in_any_language, "widened"),
    (picked_in_vain_loses_their_place, "idle"),  # found sooner than by whose turn it was
    (sent_loses_their_place, "place"),
    (danger_told_at_the_desk_changes_nothing, "order"),
    (a_pick_nobody_made, "taken"),
    (some_waiting_are_not_shown, "board"),
    (who_waits_no_more_is_still_shown, "board"),
    (the_number_is_shown, "board"),
]


@pytest.mark.parametrize(("bug", "kind"), BUGS, ids=[bug.__name__ for bug, _ in BUGS])
def test_a_planted_bug_is_caught(bug: Patch, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bug(monkeypatch)
    kinds, day = set[str](), OF_A_KIND.get(bug, any_day)
    for number in range(DAYS_TO_A_BUG_MAX):
        tally = run.run_world(day(number), f"bug/{number}")
        kinds |= {violation.kind for _, violation, _ in tally.found}
        if kind in kinds:
            return
    pytest.fail(f"{DAYS_TO_A_BUG_MAX} days: {sorted(kinds)}")


def test_without_a_bug_the_same_days_are_as_they_should_be() -> None:
    for day in (any_day, everybody_rings, rings_are_missed, busy_desks):
        for number in range(3):
            assert run.run_world(day(number), f"bug/{number}").found == [], (day, number)


def test_danger_that_counts_for_ever_is_caught_in_a_long_night(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert run.run_world(long_night(0), "night").found == []
    danger_counts_for_ever(monkeypatch)
    found = run.run_world(long_night(0), "night").found
    assert "order" in {violation.kind for _, violation, _ in found}
