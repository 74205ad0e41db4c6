"""What the published documents promise, held against what is really sent.

Stricter than the documents in one thing: what the line sends may hold no field that they do
not name, or nobody would know of it.
"""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

import jsonschema
from aiohttp import web

from cti.web import asyncapi, openapi
from cti.web.answers import said_of

ASYNCAPI = asyncapi.document()
Schema = dict[str, Any]


def closed(schemas: Schema) -> Schema:
    """The same schemas; none allows fields beside its own."""
    schemas = copy.deepcopy(schemas)
    for schema in schemas.values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return schemas


CLOSED = closed(ASYNCAPI["components"]["schemas"])


def checker(name: str, schemas: Schema) -> Any:
    """What checks values against one of the schemas."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
    form = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(schema, format_checker=form)


@cache
def _frame_checker(name: str) -> Any:
    return checker(asyncapi.title(name), CLOSED)


def frame(told: dict[str, Any]) -> dict[str, Any]:
    """Check a frame that the line sent; gives it back. Raises ValidationError, or KeyError."""
    name = "result" if told.get("op") == "result" else told["type"]
    assert name in ASYNCAPI["components"]["messages"], f"{name} is not in the document"
    _frame_checker(name).validate(told)
    return told


def command(asked: dict[str, Any]) -> None:
    """Check a frame that a screen sends. Raises ValidationError."""
    _frame_checker(asked["op"]).validate(asked)


def all_refs_lead_somewhere(document: Schema) -> int:
    """How many references the document has; each is found in it."""
    refs = [part.split('"')[0] for part in json.dumps(document).split('"$ref": "#/')[1:]]
    for ref in refs:
        found: Any = document
        for step in ref.split("/"):
            found = found[step.replace("~1", "/").replace("~0", "~")]
        assert found, ref
    return len(refs)


def answer(request: web.Request, response: web.StreamResponse) -> None:
    """Check an answer that the line is about to give. Raises AssertionError, or ValidationError."""
    found = request.match_info
    handler, resource = found.handler, found.route.resource
    if found.http_exception is not None or resource is None or said_of(handler) is None:
        return  # no address of ours; or one that a test made up
    document = _openapi(request.app)
    method = "get" if request.method == "HEAD" else request.method.lower()
    responses = document["paths"][resource.canonical][method]["responses"]
    status = str(response.status)
    assert status in responses or response.status >= 400, f"{method} {resource}: {status} is told"
    content = responses.get(status, responses["default"]).get("content", {})
    body = response.body if isinstance(response, web.Response) else None
    if not content:
        assert not body, f"{method} {resource}: {status} has a body"
        return
    kind = "*/*" if "*/*" in content else response.content_type
    assert kind in content, f"{method} {resource}: {status} is {kind}"
    if (schema := content[kind].get("schema")) and isinstance(body, bytes):
        schemas = closed(document["components"]["schemas"])
        checker(schema["$ref"].rpartition("/")[2], schemas).validate(json.loads(body))


Routes = tuple[tuple[str, str, object], ...]
_documents: dict[Routes, Schema] = {}


def _openapi(app: web.Application) -> Schema:
    routes = tuple(openapi.routes(app))
    if routes not in _documents:
        _documents[routes] = openapi.document(app)
    return _documents[routes]
