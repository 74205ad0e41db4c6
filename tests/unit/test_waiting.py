"""The waiting lines: who is served first, and that nobody found is ever lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from cti.calls import waiting as waiting_module
from cti.calls.waiting import Ask, WaitingLines
from cti.people.agents import Agent, Presence, Role
from cti.people.team import Team

ROLES = {"rosa": Role.REGULATOR, "remy": Role.REGULATOR, "lea": Role.LISTENER}


class Store:
    """A store that reserves whoever it is asked for, when it is let."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked = asyncio.Event()

    async def reserve(self, *_: object) -> bool:
        self.asked.set()
        await self.may_answer.wait()
        return True

    async def set_presence(self, *_: object, **__: object) -> None:
        return


class House:
    def __init__(self) -> None:
        self.store = Store()
        agents = [Agent(id_, id_, frozenset({role}), id_) for id_, role in ROLES.items()]
        self.team = Team(agents, self.store, lambda *_: None, 60)
        self.in_step = asyncio.Event()
        self.in_step.set()
        self.lines = WaitingLines(self.team, self.in_step)
        for agent in agents:
            agent.outbox.open_screen(lambda message: None)

    def __getitem__(self, id_: str) -> Agent:
        return self.team.agents[id_]

    async def ready(self, *ids: str) -> None:
        for id_ in ids:
            await self.team.set_presence(self[id_], Presence.READY, None)

    def take(self, ask: Ask) -> asyncio.Future[list[Agent]]:
        return asyncio.ensure_future(self.lines.take(ask))


@asynccontextmanager
async def a_house() -> AsyncIterator[House]:
    house = House()
    work = [asyncio.ensure_future(house.team.run()), asyncio.ensure_future(house.lines.run())]
    try:
        yield house
    finally:
        for task in work:
            task.cancel()
        for task in work:
            with contextlib.suppress(asyncio.CancelledError):
                await task


def ask(minutes: float = 0, line: str = "regulators", **more: object) -> Ask:
    """A caller who has waited so many minutes."""
    since = datetime.now(UTC) - timedelta(minutes=minutes)
    return Ask(f"{id(more):032x}", line, "fr", since, **more)


async def rounds(count: int = 3) -> None:
    """Let the distributor look so many times."""
    for _ in range(count * 6):
        await asyncio.sleep(0)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second, and the limits in seconds, a fiftieth as long."""
    timeout = asyncio.timeout
    monkeypatch.setattr(asyncio, "timeout", lambda s: timeout(s / 50 if s else s))
    monkeypatch.setattr(waiting_module, "NOBODY_SECONDS", 0.1)
    monkeypatch.setattr(waiting_module, "ASKED_AGAIN_SECONDS", 0.15)


async def test_the_caller_who_has_waited_longest_is_served_first() -> None:
    async with a_house() as house:
        short, long = ask(1), ask(9)
        waits = [house.take(short), house.take(long)]
        await rounds()
        await house.ready("rosa")
        assert await waits[1] == [house["rosa"]]
        assert not waits[0].done()
        waits[0].cancel()


async def test_who_comes_free_while_somebody_else_is_reserved_is_for_the_first_in_line() -> None:
    async with a_house() as house:
        waits = [house.take(ask(9)), house.take(ask(5, "listeners")), house.take(ask(1))]
        await rounds()
        house.store.may_answer.clear()
        await house.ready("lea")
        await house.store.asked.wait()
        await house.ready("rosa")
        house.store.may_answer.set()
        assert await waits[1] == [house["lea"]]
        assert await waits[0] == [house["rosa"]]
        assert not waits[2].done()
        waits[2].cancel()


async def test_a_caller_at_the_head_of_the_line_goes_before_all_others() -> None:
    async with a_house() as house:
        waits = [house.take(ask(30)), house.take(ask(1, first=True))]
        await rounds()
        await house.ready("rosa")
        assert await waits[1] == [house["rosa"]]
        assert not waits[0].done()
        waits[0].cancel()


async def test_whose_number_calls_too_often_goes_after_those_of_the_next_minutes() -> None:
    async with a_house() as house:
        often = ask(20, frequent=True)
        waits = [house.take(often), house.take(ask(11)), house.take(ask(1))]
        await rounds()
        await house.ready("rosa")
        assert await waits[1] == [house["rosa"]]
        await house.ready("remy")
        # Ten minutes later they had their turn: nobody waits for ever.
        assert await waits[0] == [house["remy"]]
        assert not waits[2].done()
        waits[2].cancel()


async def test_who_had_someone_and_lost_them_goes_first_however_often_they_call() -> None:
    async with a_house() as house:
        waits = [house.take(ask(9)), house.take(ask(1, first=True, frequent=True))]
        await rounds()
        await house.ready("rosa")
        assert await waits[1] == [house["rosa"]]
        waits[0].cancel()


@pytest.mark.parametrize(("on_duty", "before"), [(0, 2), (1, 2), (2, 4)])
async def test_a_line_is_crowded_when_more_wait_than_so_many_for_each_agent_on_duty(
    on_duty: int, before: int
) -> None:
    async with a_house() as house, contextlib.AsyncExitStack() as line:
        house["lea"].presence = Presence.READY  # of another line: she counts for nothing here
        for id_ in ("rosa", "remy")[:on_duty]:
            house[id_].presence = Presence.TALKING
        line.enter_context(house.lines.joined("listeners"))
        for waiting in range(1, before + 2):
            line.enter_context(house.lines.joined("regulators"))
            assert house.lines.waiting("regulators") == waiting
            assert not house.lines.crowded("regulators", 2)
        with house.lines.joined("regulators"):
            assert house.lines.crowded("regulators", 2)
        assert not house.lines.crowded("regulators", 2)


async def test_a_caller_nobody_can_serve_holds_nobody_up() -> None:
    async with a_house() as house:
        english = ask(30)
        english.language = "en"
        waits = [house.take(english), house.take(ask(1))]
        await rounds()
        await house.ready("rosa")
        assert await waits[1] == [house["rosa"]]
        assert not waits[0].done()
        waits[0].cancel()


async def test_each_caller_gets_somebody_of_their_line_and_nobody_is_found_twice() -> None:
    async with a_house() as house:
        waits = [house.take(ask(3)), house.take(ask(2)), house.take(ask(1, line="listeners"))]
        await house.ready("rosa", "remy", "lea")
        found = [agent for one in waits for agent in await one]
        assert {agent.id for agent in found} == {"rosa", "remy", "lea"}
        assert found[2] is house["lea"]
        assert all(agent.presence is Presence.RESERVED for agent in found)


async def test_an_agent_found_at_the_moment_the_caller_leaves_is_given_back() -> None:
    async with a_house() as house:
        mine = ask()
        waiting = house.take(mine)
        await house.ready("rosa")
        while True:
            await asyncio.sleep(0)
            if mine.found.done():
                break
        assert not waiting.done()  # found, and not yet told to the caller's task
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert house["rosa"].presence is Presence.READY
        assert house.lines._asks == []


async def test_an_agent_being_reserved_while_the_caller_leaves_is_given_back() -> None:
    async with a_house() as house:
        house.store.may_answer.clear()
        waiting = house.take(ask())
        await house.ready("rosa")
        await house.store.asked.wait()
        assert house["rosa"].presence is Presence.RESERVED
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        house.store.may_answer.set()
        await rounds()
        assert house["rosa"].presence is Presence.READY


async def test_two_callers_who_leave_and_stay_at_once_share_one_agent_rightly() -> None:
    async with a_house() as house:
        house.store.may_answer.clear()
        leaves, stays = house.take(ask(9)), house.take(ask(1))
        await house.ready("rosa")
        await house.store.asked.wait()
        leaves.cancel()
        house.store.may_answer.set()
        assert await stays == [house["rosa"]]
        assert house["rosa"].presence is Presence.RESERVED


@pytest.mark.usefixtures("fast")
async def test_nobody_on_duty_is_said_after_a_moment_and_not_before() -> None:
    async with a_house() as house:
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await house.take(ask()) == []
        assert loop.time() - began >= waiting_module.NOBODY_SECONDS


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("presence", [Presence.TALKING, Presence.WRAP_UP])
async def test_a_caller_waits_for_somebody_who_is_busy_now(presence: Presence) -> None:
    async with a_house() as house:
        house["rosa"].presence = presence
        waiting = house.take(ask())
        await asyncio.sleep(0.25)
        assert not waiting.done()
        waiting.cancel()


@pytest.mark.usefixtures("fast")
async def test_a_shift_that_begins_in_time_saves_the_caller_from_nobody() -> None:
    async with a_house() as house:
        waiting = house.take(ask())
        await asyncio.sleep(0.05)
        await house.ready("rosa")
        assert await waiting == [house["rosa"]]


async def test_who_passed_over_a_caller_is_asked_again_once_they_say_ready_anew() -> None:
    async with a_house() as house:
        mine = ask()
        await house.ready("rosa")
        mine.pass_over(house["rosa"])
        waiting = house.take(mine)
        await rounds()
        assert not waiting.done()
        await house.ready("rosa")
        assert await waiting == [house["rosa"]]


@pytest.mark.usefixtures("fast")
async def test_who_declined_is_asked_again_when_nobody_else_comes() -> None:
    async with a_house() as house:
        mine = ask()
        await house.ready("rosa")
        mine.pass_over(house["rosa"])
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await house.take(mine) == [house["rosa"]]
        assert loop.time() - began >= waiting_module.ASKED_AGAIN_SECONDS


async def test_another_one_is_asked_at_once_when_one_has_passed() -> None:
    async with a_house() as house:
        mine = ask()
        await house.ready("rosa", "remy")
        mine.pass_over(house["rosa"])
        assert await house.take(mine) == [house["remy"]]


async def test_a_caller_who_wants_one_person_gets_no_other() -> None:
    async with a_house() as house:
        waiting = house.take(ask(wanted="remy"))
        await house.ready("rosa")
        await rounds()
        assert not waiting.done()
        await house.ready("remy")
        assert await waiting == [house["remy"]]


async def test_a_caller_who_changes_language_while_waiting_gets_who_speaks_it() -> None:
    async with a_house() as house:
        house["rosa"].languages = frozenset({"fr", "en"})
        mine = ask()
        waiting = house.take(mine)
        await rounds()
        mine.language = "en"
        await house.ready("remy", "rosa")
        assert await waiting == [house["rosa"]]


async def test_one_wish_can_be_made_again_after_somebody_was_found() -> None:
    async with a_house() as house:
        mine = ask()
        await house.ready("rosa", "remy")
        (first,) = await house.take(mine)
        mine.pass_over(first)
        (second,) = await house.take(mine)
        assert second is not first


def test_the_time_waited_is_in_whole_seconds_and_never_negative() -> None:
    async def check() -> None:
        soon = Ask("c", "regulators", "fr", datetime.now(UTC) + timedelta(seconds=9))
        assert soon.waited_seconds() == 0
        long = Ask("c", "regulators", "fr", datetime.now(UTC) - timedelta(seconds=61))
        assert long.waited_seconds() in (61, 62)

    asyncio.run(check())


async def test_nobody_is_found_while_the_engine_could_ring_nobody() -> None:
    async with a_house() as house:
        house.in_step.clear()
        wait = house.take(ask())
        await house.ready("rosa")
        await rounds()
        assert not wait.done()
        assert house["rosa"].presence is Presence.READY

        house.in_step.set()
        assert await wait == [house["rosa"]]


# -- what may be foretold --------------------------------------------------------------------------


async def test_a_place_counts_who_is_asked_before_and_could_take_the_same_agent() -> None:
    async with a_house() as house:
        for id_ in ROLES:
            house.team.move(house[id_], Presence.TALKING, None, "other")
        house["rosa"].languages = frozenset({"fr", "en"})
        mine = ask(minutes=5)
        others = [
            ask(minutes=9),  # before
            ask(minutes=1, danger=3),  # before, in danger
            ask(minutes=2),  # behind
            ask(minutes=9, line="listeners"),  # whom nobody here could take
            ask(minutes=8, skills={"deuil": 1}),  # likewise
        ]
        waits = [house.take(one) for one in (mine, *others)]
        await asyncio.sleep(0)

        position, agents = house.lines.prospects(mine)
        assert position == 3
        assert [agent.id for agent in agents] == ["rosa", "remy"]

        mine.language = "en"  # rosa alone: those before may take her
        position, agents = house.lines.prospects(mine)
        assert position == 3
        assert [agent.id for agent in agents] == ["rosa"]

        house["lea"].roles = frozenset({Role.LISTENER, Role.REGULATOR})
        house["rosa"].languages = frozenset({"en"})
        mine.language = "fr"
        assert house.lines.prospects(mine)[0] == 4  # who waits for a listener may take lea
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def test_who_is_free_and_has_passed_is_nobody_to_count_on() -> None:
    async with a_house() as house:
        await house.ready("rosa")
        mine = ask()
        assert [agent.id for agent in house.lines.prospects(mine)[1]] == ["rosa"]

        mine.pass_over(house["rosa"])
        assert house.lines.prospects(mine)[1] == []


async def test_who_has_said_that_they_stop_after_their_talk_is_nobody_to_count_on() -> None:
    async with a_house() as house:
        for id_ in ("rosa", "remy"):
            house.team.move(house[id_], Presence.TALKING, None, "other")
        mine = ask()
        assert [agent.id for agent in house.lines.prospects(mine)[1]] == ["rosa", "remy"]

        await house.team.set_presence(house["rosa"], Presence.NOT_READY, "debriefing")
        house.team.set_duty(house["remy"], datetime.now(UTC) + timedelta(minutes=10), None)
        assert house.lines.prospects(mine)[1] == []

        await house.team.set_presence(house["rosa"], Presence.READY, None)
        house.team.set_duty(house["remy"], None, one_more=True)
        assert [agent.id for agent in house.lines.prospects(mine)[1]] == ["rosa", "remy"]


async def test_a_stand_in_is_counted_on_once_the_line_starves() -> None:
    async with a_house() as house:
        for id_ in ("remy", "lea"):
            house.team.move(house[id_], Presence.TALKING, None, "other")
        house["lea"].stands_in = True
        mine = ask()
        assert [agent.id for agent in house.lines.prospects(mine)[1]] == ["remy"]

        mine.waiting_since_at -= timedelta(hours=1)
        mine.stand_in_after_seconds = 60.0
        assert [agent.id for agent in house.lines.prospects(mine)[1]] == ["remy", "lea"]


# -- by hand


async def test_who_is_taken_by_hand_is_looked_for_no_more() -> None:
    async with a_house() as house:
        mine, other = ask(9), ask(1)
        waits = [house.take(mine), house.take(other)]
        await rounds()
        mine.take_by_hand(house["remy"])
        assert await waits[0] == []
        await house.ready("rosa")
        assert await waits[1] == [house["rosa"]]
        assert await house.take(mine) == []  # as long as they are offered to whom they were given


async def test_who_was_being_reserved_as_another_took_the_caller_is_given_back() -> None:
    async with a_house() as house:
        house.store.may_answer.clear()
        mine = ask()
        waiting = house.take(mine)
        await house.ready("rosa")
        await house.store.asked.wait()
        assert not mine.chosen
        mine.take_by_hand(house["remy"])
        house.store.may_answer.set()
        assert await waiting == []
        await rounds()
        assert house["rosa"].presence is Presence.READY


async def test_who_was_found_at_that_instant_is_found_all_the_same() -> None:
    async with a_house() as house:
        mine = ask()
        waiting = house.take(mine)
        await house.ready("rosa")
        while not mine.found.done():  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert mine.chosen
        mine.take_by_hand(house["remy"])
        assert await waiting == [house["rosa"]]  # whoever looked gives her back
