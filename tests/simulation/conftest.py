"""Whatever simulated calls tell the screens is as the published document promises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from cti.people.agents import Agent, Message, Outbox
from cti.people.team import Team
from tests import promised

PUSH, SNAPSHOT = Outbox.push, Team.snapshot
TIME = "2026-03-03T10:00:00+00:00"


@pytest.fixture(autouse=True)
def frames_are_as_promised(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Hold every frame of this process against the document; tell of those that are not in it."""
    if request.module.__name__.endswith("test_planted_bugs"):  # there, some are wrong on purpose
        yield
        return
    wrong: list[str] = []

    def look(seq: int, type_: str, data: dict[str, Any]) -> None:
        told = {"seq": seq, "id": "x", "type": type_, "time": TIME, "data": data}
        try:
            promised.frame(told)
        except (jsonschema.ValidationError, AssertionError) as error:
            wrong.append(f"{type_}: {error}")

    def push(
        outbox: Outbox, type_: str, data: dict[str, Any], *, says_all: bool = False
    ) -> Message:
        message = PUSH(outbox, type_, data, says_all=says_all)
        look(message.seq, type_, message.data)
        return message

    def snapshot(team: Team, agent: Agent) -> dict[str, Any]:
        data = SNAPSHOT(team, agent)
        look(agent.outbox.last_seq, "snapshot", data)
        return data

    monkeypatch.setattr(Outbox, "push", push)
    monkeypatch.setattr(Team, "snapshot", snapshot)
    yield
    assert wrong == [], f"{len(wrong)} frames; {wrong[0]}"
