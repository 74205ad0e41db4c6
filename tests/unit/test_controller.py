"""The controller's own heart: it beats before anything is built, and tells when it is ready."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cti import __main__ as fil
from cti import clock, controller
from cti.asterisk.ari import AppTaken
from cti.config import Settings
from cti.controller import DemoCall
from cti.parent import EXIT_REPLACED, EXIT_TRY_AGAIN
from cti.records.database import DatabaseAway
from cti.records.reports import PastTalk


async def test_the_heart_beats_while_damaged_prompts_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, told = os.pipe()

    async def slow(_: Settings, ready: asyncio.Event, __: DemoCall | None) -> None:
        await asyncio.sleep(0.25)
        ready.set()
        await asyncio.sleep(0.25)

    monkeypatch.setattr(controller, "_serve", slow)
    await controller.run(Settings(data=tmp_path), told, None)
    os.close(told)
    beats = os.read(heard, 64)
    os.close(heard)
    assert beats.startswith(b"..")
    assert beats.count(b"R") == 1


async def test_a_controller_ends_with_its_parent() -> None:
    heard, told = os.pipe()
    os.close(heard)
    with pytest.raises(SystemExit):
        await controller._beat(told, asyncio.Event())
    os.close(told)


@pytest.mark.parametrize(
    ("error", "code"), [(AppTaken("x"), EXIT_REPLACED), (DatabaseAway("x"), EXIT_TRY_AGAIN)]
)
def test_a_life_that_ends_by_itself_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, code: int
) -> None:
    def fails(*_: object) -> int:
        raise error

    monkeypatch.setenv("FIL_DATA", str(tmp_path))
    monkeypatch.setattr(fil, "_controller", fails)
    assert fil.main(["controller"]) == code


async def test_what_people_had_before_this_start_is_remembered_once_the_database_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = clock.now()
    talks = [
        PastTalk("lea", now - timedelta(hours=1), 20.0, True),
        PastTalk("lea", now + timedelta(seconds=5), 30.0, False),  # of this life: counted already
    ]
    answers: list[list[PastTalk] | None] = [None, talks]

    async def talks_since(_database: object, at: datetime) -> list[PastTalk]:
        assert (now - at).total_seconds() == pytest.approx(12 * 3600, abs=2)
        found = answers.pop(0)
        if found is None:
            raise DatabaseAway("away")
        return found

    monkeypatch.setattr(controller, "talks_since", talks_since)
    monkeypatch.setattr(controller, "TALKS_ASKED_AGAIN_SECONDS", 0.0)
    had: list[tuple[object, ...]] = []
    house: Any = SimpleNamespace(team=SimpleNamespace(had=lambda *what: had.append(what)))
    await controller._remember_talks(house, house)
    assert had == [("lea", talks[0].ended_at, 20.0, True)]
