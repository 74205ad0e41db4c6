"""Two whole calls by people who cannot see the page: keys, and what is read out to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from cti.rehearsal.phone import PhoneCall
from tests.blind import Blind, kept
from tests.browser_phone import chromium_speaking, leaves
from tests.line import NUMBER, Line

CALLER_HZ, SPOKEN_HZ = 440, 880
pytestmark = pytest.mark.timeout(200)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with chromium_speaking(tmp_path_factory.mktemp("microphone"), SPOKEN_HZ) as one:
        yield one


@asynccontextmanager
async def sitting_down(
    line: Line, browser: Browser, name: str, transcript: list[str]
) -> AsyncIterator[Blind]:
    """Somebody comes to the door and signs in; their browser becomes their phone."""
    context = await browser.new_context(locale="fr-FR", viewport={"width": 1280, "height": 720})
    page = await context.new_page()
    await page.goto(line.web)
    try:
        person = await signed_in_by_keyboard(name, page, transcript)
        yield person
    finally:
        await leaves(page)
        await context.close()


async def signed_in_by_keyboard(name: str, page: Page, transcript: list[str]) -> Blind:
    person = await Blind.before(name.capitalize(), page, transcript)
    await person.goes_to("textbox", "Identifiant")
    await person.types(name)
    await person.goes_to("textbox", "Mot de passe")
    await person.types(f"demo-{name}")
    await person.presses("Enter")
    await person.hears("Votre téléphone habituel")
    await person.goes_to("button", "Répondre dans ce navigateur")
    await person.presses("Enter")
    await person.hears("Prêt dans ce navigateur")
    return person


async def picks_up(rosa: Blind, call: PhoneCall) -> None:
    await rosa.hears("Quelqu'un appelle la ligne")
    await rosa.presses("F3")
    await rosa.hears("En ligne")
    await call.hears(SPOKEN_HZ, 6)


async def test_a_call_from_the_first_key_to_the_last(line: Line, browser: Browser) -> None:
    told: list[str] = []
    async with (
        sitting_down(line, browser, "rosa", told) as rosa,
        line.caller(hz=CALLER_HZ) as telephone,
    ):
        await rosa.goes_to("button", "Vérifier mon casque")
        await rosa.presses("Enter")
        await rosa.hears("Tout est prêt", 15)
        await rosa.goes_to("button", "Fermer")
        await rosa.presses("Enter")
        await rosa.presses("F2")
        await rosa.hears("Disponible")
        call = await telephone.call(NUMBER)
        await picks_up(rosa, call)
        await rosa.reads("Français")
        await rosa.goes_to("textbox", "Note")
        await rosa.types("Souhaite rappeler demain.")
        await rosa.hears("Gardée à")
        await rosa.goes_to("button", "J'ai besoin d'aide", back=True)
        await rosa.presses("Enter")
        await rosa.hears("C'est noté")
        await rosa.is_at("button", "Ça va mieux, merci")
        await rosa.presses("Enter")
        await rosa.presses("F8")
        await rosa.goes_to("button", "Terminer")
        await rosa.presses("Enter")
        await rosa.goes_to("button", "Oui, terminer")
        await rosa.presses("Enter")
        await rosa.hears("Après l'appel")
        await rosa.goes_to("radio", "Écoute")
        await rosa.presses("Space")
        await rosa.goes_to("button", "J'ai terminé")
        await rosa.presses("Enter")
        await rosa.hears("Disponible")
        await call.hang_up()
    kept("a-call", told)


async def test_somebody_is_taken_from_the_queue_and_handed_on_three_together(
    line: Line, browser: Browser
) -> None:
    told: list[str] = []
    async with (
        sitting_down(line, browser, "rosa", told) as rosa,
        sitting_down(line, browser, "lea", told) as lea,
        line.caller(hz=CALLER_HZ) as telephone,
    ):
        await lea.presses("F2")
        await lea.hears("Disponible")
        await rosa.presses("F4")
        await rosa.hears("En pause")
        call = await telephone.call(NUMBER)
        await rosa.goes_to("button", "Prendre")
        await rosa.presses("Enter")
        await picks_up(rosa, call)
        await rosa.presses("F8")
        await rosa.goes_to("combobox", "Transmettre l'appel à")
        await rosa.types("Léa")
        await rosa.goes_to("textbox", "Ce que la prochaine personne doit savoir")
        await rosa.types("Parle bas.")
        await rosa.goes_to("radio", "Transférer")
        await rosa.presses("ArrowRight")
        await rosa.goes_to("button", "Appeler")
        await rosa.presses("Enter")
        await lea.hears("Quelqu'un souhaite être écouté")
        await lea.reads("Parle bas.")
        await lea.presses("F3")
        await lea.hears("En ligne")
        await rosa.hears("Léa")
        await rosa.goes_to("button", "Me retirer", back=True)
        await rosa.presses("Enter")
        await rosa.goes_to("button", "Oui, me retirer")
        await rosa.presses("Enter")
        await rosa.hears("Après l'appel")
        await call.hears(SPOKEN_HZ, 6)
        await call.hang_up()
        await lea.hears("Après l'appel")
    kept("handed-on", told)
