"""The language of flows as JSON Schema, so that an editor completes and explains it in French."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from ivr.flow import Top
from ivr.hours import Calendar
from ivr.steps import VERBS

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema of a flow file: what may be written, with its help."""
    models = [Top, Calendar, *VERBS.values()]
    _, found = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/$defs/{model}"
    )
    parts = found["$defs"]
    top = parts.pop("Top")
    top["properties"]["calendars"] = _each("Calendar", "Les horaires, par leur nom.")
    # The verb tells which step it is: an editor then shows the help of that one alone.
    steps = [
        {"if": {"required": [verb]}, "then": {"$ref": f"#/$defs/{model.__name__}"}}
        for verb, model in VERBS.items()
        if verb != "say"  # a relay too may say something
    ]
    say = {"$ref": "#/$defs/Say"}
    others = [{"required": [verb]} for verb in VERBS if verb != "say"]
    steps.append({"if": {"required": ["say"], "not": {"anyOf": others}}, "then": say})
    parts["Step"] = {
        "type": "object",
        "description": "Une étape : une seule chose à faire.",
        "properties": {verb: {"description": model.__doc__} for verb, model in VERBS.items()},
        "anyOf": [{"required": [verb]} for verb in VERBS],
        "allOf": steps,
    }
    top["properties"]["steps"] = _each("Step", "Les étapes, par leur nom.")
    return {"$schema": DRAFT, **top, "$defs": parts}


def _each(name: str, description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "additionalProperties": {"$ref": f"#/$defs/{name}"},
    }
