"""Unlocking a desk that was locked on a shared machine: the password of whoever is signed in."""

from __future__ import annotations

from aiohttp import web

from cti.web import words
from cti.web.answers import BadBodyError, Done, Password, Refusal, problem, read_body, says
from cti.web.door import EVERYONE, GUARD, WHO, RefusedError, StoreAwayError, allow
from cti.web.language import language_of


@allow(*EVERYONE)
@says(
    {200: Done, 400: Refusal, 415: Refusal, 422: Refusal, 429: Refusal, 503: Refusal},
    Password,
)
async def unlock(request: web.Request) -> web.Response:
    """``POST /api/v1/unlock``: whether this is the password of who is signed in."""
    tongue = language_of(request)
    try:
        given = await read_body(request, Password, '{"password": "…"}')
        await request.app[GUARD].recognise(request[WHO], given.password, request.remote or "?")
    except BadBodyError as bad:
        return bad.answer
    except StoreAwayError:
        return problem(503, "database_away", words.UNLOCK_AWAY.said(tongue))
    except RefusedError as refusal:
        if not refusal.wait_seconds:
            # Not 401: that would say that nobody is signed in.
            return problem(422, "bad_credentials", words.WRONG_PASSWORD.said(tongue))
        response = problem(429, "too_many_tries", refusal.why.said(tongue))
        response.headers["Retry-After"] = str(int(refusal.wait_seconds) + 1)
        return response
    return web.json_response({"ok": True})
