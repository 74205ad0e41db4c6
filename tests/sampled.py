"""The smallest value that a schema allows, with chosen words wherever any text will do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]


def sample(schema: Schema, text: str = "x", known: Mapping[str, str] | None = None) -> Any:
    """Make a value. ``text`` stands wherever the schema wants a text and does not say which.

    ``known``: what stands in fields of these names instead.
    """
    return _value(schema, text, known or {}, schema)


def _value(schema: Schema, text: str, known: Mapping[str, str], whole: Schema) -> Any:
    if "$ref" in schema:
        found: Any = whole
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return _value(found, text, known, whole)
    if "anyOf" in schema:
        return _value(schema["anyOf"][0], text, known, whole)
    if "const" in schema or "enum" in schema:
        return schema.get("const") or schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {
                name: known.get(name) or _value(field, text, known, whole)
                for name, field in _fields(schema)
            }
        case "array":
            return [_value(schema["items"], text, known, whole)] * schema.get("minItems", 0)
        case "string":
            return "2030-01-01T00:00:00Z" if schema.get("format") == "date-time" else text
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return True
    return None


def _fields(schema: Schema) -> list[tuple[str, Schema]]:
    """The fields that must be there, or as many as there must be."""
    fields, needed = schema.get("properties", {}), schema.get("required", [])
    others = [name for name in fields if name not in needed][: schema.get("minProperties", 0)]
    return [(name, fields[name]) for name in [*needed, *others]]
