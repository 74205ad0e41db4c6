"""What the line says about itself: one event a line, and nobody in it."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest

from cti.logs import EventFormatter, masked

CALL_ID = "0123456789abcdef" * 2


def said(message: str = "call.opened", *args: object, **more: Any) -> dict[str, Any]:
    exc_info = more.pop("exc_info", None)
    record = logging.LogRecord("fil.test", logging.INFO, __file__, 1, message, args, exc_info)
    vars(record).update(more)
    line = EventFormatter().format(record)
    assert "\n" not in line
    event: dict[str, Any] = json.loads(line)
    return event


def test_an_event_is_one_line_of_json_with_its_time_level_and_data() -> None:
    event = said("call.closed", call=CALL_ID, seconds=3)
    assert event["event"] == "call.closed"
    assert event["level"] == "info"
    assert event["call"] == CALL_ID
    assert event["seconds"] == 3
    assert event["at"].endswith("+00:00")


@pytest.mark.parametrize(
    "number",
    [
        "0199000042",
        "01 99 00 00 42",
        "01.99.00.00.42",
        "01-99-00-00-42",
        "+33199000042",
        "+33 1 99 00 00 42",
        "0033199000042",
    ],
)
def test_a_telephone_number_is_masked_wherever_it_stands(number: str) -> None:
    for text in (number, f"from {number} to us", f"sip:{number}@192.0.2.1", f"({number})"):
        assert number not in masked(text)
        assert number not in said(text)["event"]
        assert number not in said(note=text)["note"]
    assert number not in said("heard %s", number)["event"]


@pytest.mark.parametrize(
    "text",
    [
        CALL_ID,
        f"{CALL_ID}-rosa-12",
        "12345678901234567890123456789012",
        "call.closed",
        "22.10.1",
        "HTTP 404",
    ],
)
def test_ids_versions_and_codes_are_not_masked(text: str) -> None:
    assert masked(text) == text


def test_an_error_is_told_by_its_kind_and_place_never_by_its_text() -> None:
    try:
        raise ValueError("cannot call Jeanne at 0199000042, token abc")
    except ValueError:
        event = said("call.failed", exc_info=sys.exc_info())
    assert event["error"] == "ValueError"
    assert event["where"][0].startswith("test_logs.py:")
    text = json.dumps(event)
    assert "Jeanne" not in text
    assert "0199000042" not in text
    assert "abc" not in text


def test_a_group_of_errors_tells_each_of_them_by_its_kind_and_place() -> None:
    def fail() -> None:
        raise KeyError("Jeanne")

    try:
        try:
            fail()
        except KeyError as error:
            raise ExceptionGroup("0199000042", [error]) from None
    except ExceptionGroup:
        event = said("call.failed", exc_info=sys.exc_info())
    assert event["errors"][0][0] == "KeyError"
    assert event["errors"][0][1].startswith("test_logs.py:")
    assert "Jeanne" not in json.dumps(event)
    assert "0199000042" not in json.dumps(event)


def test_what_cannot_be_written_as_json_is_told_by_its_type_only() -> None:
    class Secret:
        def __repr__(self) -> str:
            return "Jeanne"

    assert said(thing=Secret())["thing"] == "Secret"
