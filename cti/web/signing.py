"""Signing in and out, and back to a desk that was locked: a session, or a sentence why not."""

from __future__ import annotations

from aiohttp import web

from cti.web import words
from cti.web.answers import (
    HTML,
    BadBodyError,
    Credentials,
    Done,
    Password,
    Refusal,
    SignedIn,
    SignInForm,
    problem,
    read_body,
    says,
)
from cti.web.door import (
    EVERYONE,
    GUARD,
    WHO,
    Kind,
    Opened,
    RefusedError,
    StoreAwayError,
    allow,
)
from cti.web.language import language_of
from cti.web.pages import rendered
from cti.web.phone import PHONE_SOCKETS, end_phone
from cti.web.screen import SCREENS


@allow("public")
@says({200: HTML})
async def login_page(request: web.Request) -> web.Response:
    """Show the form to sign in; works without any script."""
    return _login_page(request)


def _login_page(
    request: web.Request, status: int = 200, problem: words.Words | None = None
) -> web.Response:
    response = web.Response(status=status, content_type="text/html", charset="utf-8")
    response.text = rendered(
        request,
        "login.html",
        token=request.app[GUARD].new_form_token(response),
        problem=problem and problem.said(language_of(request)),
    )
    return response


@allow("public")
@says({303: None, 401: HTML, 403: HTML, 429: HTML, 503: HTML}, SignInForm, form=True)
async def login_form(request: web.Request) -> web.StreamResponse:
    """Sign in from the form; back to the form with a sentence when refused."""
    keeper = request.app[GUARD]
    form = await request.post()
    if not keeper.right_form_token(request, str(form.get("form", ""))):
        return _login_page(request, 403, words.FORM_TOO_OLD)
    try:
        opened = await _sign_in(
            request, str(form.get("username", "")), str(form.get("password", "")), "cookie"
        )
    except StoreAwayError:
        return _login_page(request, 503, words.SIGN_IN_AWAY)
    except RefusedError as refusal:
        status = 429 if refusal.wait_seconds else 401
        return _retry_after(_login_page(request, status, refusal.why), refusal)
    response = web.Response(status=303, headers={"Location": "/"})
    keeper.set_cookie(response, opened)
    response.del_cookie(keeper.form_cookie, path="/", secure=keeper.secure)
    return response


@allow("public")
@says(
    {200: SignedIn, 400: Refusal, 401: Refusal, 415: Refusal, 429: Refusal, 503: Refusal},
    Credentials,
)
async def login(request: web.Request) -> web.Response:
    """``POST /api/v1/login``: a session as a cookie, and as a token for programs."""
    try:
        given = await read_body(request, Credentials, '{"username": "…", "password": "…"}')
        opened = await _sign_in(request, given.username, given.password, "token")
    except BadBodyError as bad:
        return bad.answer
    except (StoreAwayError, RefusedError) as refusal:
        return _no(request, refusal, words.SIGN_IN_AWAY, 401)
    response = web.json_response(
        {
            "token": opened.secret,
            "csrf": opened.csrf,
            "expires_at": opened.expires_at.isoformat(),
        }
    )
    request.app[GUARD].set_cookie(response, opened)
    return response


async def _sign_in(request: web.Request, username: str, password: str, kind: Kind) -> Opened:
    keeper = request.app[GUARD]
    opened = await keeper.sign_in(username, password, request.remote or "?", kind)
    # A secret from before signing in must be worth nothing after it.
    before, by_cookie = keeper.secret_of(request)
    if before and by_cookie:
        await keeper.revoke(before)
        _close_session(request.app, before)
    return opened


def _close_session(app: web.Application, secret: str) -> None:
    """Close all that was opened with a session: screens, and phones, whose accounts end."""
    app[SCREENS].close_session(secret)
    app[PHONE_SOCKETS].close_session(secret)


def _no(
    request: web.Request, refusal: StoreAwayError | RefusedError, away: words.Words, wrong: int
) -> web.Response:
    """Why not, for a program: ``away`` while passwords cannot be tested; ``wrong`` is a status."""
    tongue = language_of(request)
    if isinstance(refusal, StoreAwayError):
        return problem(503, "database_away", away.said(tongue))
    code = "too_many_tries" if refusal.wait_seconds else "bad_credentials"
    status = 429 if refusal.wait_seconds else wrong
    return _retry_after(problem(status, code, refusal.why.said(tongue)), refusal)


def _retry_after(response: web.Response, refusal: RefusedError) -> web.Response:
    if refusal.wait_seconds:
        response.headers["Retry-After"] = str(int(refusal.wait_seconds) + 1)
    return response


@allow(*EVERYONE)
@says(
    {200: Done, 400: Refusal, 415: Refusal, 422: Refusal, 429: Refusal, 503: Refusal},
    Password,
)
async def unlock(request: web.Request) -> web.Response:
    """``POST /api/v1/unlock``: whether this is the password of who is signed in."""
    try:
        given = await read_body(request, Password, '{"password": "…"}')
        await request.app[GUARD].recognise(request[WHO], given.password, request.remote or "?")
    except BadBodyError as bad:
        return bad.answer
    except (StoreAwayError, RefusedError) as refusal:
        # Not 401: that would say that nobody is signed in.
        return _no(request, refusal, words.UNLOCK_AWAY, 422)
    return web.json_response({"ok": True})


@allow(*EVERYONE)
@says({200: Done})
async def logout(request: web.Request) -> web.Response:
    """``POST /api/v1/logout``: end this session and close its screens."""
    response = web.json_response({"ok": True})
    await _sign_out(request, response)
    return response


@allow(*EVERYONE)
@says({303: None})
async def logout_form(request: web.Request) -> web.Response:
    """Sign out from the desk's button; works without any script."""
    response = web.Response(status=303, headers={"Location": "/login"})
    await _sign_out(request, response)
    return response


async def _sign_out(request: web.Request, response: web.Response) -> None:
    keeper = request.app[GUARD]
    secret, _ = keeper.secret_of(request)
    if secret:
        _close_session(request.app, secret)
        await end_phone(request.app, request[WHO], secret)
        await keeper.revoke(secret)
    response.del_cookie(keeper.cookie, path="/", secure=keeper.secure)
