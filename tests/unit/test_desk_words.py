"""Every code that the line sends has a sentence on the desk, and no sentence is left over."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic import BaseModel

from cti.asterisk.own_phone import Refusal
from cti.calls.outside import NOT_READY
from cti.people.choosing import LINES
from cti.people.team import DISPOSITIONS, REASONS_CHOSEN
from cti.web import words
from cti.web.frames import CallSound, HelpOver, OtherAgent, PresenceView

ROOT = Path(__file__).parents[2]
WORDS = (ROOT / "cti/desk/src/words.ts").read_text(encoding="utf-8")


def sentences(name: str) -> set[str]:
    """The codes of one dictionary of the desk."""
    block = re.search(rf"^export const {name}(?:: [^=]+)? = {{\n(.*?)^}};", WORDS, re.S | re.M)
    assert block, name
    found = re.findall(r'^  "?([\w-]+)"?: ', block[1], re.M)
    assert len(found) == len(set(found)) > 0
    return set(found)


def calls_of(path: str, name: str) -> list[list[ast.expr]]:
    """The arguments of each call of ``name(…)`` or ``….name(…)`` in one file."""
    found = []
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Call):
            called = node.func
            plain = called.id if isinstance(called, ast.Name) else None
            plain = f".{called.attr}" if isinstance(called, ast.Attribute) else plain
            if plain == name:
                found.append([*node.args, *(keyword.value for keyword in node.keywords)])
    assert found, (path, name)
    return found


def texts(path: str, name: str, position: int) -> set[str]:
    """The texts given at one place in the calls of a function, in whatever way it is written."""
    given = set()
    for args in calls_of(path, name):
        if len(args) > position:
            given |= {
                node.value
                for node in ast.walk(args[position])
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            }
    return given


def assigned(path: str, name: str) -> set[str]:
    """The texts that a variable is given in one file."""
    return {
        node.value
        for statement in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(statement, ast.Assign)
        and any(isinstance(to, ast.Name) and to.id == name for to in statement.targets)
        for node in ast.walk(statement.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def returned(path: str, name: str) -> set[str]:
    """The texts that a function returns."""
    return {
        step.value.value
        for function in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(function, ast.FunctionDef) and function.name == name
        for step in ast.walk(function)
        if isinstance(step, ast.Return)
        and isinstance(step.value, ast.Constant)
        and isinstance(step.value.value, str)
    }


def withdrawn() -> set[str]:
    found = texts("cti/calls/offering.py", "withdraw", 3) | set(get_args(Refusal))
    found |= assigned("cti/calls/offering.py", "reason")
    for path in ("offering", "handover", "call"):
        found |= texts(f"cti/calls/{path}.py", "withdraw_ringing", 2)
    found |= texts("cti/calls/offering.py", "take_back", 3)
    return found | assigned("cti/calls/call.py", "reason")


def ended() -> set[str]:
    found = assigned("cti/calls/call.py", "reason") | {"lost"}
    for path in ("talking", "handover", "aside"):
        found |= texts(f"cti/calls/{path}.py", "part", 3)
    return found


def paused() -> set[str]:
    found = texts("cti/calls/offering.py", "withdraw", 4) | set(NOT_READY.values())
    found |= texts("cti/calls/talking.py", ".rest_after_wrap_up", 1)
    for name in (".move", ".withdraw", "._set"):
        found |= texts("cti/people/team.py", name, 2)
    return found | returned("cti/people/agents.py", "cannot_take") | REASONS_CHOSEN


def values(model: type[BaseModel], field: str) -> set[str]:
    """The codes that a frame allows in a field."""
    annotation = model.model_fields[field].annotation
    found = {one for one in get_args(annotation) if isinstance(one, str)}
    return found or {
        code for part in get_args(annotation) for code in get_args(part) if isinstance(code, str)
    }


@pytest.mark.parametrize(
    ("dictionary", "sent", "surely"),
    [
        ("WITHDRAWN", withdrawn(), {"answered_elsewhere", "language", "hung_up", "trunk_dead"}),
        ("ENDED", ended(), {"ended", "caller_left", "engine_restart", "lost"}),
        ("PAUSES", paused(), {"support", "shift_over", "phone_away", "phone_busy", "missed"}),
        ("STATES", values(PresenceView, "presence"), {"READY", "WRAP_UP"}),
        ("SOUND", values(CallSound, "problem"), {"no_voice", "caller_silent"}),
        ("WITH", values(OtherAgent, "how"), {"consulting", "came"}),
        ("GONE", values(OtherAgent, "how"), {"consulting", "came"}),
        (
            "ALERTS",
            texts("cti/people/team.py", ".alert", 0) | texts("cti/calls/outside.py", ".alert", 0),
            {"missed", "trunk_dead"},
        ),
        ("HELP_OVER", values(HelpOver, "reason"), {"answered", "over"}),
        ("CAME_BACK", assigned("cti/calls/handover.py", "reason"), {"not_answered"}),
        ("NOT_TAKEN", assigned("cti/calls/offering.py", "not_taken"), {"caller_left"}),
        ("NOT_JOINED", texts("cti/calls/handover.py", "_not_joined", 2), {"nobody_there"}),
        (
            "BACK",
            texts("cti/calls/aside.py", "take_back", 2)
            | texts("cti/calls/aside.py", "back_from_hold", 2)
            | texts("cti/calls/handover.py", "take_back", 2),
            {"too_long", "colleague_left"},
        ),
        ("HEARD_AGAIN", texts("cti/calls/aside.py", "mute", 4), {"too_long"}),
        ("LINES", set(LINES), {"listeners"}),
        ("DISPOSITIONS", set(DISPOSITIONS), {"hors-sujet"}),
    ],
)
def test_each_code_has_its_sentence_and_each_sentence_its_code(
    dictionary: str, sent: set[str], surely: set[str]
) -> None:
    assert surely <= sent  # else this test looks in the wrong place
    assert sentences(dictionary) == sent


def test_each_thing_that_is_missing_behind_the_line_is_said() -> None:
    told = set(re.findall(r"\b(database_\w+|journal_disk|flow_refused)\b", _system_described()))
    assert sentences("MISSING") == told >= {"database_away", "journal_disk"}


def _system_described() -> str:
    from cti.web.frames import SystemView

    return SystemView.model_fields["reasons"].description or ""


def test_the_guide_of_a_silent_call_is_the_same_whoever_opens_it() -> None:
    line = yaml.safe_load((ROOT / "cti/calls/hearing.yaml").read_text(encoding="utf-8"))
    assert all(isinstance(one, str) for say in line["say"].values() for one in say)
    block = re.split(r"^export const SILENT_GUIDE: .* = {", WORDS, maxsplit=1, flags=re.M)[1].split(
        "\n};", 1
    )[0]
    shown = {
        language: re.findall(r'^    "(.*)",$', part, re.M)
        for language, part in re.findall(r"^  (\w\w): \[\n(.*?)^  \]", block, re.S | re.M)
    }
    assert shown == line["say"]


# Where a command is refused: the functions that return an error code, or None.
REFUSING = {
    "cti/calls/deciding.py": {
        "check",
        "_check_orient",
        "_check_take_back",
        "check_target",
        "may_take",
        "may_send",
        "is_free_to_take",
    },
    "cti/calls/taking.py": {"take", "orient", "judge_danger", "_off_duty"},
    "cti/people/desk.py": {"take", "orient", "judge_danger"},
    "cti/calls/closing.py": {"refusal"},
    "cti/people/agents.py": {"decide"},
    "cti/calls/browsers.py": {"check"},
    "cti/people/help.py": {"ask", "answer"},
    "cti/people/team.py": {"set_presence", "set_duty", "extend_wrap_up", "wrapup_done"},
}


def refused() -> set[str]:
    """The codes with which a command is answered that does nothing."""
    found = texts("cti/web/screen.py", "MistakeError", 0) | assigned("cti/web/screen.py", "error")
    found |= texts("cti/web/screen.py", "_result", 1) | texts("cti/web/phone.py", "_refused", 2)
    for path, names in REFUSING.items():
        functions = [
            one
            for one in ast.walk(ast.parse((ROOT / path).read_text()))
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.name in names
        ]
        assert {one.name for one in functions} == names, path
        found |= {
            node.value
            for function in functions
            for step in ast.walk(function)
            if isinstance(step, ast.Return) and step.value is not None
            for node in ast.walk(step.value)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
    return found


def test_each_refusal_has_its_sentence_and_each_sentence_its_refusal() -> None:
    sent = refused()
    assert {"in_danger", "no_such_time", "bad_json", "internal", "not_connected"} <= sent
    assert set(words._COMMANDS) == sent
