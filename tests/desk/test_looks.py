"""Every page and moment of the desk can be read by everybody: at every size, light and dark.

FIL_PICTURES=FOLDER draws each of them too.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser_phone import chromium_speaking
from tests.desk_page import desk_at
from tests.desk_scenes import ALONE, DOORS, SCENES
from tests.fake_registrar import Registrar
from tests.looking import look

pytestmark = pytest.mark.timeout(240)

ALL = SCENES | DOORS | ALONE
LOCALES = {"fr": "fr-FR", "en": "en-GB"}
SOURCES = Path(__file__).parents[2] / "cti" / "desk" / "src"
# Where each state of the page is looked at: here, or with the engine.
PHONE_STATES = {
    "off": "ready",
    "refused": "refused",
    "no_microphone": "no_microphone",
    "engine_away": "engine_away",
    "opening": "engine: less than a second",
    "ready": "phone_ready",
    "cut": "engine: test_browser_phone",
    "elsewhere": "phone_elsewhere",
}
STAGES = {"none": "ready", "offered": "offered", "connected": "orienting", "wrapup": "resting"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with chromium_speaking(tmp_path_factory.mktemp("rosa"), 880) as one:
        yield one


async def nobody_calls() -> None:
    return


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("language", LOCALES)
@pytest.mark.parametrize("scene", ALL)
async def test_a_moment_can_be_read_by_everybody(
    browser: Browser, scene: str, language: str
) -> None:
    locale, phones = LOCALES[language], Registrar() if scene in ALONE else None
    async with desk_at(browser, nobody_calls, locale=locale, phones=phones) as desk:
        await ALL[scene](desk)
        # What axe looks at is the same in both languages; how long the words are is not.
        assert await look(desk.page, f"{scene}-{language}", axe=language == "fr") == []


def union(file: str, name: str) -> set[str]:
    found = re.search(rf"type {name} =(.*?);", (SOURCES / file).read_text(), re.S)
    assert found
    return set(re.findall(r'"(\w+)"', found[1]))


def test_no_state_of_the_page_is_forgotten() -> None:
    assert union("phone.ts", "PhoneState") == set(PHONE_STATES)
    assert union("page.ts", "Stage") == set(STAGES)
    for where in (*PHONE_STATES.values(), *STAGES.values()):
        assert where in ALL or where.startswith("engine: ")
