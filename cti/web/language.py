"""In which language somebody is spoken to: as they chose, else as their browser asks."""

from __future__ import annotations

from typing import get_args

from aiohttp import web

from cti.people.suggesting import Tongue

TONGUES: tuple[Tongue, ...] = get_args(Tongue)  # the first is for whoever asks for none of them
COOKIE = "fil-language"
COOKIE_SECONDS = 365 * 24 * 3600
WISHES_MAX = 20  # of an Accept-Language; a browser sends a few


def language_of(request: web.Request) -> Tongue:
    """The language of an answer."""
    chosen = known_tongue(request.cookies.get(COOKIE))
    return chosen or _wished(request.headers.get("Accept-Language", ""))


def known_tongue(code: str | None) -> Tongue | None:
    """The language of that code, if it is one of ours."""
    return next((tongue for tongue in TONGUES if tongue == code), None)


def remember(response: web.StreamResponse, tongue: Tongue, secure: bool) -> None:
    """Have this browser keep the language that somebody chose."""
    response.set_cookie(
        COOKIE,
        tongue,
        max_age=COOKIE_SECONDS,
        path="/",
        httponly=True,
        secure=secure,
        samesite="Lax",
    )


def _wished(accepted: str) -> Tongue:
    """The most wished of our languages, by an Accept-Language as browsers write it."""
    best: tuple[float, Tongue] = (0.0, TONGUES[0])
    for wish in accepted.split(",")[:WISHES_MAX]:
        code, _, weight = wish.partition(";")
        tongue = known_tongue(code.strip().lower().partition("-")[0])
        if tongue and (wanted := _weight(weight)) > best[0]:
            best = wanted, tongue
    return best[1]


def _weight(text: str) -> float:
    name, _, value = text.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
