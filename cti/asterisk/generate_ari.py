"""Writes ari_models.py, the vocabulary of the telephone engine, from the engine's own description.

The engine ships its REST description as Swagger 1.1 files (``rest-api/*.json``).
``python -m cti.asterisk.generate_ari DIR`` writes the typed models, events and
commands found there; ``--check`` compares with the committed file instead.
"""

from __future__ import annotations

import argparse
import json
import keyword
import sys
import textwrap
from pathlib import Path
from typing import Any

MODELS = Path(__file__).with_name("ari_models.py")
HEAD = '''"""The telephone engine's own words: its models, its events and its commands.

Written by generate_ari.py from the engine's REST description, version @VERSION@. Do not edit.
"""

# ruff: noqa
# fmt: off
# Names and lengths are the engine's own, so that its manual is ours.

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cti.asterisk.ari_base import EPOCH, SECONDS_MAX, Json, Model, Repository, Request
from cti.asterisk.ari_base import each, ids, maybe, moment, number, path, record, text, whole'''
# Reader of each plain type of the description, and its type and empty value in Python.
PLAIN = {
    "string": ("text", "str", '""'),
    "int": ("whole", "int", "0"),
    "long": ("whole", "int", "0"),
    "double": ("number", "float", "0.0"),
    "boolean": ("bool", "bool", "False"),
    "Date": ("moment", "datetime", "EPOCH"),
    "object": ("record", "Json", "field(default_factory=dict)"),
}


def name_of(word: str) -> str:
    """The engine's word as a Python name."""
    return f"{word}_" if keyword.iskeyword(word) else word


def sentence(text: str, indent: int) -> str:
    """The engine's description as a docstring."""
    text = " ".join(text.replace("\\", "").replace('"', "'").split()) or "See the engine's manual."
    width = 96 - indent
    return textwrap.indent("\n".join(textwrap.wrap(f'"""{text}"""', width)), " " * indent).strip()


def typed(kind: str) -> tuple[str, str, str]:
    """(reader, Python type, empty value) of a property of the description."""
    if kind.startswith("List["):
        reader, python, _ = typed(kind[5:-1])
        return f"each({reader})", f"tuple[{python}, ...]", "()"
    return PLAIN.get(kind) or (f"{kind}.read", kind, f"field(default_factory=lambda: {kind}())")


def model_source(name: str, models: dict[str, Any], parents: dict[str, str]) -> str:
    """One class of the engine's models."""
    lines = [
        "@dataclass(frozen=True, slots=True, kw_only=True, repr=False)",
        f"class {name}({parents.get(name, 'Model')}):",
        f"    {sentence(models[name].get('description', ''), 4)}\n",
    ]
    line_of_descent, ancestor = [name], parents.get(name)
    while ancestor:
        line_of_descent.append(ancestor)
        ancestor = parents.get(ancestor)
    reads = []
    for owner in reversed(line_of_descent):
        for word, prop in models[owner].get("properties", {}).items():
            reader, python, empty = typed(prop["type"])
            read = f'{reader}(d.get("{word}"))'
            if not prop.get("required"):
                read, python = f'maybe(d.get("{word}"), {reader})', f"{python} | None"
                empty = "None"
            reads.append(f"            {name_of(word)}={read},")
            if owner == name:
                lines.append(f"    {name_of(word)}: {python} = {empty}")
    lines += ["", "    @classmethod", f"    def read(cls, data: object) -> {name}:"]
    lines += ["        d = record(data)"] * bool(reads) + [
        "        return cls(",
        *reads,
        "        )",
    ]
    return "\n".join(lines)


def parameter_source(p: dict[str, Any]) -> str:
    """One parameter of a command, as Python declares it."""
    wrapped = p["paramType"] == "body"
    python = "Mapping[str, Any]" if wrapped else PLAIN[p["dataType"]][1]
    if wrapped and p["name"] == "fields":  # of an object: what the description calls the same
        python = "Sequence[Mapping[str, str]]"
    if p.get("allowMultiple"):
        python += f" | Sequence[{python}]"
    # The engine's manual calls no part of a path optional, whatever the description says.
    needed = p.get("required") or p["paramType"] == "path"
    return f"        {name_of(p['name'])}: {python}" + ("," if needed else " | None = None,")


def command_source(resource: str, path: str, operation: dict[str, Any]) -> str:
    """One command, as a method named as the engine names it."""
    parameters = operation.get("parameters", [])
    nickname, kind = operation["nickname"], operation["responseClass"]
    python = {"void": "None", "binary": "bytes"}.get(kind) or typed(kind)[1]
    in_path = [p for p in parameters if p["paramType"] == "path"]
    given = [p for p in parameters if p["paramType"] != "path"]
    # A container travels under its own name; a plain object is the whole body.
    whole = next((p for p in given if p["paramType"] == "body" and p["dataType"] == "object"), None)
    values = ", ".join(f'"{p["name"]}": {name_of(p["name"])}' for p in given)
    channels = [name_of(p["name"]) for p in parameters if p["name"] in ("channelId", "channel")]
    path_arguments = "".join(f", {name_of(p['name'])}={name_of(p['name'])}" for p in in_path)
    lines = [f"    async def {nickname}(", "        self,", "        *,"]
    lines += [*map(parameter_source, parameters), "        seconds_max: float = SECONDS_MAX,"]
    lines += [f"    ) -> {python}:", f"        {sentence(operation.get('summary', ''), 8)}"]
    lines += ["        request = Request(", f'            "{resource}.{nickname}",']
    lines += [f'            "{operation["httpMethod"]}",']
    lines += [f'            path("{path}"{path_arguments}),']
    sent = f"{name_of(whole['name'])} or {{}}" if whole else f"{{{values}}}"
    lines += [f"            {sent},"]
    lines += [f"            ids({', '.join(channels)}),", "        )"]
    call = "await self._command(request, seconds_max)"
    body = {"void": [call], "binary": [f"answer: bytes = {call}", "return answer"]}
    lines += [f"        {line}" for line in body.get(kind, [f"return {typed(kind)[0]}({call})"])]
    return "\n".join(lines)


def generate(folder: Path) -> str:
    """The whole text of ari_models.py for the description in ``folder``."""
    files = {p.stem: json.loads(p.read_text("utf-8")) for p in sorted(folder.glob("*.json"))}
    version = files.pop("resources")["apiVersion"]
    models = {name: m for f in files.values() for name, m in f.get("models", {}).items()}
    parents = {sub: name for name, m in models.items() for sub in m.get("subTypes", [])}
    written: list[str] = []

    def write(name: str) -> None:
        if name not in written:
            if name in parents:
                write(parents[name])
            written.append(name)

    for name in models:
        write(name)
    parts = [HEAD.replace("@VERSION@", version)]
    parts += [model_source(name, models, parents) for name in written]
    events = [f'    "{name}": {name},' for name in written if parents.get(name) == "Event"]
    parts.append("\n".join(["EVENTS: dict[str, type[Event]] = {", *events, "}"]))
    for resource, f in files.items():
        heading = f"class {resource[0].upper()}{resource[1:]}(Repository):"
        about = f'    """The engine\'s commands under /{resource}."""'
        commands = [
            command_source(resource, api["path"], operation)
            for api in f["apis"]
            for operation in api["operations"]
            if operation.get("upgrade") != "websocket"
        ]
        parts.append("\n\n".join([f"{heading}\n{about}", *commands]))
    return "\n\n\n".join(parts) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Write the file, or with ``--check`` say whether it is up to date. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m cti.asterisk.generate_ari")
    parser.add_argument("folder", type=Path, help="the engine's /usr/share/asterisk/rest-api")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args(arguments)
    if not (options.folder / "resources.json").is_file():
        sys.stderr.write(f"{options.folder} holds no REST description (resources.json).\n")
        return 2
    source = generate(options.folder)
    if not options.check:
        MODELS.write_text(source, "utf-8")
    elif source != MODELS.read_text("utf-8"):
        sys.stderr.write(f"{MODELS.name} differs from this engine: generate it again.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
