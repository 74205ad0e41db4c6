"""The controller's own heart: it beats before anything is built, and tells when it is ready."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from cti import controller
from cti.config import Settings
from cti.controller import DemoCall


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
