"""“I need help now” reaches who may help, and who asked always knows whether anybody sees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
import time_machine
from aiohttp import ClientWebSocketResponse, web
from aiohttp.test_utils import TestClient, TestServer

from cti import clock
from cti.people.agents import Agent, Presence, Role
from cti.people.help import ASKED_PER_MINUTE_MAX
from cti.people.team import Team
from cti.web.frames import EVENTS, Snapshot
from tests.web_house import ORIGIN, House, MemoryPresences

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CALL = "a" * 32


class Line:
    """Léa, who listens; a regulator, a supervisor, a facilitator, an admin, another listener."""

    def __init__(self) -> None:
        roles = {
            "lea": Role.LISTENER,
            "louis": Role.LISTENER,
            "rosa": Role.REGULATOR,
            "sam": Role.SUPERVISOR,
            "fanny": Role.FACILITATOR,
            "ada": Role.ADMIN,
        }
        people = [Agent(id_, id_.title(), frozenset({role}), id_) for id_, role in roles.items()]
        self.team = Team(people, MemoryPresences(), lambda *_: None, wrap_up_seconds=60)
        self.happened: list[tuple[str, dict[str, Any]]] = []
        self.team.helping.happened = lambda type_, **data: self.happened.append((type_, data))
        self.heard: dict[str, int] = {}

    def agent(self, id_: str) -> Agent:
        return self.team.agents[id_]

    def screen(self, id_: str) -> Callable[[], None]:
        """A screen of theirs is open; returns what closes it."""
        return self.agent(id_).outbox.open_screen(lambda _: None)

    def talks(self, id_: str, call: str = CALL) -> None:
        self.team.move(self.agent(id_), Presence.TALKING, None, call)

    def ask(self, id_: str = "lea", call: str | None = None) -> str | None:
        return self.team.helping.ask(self.agent(id_), call)

    def answer(self, by: str, id_: str = "lea") -> str | None:
        return self.team.helping.answer(self.agent(by), id_)

    def news(self, id_: str) -> list[tuple[str, dict[str, Any]]]:
        """What they were told of help since the last time, checked against the contract."""
        outbox = self.agent(id_).outbox
        messages = outbox.since(self.heard.get(id_, 0)) or []
        self.heard[id_] = outbox.last_seq
        found = [(one.type, one.data) for one in messages if one.type.startswith("help.")]
        for type_, data in found:
            assert set(EVENTS[type_].model_validate(data).model_fields_set) == set(
                EVENTS[type_].model_fields
            )
        return found

    def shown(self, id_: str) -> tuple[Any, list[Any]]:
        """What their snapshot says of help."""
        snapshot = self.team.snapshot(self.agent(id_))
        Snapshot.model_validate(snapshot)
        return snapshot["help"], snapshot["helps"]


@pytest.fixture
async def line() -> Line:
    return Line()


async def test_who_may_help_is_told_and_nobody_else(line: Line) -> None:
    line.screen("sam")
    line.talks("lea")
    with time_machine.travel(NOON, tick=False):
        assert line.ask(call=CALL) is None
    asked = {"agent": "lea", "name": "Lea", "call": {"id": CALL}, "since": NOON.isoformat()}
    for helper in ("rosa", "sam", "fanny"):
        assert line.news(helper) == [("help.asked", asked)]
        assert line.shown(helper) == (None, [asked])
    for other in ("louis", "ada"):
        assert line.news(other) == []
        assert line.shown(other) == (None, [])
    ((type_, waiting),) = line.news("lea")
    assert (type_, waiting["seen"], waiting["advice"]) == ("help.waiting", True, None)
    assert line.shown("lea") == (waiting, [])


async def test_where_nobody_sees_it_the_agent_is_told_at_once_what_to_do(line: Line) -> None:
    line.screen("lea")
    line.screen("louis")  # who may not answer
    assert line.ask() is None
    ((_, waiting),) = line.news("lea")
    assert (waiting["seen"], waiting["advice"]["code"]) == (False, "nobody_sees_it")
    assert "112" in waiting["advice"]["fr"]
    assert "112" in waiting["advice"]["en"]
    assert line.happened == [("help.asked", {"seen": False})]


async def test_the_agent_hears_when_somebody_sees_it_and_when_nobody_does_any_more(
    line: Line,
) -> None:
    line.ask()
    line.news("lea")
    line.team.helping.look()
    assert line.news("lea") == []  # nothing new
    close = line.screen("fanny")
    line.team.helping.look()
    assert [data["seen"] for _, data in line.news("lea")] == [True]
    close()
    line.team.helping.look()
    line.team.helping.look()
    assert [data["seen"] for _, data in line.news("lea")] == [False]


async def test_a_regulator_who_asks_does_not_count_as_who_sees_it(line: Line) -> None:
    line.screen("rosa")
    line.ask("rosa")
    assert [data["seen"] for _, data in line.news("rosa")] == [False]
    assert line.shown("rosa")[1] == []
    assert line.answer("rosa", "rosa") == "no_such_help"


async def test_one_answers_the_agent_knows_who_and_the_others_know_it_is_over(line: Line) -> None:
    line.screen("sam")
    with time_machine.travel(NOON, tick=False):
        line.ask()
    for id_ in ("lea", "rosa", "sam"):
        line.news(id_)
    with time_machine.travel(NOON + timedelta(seconds=7), tick=False):
        assert line.answer("sam") is None
    assert line.news("lea") == [("help.answered", {"by": "sam", "name": "Sam"})]
    over = {"agent": "lea", "reason": "answered", "by": {"id": "sam", "name": "Sam"}}
    for helper in ("rosa", "sam", "fanny"):
        assert ("help.over", over) in line.news(helper)
        assert line.shown(helper) == (None, [])
    mine, _ = line.shown("lea")  # after a reload too
    assert mine["by"] == {"id": "sam", "name": "Sam"}
    assert mine["advice"] is None
    assert line.answer("rosa") == "no_such_help"
    assert line.happened[-1] == ("help.answered", {"after_seconds": 7})


async def test_only_help_that_was_asked_is_answered(line: Line) -> None:
    line.ask()
    assert line.answer("sam", "nobody") == "no_such_help"
    assert line.answer("sam", "louis") == "no_such_help"
    assert line.shown("sam")[1] != []


@pytest.mark.parametrize("answered", [False, True])
async def test_the_agent_says_that_it_is_over(line: Line, answered: bool) -> None:
    line.ask()
    if answered:
        line.answer("sam")
    line.news("lea")
    line.news("sam")
    line.team.helping.over(line.agent("lea"))
    over = [("help.over", {"agent": "lea", "reason": "over", "by": None})]
    assert line.news("lea") == line.news("sam") == over
    assert line.shown("lea") == line.shown("sam") == (None, [])
    line.team.helping.over(line.agent("lea"))
    assert line.news("sam") == []
    assert line.happened[-1] == ("help.over", {"reason": "over", "answered": answered})


async def test_asking_again_while_it_waits_changes_nothing_and_after_an_answer_asks_anew(
    line: Line,
) -> None:
    for _ in range(20):
        assert line.ask() is None
    assert len(line.news("sam")) == 1
    line.answer("sam")
    assert line.ask() is None
    assert [type_ for type_, _ in line.news("rosa")] == ["help.asked", "help.over", "help.asked"]
    assert line.shown("lea")[0]["by"] is None


async def test_a_finger_that_slips_rings_at_most_so_often_a_minute(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []
    for _ in range(ASKED_PER_MINUTE_MAX + 1):
        said.append(line.ask())
        line.team.helping.over(line.agent("lea"))
    assert said == [None] * ASKED_PER_MINUTE_MAX + ["help_too_often"]
    assert line.ask("louis") is None  # each their own
    later = clock.monotonic() + 61
    monkeypatch.setattr(clock, "monotonic", lambda: later)
    assert line.ask() is None


async def test_a_call_that_is_not_theirs_is_left_out_and_help_is_asked_all_the_same(
    line: Line,
) -> None:
    assert line.ask(call=CALL) is None
    line.talks("louis")
    assert line.ask("louis", "b" * 32) is None
    assert [data["call"] for _, data in line.news("sam")] == [None, None]


async def test_a_request_nobody_answers_is_over_after_an_hour_and_both_are_told(line: Line) -> None:
    with time_machine.travel(NOON, tick=False):
        line.ask()
    line.news("lea"), line.news("sam")
    with time_machine.travel(NOON + timedelta(minutes=59), tick=False):
        line.team.helping.look()
    assert line.shown("sam")[1] != []
    with time_machine.travel(NOON + timedelta(minutes=60), tick=False):
        line.team.helping.look()
    assert [data["reason"] for _, data in line.news("lea") + line.news("sam")] == ["too_long"] * 2
    assert line.shown("sam") == (None, [])


async def test_whoever_leaves_the_team_needs_nobody(line: Line) -> None:
    line.ask()
    line.team.dismiss_all_but(["rosa", "sam"])
    assert line.shown("sam") == (None, [])
    assert line.news("sam")[-1][0] == "help.over"


async def test_it_outlasts_the_shift_of_who_asked(line: Line) -> None:
    """A browser that broke down, or a hand that slipped: they may still need somebody."""
    line.ask()
    await line.team.set_presence(line.agent("lea"), Presence.LOGGED_OUT, None)
    assert line.shown("sam")[1] != []


async def test_the_running_team_looks_by_itself(line: Line) -> None:
    line.ask()
    line.news("lea")
    running = asyncio.create_task(line.team.run())
    line.screen("rosa")
    async with asyncio.timeout(3):
        while not (news := line.news("lea")):  # noqa: ASYNC110 -- it has no event of its own
            await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert news[0][1]["seen"] is True


# On the wire


@pytest_asyncio.fixture
async def client() -> AsyncIterator[tuple[House, TestClient[web.Request, web.Application]]]:
    house = House()
    async with TestClient(TestServer(house.app)) as client:
        yield house, client


async def until(socket: ClientWebSocketResponse, type_: str) -> dict[str, Any]:
    async with asyncio.timeout(4):
        while True:
            frame: dict[str, Any] = await socket.receive_json()
            if frame.get("type", frame.get("op")) == type_:
                return frame


async def test_two_screens_ask_answer_and_come_back(
    client: tuple[House, TestClient[web.Request, web.Application]],
) -> None:
    house, browser = client

    async def opened(who: str) -> ClientWebSocketResponse:
        headers = {"Authorization": f"Bearer {await house.token(who)}", "Origin": ORIGIN}
        socket = await browser.ws_connect("/cti/v1", protocols=["fil.cti.v1"], headers=headers)
        await until(socket, "snapshot")
        return socket

    lea, sam = await opened("lea"), await opened("sam")
    await lea.send_json({"op": "help.ask", "id": 1, "data": {"call": None}})
    assert (await until(lea, "help.waiting"))["data"]["seen"] is True
    assert (await until(lea, "result"))["ok"]
    assert (await until(sam, "help.asked"))["data"]["name"] == "Léa"
    await lea.close()
    lea = await browser.ws_connect(
        "/cti/v1", headers={"Authorization": f"Bearer {await house.token('lea')}"}
    )
    assert (await until(lea, "snapshot"))["data"]["help"]["by"] is None
    await sam.send_json({"op": "help.answer", "id": 2, "data": {"agent": "lea"}})
    assert (await until(sam, "result"))["ok"]
    assert (await until(lea, "help.answered"))["data"] == {"by": "sam", "name": "Sam"}
    await lea.send_json({"op": "help.end", "id": 3, "data": {}})
    assert (await until(lea, "help.over"))["data"]["reason"] == "over"
    await lea.send_json({"op": "help.answer", "id": 4, "data": {"agent": "sam"}})
    assert (await until(lea, "result"))["ok"]
    assert (await until(lea, "result"))["error"]["code"] == "not_your_role"


def test_who_asked_is_no_part_of_an_event() -> None:
    """What is recorded passes where events are checked, and names nobody."""
    from cti.records.record import _codes_only

    line = Line()
    line.ask()
    line.answer("sam")
    line.team.helping.over(line.agent("lea"))
    assert [type_ for type_, _ in line.happened] == ["help.asked", "help.answered", "help.over"]
    for _, data in line.happened:
        assert _codes_only(data) == data
        assert "lea" not in str(data)
        assert "sam" not in str(data)
