"""Who may do what: every address and every command, by every role and by nobody.

All is taken from the tables of the application itself: what is added to them is tested here
without a line more, and what does not say who may use it fails.
"""

from __future__ import annotations

import functools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import BaseModel

from cti.people.agents import Role
from cti.people.team import DISPOSITIONS
from cti.web import frames, openapi
from cti.web.answers import said_of
from cti.web.door import EVERYONE, UNSAFE, allow, is_page_path, roles_of
from cti.web.frames import OPS, PROTOCOL
from tests.sampled import sample
from tests.screen import Client, Screen, code, greeted
from tests.web_house import ORIGIN, House, MemorySession

FOREIGN = "http://ailleurs.test"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
NOBODY = "nobody"
STATES = ("offered", "connected", "wrap_up")
SECRET = "un secret"
# What a command needs beside the names of things, to be obeyed in this house.
KNOWN = {"disposition": next(iter(DISPOSITIONS))}
CHOSEN = "c" * 64
HINT = {"help.ask"}  # help is never refused: a call that is not theirs is left out of it
OF_WHO_WAITS = {"call.take", "call.danger"}  # of nobody's call yet: see test_taking.py


async def _demo() -> None:
    pass


def house_with_all() -> House:
    """A house with every address there is."""
    return House(demo_call=_demo)


ROUTES = list(openapi.routes(house_with_all().app))
OUR_OWN = [(m, p, h) for m, p, h in ROUTES if "public" not in roles_of(h)]
CHANGING = [(m, p, h) for m, p, h in OUR_OWN if m in UNSAFE]
SOCKETS = [p for m, p, h in ROUTES if 101 in (said.answers if (said := said_of(h)) else {})]
OF_ONES_OWN = [op for op in OPS if "call" in OPS[op].model_fields and op not in OF_WHO_WAITS]
PEOPLE = {next(iter(agent.roles)): agent.id for agent in House().team.agents.values()}


@dataclass
class Visit:
    """A house whose handlers only note that they were reached, and a way to knock."""

    house: House
    client: Client
    reached: list[tuple[str, str]] = field(default_factory=list)

    async def knock(self, method: str, path: str, **request: Any) -> tuple[int, bool]:
        """The status, and whether the handler was reached."""
        before = len(self.reached)
        at = path.replace("{", "").replace("}", "")
        answer = await self.client.request(method, at, allow_redirects=False, **request)
        await answer.read()
        if answer.status == 303 and len(self.reached) == before:
            assert answer.headers["Location"] == "/login"
        return answer.status, len(self.reached) > before

    async def session(self, who: str) -> MemorySession:
        return await self.house.door.create_session(who, "cookie")


@asynccontextmanager
async def visiting() -> AsyncIterator[Visit]:
    house = house_with_all()
    reached: list[tuple[str, str]] = []
    for route in house.app.router.routes():
        route._handler = _spy(route.handler, reached)
    async with TestClient(TestServer(house.app)) as client:
        yield Visit(house, client, reached)


def _spy(handler: Any, reached: list[tuple[str, str]]) -> Any:
    @functools.wraps(handler)  # with what it says of its roles
    async def spy(request: web.Request) -> web.Response:
        reached.append((request.method, request.path))
        return web.Response(text="reached")

    del spy.said  # it answers something else
    return spy


def bearer(session: MemorySession) -> dict[str, str]:
    return {"Authorization": f"Bearer {session.secret}"}


def cookie(session: MemorySession, csrf: str | None = None, **more: str) -> dict[str, str]:
    token = {} if csrf is None else {"X-CSRF-Token": csrf}
    return {"Cookie": f"fil={session.secret}"} | token | more


# The tables themselves


def test_there_is_somebody_of_each_role_to_try_with() -> None:
    assert set(PEOPLE) == set(Role) == EVERYONE


@pytest.mark.parametrize(("method", "path", "handler"), ROUTES)
def test_every_address_says_who_may_use_it_and_what_it_answers(
    method: str, path: str, handler: object
) -> None:
    roles = roles_of(handler)
    assert roles, "say with allow(…) who may use it"
    assert roles <= EVERYONE or roles == {"public"}
    said = said_of(handler)
    assert said is not None, "say with says(…) what it answers"
    assert said.answers


@pytest.mark.parametrize("op", OPS)
def test_every_command_says_who_may_send_it(op: str) -> None:
    assert roles_of(OPS[op]), "say with allow(…) who may send it"
    assert roles_of(OPS[op]) <= EVERYONE


# Addresses: every role and nobody, every method


def expected(roles: frozenset[Role | str], role: str, method: str, path: str) -> int | None:
    """The status of who is turned away; None: the handler is reached."""
    if "public" in roles:
        return None
    if role == NOBODY:
        return 303 if is_page_path(path) and method == "GET" else 401
    return None if role in roles else 403


@pytest.mark.parametrize("role", [*Role, NOBODY])
async def test_each_address_lets_in_whom_it_says_and_no_method_beside(role: str) -> None:
    served = {(method, path): roles_of(handler) for method, path, handler in ROUTES}
    async with visiting() as visit:
        headers = {} if role == NOBODY else bearer(await visit.session(PEOPLE[Role(role)]))
        for path in {path for _, path in served}:
            for method in METHODS:
                got = await visit.knock(method, path, headers=headers)
                asked = "GET" if method == "HEAD" else method
                if (asked, path) not in served:
                    assert got == (405, False), (method, path)
                    continue
                refused = expected(served[asked, path], role, method, path)
                if refused is None:
                    assert got == (200, True), (method, path)
                else:
                    assert got == (refused, False), (method, path)


@pytest.mark.parametrize("only", list(Role))
async def test_an_address_of_one_role_is_closed_to_the_others(only: Role) -> None:
    async with visiting() as visit:
        for route in visit.house.app.router.routes():
            if "public" not in roles_of(route.handler):
                allow(only)(route._handler)
        for role, who in PEOPLE.items():
            headers = bearer(await visit.session(who))
            for method, path, _ in OUR_OWN:
                got = await visit.knock(method, path, headers=headers)
                assert got == ((200, True) if role is only else (403, False)), (role, path)


async def test_an_address_that_says_nothing_is_nobody_s() -> None:
    async with visiting() as visit:
        for route in visit.house.app.router.routes():
            vars(route._handler).pop("roles", None)
        for who in PEOPLE.values():
            headers = bearer(await visit.session(who))
            for method, path, _ in ROUTES:
                assert await visit.knock(method, path, headers=headers) == (403, False), path


async def test_a_session_that_is_over_opens_nothing() -> None:
    async with visiting() as visit:
        session = await visit.session("ada")
        del visit.house.door.sessions[session.secret]
        for method, path, _ in OUR_OWN:
            for headers in (bearer(session), cookie(session, session.csrf, Origin=ORIGIN)):
                status, reached = await visit.knock(method, path, headers=headers)
                assert not reached, path
                assert status in (303, 401)


# Other people's pages


def forged(
    mine: MemorySession, other: MemorySession, hers: MemorySession
) -> Iterator[dict[str, str]]:
    """What a browser of somebody signed in may be made to send by another page."""
    yield cookie(mine)
    yield cookie(mine, Origin=ORIGIN)
    for token in ("", "x" * 64, other.csrf, hers.csrf, mine.secret):
        yield cookie(mine, token)
        yield cookie(mine, token, Origin=ORIGIN)
    for origin in (
        FOREIGN,
        "null",
        ORIGIN + ".evil.test",
        "http://desk.test:81",
        "https://desk.test",
    ):
        yield cookie(mine, mine.csrf, Origin=origin)
    for site in ("cross-site", "same-site", "none"):
        yield cookie(mine, mine.csrf, Origin="null", **{"Sec-Fetch-Site": site})
    yield bearer(mine) | {"Origin": FOREIGN}
    yield bearer(mine) | {"Origin": "null"}


async def test_nothing_is_changed_by_another_page() -> None:
    assert CHANGING
    async with visiting() as visit:
        for role, who in PEOPLE.items():
            mine, other, hers = [await visit.session(one) for one in (who, who, "lea")]
            if who == "lea":
                hers = await visit.session("rosa")
            for method, path, handler in CHANGING:
                if role not in roles_of(handler):
                    continue
                for headers in forged(mine, other, hers):
                    assert await visit.knock(method, path, headers=headers) == (403, False), headers
                wrong = {"csrf": other.csrf}
                got = await visit.knock(method, path, headers=cookie(mine), data=wrong)
                assert got == (403, False)
                for headers in (
                    cookie(mine, mine.csrf),
                    cookie(mine, mine.csrf, Origin=ORIGIN),
                    cookie(mine, mine.csrf, Origin="null", **{"Sec-Fetch-Site": "same-origin"}),
                    bearer(mine),
                ):
                    assert await visit.knock(method, path, headers=headers) == (200, True), headers
                right = {"csrf": mine.csrf}
                got = await visit.knock(method, path, headers=cookie(mine), data=right)
                assert got == (200, True)


async def test_nobody_is_signed_in_by_another_page() -> None:
    async with visiting() as visit:
        public = [(m, p) for m, p, h in ROUTES if m in UNSAFE and "public" in roles_of(h)]
        assert public
        for method, path in public:
            for origin in (FOREIGN, "null"):
                got = await visit.knock(method, path, headers={"Origin": origin})
                assert got == (403, False)


# Sockets that another page opens


@pytest.mark.parametrize("path", SOCKETS)
async def test_a_socket_opens_for_our_pages_alone(path: str) -> None:
    house = house_with_all()
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol": f"{PROTOCOL}, sip",
    }
    async with TestClient(TestServer(house.app)) as client:
        for who in PEOPLE.values():
            mine = await house.door.create_session(who, "cookie")
            for origin in (None, "", "null", FOREIGN, ORIGIN + ".evil.test"):
                more = {} if origin is None else {"Origin": origin}
                for headers in (cookie(mine, mine.csrf) | more, more):
                    answer = await client.get(
                        path, headers=upgrade | headers, allow_redirects=False
                    )
                    assert answer.status in (303, 401, 403, 404), (origin, answer.status)
            if path == "/cti/v1":
                for headers in (cookie(mine, Origin=ORIGIN), bearer(mine)):
                    socket = await client.ws_connect(path, headers=headers, protocols=[PROTOCOL])
                    await socket.close()
        assert house.agent("rosa").outbox.screens == 0


def test_the_screens_socket_is_one_of_them() -> None:
    assert "/cti/v1" in SOCKETS


# A session that somebody else chose


async def signed_in(client: Client, path: str, headers: dict[str, str]) -> str:
    """Sign in at one of the two doors; gives the session's secret."""
    given = {"username": "rosa", "password": "demo-rosa"}
    if path == "/login":
        await client.get("/login")
        form = client.session.cookie_jar.filter_cookies(client.make_url("/"))["fil-form"].value
        headers = {"Cookie": f"fil-form={form}; " + headers.get("Cookie", "")}
        answer = await client.post(
            path, data=given | {"form": form}, headers=headers, allow_redirects=False
        )
        assert answer.status == 303
    else:
        answer = await client.post(path, json=given, headers=headers)
        assert answer.status == 200
    return answer.cookies["fil"].value


@pytest.mark.parametrize("path", ["/login", "/api/v1/login"])
async def test_whatever_was_in_the_browser_before_signing_in_is_worth_nothing_after(
    path: str,
) -> None:
    house = house_with_all()
    async with TestClient(TestServer(house.app)) as client:
        planted = await house.door.create_session("lea", "cookie")
        screen = await client.ws_connect("/cti/v1", headers=bearer(planted))
        for chosen in (planted.secret, CHOSEN):
            client.session.cookie_jar.clear()
            secret = await signed_in(client, path, {"Cookie": f"fil={chosen}"})
            client.session.cookie_jar.clear()
            assert secret not in (planted.secret, CHOSEN)
            assert house.door.sessions[secret].agent_id == "rosa"
            answer = await client.get("/api/v1/me", headers={"Cookie": f"fil={chosen}"})
            assert answer.status == 401
        while not screen.closed:
            await screen.receive(timeout=4)
        assert screen.close_code == 4401


# Commands: every role


@pytest.mark.parametrize("op", OPS)
async def test_a_command_is_obeyed_for_the_roles_it_says_and_no_other(
    op: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, model = House(), OPS[op]
    data = sample(model.model_json_schema())
    allowed = roles_of(model)
    async with TestClient(TestServer(house.app)) as client:
        for role, who in PEOPLE.items():
            screen = await greeted(house, client, who)
            refused = code(await screen.ask(op, **data)) == "not_your_role"
            assert refused == (role not in allowed)
            with monkeypatch.context() as patch:
                patch.setattr(model, "roles", EVERYONE - {role})
                before = fingerprint(house, who)
                assert code(await screen.ask(op, **data)) == "not_your_role"
                assert fingerprint(house, who) == before
                patch.setattr(model, "roles", frozenset({role}))
                assert code(await screen.ask(op, **data)) != "not_your_role"


async def test_a_command_that_says_nothing_is_nobody_s(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgotten(frames.Closed):
        """Says nothing of who may send it."""

    monkeypatch.setitem(OPS, "forgotten", Forgotten)
    house = House()
    async with TestClient(TestServer(house.app)) as client:
        for who in PEOPLE.values():
            screen = await greeted(house, client, who)
            assert code(await screen.ask("forgotten")) == "not_your_role"


async def test_a_role_lost_counts_for_a_screen_that_is_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House()
    async with TestClient(TestServer(house.app)) as client:
        screen = await greeted(house, client, "rosa")
        monkeypatch.setattr(OPS["presence.set"], "roles", frozenset({Role.REGULATOR}))
        assert (await screen.ask("presence.set", presence="READY"))["ok"]
        house.agent("rosa").roles = frozenset({Role.ADMIN})
        assert code(await screen.ask("presence.set", presence="NOT_READY")) == "not_your_role"


# What belongs to somebody else


def fingerprint(house: House, who: str) -> str:
    """All that can be done to somebody: another's command must leave it as it is."""
    agent = house.agent(who)
    engagement = agent.engagement
    decided = None if engagement is None else (engagement.state, engagement.decisions.qsize())
    had = (agent.following, agent.missed, agent.shift_ends_at, agent.one_more, agent.times_ready)
    view = engagement.view if engagement else None
    rest = agent.rest and (agent.rest.call_id, agent.rest.extended, agent.rest.form)
    told = (agent.outbox.last_seq, agent.outbox._acked)
    return json.dumps(
        [
            agent.presence,
            agent.reason,
            agent.call_id,
            decided,
            had,
            view,
            rest,
            told,
            house.wrapups,
        ],
        default=str,
    )


def both_have_a_call(house: House, state: str) -> None:
    """Bring lea's call to that state, and one of rosa's own: only the name is wrong, then."""
    for who, call in (("lea", "hers"), ("rosa", "mine")):
        house.offer(who, call, handover=SECRET if who == "lea" else "")
        if state != "offered":
            house.connect(who)
        if state == "wrap_up":
            house.end(who)


def hers(house: House) -> list[str]:
    """The names of lea's that somebody might try."""
    return ["hers", "offer-hers", "lea", house.agent("lea").outbox.epoch]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("op", OPS)
async def test_a_command_about_another_s_call_does_nothing(op: str, state: str) -> None:
    house, schema = House(), OPS[op].model_json_schema()
    both_have_a_call(house, state)
    before = fingerprint(house, "lea")
    async with TestClient(TestServer(house.app)) as client:
        screen = await greeted(house, client, "rosa")
        for name in hers(house):
            result = await screen.ask(op, **sample(schema, name, KNOWN))
            if "call" in schema["properties"] and op not in HINT:
                assert not result["ok"], name
            assert SECRET not in json.dumps(result)
        assert await nothing_leaks(screen)
    assert fingerprint(house, "lea") == before


@pytest.mark.parametrize("op", OF_ONES_OWN)
async def test_the_same_command_about_one_s_own_call_is_obeyed(op: str) -> None:
    """Else the test before this one proves nothing: give in KNOWN what the command needs."""
    obeyed = []
    for state in STATES:
        house = House()
        both_have_a_call(house, state)
        async with TestClient(TestServer(house.app)) as client:
            screen = await greeted(house, client, "rosa")
            result = await screen.ask(op, **sample(OPS[op].model_json_schema(), "mine", KNOWN))
            obeyed.append(result["ok"])
    assert any(obeyed)


async def nothing_leaks(screen: Screen) -> bool:
    """Whether nothing of lea's is in what this screen is still told."""
    await screen.socket.send_json({"op": "resume", "id": "end", "data": {"epoch": "x", "since": 0}})
    while True:
        told = await screen.frame()
        if SECRET in json.dumps(told) or '"hers"' in json.dumps(told):
            return False
        if told.get("id") == "end":
            return True


Address = tuple[str, str, Callable[..., Any]]


async def takes_another_s(house: House, client: Client, address: Address) -> bool:
    """Whether an address, given lea's names by rosa, tells of her call or changes something."""
    method, path, handler = address
    session = await house.door.create_session("rosa", "token")
    before = fingerprint(house, "lea")
    said = said_of(handler)
    body: type[BaseModel] | None = said.body if said else None
    for name in hers(house):
        at = "/".join(name if part.startswith("{") else part for part in path.split("/"))
        given = sample(body.model_json_schema(), name) if body else None
        answer = await client.request(
            method, at, json=given, headers=bearer(session), allow_redirects=False
        )
        if SECRET in await answer.text() or fingerprint(house, "lea") != before:
            return True
    return False


@pytest.mark.parametrize("state", STATES)
async def test_no_address_gives_away_another_s_call(state: str) -> None:
    for address in OUR_OWN:
        house = house_with_all()
        both_have_a_call(house, state)
        async with TestClient(TestServer(house.app)) as client:
            assert not await takes_another_s(house, client, address), address


async def test_an_address_that_gives_away_another_s_call_is_found_out() -> None:
    house = House()

    @allow(*EVERYONE)
    async def indiscreet(request: web.Request) -> web.Response:
        wanted = request.match_info["call"]
        for agent in house.team.agents.values():
            if agent.engagement and agent.engagement.call_id == wanted:
                return web.json_response(agent.engagement.view)
        raise web.HTTPNotFound

    house.app.router.add_get("/api/v1/calls/{call}", indiscreet)
    both_have_a_call(house, "connected")
    async with TestClient(TestServer(house.app)) as client:
        assert await takes_another_s(house, client, ("GET", "/api/v1/calls/{call}", indiscreet))
