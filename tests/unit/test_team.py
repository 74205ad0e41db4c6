"""The team on duty: reserved once, freed always, and told truly to screens and store."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from cti.people import kept as kept_module
from cti.people import team as team_module
from cti.people.agents import LAST_TALK_BEFORE_SECONDS, Agent, Engagement, Presence, Role
from cti.people.choosing import Need
from cti.people.team import DISPOSITIONS, TRUNK_TRIED_AGAIN_AFTER, Team

CALL, OTHER = "a" * 32, "b" * 32


class Store:
    """A store in memory that can be slow, broken, or owned by somebody else."""

    def __init__(self) -> None:
        self.presence: dict[str, tuple[str, str | None, str | None]] = {}
        self.since: dict[str, datetime] = {}
        self.order: list[str] = []
        self.fails = False
        self.taken_elsewhere = False
        self.slow_seconds = 0.0
        self.write_seconds = 0.0

    async def reserve(
        self, agent_id: str, call_id: str, since_at: datetime, known: datetime | None
    ) -> bool:
        await asyncio.sleep(self.slow_seconds)
        if self.fails:
            raise OSError("the store is away")
        self.order.append("reserve")
        as_known = known is not None and self.since.get(agent_id) == known
        ready = self.presence.get(agent_id, ("",))[0] == "READY"
        if self.taken_elsewhere or not (ready or as_known):
            return False
        self.presence[agent_id] = ("RESERVED", None, call_id)
        self.since[agent_id] = since_at
        return True

    async def set_presence(
        self,
        agent_id: str,
        presence: str,
        reason: str | None,
        call_id: str | None,
        since_at: datetime,
    ) -> None:
        await asyncio.sleep(self.write_seconds)
        if self.fails:
            raise OSError("the store is away")
        self.order.append(presence)
        self.presence[agent_id] = (presence, reason, call_id)
        self.since[agent_id] = since_at


def make_team(store: Store, wrap_up_seconds: float = 60) -> tuple[Team, Agent, list[str]]:
    rosa = Agent("rosa", "Rosa", frozenset({Role.REGULATOR}), "rosa", presence=Presence.NOT_READY)
    lea = Agent("lea", "Léa", frozenset({Role.LISTENER}), "lea")
    said: list[str] = []
    team = Team([rosa, lea], store, lambda *what: said.append("/".join(what)), wrap_up_seconds)
    return team, rosa, said


@asynccontextmanager
async def running(team: Team) -> AsyncIterator[None]:
    work = asyncio.ensure_future(team.run())
    try:
        yield
    finally:
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work


async def until(true: Callable[[], bool], seconds_max: float = 2) -> None:
    async with asyncio.timeout(seconds_max):
        while True:
            if true():
                return
            await asyncio.sleep(0.005)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """The team's rounds come twenty times as fast; a screen has a tenth of a second to return."""
    sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: sleep(seconds / 20))
    monkeypatch.setattr(team_module, "SCREEN_GRACE_SECONDS", 0.1)


async def ready(team: Team, agent: Agent) -> None:
    assert await team.set_presence(agent, Presence.READY, None) is None


# -- reserving


async def test_a_ready_that_the_store_has_not_heard_of_yet_holds_nobody_up() -> None:
    store = Store()
    team, rosa, _ = make_team(store)
    async with running(team):
        await ready(team, rosa)
        assert await team.reserve(rosa, CALL)
        assert store.order == ["READY", "reserve"]  # its row was never ours: made so first
        team.move(rosa, Presence.NOT_READY, "pause")
        await until(lambda: store.presence["rosa"][0] == "NOT_READY")
        await ready(team, rosa)
        assert await team.reserve(rosa, CALL)  # one statement: the row is as we left it
        await asyncio.sleep(2 * kept_module.WRITTEN_AFTER_SECONDS)
    assert store.order == ["READY", "reserve", "NOT_READY", "reserve"]
    assert store.presence["rosa"] == ("RESERVED", None, CALL)
    assert not team.degraded


async def test_whom_another_took_meanwhile_is_not_ours_however_we_left_them() -> None:
    store = Store()
    team, rosa, _ = make_team(store)
    async with running(team):
        team.move(rosa, Presence.NOT_READY, "pause")
        await until(lambda: "rosa" in store.presence)
        await ready(team, rosa)
        store.presence["rosa"], store.since["rosa"] = ("RESERVED", None, OTHER), datetime.now(UTC)
        assert not await team.reserve(rosa, CALL)
    assert (rosa.presence, rosa.reason) == (Presence.NOT_READY, "taken_elsewhere")


async def test_nobody_is_reserved_twice() -> None:
    store = Store()
    team, rosa, _ = make_team(store)
    async with running(team):
        await ready(team, rosa)
        won = await asyncio.gather(*(team.reserve(rosa, f"{n:032x}") for n in range(20)))
    assert won.count(True) == 1


@pytest.mark.parametrize("trouble", ["slow", "fails", "its own write is stuck"])
async def test_a_store_that_does_not_answer_costs_300_ms_and_no_call(trouble: str) -> None:
    store = Store()
    team, rosa, _ = make_team(store)
    store.slow_seconds = 5 if trouble == "slow" else 0
    store.fails = trouble == "fails"
    store.write_seconds = 5 if trouble.startswith("its") else 0
    async with running(team):
        await ready(team, rosa)
        began = time.monotonic()
        assert await team.reserve(rosa, CALL)
        assert time.monotonic() - began < 0.3 + 0.2
    assert rosa.presence is Presence.RESERVED
    assert team.degraded


@pytest.mark.usefixtures("fast")
async def test_what_memory_decided_reaches_the_store_when_it_is_back() -> None:
    store = Store()
    store.fails = True
    team, rosa, _ = make_team(store)
    async with running(team):
        await ready(team, rosa)
        assert await team.reserve(rosa, CALL)
        store.fails = False
        await until(lambda: store.presence.get("rosa") == ("RESERVED", None, CALL))
        team.withdraw(rosa)
        await until(lambda: store.presence["rosa"][0] == "READY")
        assert await team.reserve(rosa, OTHER)
        assert not team.degraded


@pytest.mark.usefixtures("fast")
async def test_what_was_degraded_is_no_longer_once_the_store_has_it_all() -> None:
    store = Store()
    store.fails = True
    team, rosa, _ = make_team(store)
    async with running(team):
        await ready(team, rosa)
        assert await team.reserve(rosa, CALL)
        await asyncio.sleep(0.5)
        assert team.degraded
        store.fails, store.write_seconds = False, 2
        await until(lambda: not team.degraded)
    assert store.presence["rosa"] == ("RESERVED", None, CALL)


async def test_memory_wins_over_a_store_that_missed_what_happened() -> None:
    store = Store()
    team, rosa, _ = make_team(store)
    async with running(team):
        await ready(team, rosa)
        await until(lambda: store.presence.get("rosa") == ("READY", None, None))
        store.presence["rosa"] = ("LOGGED_OUT", None, None)  # a backup of this morning
        stored = Agent("rosa", "Rosa B.", frozenset({Role.LISTENER}), "rosa2")
        ada = Agent("ada", "Ada", frozenset({Role.ADMIN}), "ada", presence=Presence.NOT_READY)
        zoe = Agent("zoe", "Zoé", frozenset({Role.LISTENER}), "zoe", presence=Presence.TALKING)
        team.adopt([stored, ada, zoe])
        team.store_all()
        await until(lambda: store.presence["rosa"] == ("READY", None, None))
    assert (rosa.name, rosa.phone, rosa.roles) == ("Rosa B.", "rosa2", {Role.LISTENER})
    assert team.agents["ada"] is ada
    assert zoe.presence is Presence.READY  # no call of ours holds them


async def test_who_was_taken_elsewhere_is_not_ready_here_and_the_other_one_keeps_them() -> None:
    store = Store()
    team, rosa, _ = make_team(store)
    async with running(team):
        await ready(team, rosa)
        store.taken_elsewhere = True
        assert not await team.reserve(rosa, CALL)
        await asyncio.sleep(0.02)
    assert (rosa.presence, rosa.reason) == (Presence.NOT_READY, "taken_elsewhere")
    assert store.presence["rosa"][0] == "READY"  # whatever the other wrote stays


async def test_only_a_ready_agent_can_be_reserved() -> None:
    team, rosa, _ = make_team(Store())
    assert not await team.reserve(rosa, CALL)
    assert rosa.presence is Presence.NOT_READY


async def test_a_break_in_which_a_caller_was_chosen_goes_on_afterwards() -> None:
    team, rosa, _ = make_team(Store())
    async with running(team):
        await team.set_presence(rosa, Presence.NOT_READY, "pause")
        assert not await team.reserve(rosa, CALL)  # the line leaves them in peace
        assert await team.reserve(rosa, CALL, from_a_break=True)
        team.withdraw(rosa)  # the caller was gone
        assert (rosa.presence, rosa.reason) == (Presence.NOT_READY, "pause")
        assert await team.reserve(rosa, OTHER, from_a_break=True)
        team.talks(rosa, OTHER)
        team.start_wrap_up(rosa, OTHER)
        assert await team.wrapup_done(rosa, OTHER, "ecoute") is None
    assert (rosa.presence, rosa.reason) == (Presence.NOT_READY, "pause")


async def test_an_agent_given_back_has_not_lost_their_turn() -> None:
    team, rosa, _ = make_team(Store())
    async with running(team):
        await ready(team, rosa)
        since = rosa.free_since
        assert await team.reserve(rosa, CALL)
        team.withdraw(rosa)
    assert rosa.presence is Presence.READY
    assert rosa.free_since == since


# -- what they choose


@pytest.mark.parametrize("presence", [Presence.RESERVED, Presence.TALKING, Presence.WRAP_UP])
async def test_nobody_chooses_what_only_a_call_may_set(presence: Presence) -> None:
    team, rosa, _ = make_team(Store())
    assert await team.set_presence(rosa, presence, None) == "not_yours_to_set"
    assert rosa.presence is Presence.NOT_READY


@pytest.mark.usefixtures("fast")
async def test_what_is_chosen_in_a_call_waits_for_the_end_of_its_wrap_up() -> None:
    team, rosa, _ = make_team(Store(), wrap_up_seconds=0.1)
    async with running(team):
        await ready(team, rosa)
        assert await team.reserve(rosa, CALL)
        team.move(rosa, Presence.TALKING, None, CALL)
        assert await team.set_presence(rosa, Presence.NOT_READY, "pause") is None
        assert rosa.presence is Presence.TALKING
        team.start_wrap_up(rosa, CALL)
        assert rosa.presence is Presence.WRAP_UP
        await until(lambda: rosa.presence is Presence.NOT_READY)
        assert rosa.reason == "pause"


@pytest.mark.parametrize("presence", [Presence.READY, Presence.NOT_READY])
async def test_who_chose_to_leave_while_their_phone_rang_is_let_go(presence: Presence) -> None:
    team, rosa, _ = make_team(Store())
    rosa.presence = Presence.RESERVED
    assert await team.set_presence(rosa, Presence.LOGGED_OUT, None) is None
    team.withdraw(rosa, presence, "phone_busy")
    assert (rosa.presence, rosa.reason) == (Presence.LOGGED_OUT, None)


async def test_who_did_not_answer_is_not_ready_and_is_told_why() -> None:
    team, rosa, _ = make_team(Store())
    rosa.presence = Presence.RESERVED
    team.withdraw(rosa, Presence.NOT_READY, "phone_busy")
    assert (rosa.presence, rosa.reason) == (Presence.NOT_READY, "phone_busy")


async def test_a_choice_made_in_wrap_up_replaces_the_one_made_in_the_call() -> None:
    team, rosa, _ = make_team(Store())
    rosa.presence = Presence.TALKING
    await team.set_presence(rosa, Presence.NOT_READY, "pause")
    team.start_wrap_up(rosa, CALL)
    await ready(team, rosa)
    assert rosa.presence is Presence.READY
    rosa.presence = Presence.RESERVED
    team.withdraw(rosa)  # the caller left: the meal of before must not come back
    assert rosa.presence is Presence.READY


async def test_saying_ready_again_counts_anew() -> None:
    team, rosa, _ = make_team(Store())
    before = rosa.times_ready
    await ready(team, rosa)
    await ready(team, rosa)
    assert rosa.times_ready == before + 2


# -- wrap-up


@pytest.mark.usefixtures("fast")
async def test_wrap_up_ends_by_itself_and_the_agent_is_ready() -> None:
    team, rosa, _ = make_team(Store(), wrap_up_seconds=0.1)
    async with running(team):
        team.start_wrap_up(rosa, CALL)
        assert team.snapshot(rosa)["wrapup_call"] == CALL
        await until(lambda: rosa.presence is Presence.READY)
    assert team.snapshot(rosa)["wrapup_call"] is None


async def test_a_disposition_is_recorded_and_ends_the_wrap_up() -> None:
    team, rosa, said = make_team(Store())
    team.start_wrap_up(rosa, CALL)
    assert await team.wrapup_done(rosa, CALL, "ecoute") is None
    assert said == [f"{CALL}/rosa/ecoute"]
    assert rosa.presence is Presence.READY


@pytest.mark.parametrize(
    ("call", "disposition", "code"),
    [
        (CALL, "rien", "no_such_disposition"),
        (OTHER, "ecoute", "no_such_wrapup"),
        (CALL, "", "no_such_disposition"),
    ],
)
async def test_a_wrap_up_that_is_not_theirs_or_means_nothing_is_refused(
    call: str, disposition: str, code: str
) -> None:
    team, rosa, said = make_team(Store())
    team.start_wrap_up(rosa, CALL)
    assert await team.wrapup_done(rosa, call, disposition) == code
    assert said == []
    assert rosa.presence is Presence.WRAP_UP


async def test_who_has_a_caller_again_does_not_end_a_wrap_up() -> None:
    team, rosa, _ = make_team(Store())
    team.start_wrap_up(rosa, CALL)
    team.move(rosa, Presence.TALKING, None, OTHER)  # a call of before a restart
    assert await team.wrapup_done(rosa, CALL, "ecoute") == "no_such_wrapup"
    assert rosa.presence is Presence.TALKING


async def test_a_wrap_up_is_done_once() -> None:
    team, rosa, said = make_team(Store())
    team.start_wrap_up(rosa, CALL)
    assert await team.wrapup_done(rosa, CALL, "autre") is None
    assert await team.wrapup_done(rosa, CALL, "autre") == "no_such_wrapup"
    assert len(said) == 1


# -- screens


@pytest.mark.usefixtures("fast")
async def test_a_ready_agent_whose_screen_does_not_come_back_is_not_ready() -> None:
    team, rosa, _ = make_team(Store())
    async with running(team):
        await ready(team, rosa)
        began = time.monotonic()
        await until(lambda: rosa.presence is Presence.NOT_READY)
    assert time.monotonic() - began > team_module.SCREEN_GRACE_SECONDS
    assert rosa.reason == "screen_lost"


@pytest.mark.usefixtures("fast")
async def test_a_screen_that_comes_back_in_time_changes_nothing() -> None:
    team, rosa, _ = make_team(Store())
    async with running(team):
        await ready(team, rosa)
        await asyncio.sleep(1.2)  # noticed twice
        leave = rosa.outbox.open_screen(lambda message: None)
        await asyncio.sleep(4)
        assert rosa.presence is Presence.READY
        leave()  # lost once more: it has its whole time again
        await asyncio.sleep(1.2)
    assert rosa.presence is Presence.READY


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("presence", [Presence.RESERVED, Presence.TALKING, Presence.WRAP_UP])
async def test_a_lost_screen_takes_nobody_out_of_a_call(presence: Presence) -> None:
    team, rosa, _ = make_team(Store())
    rosa.presence = presence
    async with running(team):
        await asyncio.sleep(4)
    assert rosa.presence is presence


# -- who is on duty


@pytest.mark.parametrize(
    ("presence", "on_duty"),
    [
        (Presence.LOGGED_OUT, False),
        (Presence.NOT_READY, False),
        (Presence.READY, True),
        (Presence.RESERVED, True),
        (Presence.TALKING, True),
        (Presence.WRAP_UP, True),
    ],
)
def test_somebody_is_on_duty_who_can_take_a_call_now_or_soon(
    presence: Presence, on_duty: bool
) -> None:
    team, rosa, _ = make_team(Store())
    rosa.presence = presence
    assert team.anyone_on_duty(Need("regulators", "fr")) is on_duty
    assert not team.anyone_on_duty(Need("listeners", "fr"))
    assert not team.anyone_on_duty(Need("regulators", "en"))
    assert not team.anyone_on_duty(Need("regulators", "fr"), but=rosa)


# -- after a restart


async def test_after_a_restart_who_is_in_no_call_is_freed_and_who_is_stays() -> None:
    team, rosa, _ = make_team(Store())
    lea = team.agents["lea"]
    rosa.presence = lea.presence = Presence.TALKING
    lea.engagement = Engagement(CALL, {}, state="connected")
    team.free_the_unclaimed()
    assert rosa.presence is Presence.READY
    assert lea.presence is Presence.TALKING


async def test_after_a_restart_a_wrap_up_goes_on_and_can_be_done() -> None:
    team, rosa, said = make_team(Store())
    lea = team.agents["lea"]
    team.start_wrap_up(rosa, CALL)
    lea.presence = Presence.WRAP_UP  # of a call nobody knows any more
    team.free_the_unclaimed()
    assert rosa.presence is Presence.WRAP_UP
    assert lea.presence is Presence.READY
    assert await team.wrapup_done(rosa, CALL, "ecoute") is None
    assert said


# -- telling it


async def test_every_change_is_told_to_the_screen_and_written_in_order() -> None:
    store = Store()
    team, rosa, _ = make_team(store)
    shown: list[str] = []
    rosa.outbox.open_screen(lambda message: shown.append(message.data["presence"]))
    steps = [Presence.READY, Presence.TALKING, Presence.WRAP_UP, Presence.NOT_READY]
    async with running(team):
        for step in steps:
            team.move(rosa, step)
            await until(lambda now=rosa.presence.value: store.order[-1:] == [now])
        team.move(rosa, Presence.READY)
        team.move(rosa, Presence.NOT_READY)
        await until(lambda: len(store.order) > len(steps))
    names = [step.value for step in steps]
    assert shown == [*names, "READY", "NOT_READY"]
    assert store.order == [*names, "NOT_READY"]  # what was over before it could be written is not


def test_a_snapshot_shows_colleagues_who_are_here_and_nobody_else() -> None:
    team, rosa, _ = make_team(Store())
    assert team.snapshot(rosa)["colleagues"] == []
    team.move(team.agents["lea"], Presence.NOT_READY)
    snapshot = team.snapshot(rosa)
    assert [colleague["id"] for colleague in snapshot["colleagues"]] == ["lea"]
    assert {d["id"] for d in snapshot["dispositions"]} == set(DISPOSITIONS)
    assert snapshot["call"] is None


# -- missed, and not missed


def told(agent: Agent, type_: str) -> list[dict[str, object]]:
    return [m.data for m in agent.outbox.since(0) or [] if m.type == type_]


async def test_the_first_ring_in_vain_is_asked_about_and_the_second_is_a_pause() -> None:
    team, rosa, _ = make_team(Store())
    team.agents["ada"] = ada = Agent("ada", "Ada", frozenset({Role.SUPERVISOR}), "ada")
    async with running(team):
        await ready(team, rosa)
        assert await team.reserve(rosa, CALL)
        team.missed(rosa)
        assert rosa.presence is Presence.READY
        assert team.snapshot(rosa)["asked"]
        assert told(rosa, "presence.asked") == [{}]
        assert told(ada, "team.alert") == []
        assert await team.reserve(rosa, CALL)
        team.missed(rosa)
    assert (rosa.presence, rosa.reason) == (Presence.NOT_READY, "missed")
    (alert,) = told(ada, "team.alert")
    assert alert["kind"] == "missed"
    assert alert["agent"] == {"id": "rosa", "name": "Rosa"}
    assert team.snapshot(ada)["alerts"] == [alert]  # a page that is loaded anew shows it
    assert team.snapshot(team.agents["lea"])["alerts"] == team.snapshot(rosa)["alerts"] == []
    assert told(team.agents["lea"], "team.alert") == []  # nobody else's business
    await ready(team, rosa)
    assert rosa.missed == 0  # chosen again, they start anew
    assert told(rosa, "team.alert") == []


async def test_who_says_that_they_are_still_there_starts_anew() -> None:
    team, rosa, _ = make_team(Store())
    async with running(team):
        await ready(team, rosa)
        for _ in range(3):
            assert await team.reserve(rosa, CALL)
            team.missed(rosa)
            team.here(rosa)
            assert not team.snapshot(rosa)["asked"]
    assert rosa.presence is Presence.READY


async def test_a_caller_who_hangs_up_counts_against_nobody() -> None:
    team, rosa, _ = make_team(Store())
    async with running(team):
        await ready(team, rosa)
        for _ in range(5):
            assert await team.reserve(rosa, CALL)
            team.withdraw(rosa)
    assert (rosa.presence, rosa.missed) == (Presence.READY, 0)


async def test_what_changes_while_it_is_being_written_is_written_too() -> None:
    store = Store()
    store.write_seconds = 0.05
    team, rosa, _ = make_team(store)
    async with running(team):
        team.move(rosa, Presence.NOT_READY, "pause")
        await asyncio.sleep(kept_module.WRITTEN_AFTER_SECONDS + 0.02)  # on its way
        team.move(rosa, Presence.NOT_READY, "support")
        await until(lambda: store.presence.get("rosa") == ("NOT_READY", "support", None))


async def test_a_talk_taken_back_goes_on_since_it_began() -> None:
    team, rosa, _ = make_team(Store())
    team.talks(rosa, CALL)
    rosa.since_at -= timedelta(minutes=9)
    began = rosa.since_at
    team.move(rosa, Presence.TALKING, None, CALL)  # found again after a restart
    assert rosa.since_at == began


# -- a rest that a caller interrupts


async def test_a_rest_gives_way_to_its_own_caller_and_goes_on_if_they_do_not_come() -> None:
    team, rosa, said = make_team(Store())
    async with running(team):
        await ready(team, rosa)
        team.start_wrap_up(rosa, CALL)
        assert rosa.rest is not None
        ends_at = rosa.rest.ends_at
        assert not await team.reserve(rosa, OTHER)
        assert not await team.reserve(rosa, OTHER, rest_of=OTHER)
        assert await team.reserve(rosa, OTHER, rest_of=CALL)
        team.missed(rosa)
        assert (rosa.presence, rosa.call_id, rosa.missed) == (Presence.WRAP_UP, CALL, 0)
        assert rosa.rest is not None
        assert rosa.rest.ends_at == ends_at
        assert await team.reserve(rosa, OTHER, rest_of=CALL)
        assert await team.wrapup_done(rosa, CALL, "ecoute") is None  # what it came to still counts
        team.talks(rosa, OTHER)
        assert rosa.presence is Presence.TALKING
    assert said == [f"{CALL}/rosa/ecoute"]


# -- wrap-up, its length


async def test_a_wrap_up_is_extended_once_without_asking_anybody() -> None:
    team, rosa, _ = make_team(Store())
    assert team.extend_wrap_up(rosa, CALL) == "no_such_wrapup"
    team.start_wrap_up(rosa, CALL)
    assert rosa.rest is not None
    before = rosa.rest.ends_at
    assert rosa.presence_view()["wrap_up"] == {"seconds_left": 60, "may_extend": True, "form": True}
    assert team.extend_wrap_up(rosa, OTHER) == "no_such_wrapup"
    assert team.extend_wrap_up(rosa, CALL) is None
    assert rosa.rest.ends_at == before + 60
    assert team.extend_wrap_up(rosa, CALL) == "already_extended"
    assert told(rosa, "presence.changed")[-1]["wrap_up"] == {
        "seconds_left": 120,
        "may_extend": False,
        "form": True,
    }


async def test_after_somebody_at_risk_the_wrap_up_is_longer_and_weighs_more() -> None:
    team, rosa, _ = make_team(Store())
    lea = team.agents["lea"]
    for agent, hard in ((rosa, True), (lea, False)):
        team.talks(agent, CALL)
        agent.since_at -= timedelta(minutes=20)
        team.start_wrap_up(agent, CALL, hard=hard)
    assert rosa.rest is not None
    assert lea.rest is not None
    assert rosa.rest.ends_at - lea.rest.ends_at == pytest.approx(60, abs=1)
    now = rosa.rest.ends_at
    assert rosa.exposure.load_minutes(now) == pytest.approx(40, abs=0.1)
    assert lea.exposure.load_minutes(now) == pytest.approx(20, abs=0.1)
    assert lea.exposure.talks(now) == 1
    assert lea.exposure.talks(now + 12 * 3600) == 0


# -- the end of a shift


async def test_near_the_end_of_a_shift_a_talk_begins_only_on_a_yes() -> None:
    team, rosa, _ = make_team(Store())
    near = datetime.now(UTC) + timedelta(seconds=LAST_TALK_BEFORE_SECONDS - 5)
    await ready(team, rosa)
    assert team.set_duty(rosa, near, None) is None
    async with running(team):
        await until(lambda: rosa.presence is Presence.NOT_READY)
        assert rosa.reason == "shift_over"
        assert team.set_duty(rosa, None, True) is None
        assert rosa.presence is Presence.READY
        assert await team.reserve(rosa, CALL)
        team.talks(rosa, CALL)
        team.start_wrap_up(rosa, CALL)
        assert await team.wrapup_done(rosa, CALL, "ecoute") is None
        assert (rosa.presence, rosa.reason) == (Presence.NOT_READY, "shift_over")  # one more
        assert told(rosa, "duty.changed")[-1]["one_more"] is False
        await ready(team, rosa)  # told so, they choose it again: that is a yes
        assert rosa.presence is Presence.READY
        assert told(rosa, "duty.changed")[-1]["one_more"] is True


@pytest.mark.parametrize("away", [timedelta(hours=25), timedelta(minutes=-1)])
async def test_a_shift_ends_today_or_not_at_all(away: timedelta) -> None:
    team, rosa, _ = make_team(Store())
    assert team.set_duty(rosa, datetime.now(UTC) + away, None) == "no_such_time"
    assert team.set_duty(rosa, datetime(2026, 3, 2, 12, 0), None) == "no_such_time"
    assert rosa.shift_ends_at is None


# -- the device


async def test_who_has_no_phone_is_not_ready_until_it_is_back() -> None:
    team, rosa, _ = make_team(Store())
    team.phone_is(rosa, True)
    await ready(team, rosa)
    assert (rosa.presence, rosa.reason) == (Presence.NOT_READY, "phone_away")
    team.phone_is(rosa, False)
    assert rosa.presence is Presence.READY
    team.phone_is(rosa, True)
    assert (rosa.presence, rosa.reason) == (Presence.NOT_READY, "phone_away")
    assert await team.set_presence(rosa, Presence.NOT_READY, "pause") is None
    team.phone_is(rosa, False)
    assert (rosa.presence, rosa.reason) == (Presence.NOT_READY, "pause")  # they chose it


async def test_who_a_dead_trunk_could_not_ring_is_tried_again_a_minute_later() -> None:
    team, rosa, _ = make_team(Store())
    team.move(rosa, Presence.NOT_READY, "trunk_dead")
    team.phone_is(rosa, False)
    assert (rosa.presence, rosa.reason) == (Presence.NOT_READY, "trunk_dead")
    rosa.since_at -= TRUNK_TRIED_AGAIN_AFTER
    team.phone_is(rosa, False)
    assert rosa.presence is Presence.READY


async def test_a_reason_nobody_knows_is_refused() -> None:
    team, rosa, _ = make_team(Store())
    assert await team.set_presence(rosa, Presence.NOT_READY, "missed") == "no_such_reason"
    assert rosa.reason is None


async def test_a_phone_that_came_back_while_nobody_looked_is_back() -> None:
    rosa = Agent("rosa", "Rosa", frozenset({Role.REGULATOR}), "rosa")
    rosa.presence, rosa.reason = Presence.NOT_READY, "phone_away"  # of a life before
    Team([rosa], Store(), lambda *_: None, 60).phone_is(rosa, False)
    assert rosa.presence is Presence.READY


# -- what was chosen is kept


async def in_a_talk(wrap_up_seconds: float = 60) -> tuple[Team, Agent]:
    team, rosa, _ = make_team(Store(), wrap_up_seconds)
    await ready(team, rosa)
    assert await team.reserve(rosa, CALL)
    team.talks(rosa, CALL)
    return team, rosa


async def test_without_a_wrap_up_what_was_chosen_follows_a_phone_that_was_lost() -> None:
    team, rosa = await in_a_talk(0)
    team.ring_again(rosa, CALL, hard=False)
    await team.set_presence(rosa, Presence.NOT_READY, "pause")
    team.withdraw(rosa)
    assert (rosa.presence, rosa.reason) == (Presence.NOT_READY, "pause")
    await ready(team, rosa)
    assert await team.reserve(rosa, CALL)
    team.talks(rosa, CALL)
    team.start_wrap_up(rosa, CALL)
    assert rosa.presence is Presence.READY  # nothing is left of that pause
    team.rest_after_wrap_up(rosa, "phone_unreachable")
    assert (rosa.presence, rosa.reason) == (Presence.NOT_READY, "phone_unreachable")


async def test_whose_phone_drops_calls_is_told_at_once_what_follows_their_rest() -> None:
    team, rosa = await in_a_talk()
    told: list[dict[str, object]] = []
    rosa.outbox.open_screen(lambda message: told.append(message.data))
    team.start_wrap_up(rosa, CALL)
    team.rest_after_wrap_up(rosa, "phone_unreachable")
    assert told[-1]["next"] == {"presence": "NOT_READY", "reason": "phone_unreachable"}


async def test_a_phone_that_drops_calls_does_not_undo_what_was_chosen() -> None:
    team, rosa = await in_a_talk()
    await team.set_presence(rosa, Presence.NOT_READY, "debriefing")
    team.start_wrap_up(rosa, CALL)
    team.rest_after_wrap_up(rosa, "phone_unreachable")
    assert await team.wrapup_done(rosa, CALL, "ecoute") is None
    assert (rosa.presence, rosa.reason) == (Presence.NOT_READY, "debriefing")


async def test_what_is_chosen_as_another_takes_them_is_not_kept_for_later() -> None:
    store = Store()
    team, rosa, _ = make_team(store)
    await ready(team, rosa)
    store.slow_seconds, store.taken_elsewhere = 0.05, True
    reserving = asyncio.ensure_future(team.reserve(rosa, CALL))
    await asyncio.sleep(0.01)
    await team.set_presence(rosa, Presence.NOT_READY, "pause")
    assert not await reserving
    assert (rosa.presence, rosa.reason) == (Presence.NOT_READY, "pause")
    assert team.snapshot(rosa)["presence"]["next"] is None


async def test_to_go_home_is_said_for_later_and_unsaid_without_losing_the_hour() -> None:
    team, rosa = await in_a_talk()
    ends_at = datetime.now(UTC) + timedelta(minutes=30)
    team.set_duty(rosa, ends_at, None)
    await team.set_presence(rosa, Presence.LOGGED_OUT, None)
    await team.set_presence(rosa, Presence.READY, None)
    assert rosa.shift_ends_at == ends_at
    await team.set_presence(rosa, Presence.LOGGED_OUT, None)
    team.start_wrap_up(rosa, CALL)
    assert await team.wrapup_done(rosa, CALL, "ecoute") is None
    assert rosa.presence is Presence.LOGGED_OUT
    assert rosa.shift_ends_at is None


async def test_screens_know_of_one_more_call_whoever_changed_it() -> None:
    team, rosa, _ = make_team(Store())
    told: list[bool] = []
    rosa.outbox.open_screen(
        lambda message: message.type == "duty.changed" and told.append(message.data["one_more"])
    )
    team.set_duty(rosa, datetime.now(UTC) + timedelta(minutes=10), None)
    await ready(team, rosa)  # so near the end, it is a yes
    assert await team.reserve(rosa, CALL)
    team.talks(rosa, CALL)
    assert told == [False, True, False]
