"""The frames of ``fil.cti.v1`` as TypeScript, for the desk: ``python -m cti.web.typescript``.

Generated from the models of ``frames.py``, so that the page and the line cannot disagree.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from cti.web.frames import EVENTS, OPS

TARGET = Path(__file__).resolve().parent.parent / "desk/src/frames.ts"
HEADING = "// What the line and the page say to each other. Made by cti/web/typescript.py.\n"
PLAIN = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}


def document() -> str:
    """The whole file."""
    interfaces: dict[str, str] = {}
    for told in EVENTS.values():
        _add(interfaces, told, "serialization")
    for asked in OPS.values():
        _add(interfaces, asked, "validation")
    events = "".join(f'  "{name}": {model.__name__};\n' for name, model in EVENTS.items())
    ops = "".join(f'  "{name}": {model.__name__};\n' for name, model in OPS.items())
    return "\n".join(
        [
            HEADING,
            *(interfaces[name] for name in sorted(interfaces)),
            f"export interface Events {{\n{events}}}\n",
            f"export interface Ops {{\n{ops}}}\n",
        ]
    )


def _add(interfaces: dict[str, str], model: type[BaseModel], mode: JsonSchemaMode) -> None:
    schema = model.model_json_schema(mode=mode)
    for name, part in (schema.pop("$defs", {}) | {model.__name__: schema}).items():
        interfaces[name] = _interface(name, part)


def _interface(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    lines = [
        f"  {field}{'' if field in required else '?'}: {_type(part)};"
        for field, part in schema.get("properties", {}).items()
    ]
    about = str(schema.get("description", "")).splitlines()
    return "\n".join(
        [f"// {about[0]}" if about else "", f"export interface {name} {{", *lines, "}\n"]
    )


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(one) for one in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(_type(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        item = _type(schema["items"])
        return f"({item})[]" if " | " in item else f"{item}[]"
    if schema.get("type") == "object":
        return f"Record<string, {_type(schema.get('additionalProperties', {}))}>"
    return PLAIN.get(str(schema.get("type")), "unknown")


if __name__ == "__main__":
    TARGET.write_text(document(), encoding="utf-8")
