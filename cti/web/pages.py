"""The pages that people read: a template, in the tongue of whoever asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import jinja2
from aiohttp import web

from cti.web import words
from cti.web.language import language_of

DemoCall = Callable[[], Awaitable[None]]

PAGES: web.AppKey[jinja2.Environment] = web.AppKey("pages", jinja2.Environment)
DEMO_CALL: web.AppKey[DemoCall | None] = web.AppKey("demo_call")


def page(request: web.Request, template: str, status: int = 200, **values: Any) -> web.Response:
    """Answer with a template of the desk, its gaps filled with ``values``."""
    text = rendered(request, template, **values)
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")


def rendered(request: web.Request, template: str, **values: Any) -> str:
    """Fill a template of the desk with ``values``."""
    tongue = language_of(request)

    def say(fr: str, en: str) -> str:  # side by side in the page: no sentence lacks its English
        return words.Words(fr, en).said(tongue)

    values |= {"language": tongue, "say": say, "demo": request.app[DEMO_CALL] is not None}
    return request.app[PAGES].get_template(template).render(values)
