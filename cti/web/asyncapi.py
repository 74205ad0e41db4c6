"""The AsyncAPI 3 document of the agent websocket, generated from its frames.

Integrators read it at ``/cti/v1/asyncapi.json``. Nothing here is written by
hand that the models already say.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from cti.web.frames import EVENTS, OPS, PROTOCOL, Result

_REF = "#/components/schemas/{model}"


def _title(name: str) -> str:
    return "".join(part.capitalize() for part in name.replace(".", "_").split("_"))


def _event(type_: str, model: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["seq", "id", "type", "time", "data"],
        "properties": {
            "seq": {"type": "integer", "minimum": 0},
            "id": {"type": "string"},
            "type": {"const": type_},
            "time": {"type": "string", "format": "date-time"},
            "data": {"$ref": _REF.format(model=model)},
        },
    }


def _command(op: str, model: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["op", "id", "data"],
        "properties": {
            "op": {"const": op},
            "id": {"type": ["string", "integer"]},
            "data": {"$ref": _REF.format(model=model)},
        },
    }


def _message(name: str, summary: str | None) -> dict[str, Any]:
    return {
        "name": name,
        "summary": (summary or name).strip().splitlines()[0],
        "contentType": "application/json",
        "payload": {"$ref": _REF.format(model=_title(name) + "Frame")},
    }


_ABOUT = (
    "One websocket per open screen, subprotocol fil.cti.v1. Sign in with the session cookie "
    "(then Origin must be allowed) or with 'Authorization: Bearer <token>' from "
    "POST /api/v1/login. Numbered frames belong to one epoch; after a cut, send resume: frames "
    "come again with the same seq and id, or a snapshot comes when they are no longer kept. "
    "A frame seen twice counts once. Frames are at most 16 kB, 20 commands a second (40 at "
    "once). Close codes: 4401 signed out, 4008 the screen reads too slowly or writes "
    "too fast, 4009 too many screens are open and this was the oldest. Sentences of refusals are "
    "in French or English, by Accept-Language."
)


def document() -> dict[str, Any]:
    """Build the whole document, as JSON-ready data."""
    models: list[type[BaseModel]] = [*EVENTS.values(), *OPS.values(), Result]
    _, defs = models_json_schema([(m, "serialization") for m in models], ref_template=_REF)
    schemas: dict[str, Any] = dict(defs["$defs"])
    for name, model in EVENTS.items():
        schemas[_title(name) + "Frame"] = _event(name, model.__name__)
    for name, ask in OPS.items():
        schemas[_title(name) + "Frame"] = _command(name, ask.__name__)
    schemas["ResultFrame"] = {"$ref": _REF.format(model="Result")}
    messages = {n: _message(n, m.__doc__) for n, m in {**EVENTS, **OPS, "result": Result}.items()}
    here = "#/channels/screen/messages/"
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Bout du fil: agent screens", "version": "1", "description": _ABOUT},
        "defaultContentType": "application/json",
        "channels": {
            "screen": {
                "address": "/cti/v1",
                "description": f"Websocket, subprotocol {PROTOCOL}",
                "messages": {n: {"$ref": f"#/components/messages/{n}"} for n in messages},
            }
        },
        "operations": {
            "tell": {
                "action": "send",
                "summary": "What the line tells a screen",
                "channel": {"$ref": "#/channels/screen"},
                "messages": [{"$ref": here + n} for n in [*EVENTS, "result"]],
            },
            "ask": {
                "action": "receive",
                "summary": "What a screen asks of the line",
                "channel": {"$ref": "#/channels/screen"},
                "messages": [{"$ref": here + n} for n in OPS],
            },
        },
        "components": {"schemas": schemas, "messages": messages},
    }
