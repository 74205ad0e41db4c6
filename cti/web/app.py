"""The web server of the line: its pages, its addresses, and what each answers.

Built once by ``make_app``. The order of the middlewares matters: headers go on
everything, errors become words, and the guard stands before every handler.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Protocol

import jinja2
from aiohttp import WSCloseCode, web

from cti.records.last_good import KnownSessions
from cti.web import asyncapi, openapi, words
from cti.web.answers import HTML, Done, HealthView, LanguageForm, Me, problem, says
from cti.web.door import EVERYONE, GUARD, SESSION, WHO, Door, Guard, Handler, allow, guard, is_page
from cti.web.language import known_tongue, language_of, remember
from cti.web.mine import my_calls, my_hours
from cti.web.notes import WRITING, Writing, cards, form, read_note, save_note
from cti.web.pages import DEMO_CALL, PAGES, DemoCall, page
from cti.web.phone import (
    PHONE_OWNERS,
    PHONE_SOCKETS,
    PHONES,
    Phones,
    check_phone,
    close_phone,
    open_phone,
    phone,
)
from cti.web.screen import SCREENS, TEAM, Screens, Team, screen
from cti.web.signing import login, login_form, login_page, logout, logout_form, unlock

log = logging.getLogger(__name__)

BODY_BYTES_MAX = 64 * 1024
BODY_SECONDS_MAX = 10.0
DESK = Path(__file__).resolve().parent.parent / "desk"
DESK_FILES = {"desk.css": "text/css", "icon.svg": "image/svg+xml"}
DESK_BUILT = DESK / "built"  # scripts, made by ``make desk``

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
        "require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": (
        "microphone=(self), camera=(), geolocation=(), display-capture=(), payment=(), usb=()"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "fil",
}
SOCKETS = ("/cti/v1", "/phone")  # open for as long as the page is
HTTPS_ONLY = "max-age=31536000; includeSubDomains"

Health = Callable[[], str]
Figures = Callable[[], dict[str, Any]]

FILES: web.AppKey[dict[str, tuple[Path, str]]] = web.AppKey("files")
WRAP_UP_SECONDS: web.AppKey[int] = web.AppKey("wrap_up_seconds", int)
HEALTH: web.AppKey[Health] = web.AppKey("health")
FIGURES: web.AppKey[Figures] = web.AppKey("figures")


class DeskNotBuilt(Exception):
    """The page that agents work with is not there."""

    def __init__(self) -> None:
        super().__init__(f"The agents' page is not built: {DESK_BUILT} is empty. Run: make desk")


class WebSettings(Protocol):
    """What the web needs of the settings."""

    @property
    def origins(self) -> list[str]:
        """The web origins a browser may speak to us from."""

    @property
    def secure_cookies(self) -> bool:
        """True as soon as the desk is served over https."""

    @property
    def wrap_up_seconds(self) -> int:
        """How long an agent has after a call."""


def make_app(
    team: Team,
    door: Door,
    settings: WebSettings,
    health: Health = lambda: "ok",
    demo_call: DemoCall | None = None,
    figures: Figures = dict,
    sessions: KnownSessions | None = None,
    phones: Phones | None = None,
    writing: Writing | None = None,
) -> web.Application:
    """Build the web application. ``health`` returns "ok" or "degraded".

    ``figures`` are shown beside it: how late the line is, for whoever watches it.
    ``sessions`` are those believed while the door's store is away. ``demo_call`` starts a
    scripted caller and returns once it dials; it puts a button on the desk, and belongs to
    the demo only.
    """
    app = web.Application(
        middlewares=[with_headers, errors_in_words, guard], client_max_size=BODY_BYTES_MAX
    )
    app[TEAM] = team
    app[GUARD] = Guard(
        door, team.agents, settings.origins, settings.secure_cookies, sessions or KnownSessions()
    )
    app[SCREENS] = Screens()
    app[PHONES], app[PHONE_SOCKETS], app[PHONE_OWNERS] = phones, Screens(), {}
    app[FILES] = _desk_files()
    app[PAGES] = jinja2.Environment(
        loader=jinja2.FileSystemLoader(DESK), autoescape=True, undefined=jinja2.StrictUndefined
    )
    app[WRAP_UP_SECONDS] = settings.wrap_up_seconds
    app[WRITING] = writing
    app[HEALTH] = health
    app[FIGURES] = figures
    app[DEMO_CALL] = demo_call
    get, post = app.router.add_get, app.router.add_post
    get("/", desk)
    get("/login", login_page)
    post("/login", login_form)
    post("/logout", logout_form)
    post("/language", choose_language)
    post("/api/v1/login", login)
    post("/api/v1/logout", logout)
    post("/api/v1/unlock", unlock)
    get("/api/v1/me", me)
    get("/api/v1/form", form)
    get("/api/v1/cards", cards)
    get("/api/v1/calls/{call}/note", read_note)
    app.router.add_put("/api/v1/calls/{call}/note", save_note)
    get("/api/v1/my/hours", my_hours)
    get("/api/v1/my/calls", my_calls)
    if demo_call is not None:
        post("/api/v1/demo/call", simulate_call)
    post("/api/v1/phone", open_phone)
    post("/api/v1/phone/check", check_phone)
    app.router.add_delete("/api/v1/phone", close_phone)
    get("/phone", phone)
    get("/cti/v1", screen)
    get("/cti/v1/asyncapi.json", contract)
    get("/api/v1/openapi.json", addresses)
    get("/health", healthy)
    get("/desk/{name}", desk_file)
    app.cleanup_ctx.append(_watch_sessions)
    app.on_shutdown.append(_close_screens)
    return app


async def _watch_sessions(app: web.Application) -> AsyncIterator[None]:
    watches = [
        asyncio.create_task(app[which].watch_sessions(app[GUARD]))
        for which in (SCREENS, PHONE_SOCKETS)
    ]
    yield
    for watch in watches:
        watch.cancel()
    await asyncio.gather(*watches, return_exceptions=True)


async def _close_screens(app: web.Application) -> None:
    for open_screen in (*app[SCREENS].all(), *app[PHONE_SOCKETS].all()):
        open_screen.stop(WSCloseCode.GOING_AWAY)


# Around every answer ------------------------------------------------------------------


@web.middleware
async def with_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Put the security headers on every answer."""
    response = await handler(request)
    if not response.prepared:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if request.app[GUARD].secure:
            response.headers["Strict-Transport-Security"] = HTTPS_ONLY
    return response


@web.middleware
async def errors_in_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors with what happened and what to do; a page to people, JSON to programs."""
    try:
        async with asyncio.timeout(None if request.path in SOCKETS else BODY_SECONDS_MAX):
            return await handler(request)
    except web.HTTPRedirection as elsewhere:
        return web.Response(
            status=elsewhere.status, headers={"Location": elsewhere.headers["Location"]}
        )
    except web.HTTPException as refusal:
        status = refusal.status
    except TimeoutError:
        status = 408
    except Exception as trouble:  # noqa: BLE001  # the last net; its text may hold anything
        log.error("web.failed", extra={"kind": type(trouble).__name__})
        status = 500
    title, advice = words.page_error(status, language_of(request))
    if is_page(request):
        return page(request, "error.html", status, title=title, advice=advice)
    return problem(status, f"http_{status}", f"{title}. {advice}")


# Pages and facts ----------------------------------------------------------------------


@allow(*EVERYONE)
@says({200: HTML})
async def desk(request: web.Request) -> web.Response:
    """Show the desk of whoever is signed in."""
    return page(
        request,
        "index.html",
        name=request[WHO].name,
        csrf=request[SESSION].csrf,
        wrap_up_seconds=request.app[WRAP_UP_SECONDS],
    )


@allow("public")
@says({303: None, 400: HTML}, LanguageForm, form=True)
async def choose_language(request: web.Request) -> web.Response:
    """``POST /language``: the pages of this browser are in French or in English from now on."""
    tongue = known_tongue(str((await request.post()).get("language", "")))
    if tongue is None:
        raise web.HTTPBadRequest
    response = web.Response(status=303, headers={"Location": "/"})
    remember(response, tongue, request.app[GUARD].secure)
    return response


@allow(*EVERYONE)
@says({200: Me})
async def me(request: web.Request) -> web.Response:
    """``GET /api/v1/me``: who I am; 401 when I am no longer signed in."""
    agent = request[WHO]
    roles = sorted(role.value for role in agent.roles)
    return web.json_response({"id": agent.id, "name": agent.name, "roles": roles})


@allow(*EVERYONE)
@says({200: Done})
async def simulate_call(request: web.Request) -> web.Response:
    """``POST /api/v1/demo/call``: have a scripted caller ring the line (demo only)."""
    call = request.app[DEMO_CALL]
    assert call is not None  # the address exists only in the demo
    await call()
    return web.json_response({"ok": True})


@allow("public")
@says({200: "application/json"})
async def contract(_: web.Request) -> web.Response:
    """``GET /cti/v1/asyncapi.json``: the contract of the agent websocket."""
    text = json.dumps(asyncapi.document(), ensure_ascii=False, indent=1)
    return web.Response(text=text, content_type="application/json", charset="utf-8")


@allow("public")
@says({200: "application/json"})
async def addresses(request: web.Request) -> web.Response:
    """``GET /api/v1/openapi.json``: the contract of the other addresses."""
    text = json.dumps(openapi.document(request.app), ensure_ascii=False, indent=1)
    return web.Response(text=text, content_type="application/json", charset="utf-8")


@allow("public")
@says({200: HealthView})
async def healthy(request: web.Request) -> web.Response:
    """``GET /health``: 200 while calls are served; "degraded" when something behind is not."""
    return web.json_response({"status": request.app[HEALTH](), **request.app[FIGURES]()})


@allow("public")
@says({200: "*/*", 304: None, 404: HTML})
async def desk_file(request: web.Request) -> web.StreamResponse:
    """Give the few files of the desk, by name: nothing else of the disk can be asked for."""
    path, kind = request.app[FILES].get(request.match_info["name"], (None, ""))
    if path is None:
        raise web.HTTPNotFound
    headers = {"Content-Type": f"{kind}; charset=utf-8", "Cache-Control": "no-cache"}
    return web.FileResponse(path, headers=headers)


def _desk_files() -> dict[str, tuple[Path, str]]:
    """The files of the desk by name, with their types. Raises DeskNotBuilt."""
    scripts = {path.name: (path, "text/javascript") for path in DESK_BUILT.glob("*.js")}
    if "desk.js" not in scripts:
        raise DeskNotBuilt
    return {name: (DESK / name, kind) for name, kind in DESK_FILES.items()} | scripts
