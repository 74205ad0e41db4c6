"""The published documents say what the code does: each table of the code is in them, whole."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from aiohttp.test_utils import TestClient, TestServer

from cti import client as fil_cti
from cti.calls.offering import SCREENS_LATE_MAX
from cti.config import Settings
from cti.people.agents import MESSAGES_KEPT_MAX
from cti.people.team import SCREEN_GRACE_SECONDS
from cti.web import asyncapi, openapi, screen, words
from cti.web.answers import said_of
from cti.web.door import UNSAFE, roles_of
from cti.web.frames import EVENTS, OPS, PROTOCOL
from tests import promised
from tests.sampled import sample
from tests.web_house import House

CTI = Path(__file__).parents[2] / "cti"
MESSAGES = promised.ASYNCAPI["components"]["messages"]


async def _demo() -> None:
    pass


HOUSE = House(demo_call=_demo)
OPENAPI = openapi.document(HOUSE.app)
ROUTES = list(openapi.routes(HOUSE.app))


# The websocket


def test_every_frame_and_every_command_is_in_the_document() -> None:
    assert set(MESSAGES) == {*EVENTS, *OPS, "result"}
    told, asked = (promised.ASYNCAPI["operations"][name] for name in ("tell", "ask"))
    here = "#/channels/screen/messages/"
    assert {m["$ref"] for m in told["messages"]} == {here + name for name in EVENTS}
    assert {m["$ref"] for m in asked["messages"]} == {here + name for name in OPS}
    assert asked["reply"]["messages"] == [{"$ref": here + "result"}]


@pytest.mark.parametrize("op", OPS)
def test_each_command_is_described_as_it_is_obeyed(op: str) -> None:
    model = OPS[op]
    assert MESSAGES[op]["x-roles"] == sorted(roles_of(model))
    smallest = {"op": op, "data": sample(model.model_json_schema())}
    promised.command(smallest | {"id": "a"})
    model.model_validate(smallest["data"])
    for wrong in ({"data": smallest["data"] | {"tpyo": 1}}, {"id": "x" * 65}, {"id": 2**53}):
        with pytest.raises(jsonschema.ValidationError):
            promised.command(smallest | wrong)
    without = {key: value for key, value in smallest.items() if key != "data"}
    if smallest["data"]:
        with pytest.raises(jsonschema.ValidationError):
            promised.command(without)
    else:
        promised.command(without)


def pushed() -> Iterator[str]:
    """The types of the frames that the code pushes, as they are written there."""
    for path in CTI.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value
                into_outbox = isinstance(owner, ast.Attribute) and owner.attr == "outbox"
                if node.func.attr == "push" and into_outbox:
                    yield from _words(node.args[0])


def _words(written: ast.expr) -> Iterator[str]:
    if isinstance(written, ast.Constant):
        yield str(written.value)
    else:  # f"call.{what}"
        assert isinstance(written, ast.JoinedStr)
        start = written.values[0]
        assert isinstance(start, ast.Constant)
        fitting = [name for name in EVENTS if name.startswith(str(start.value))]
        assert fitting, ast.unparse(written)


def test_nothing_is_pushed_that_the_document_does_not_know() -> None:
    found = set(pushed())
    assert {"call.offered", "presence.changed", "team.alert"} <= found  # else we look nowhere
    assert found <= set(EVENTS)


def test_the_opening_says_how_to_resume() -> None:
    opening = promised.ASYNCAPI["channels"]["screen"]["bindings"]["ws"]
    assert set(opening["query"]["properties"]) == {"epoch", "since"}


def test_every_code_with_which_a_screen_is_closed_is_explained() -> None:
    ours = {
        value
        for name, value in vars(screen).items()
        if name in ("OUT_OF_STEP", "TOO_MANY", "SIGNED_OUT")
    }
    assert len(ours) == 3
    assert ours < set(asyncapi.CLOSE_CODES)


# The addresses


def test_every_address_is_in_the_document_and_nothing_else() -> None:
    served = {(method.lower(), path) for method, path, _ in ROUTES}
    described = {(m, path) for path, methods in OPENAPI["paths"].items() for m in methods}
    assert described == served
    names = [
        one["operationId"] for methods in OPENAPI["paths"].values() for one in methods.values()
    ]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("method", "path", "handler"), ROUTES)
def test_each_address_is_described_as_it_is_guarded(
    method: str, path: str, handler: object
) -> None:
    operation = OPENAPI["paths"][path][method.lower()]
    roles, said = roles_of(handler), said_of(handler)
    assert said is not None
    assert operation["x-roles"] == sorted(roles)
    assert operation["summary"]
    assert (operation["security"] == []) == ("public" in roles)
    if "public" not in roles and method in UNSAFE:
        assert {"cookie": [], "csrf": []} in operation["security"]
        assert {"token": []} in operation["security"]
    assert ("requestBody" in operation) == (said.body is not None)
    assert {str(status) for status in said.answers} <= set(operation["responses"])
    named = [one["name"] for one in operation.get("parameters", [])]
    assert all(f"{{{name}}}" in path for name in named)
    assert len(named) == path.count("{")


def test_a_demo_s_address_is_described_in_a_demo_only() -> None:
    assert "/api/v1/demo/call" in OPENAPI["paths"]
    assert "/api/v1/demo/call" not in openapi.document(House().app)["paths"]


async def test_the_documents_are_served_to_anybody_as_they_are() -> None:
    async with TestClient(TestServer(HOUSE.app)) as client:
        for path, document in (
            ("/cti/v1/asyncapi.json", promised.ASYNCAPI),
            ("/api/v1/openapi.json", OPENAPI),
        ):
            answer = await client.get(path)
            assert answer.content_type == "application/json"
            assert await answer.json() == document


# Both


@pytest.mark.parametrize("document", [promised.ASYNCAPI, OPENAPI], ids=["asyncapi", "openapi"])
def test_a_document_is_whole(document: dict[str, Any]) -> None:
    assert promised.all_refs_lead_somewhere(document) > 10
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema.get("description") or "$ref" in schema or name.endswith("Frame"), name


# What integrators read

GUIDE = (CTI.parent / "docs/cti.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The rows of the table under a heading of the guide."""
    lines = GUIDE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0].splitlines()
    table = [line.strip("|").split("|") for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in table[2:]]


def test_the_limits_that_the_guide_tells_are_those_of_the_code() -> None:
    assert {what: float(limit) for what, limit, _ in rows("Limits")} == {
        "bytes of a frame you send": screen.FRAME_BYTES_MAX,
        "frames you send, a second": screen.FRAMES_PER_SECOND_MAX,
        "frames you send, at once": screen.FRAMES_AT_ONCE_MAX,
        "frames that wait for you to read": screen.FRAMES_QUEUED_MAX,
        "frames kept for who resumes": MESSAGES_KEPT_MAX,
        "screens of one person": screen.SCREENS_PER_AGENT_MAX,
        "characters of a command's `id`": screen.ID_CHARS_MAX,
    }
    assert f"after {screen.FRAMES_DELAYED_MAX} delayed in a row" in GUIDE
    assert f"has said nothing for {screen.HEARTBEAT_SECONDS} s" in GUIDE
    assert f"nothing for {screen.HEARTBEAT_SECONDS / 2:g} s more" in GUIDE
    assert f"after {SCREEN_GRACE_SECONDS:g} s without any screen" in GUIDE
    assert Settings(CTI).ack_seconds_max == 0.5
    assert (SCREENS_LATE_MAX, fil_cti.PROTOCOL) == (2, PROTOCOL)


def test_the_guide_explains_each_close_code_and_the_codes_it_names_exist() -> None:
    explained = {int(code) for row in rows("Close codes") for code in row[0].split(",")}
    assert explained == {*asyncapi.CLOSE_CODES, 1006}
    for code in ("not_sent", "not_your_role", "no_such_call", "bad_frame", "unknown_op"):
        assert f"`{code}`" in GUIDE
        assert code in words._COMMANDS


# And the tests themselves would notice


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "call.muted", "data": {"call": {"id": "c"}}},
        {"type": "call.muted", "data": {"call": {"id": "c"}, "on": "yes"}},
        {"type": "call.muted", "data": {"call": {"id": "c"}, "on": True, "number": "0199000001"}},
        {"type": "call.muted", "data": {"call": {"id": "c", "number": "0199"}, "on": True}},
        {"type": "call.stolen", "data": {}},
    ],
)
def test_a_frame_that_is_not_as_promised_is_found_out(wrong: dict[str, Any]) -> None:
    around = {"seq": 1, "id": "x", "time": "2026-01-01T00:00:00+00:00"}
    promised.frame(around | {"type": "call.muted", "data": {"call": {"id": "c"}, "on": True}})
    with pytest.raises((jsonschema.ValidationError, AssertionError)):
        promised.frame(around | wrong)
