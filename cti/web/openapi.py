"""The OpenAPI 3.1 document of the line's addresses, generated from the routes themselves.

Integrators read it at ``/api/v1/openapi.json``. An address is in it because it is served;
its roles, its body and its answers are what its handler says (``allow``, ``says``).
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from cti.web.answers import HTML, Answer, Refusal, Said, said_of
from cti.web.door import GUARD, UNSAFE, is_page_path, roles_of
from cti.web.frames import PROTOCOL

_REF = "#/components/schemas/{model}"
_ABOUT = (
    "Everything the line serves over HTTP. Sign in with POST /api/v1/login, then send "
    "'Authorization: Bearer <token>', or the session cookie; what changes something needs with "
    "the cookie the X-CSRF-Token of that session too, and an Origin, when there is one, that is "
    "the line's. x-roles says who may use an address (public: anybody). Errors are JSON, except "
    "on pages. The agents' websocket is described by /cti/v1/asyncapi.json. Answers may gain "
    "fields; in a body, a field nobody knows is refused."
)
_NOT_SIGNED_IN = "Nobody is signed in, or no longer"
_NOT_ALLOWED = "Not for this role, or not from this page: X-CSRF-Token or Origin is not right"
_STORE_AWAY = "Who is asking cannot be told for now; try again in a minute"


def document(app: web.Application) -> dict[str, Any]:
    """Build the document of this application, as JSON-ready data."""
    paths: dict[str, dict[str, Any]] = {}
    models: set[type[BaseModel]] = {Refusal}
    for method, path, handler in routes(app):
        said = said_of(handler) or Said({}, None, form=False)
        models |= {one for one in (*said.answers.values(), said.body) if isinstance(one, type)}
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, handler, said)
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema([(model, "validation") for model in ordered], ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Bout du fil", "version": "1.0.0", "description": _ABOUT},
        "paths": paths,
        "components": {"schemas": schemas["$defs"], "securitySchemes": _schemes(app)},
    }


def routes(app: web.Application) -> Iterator[tuple[str, str, object]]:
    """Each method, address and handler that is served; HEAD goes with its GET."""
    for route in app.router.routes():
        if route.resource is not None and route.method != "HEAD":
            yield route.method, route.resource.canonical, route.handler


def _operation(method: str, path: str, handler: object, said: Said) -> dict[str, Any]:
    roles = roles_of(handler)
    public = "public" in roles
    lines = (getattr(handler, "__doc__", None) or path).strip().splitlines()
    operation: dict[str, Any] = {
        "operationId": getattr(handler, "__name__", path),
        "summary": lines[0].rpartition("``: ")[2],
        "x-roles": sorted(roles),
        "security": [] if public else _security(method),
        "responses": _responses(method, path, said, public=public),
    }
    names = [part.partition("}")[0] for part in path.split("{")[1:]]
    if names:
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in names
        ]
    if said.body is not None:
        kind = "application/x-www-form-urlencoded" if said.form else "application/json"
        schema = {"$ref": _REF.format(model=said.body.__name__)}
        operation["requestBody"] = {"required": True, "content": {kind: {"schema": schema}}}
    return operation


def _responses(method: str, path: str, said: Said, *, public: bool) -> dict[str, Any]:
    refusal: Answer = HTML if is_page_path(path) else Refusal
    found = {str(status): _response(status, one) for status, one in said.answers.items()}
    if not public:
        if is_page_path(path) and method == "GET":
            found.setdefault("303", _response(303, None, "Nobody is signed in: to /login"))
        else:
            found.setdefault("401", _response(401, refusal, _NOT_SIGNED_IN))
        found.setdefault("503", _response(503, refusal, _STORE_AWAY))
    if not public or method in UNSAFE:
        found.setdefault("403", _response(403, refusal, _NOT_ALLOWED))
    found["default"] = _response(0, refusal, "What else may go wrong, with its status")
    return dict(sorted(found.items()))


def _response(status: int, answer: Answer, text: str = "") -> dict[str, Any]:
    told: dict[str, Any] = {"description": text or HTTPStatus(status).phrase}
    if status == HTTPStatus.SWITCHING_PROTOCOLS:
        told["description"] = f"A websocket ({PROTOCOL}: see /cti/v1/asyncapi.json)"
    if isinstance(answer, str):
        told["content"] = {answer: {}}
    elif answer is not None:
        schema = {"$ref": _REF.format(model=answer.__name__)}
        told["content"] = {"application/json": {"schema": schema}}
    return told


def _security(method: str) -> list[dict[str, list[str]]]:
    cookie: dict[str, list[str]] = {"cookie": []}
    return [{"token": []}, cookie | ({"csrf": []} if method in UNSAFE else {})]


def _schemes(app: web.Application) -> dict[str, Any]:
    return {
        "token": {"type": "http", "scheme": "bearer"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": app[GUARD].cookie},
        "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token"},
    }
