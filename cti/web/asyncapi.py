"""The AsyncAPI 3 document of the agent websocket, generated from its frames.

Integrators read it at ``/cti/v1/asyncapi.json``, beside docs/cti.md. Nothing here is
written by hand that the models and the limits already say.
"""

from __future__ import annotations

from typing import Any, Literal

from aiohttp import WSCloseCode
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from cti.web import screen
from cti.web.door import roles_of
from cti.web.frames import EVENTS, OPS, PROTOCOL, Closed, Result, Resume

_REF = "#/components/schemas/{model}"
_SCREEN = {"$ref": "#/channels/screen"}
_ABOUT = (
    f"One websocket per open screen, subprotocol {PROTOCOL}. Sign in with 'Authorization: Bearer "
    "<token>' from POST /api/v1/login (see /api/v1/openapi.json), or with the session cookie: then "
    "Origin must be the line's. Numbered frames belong to one epoch. After a cut, open again with "
    "the epoch of the last hello and the last number seen: what was missed follows, each frame "
    "once, in order (of waiting.changed, the last alone); or a snapshot, when that is no longer "
    "kept. "
    f"A frame that is sent has at most {screen.FRAME_BYTES_MAX} bytes; "
    f"{screen.FRAMES_PER_SECOND_MAX:g} a second are read, {screen.FRAMES_AT_ONCE_MAX} at once; "
    f"{screen.FRAMES_QUEUED_MAX} wait to be read by a slow screen; "
    f"{screen.SCREENS_PER_AGENT_MAX} screens a person. The line pings every "
    f"{screen.HEARTBEAT_SECONDS} s. x-roles says who may send a command; frames may gain fields, "
    "commands refuse those they do not know."
)
CLOSE_CODES = {
    int(WSCloseCode.GOING_AWAY): "the line stops, or starts again: come back",
    int(WSCloseCode.MESSAGE_TOO_BIG): "a frame was too big: come back",
    screen.SIGNED_OUT: "signed out, or the account was closed: sign in again",
    screen.OUT_OF_STEP: "reads too slowly, or writes too fast for too long: come back and resume",
    screen.TOO_MANY: "too many screens of this person, and this was the oldest: stay away",
}


def title(name: str) -> str:
    """What a message is called among the schemas: ``call.take_back`` is CallTakeBackFrame."""
    return "".join(part.capitalize() for part in name.replace(".", "_").split("_")) + "Frame"


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


def _command(op: str, model: type[Closed]) -> dict[str, Any]:
    needed = any(field.is_required() for field in model.model_fields.values())
    whole = 2**53 - 1
    return {
        "type": "object",
        "required": ["op", "data"] if needed else ["op"],
        "properties": {
            "op": {"const": op},
            "id": {
                "description": "given back in the result",
                "anyOf": [
                    {"type": "string", "maxLength": screen.ID_CHARS_MAX},
                    {"type": "integer", "minimum": -whole, "maximum": whole},
                ],
            },
            "data": {"$ref": _REF.format(model=model.__name__)},
        },
    }


def _message(name: str, model: type[BaseModel]) -> dict[str, Any]:
    told = {
        "name": name,
        "summary": (model.__doc__ or name).strip().splitlines()[0],
        "contentType": "application/json",
        "payload": {"$ref": _REF.format(model=title(name))},
    }
    return told | {"x-roles": sorted(roles_of(model))} if name in OPS else told


def _changes(some: dict[str, Any], sheet: dict[str, Any]) -> dict[str, Any]:
    """The same fields as the whole sheet has, but any of them may be left out."""
    fields = {
        name: {key: value for key, value in field.items() if key != "default"}
        for name, field in sheet["properties"].items()
    }
    return some | {"properties": fields}


def _opening() -> dict[str, Any]:
    """How the websocket is opened, anew or where it was cut."""
    asked = Resume.model_json_schema()
    query = {key: asked[key] for key in ("type", "properties")}
    return {
        "method": "GET",
        "query": query | {"description": "to resume: both; else nothing"},
        "headers": {
            "type": "object",
            "properties": {"Sec-WebSocket-Protocol": {"const": PROTOCOL}},
        },
        "bindingVersion": "0.1.0",
    }


def document() -> dict[str, Any]:
    """Build the whole document, as JSON-ready data."""
    mode: dict[type[BaseModel], Literal["serialization", "validation"]] = {Result: "serialization"}
    mode |= dict.fromkeys(EVENTS.values(), "serialization")
    mode |= dict.fromkeys(OPS.values(), "validation")
    _, defs = models_json_schema(list(mode.items()), ref_template=_REF)
    schemas: dict[str, Any] = dict(defs["$defs"])
    schemas["CallChanges"] = _changes(schemas["CallChanges"], schemas["CallView"])
    schemas |= {title(name): _event(name, told.__name__) for name, told in EVENTS.items()}
    schemas |= {title(name): _command(name, asked) for name, asked in OPS.items()}
    schemas[title("result")] = {"$ref": _REF.format(model="Result")}
    all_: dict[str, type[BaseModel]] = {**EVENTS, **OPS, "result": Result}
    here = "#/channels/screen/messages/"
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Bout du fil: agent screens", "version": "1.0.0", "description": _ABOUT},
        "defaultContentType": "application/json",
        "channels": {
            "screen": {
                "address": "/cti/v1",
                "description": f"Websocket, subprotocol {PROTOCOL}",
                "messages": {n: {"$ref": f"#/components/messages/{n}"} for n in all_},
                "bindings": {"ws": _opening()},
                "x-close-codes": {str(code): why for code, why in CLOSE_CODES.items()},
            }
        },
        "operations": {
            "tell": {
                "action": "send",
                "summary": "What the line tells a screen",
                "channel": _SCREEN,
                "messages": [{"$ref": here + n} for n in EVENTS],
            },
            "ask": {
                "action": "receive",
                "summary": "What a screen asks of the line; each is answered by one result",
                "channel": _SCREEN,
                "messages": [{"$ref": here + n} for n in OPS],
                "reply": {"channel": _SCREEN, "messages": [{"$ref": here + "result"}]},
            },
        },
        "components": {
            "schemas": schemas,
            "messages": {name: _message(name, model) for name, model in all_.items()},
        },
    }
