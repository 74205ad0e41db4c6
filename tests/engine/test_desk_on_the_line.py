"""A volunteer in a real browser, on the real line: the page and the telephone tell one story."""

from __future__ import annotations

import asyncio

from playwright.async_api import Page, async_playwright, expect

from cti.rehearsal.phone import Phone
from tests.desk_page import CHROMIUM, CHROMIUM_ARGS
from tests.line import NUMBER, Line

CALLER_HZ, ROSA_HZ = 440, 800


async def sign_in(page: Page, line: Line, name: str) -> None:
    await page.goto(line.web)
    await page.get_by_label("Identifiant").fill(name)
    await page.get_by_label("Mot de passe").fill(f"demo-{name}")
    await page.get_by_role("button", name="Se connecter").click()
    await expect(page.get_by_text("Relié à la ligne")).to_be_visible()


async def test_a_regulator_answers_orients_and_wraps_up_in_the_browser(line: Line) -> None:
    async with (
        async_playwright() as playwright,
        Phone("rosa", secret="demo-rosa", server=line.server, tone_hz=ROSA_HZ) as handset,
        line.agent("lea") as lea,
        line.caller(hz=CALLER_HZ) as telephone,
    ):
        await handset.register()
        chromium = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=CHROMIUM_ARGS, headless=True
        )
        page = await chromium.new_page(locale="fr-FR", viewport={"width": 1280, "height": 720})
        await sign_in(page, line, "rosa")
        await page.get_by_role("button", name="Disponible").click()

        call = await telephone.call(NUMBER)
        await expect(page.get_by_text("Votre téléphone sonne")).to_be_visible()
        at_rosa = await asyncio.wait_for(handset.incoming.get(), 5)
        await at_rosa.answer()
        await expect(page.get_by_label("Transmettre l'appel à")).to_be_visible()
        await call.hears(ROSA_HZ, 3)

        await page.get_by_label("Transmettre l'appel à").select_option(label="Écoutants")
        await page.get_by_label("Ce que la prochaine personne doit savoir").fill("Attend un mot.")
        await page.get_by_role("button", name="Transmettre").click()
        pop = (await lea.sees("call.offered", 8))["data"]
        assert pop["call"]["handover"] == "Attend un mot."
        await at_rosa.ended(3)
        await expect(page.get_by_role("radio", name="Orientation")).to_be_visible()
        await call.hang_up()
        await line.closed_record(pop["call"]["id"])
        await page.get_by_role("button", name="Fin de service").click()
        await chromium.close()
