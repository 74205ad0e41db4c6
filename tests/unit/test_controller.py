"""The controller's own heart: it beats before anything is built, and tells when it is ready."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from cti import __main__ as fil
from cti import controller
from cti.asterisk.ari import AppTaken
from cti.config import Settings
from cti.controller import DemoCall
from cti.parent import EXIT_REPLACED, EXIT_TRY_AGAIN
from cti.records.database import DatabaseAway


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
