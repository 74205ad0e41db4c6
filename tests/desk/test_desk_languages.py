"""The desk in French and in English: chosen by the browser or by the agent, never both at once."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, Page, expect

from cti.web import words
from cti.web.screen import SCREENS
from tests.desk_page import Desk, desk_at
from tests.desk_scenes import HANDOVER, SCENES, arrive, talk

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOCALES = {"fr": "fr-FR", "en": "en-GB"}
# Small words that one language has and the other has not.
OF = {
    "fr": "le|les|un|une|des|du|de|et|est|vous|votre|pour|dans|que|qui|ne|avec|sur|aucun|appel",
    "en": "the|of|to|and|is|you|your|for|with|not|by|this|that|there|when|what|call",
}
# What people wrote or flows name, what a caller is told in their own language, and the button
# to the other language.
LEFT_ASIDE = "#handover, #fact-told, .sources, #guide-words, #language, [action='/language'], kbd"
READ = """(aside) => {
  const page = document.documentElement.cloneNode(true);
  for (const one of page.querySelectorAll(aside + ", script")) one.remove();
  const told = [page.textContent];
  for (const one of page.querySelectorAll("*"))
    for (const name of ["title", "aria-label", "placeholder"]) told.push(one.getAttribute(name));
  return told.filter(Boolean).join("\\n");
}"""


async def nobody_calls() -> None:
    return


async def foreign_words(page: Page, language: str) -> list[str]:
    told = await page.evaluate(READ, LEFT_ASIDE)
    for name in ("Bout du fil", HANDOVER):
        told = told.replace(name, "")
    assert (
        len(re.findall(rf"\b({OF[language]})\b", told, re.I)) >= 4
    )  # this looks in the right place
    other = "en" if language == "fr" else "fr"
    return [
        line.strip() for line in told.splitlines() if re.search(rf"\b({OF[other]})\b", line, re.I)
    ]


@pytest.mark.parametrize("language", LOCALES)
@pytest.mark.parametrize("scene", SCENES)
async def test_every_moment_is_in_one_language(browser: Browser, scene: str, language: str) -> None:
    async with desk_at(browser, nobody_calls, locale=LOCALES[language]) as desk:
        await SCENES[scene](desk)
        await expect(desk.page.locator("html")).to_have_attribute("lang", language)
        assert await foreign_words(desk.page, language) == []


@pytest.mark.parametrize("language", LOCALES)
async def test_the_door_and_what_it_says_are_in_one_language(
    browser: Browser, language: str
) -> None:
    async with desk_at(browser, nobody_calls, locale=LOCALES[language]) as desk:
        await desk.page.goto(f"{desk.address}/login")
        assert await foreign_words(desk.page, language) == []
        await desk.page.locator("#username").fill("rosa")
        await desk.page.locator("#password").fill("non")
        await desk.page.keyboard.press("Enter")
        said = words.BAD_CREDENTIALS.said("en" if language == "en" else "fr")
        await expect(desk.page.get_by_role("alert")).to_have_text(said)
        assert await foreign_words(desk.page, language) == []


async def test_an_agent_changes_the_language_at_the_door_and_at_the_desk(desk: Desk) -> None:
    page = desk.page
    await page.goto(f"{desk.address}/login")
    await page.get_by_role("button", name="English").click()
    await expect(page.get_by_role("heading", name="Hello")).to_be_visible()
    await page.get_by_label("Username").fill("rosa")
    await page.get_by_label("Password").fill("demo-rosa")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("Connected to the line")).to_be_visible()
    await page.get_by_role("button", name="Available").click()
    await expect(page.locator("#presence-state")).to_have_text("Available")
    await page.get_by_role("button", name="Français").click()
    await expect(page.locator("#presence-state")).to_have_text("Disponible")
    await page.reload()
    await expect(page.locator("#presence-state")).to_have_text("Disponible")


async def test_the_language_is_not_changed_in_the_middle_of_a_call(desk: Desk) -> None:
    await talk(desk)
    await desk.page.locator("#words").fill("Je commence une phrase")
    await desk.page.get_by_role("button", name="English").click()
    await expect(desk.page.locator("#notice")).to_contain_text("quand il est fini")
    await expect(desk.page.locator("#words")).to_have_value("Je commence une phrase")
    desk.house.end("rosa")
    await expect(desk.page.locator("#call")).to_have_attribute("data-state", "wrapup")
    await desk.page.get_by_role("button", name="English").click()
    await expect(desk.page.locator("#call-title")).to_have_text("The call is over")


async def test_what_the_line_refuses_or_tells_is_in_the_language_of_the_page(
    browser: Browser,
) -> None:
    async with desk_at(browser, nobody_calls, locale="en-GB") as desk:
        await arrive(desk)
        page, house = desk.page, desk.house
        house.offer("rosa")
        await expect(page.locator("#call-title")).to_have_text("Somebody is calling the line")
        engagement = house.agent("rosa").engagement
        assert engagement
        engagement.check = lambda _: "no_such_call"
        await page.get_by_role("button", name="I cannot take it").click()
        await expect(page.locator("#problem")).to_have_text(
            words.command_error("no_such_call", "en")
        )
        house.withdraw("rosa", "caller_left")
        await expect(page.locator("#notice")).to_contain_text("The caller hung up before")
        desk.cut()
        await expect(page.locator("#cut")).to_contain_text("The connection with the line is cut")
        desk.mend()
        house.team.system_is(["database_version"], None)
        await expect(page.locator("#system")).to_have_text(
            re.compile(r"^\s*Calls go on\. The hist")
        )
        for screen in house.app[SCREENS].all():
            screen.stop(4009)
        await expect(page.locator("#cut")).to_contain_text("This one has gone to sleep")


async def test_one_way_sound_is_told_in_english_without_saying_it_twice(browser: Browser) -> None:
    async with desk_at(browser, nobody_calls, locale="en-GB") as desk:
        await SCENES["unheard"](desk)
        said = desk.page.locator("#sound").get_by_role("alert")
        await expect(said).to_contain_text("You are not heard. Your microphone sends nothing but")


async def test_what_people_choose_from_is_in_english(browser: Browser) -> None:
    async with desk_at(browser, nobody_calls, locale="en-GB") as desk:
        await SCENES["orienting"](desk)
        suggested = desk.page.locator("#suggestions button")
        await expect(suggested.nth(1)).to_have_text("Listenersnobody waits · free: 2")
        teams = desk.page.locator("#to optgroup").nth(0).locator("option")
        await expect(teams).to_have_text(["Regulators", "Listeners"])
        desk.house.end("rosa")
        called = desk.page.locator("#dispositions label")
        await expect(called).to_have_text(
            ["Listening", "Orientation", "Off topic", "Silent call", "Other"]
        )
