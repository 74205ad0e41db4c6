"""What the published documents promise, held against what is really sent.

Stricter than the documents in one thing: what the line sends may hold no field that they do
not name, or nobody would know of it.
"""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

import jsonschema  # type: ignore[import-untyped]

from cti.web import asyncapi

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
