"""The browser as the phone, on the real engine: ring, sound both ways, and what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect
from sqlalchemy import text

from cti.asterisk.browser import RTP_SECONDS_MAX
from cti.records.database import create_database
from cti.rehearsal.phone import PhoneCall
from tests.browser_phone import (
    CALLER_HZ,
    HEADSET,
    ROSA_HZ,
    AtTheDesk,
    chromium_speaking,
    rung,
    together,
)
from tests.line import NUMBER, Line

LEA_HZ = 1320
SILENT_SECONDS_MAX = 2.0  # for the caller, in whatever happens to a page
pytestmark = pytest.mark.timeout(150)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with chromium_speaking(tmp_path_factory.mktemp("rosa"), ROSA_HZ) as one:
        yield one


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def other_browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with chromium_speaking(tmp_path_factory.mktemp("lea"), LEA_HZ) as one:
        yield one


async def marks(agent: AtTheDesk) -> dict[str, float]:
    """When things first happened in the page, by its own clock, in milliseconds."""
    found: dict[str, float] = await agent.page.evaluate(
        """() => Object.fromEntries(performance.getEntriesByType("mark").reverse()
             .map((one) => [one.name, one.startTime]))"""
    )
    return found


def silent_seconds(call: PhoneCall, since: float) -> float:
    """The longest silence the caller has had since a moment of the monotonic clock."""
    return max((seconds for _, seconds in call.silences(since)), default=0.0)


async def leg_row(line: Line, call_id: str) -> dict[str, Any]:
    database = create_database(line.settings.database)
    try:
        async with database.sessions() as session:
            found = await session.execute(
                text("select * from legs where call_id = :id and mos is not null"), {"id": call_id}
            )
            row = found.mappings().first()
            return dict(row) if row else {}
    finally:
        await database.close()


async def test_a_call_is_answered_in_the_browser_and_both_hear_each_other(
    line: Line, browser: Browser
) -> None:
    async with rung(line, browser) as (rosa, call):
        for _ in range(100):  # answered at once, it would not ring
            if "fil-ring-heard" in await marks(rosa):
                break
            await asyncio.sleep(0.1)
        await rosa.answers()
        await call.hears(ROSA_HZ, 5)
        await rosa.hears(CALLER_HZ)
        at = await marks(rosa)
        assert at["fil-pop-painted"] < at["fil-ring-heard"]
        quality = rosa.page.locator("#quality")
        await expect(quality).to_have_text("Son : bon")
        call_id = await rosa.page.evaluate("() => sessionStorage.getItem('fil.talk')")
        await call.hang_up()
        await expect(rosa.page.locator("#call-title")).to_have_text("La personne a raccroché")
        await line.closed_record(call_id)
        leg = await leg_row(line, call_id)
        assert leg["mos"] > 4
        assert leg["lost_percent"] < 3
        assert await rosa.page.evaluate("() => sessionStorage.getItem('fil.talk')") is None
        assert rosa.complaints == []


async def test_a_page_loaded_again_in_a_talk_is_back_with_the_caller(
    line: Line, browser: Browser
) -> None:
    async with together(line, browser) as (rosa, call):
        await asyncio.sleep(11)  # a talk of less is judged to be a phone that drops calls
        began = asyncio.get_running_loop().time()
        await rosa.page.reload()
        await expect(rosa.page.locator("#call-title")).to_have_text("Vous êtes ensemble")
        await rosa.hears(CALLER_HZ)  # by this page: it had no sound before
        await call.hears(ROSA_HZ, 5)
        took = asyncio.get_running_loop().time() - began
        assert took < 5
        assert silent_seconds(call, began) <= SILENT_SECONDS_MAX
        print(f"back with the caller in {took:.1f} s")
        await call.hang_up()


async def test_a_socket_cut_in_a_talk_is_heard_by_nobody(line: Line, browser: Browser) -> None:
    async with together(line, browser) as (rosa, call):
        began = asyncio.get_running_loop().time()
        await rosa.cut_phone()
        await expect(rosa.page.get_by_text("Liaison coupée")).to_be_visible()
        await expect(rosa.page.get_by_text("Prêt dans ce navigateur")).to_be_visible()
        await asyncio.sleep(2)
        await call.hears(ROSA_HZ, 3)
        await rosa.page.evaluate("dispatchEvent(new Event('online'))")  # another network
        await expect(rosa.page.locator("#notice")).to_contain_text("votre appel continue")
        await asyncio.sleep(2)
        await call.hears(ROSA_HZ, 3)
        await rosa.hears(CALLER_HZ)
        assert silent_seconds(call, began) <= SILENT_SECONDS_MAX
        await call.hang_up()
        await expect(rosa.page.locator("#call-title")).to_have_text("La personne a raccroché")


async def test_a_headset_pulled_out_in_a_talk_costs_the_caller_nothing(
    line: Line, browser: Browser
) -> None:
    async with together(line, browser, HEADSET) as (rosa, call):
        told = rosa.page.locator("#device")
        began = asyncio.get_running_loop().time()
        await rosa.page.evaluate("pullOut(false)")
        await expect(told).to_contain_text("Un autre micro")
        await asyncio.sleep(1)
        await call.hears(ROSA_HZ, 3)
        assert silent_seconds(call, began) <= SILENT_SECONDS_MAX
        await rosa.page.evaluate("pullOut(true)")
        await expect(told).to_contain_text("on ne vous entend plus")
        await asyncio.sleep(RTP_SECONDS_MAX + 2)  # the engine ends what sends nothing
        await rosa.hears(CALLER_HZ)
        await rosa.page.evaluate(
            "plugged = true; navigator.mediaDevices.dispatchEvent(new Event('devicechange'))"
        )
        await expect(told).to_contain_text("de nouveau là")
        await call.hears(ROSA_HZ, 5)
        await expect(rosa.page.locator("#call-title")).to_have_text("Vous êtes ensemble")
        await call.hang_up()


async def test_signing_out_takes_the_phone_away(line: Line, browser: Browser) -> None:
    async with AtTheDesk.at(line, browser, "rosa") as rosa:
        await rosa.answers_here()
        assert "rosa-web" in await accounts(line)
        await rosa.page.get_by_role("button", name="Se déconnecter").click()
        await expect(rosa.page.get_by_label("Mot de passe")).to_be_visible()
        for _ in range(30):
            if "rosa-web" not in await accounts(line):
                break
            await asyncio.sleep(0.1)
        assert "rosa-web" not in await accounts(line)
        kept = await rosa.page.evaluate("() => JSON.stringify({...sessionStorage})")
        assert kept == "{}"


async def accounts(line: Line) -> set[str]:
    """The accounts that the engine knows."""
    login = {"Authorization": aiohttp.encode_basic_auth("fil", line.settings.secret("ari"))}
    async with aiohttp.ClientSession(headers=login) as session:
        async with session.get(f"{line.settings.ari_url}/ari/endpoints/PJSIP") as reply:
            return {one["resource"] for one in await reply.json()}


async def test_a_second_tab_says_that_the_phone_is_elsewhere_and_answers_there(
    line: Line, browser: Browser
) -> None:
    async with (
        AtTheDesk.at(line, browser, "rosa") as rosa,
        line.caller(hz=CALLER_HZ) as telephone,
    ):
        await rosa.answers_here()
        second = await rosa.context.new_page()
        await second.goto(line.web)
        await expect(second.get_by_text("Ouvert ailleurs")).to_be_visible()
        call = await telephone.call(NUMBER)
        answer = second.get_by_role("button", name="Répondre", exact=True)
        await expect(answer).to_be_visible()
        await answer.click()
        await call.hears(ROSA_HZ, 5)
        await call.hang_up()


async def test_handed_on_to_a_second_browser_and_three_together(
    line: Line, browser: Browser, other_browser: Browser
) -> None:
    async with (
        AtTheDesk.at(line, browser, "rosa") as rosa,
        AtTheDesk.at(line, other_browser, "lea") as lea,
        line.caller(hz=CALLER_HZ) as telephone,
    ):
        await rosa.answers_here()
        await lea.answers_here()
        call = await telephone.call(NUMBER)
        await rosa.answers()
        await rosa.page.get_by_label("Transmettre l'appel à").select_option(value="agent:lea")
        await rosa.page.get_by_text("À trois", exact=True).click()
        await rosa.page.get_by_role("button", name="Appeler").click()
        await lea.answers("Vous êtes trois")
        await call.hears(LEA_HZ, 5)
        await call.hears(ROSA_HZ, 3)
        await rosa.page.get_by_role("button", name="Me retirer").click()
        await rosa.page.get_by_role("button", name="Oui, me retirer").click()
        await expect(lea.page.locator("#call-title")).to_have_text("Vous êtes ensemble")
        await lea.hears(CALLER_HZ)
        await call.hears(LEA_HZ, 5)
        await call.hang_up()


async def test_the_check_before_a_shift_hears_its_own_voice_back(
    line: Line, browser: Browser
) -> None:
    async with AtTheDesk.at(line, browser, "rosa") as rosa:
        await rosa.answers_here()
        await rosa.page.get_by_role("button", name="Vérifier mon casque").click()
        verdict = rosa.page.get_by_text("Tout est prêt")
        await expect(verdict).to_be_visible(timeout=25_000)
        await rosa.page.get_by_role("button", name="Fermer").click()
        await expect(rosa.page.get_by_role("dialog")).to_be_hidden()
