"""What an agent has beside a call, in a real browser on the real line: note, cards, help, hours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser_phone import ROSA_HZ, AtTheDesk, chromium_speaking, rung, together
from tests.line import NUMBER, Line

TYPED = "Attend une réponse du service de nuit."
pytestmark = pytest.mark.timeout(150)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with chromium_speaking(tmp_path_factory.mktemp("rosa"), ROSA_HZ) as one:
        yield one


async def test_a_note_keeps_itself_and_is_there_again_after_a_reload(
    line: Line, browser: Browser
) -> None:
    async with rung(line, browser) as (rosa, call):
        note = rosa.page.locator("#note")
        await expect(note).to_be_hidden()
        await rosa.answers()
        await expect(note.get_by_text("Rien d'écrit pour le moment.")).to_be_visible()
        await note.get_by_label("Note", exact=True).fill(TYPED)
        await note.get_by_label("Solitude").check()
        await note.get_by_label("Oui").check()
        await expect(note.get_by_text("Gardée à")).to_be_visible()
        await asyncio.sleep(9)  # a talk of less is judged to be a phone that drops calls
        await rosa.page.reload()
        await expect(note.get_by_label("Note", exact=True)).to_have_value(TYPED)
        await expect(note.get_by_label("Solitude")).to_be_checked()
        await expect(note.get_by_label("Oui")).to_be_checked()
        await call.hears(ROSA_HZ, 8)
        await call.hang_up()
        await expect(rosa.page.locator("#call-title")).to_have_text("La personne a raccroché")
        await rosa.page.get_by_role("button", name="Mes heures").click()
        figures = rosa.page.get_by_role("dialog", name="Mes heures et mes appels")
        await expect(figures.get_by_role("cell", name="Régulation").first).to_be_visible()
        await figures.get_by_role("button", name="Fermer").click()
        await expect(figures).to_be_hidden()
        # What was kept can be read in no file of the line.
        for path in line.settings.data.rglob("*"):
            if path.is_file() and path.suffix in (".log", ".sqlite", ".sqlite-wal", ".journal"):
                assert TYPED.encode() not in path.read_bytes(), path.name
        assert rosa.complaints == []


async def test_a_note_that_cannot_be_kept_says_so_and_is_kept_later(
    line: Line, browser: Browser
) -> None:
    async with together(line, browser) as (rosa, _):
        note = rosa.page.locator("#note")
        await expect(note.get_by_text("Rien d'écrit pour le moment.")).to_be_visible()
        await rosa.page.route("**/note", lambda route: route.fulfill(status=503, json={}))
        await note.get_by_label("Note", exact=True).fill(TYPED)
        await expect(note.get_by_text("la ligne réessaie")).to_be_visible()
        await rosa.page.unroute("**/note")
        await expect(note.get_by_text("Gardée à")).to_be_visible()


async def test_help_is_asked_with_one_button_and_a_colleague_sees_to_it(
    line: Line, browser: Browser
) -> None:
    async with (
        AtTheDesk.at(line, browser, "lea") as lea,
        AtTheDesk.at(line, browser, "rosa") as rosa,
    ):
        await lea.page.get_by_role("button", name="J'ai besoin d'aide").click()
        await expect(lea.page.get_by_text("quelqu'un le voit")).to_be_visible()
        await expect(rosa.page.get_by_text("Léa a besoin d'aide")).to_be_visible()
        await rosa.page.get_by_role("button", name="J'y vais").click()
        await expect(lea.page.locator("#help").get_by_text("Rosa arrive.")).to_be_visible()
        await expect(rosa.page.get_by_text("Léa a besoin d'aide")).to_be_hidden()
        await lea.page.get_by_role("button", name="Ça va mieux").click()
        await expect(lea.page.get_by_role("button", name="J'ai besoin d'aide")).to_be_visible()


async def test_a_card_is_a_click_away_and_says_that_it_is_a_draft(
    line: Line, browser: Browser
) -> None:
    async with AtTheDesk.at(line, browser, "rosa") as rosa:
        await rosa.page.get_by_text("Des idées suicidaires").click()
        card = rosa.page.locator("[data-card=idees-suicidaires]")
        await expect(card.get_by_text("brouillon")).to_be_visible()
        await expect(card.get_by_text("Le 3114 répond jour et nuit")).to_be_visible()


async def test_a_regulator_sees_who_waits_and_takes_them_in_one_click(
    line: Line, browser: Browser
) -> None:
    async with (
        AtTheDesk.at(line, browser, "rosa") as rosa,
        AtTheDesk.at(line, browser, "lea") as lea,
        line.caller(hz=440) as telephone,
        line.caller(hz=660) as other,
    ):
        await expect(lea.page.locator("#waiting")).to_be_hidden()  # a listener is not shown it
        await lea.answers_here()
        await rosa.answers_here()
        await rosa.page.get_by_role("button", name="Pause", exact=True).click()
        queue = rosa.page.locator("#waiting")
        await expect(queue.get_by_text("Personne n'attend.")).to_be_visible()
        first = await telephone.call(NUMBER)
        await expect(queue.get_by_role("listitem")).to_have_count(1)
        second = await other.call(NUMBER)
        await expect(queue.get_by_role("listitem")).to_have_count(2)
        await queue.get_by_role("button", name="Vers Écoutants").last.click()
        title = lea.page.locator("#call-title")
        await expect(title).to_have_text("Quelqu'un souhaite être écouté")
        await lea.page.get_by_role("button", name="Répondre", exact=True).click()
        await second.hears(ROSA_HZ, 6)
        await queue.get_by_role("button", name="Signaler un danger").first.click()
        await expect(queue.get_by_text("Danger immédiat")).to_be_visible()
        # Taken from the break, which goes on afterwards: the line gives them nobody else.
        await queue.get_by_role("button", name="Prendre").click()
        await rosa.page.get_by_role("button", name="Répondre", exact=True).click()
        await expect(queue.get_by_text("Personne n'attend.")).to_be_visible()
        await first.hears(ROSA_HZ, 6)
        await first.hang_up()
        await second.hang_up()
