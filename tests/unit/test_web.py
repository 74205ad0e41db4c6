"""Who may come in, and what the web says to those who may not."""

from __future__ import annotations

import asyncio
import html
import json
import logging
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
import time_machine
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from cti.people.agents import Role
from cti.people.suggesting import Tongue
from cti.web import typescript, words
from cti.web.app import DESK, make_app
from cti.web.door import GUARD, RefusedError, allow, roles_of
from tests.web_house import ORIGIN, House, MemoryDoor, Settings

Client = TestClient[web.Request, web.Application]
FOREIGN = "http://ailleurs.test"


@pytest.fixture
def house() -> House:
    return House()


@pytest_asyncio.fixture
async def client(house: House) -> AsyncIterator[Client]:
    async with TestClient(TestServer(house.app)) as client:
        yield client


async def json_login(client: Client, who: str = "rosa", password: str | None = None) -> str:
    secret = f"demo-{who}" if password is None else password
    answer = await client.post("/api/v1/login", json={"username": who, "password": secret})
    assert answer.status == 200
    token = (await answer.json())["token"]
    assert isinstance(token, str)
    return token


async def form_token(client: Client) -> str:
    page = await (await client.get("/login")).text()
    found = re.search(r'name="form" value="([^"]+)"', page)
    assert found
    return found[1]


# Default deny


def test_every_address_says_who_may_use_it() -> None:
    app = House(demo_call=_nothing).app
    silent = [str(route) for route in app.router.routes() if not roles_of(route.handler)]
    assert silent == []
    public = {
        f"{route.method} {route.resource.canonical}"
        for route in app.router.routes()
        if "public" in roles_of(route.handler) and route.resource and route.method != "HEAD"
    }
    assert public == {
        "GET /login",
        "POST /login",
        "POST /language",
        "POST /api/v1/login",
        "GET /cti/v1/asyncapi.json",
        "GET /api/v1/openapi.json",
        "GET /health",
        "GET /desk/{name}",
    }


async def _nothing() -> None:
    pass


async def test_an_address_that_forgot_to_say_answers_nobody() -> None:
    house = House()

    async def forgotten(request: web.Request) -> web.Response:
        return web.Response(text="secret")

    house.app.router.add_get("/api/v1/forgotten", forgotten)
    async with TestClient(TestServer(house.app)) as client:
        await json_login(client, "ada")
        answer = await client.get("/api/v1/forgotten")
        assert answer.status == 403
        assert "secret" not in await answer.text()


async def test_a_role_opens_its_own_addresses_only() -> None:
    house = House()

    @allow(Role.ADMIN)
    async def settings(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    house.app.router.add_get("/api/v1/settings", settings)
    async with TestClient(TestServer(house.app)) as client:
        for who, expected in (("rosa", 403), ("lea", 403), ("ada", 200)):
            bearer = {"Authorization": f"Bearer {await house.token(who)}"}
            assert (await client.get("/api/v1/settings", headers=bearer)).status == expected


async def test_nothing_private_is_shown_to_strangers(client: Client) -> None:
    for path in ("/api/v1/me", "/cti/v1"):
        assert (await client.get(path, headers={"Origin": ORIGIN})).status in (401, 403)
    answer = await client.get("/", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/login")


async def test_an_agent_who_left_the_team_is_out_at_once(house: House, client: Client) -> None:
    await json_login(client)
    assert (await client.get("/api/v1/me")).status == 200
    del house.team.agents["rosa"]
    assert (await client.get("/api/v1/me")).status == 401


# Signing in


async def test_a_program_gets_a_token_and_a_browser_a_cookie_scripts_cannot_read(
    client: Client,
) -> None:
    answer = await client.post("/api/v1/login", json={"username": "Rosa ", "password": "demo-rosa"})
    token = (await answer.json())["token"]
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/" in cookie
    client.session.cookie_jar.clear()
    assert (await client.get("/api/v1/me")).status == 401
    me = await client.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})
    assert await me.json() == {"id": "rosa", "name": "Rosa", "roles": ["regulator"]}


async def test_over_https_the_cookie_is_bound_to_this_host(house: House) -> None:
    app = make_app(house.team, MemoryDoor(), Settings(secure_cookies=True))
    async with TestClient(TestServer(app)) as client:
        answer = await client.post(
            "/api/v1/login", json={"username": "rosa", "password": "demo-rosa"}
        )
        assert answer.headers["Set-Cookie"].startswith("__Host-fil=")
        assert "Secure" in answer.headers["Set-Cookie"]
        assert "max-age=31536000" in answer.headers["Strict-Transport-Security"]


async def test_the_form_signs_in_without_any_script(client: Client) -> None:
    form = {
        "form": await form_token(client),
        "username": "rosa",
        "password": "demo-rosa",
    }
    answer = await client.post("/login", data=form, headers={"Origin": ORIGIN})
    assert answer.status == 200
    assert answer.url.path == "/"
    page = await answer.text()
    assert "Rosa" in page
    assert 'src="/desk/desk.js"' in page


async def test_a_session_from_before_signing_in_is_worth_nothing_after(
    house: House, client: Client
) -> None:
    first = await json_login(client)
    second = await json_login(client)
    assert first != second
    assert first not in house.door.sessions


async def test_a_cookie_chosen_by_somebody_else_is_never_adopted(
    house: House, client: Client
) -> None:
    chosen = "a" * 64
    answer = await client.post(
        "/api/v1/login",
        json={"username": "rosa", "password": "demo-rosa"},
        headers={"Cookie": f"fil={chosen}"},
    )
    assert answer.cookies["fil"].value != chosen
    assert chosen not in house.door.sessions


async def test_a_wrong_password_and_an_unknown_account_get_the_same_answer(client: Client) -> None:
    answers = []
    for who in ("rosa", "personne"):
        answer = await client.post("/api/v1/login", json={"username": who, "password": "non"})
        answers.append((answer.status, await answer.json()))
    assert answers[0] == answers[1]
    assert answers[0][0] == 401


async def test_a_thousand_guesses_at_once_test_few_passwords(house: House, client: Client) -> None:
    guard = house.app[GUARD]

    async def guess(number: int) -> None:
        with pytest.raises(RefusedError):
            await guard.sign_in(f"agent{number}", "non", "127.0.0.1", "token")

    await asyncio.gather(*(guess(number) for number in range(1000)))
    assert house.door.tested <= 25


async def test_after_too_many_tries_the_page_says_how_long_to_wait(
    house: House, client: Client
) -> None:
    house.door.failures["rosa"] = 8
    answer = await client.post(
        "/login",
        data={"form": await form_token(client), "username": "rosa", "password": "demo-rosa"},
        headers={"Origin": ORIGIN},
    )
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) > 60
    assert "attendez 2 minutes" in await answer.text()
    assert house.door.tested == 0


async def test_a_store_that_is_away_is_said_in_words_and_breaks_nothing(
    house: House, client: Client
) -> None:
    never_seen = await house.token("rosa")
    house.door.away = True
    answer = await client.get("/", headers={"Authorization": f"Bearer {never_seen}"})
    assert answer.status == 503
    assert "Les appels en cours continuent" in await answer.text()
    assert (await client.get("/health")).status == 200


async def test_who_is_signed_in_stays_so_while_the_store_is_away(
    house: House, client: Client
) -> None:
    await json_login(client)
    house.door.away = True
    assert (await client.get("/api/v1/me")).status == 200
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=31)):
        assert (await client.get("/api/v1/me")).status == 401


@pytest.mark.parametrize("language", ["fr", "en"])
async def test_signing_in_while_the_store_is_away_is_said_and_is_no_failure(
    house: House, client: Client, language: Tongue
) -> None:
    house.door.away = True
    form = {"form": await form_token(client), "username": "rosa", "password": "wrong"}
    asking = {"Origin": ORIGIN, "Accept-Language": language}
    page = await client.post("/login", data=form, headers=asking)
    assert page.status == 503
    text = words.SIGN_IN_AWAY.said(language)
    assert html.escape(text, quote=True) in await page.text()
    answer = await client.post("/api/v1/login", json={"username": "rosa", "password": "wrong"})
    assert answer.status == 503
    assert (await answer.json())["error"]["code"] == "database_away"
    house.door.away = False
    assert (house.door.tested, house.door.failures) == (0, {})


async def test_a_session_ended_while_the_store_is_away_stays_ended(
    house: House, client: Client
) -> None:
    token = await json_login(client)
    client.session.cookie_jar.clear()
    mine = {"Authorization": f"Bearer {token}"}
    house.door.away = True
    assert (await client.post("/api/v1/logout", headers=mine)).status == 200
    assert (await client.get("/api/v1/me", headers=mine)).status == 401
    house.door.away = False  # it still knows the session, until it is told
    assert (await client.get("/api/v1/me", headers=mine)).status == 401
    assert len(house.sessions.ended) == 1


# Other people's pages


@pytest.mark.parametrize("path", ["/login", "/api/v1/login", "/api/v1/logout", "/logout"])
async def test_a_foreign_page_may_post_nothing(client: Client, path: str) -> None:
    await json_login(client)
    given = {"username": "rosa", "password": "demo-rosa"}
    answer = await client.post(path, json=given, headers={"Origin": FOREIGN})
    assert answer.status == 403


async def test_a_form_without_its_token_signs_nobody_in(house: House, client: Client) -> None:
    await form_token(client)
    answer = await client.post(
        "/login", data={"form": "x", "username": "rosa", "password": "demo-rosa"}
    )
    assert answer.status == 403
    assert house.door.sessions == {}


async def test_a_cookie_alone_changes_nothing(house: House, client: Client) -> None:
    token = await json_login(client)
    assert (await client.post("/api/v1/logout")).status == 403
    assert token in house.door.sessions
    csrf = house.door.sessions[token].csrf
    answer = await client.post("/api/v1/logout", headers={"X-CSRF-Token": csrf})
    assert answer.status == 200
    assert token not in house.door.sessions
    assert (await client.get("/api/v1/me")).status == 401


async def test_a_program_signs_out_with_its_token(house: House, client: Client) -> None:
    token = await house.token("rosa")
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await client.post("/api/v1/logout", headers=bearer)).status == 200
    assert (await client.get("/api/v1/me", headers=bearer)).status == 401


async def test_a_form_of_another_site_cannot_pass_for_json(client: Client) -> None:
    body = json.dumps({"username": "rosa", "password": "demo-rosa"})
    answer = await client.post("/api/v1/login", data=body, headers={"Content-Type": "text/plain"})
    assert answer.status == 415


# Every answer


@pytest.mark.parametrize("path", ["/login", "/", "/nulle-part", "/desk/desk.js", "/health"])
async def test_every_answer_carries_the_security_headers(client: Client, path: str) -> None:
    answer = await client.get(path, allow_redirects=False)
    policy = answer.headers["Content-Security-Policy"]
    for rule in (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "require-trusted-types-for 'script'",
    ):
        assert rule in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "microphone=(self)" in answer.headers["Permissions-Policy"]


async def test_errors_speak_french_to_people_and_json_to_programs(client: Client) -> None:
    page = await client.get("/nulle-part")
    assert page.status == 404
    assert "Cette page n'existe pas" in (await page.text()).replace("&#39;", "'")
    api = await client.get("/api/v1/nulle-part")
    assert api.status == 404
    assert (await api.json())["error"]["code"] == "http_404"


async def test_an_error_of_ours_shows_and_logs_nothing_of_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House()

    @allow("public")
    async def broken(request: web.Request) -> web.Response:
        raise RuntimeError("06 39 98 00 01")

    house.app.router.add_get("/broken", broken)
    with caplog.at_level(logging.DEBUG):
        async with TestClient(TestServer(house.app)) as client:
            answer = await client.get("/broken")
            assert answer.status == 500
            assert "06 39 98" not in await answer.text()
    assert "06 39 98" not in caplog.text
    assert any(record.message == "web.failed" for record in caplog.records)


async def test_a_body_too_long_is_refused(client: Client) -> None:
    given = {"username": "rosa", "password": "x" * 70_000}
    assert (await client.post("/api/v1/login", json=given)).status == 413


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"username": 1, "password": 2}', "[" * 20_000])
async def test_a_login_that_cannot_be_read_is_explained(client: Client, body: str) -> None:
    answer = await client.post(
        "/api/v1/login", data=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status == 400
    assert (await answer.json())["error"]["code"] == "bad_request"


@pytest.mark.parametrize("name", ["..%2fweb%2fapp.py", "index.html", "x"])
async def test_only_the_files_of_the_desk_can_be_asked_for(client: Client, name: str) -> None:
    assert (await client.get(f"/desk/{name}")).status == 404


async def test_health_says_when_something_behind_is_missing(house: House, client: Client) -> None:
    assert await (await client.get("/health")).json() == {"status": "ok"}
    house.health = "degraded"
    assert await (await client.get("/health")).json() == {"status": "degraded"}


async def test_calls_are_simulated_only_in_the_demo(client: Client) -> None:
    token = await json_login(client)
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await client.post("/api/v1/demo/call", headers=bearer)).status == 404
    calls = []

    async def call() -> None:
        calls.append("one")

    house = House(demo_call=call)
    async with TestClient(TestServer(house.app)) as demo:
        bearer = {"Authorization": f"Bearer {await house.token('rosa')}"}
        assert (await demo.post("/api/v1/demo/call")).status == 401
        assert (await demo.post("/api/v1/demo/call", headers=bearer)).status == 200
    assert calls == ["one"]


def test_the_pages_hold_no_inline_code_and_the_module_writes_only_text() -> None:
    for page in DESK.glob("*.html"):
        text = page.read_text()
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:", text), page.name
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
        assert not re.search(r'(?:src|href)="(?:https?:)?//', text), page.name
    forbidden = ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "document.write")
    scripts = list((DESK / "src").glob("*.ts"))
    assert len(scripts) > 5
    for script in scripts:
        text = script.read_text()
        assert [word for word in forbidden if word in text] == [], script.name


def test_the_page_and_the_line_mean_the_same_frames() -> None:
    said = "Run: python -m cti.web.typescript"
    assert typescript.TARGET.read_text(encoding="utf-8") == typescript.document(), said


@pytest.mark.parametrize("secret", ["é" * 10, "", " ", "x" * 5000])
async def test_a_token_nobody_was_given_opens_nothing(client: Client, secret: str) -> None:
    header = {"Authorization": b"Bearer " + secret.encode()}
    raw = {key: value.decode("latin-1") for key, value in header.items()}
    assert (await client.get("/api/v1/me", headers=raw)).status == 401
