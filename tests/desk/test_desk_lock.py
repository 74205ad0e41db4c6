"""The desk on a shared machine: locked with one key, and nothing after sign-out."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, expect

from cti.people.agents import Engagement, Presence
from tests.desk_page import Desk
from tests.desk_scenes import talk

pytestmark = pytest.mark.asyncio(loop_scope="module")

HANDED_ON = "Vient de perdre son frère."
TYPED = "Demande le numéro du centre."
PRIVATE = (HANDED_ON, TYPED, "Rosa", "Léa", "Français", "Régulation")


async def all_read_out(page: Page) -> str:
    """What can be seen, and what a screen reader would say."""
    return (
        f"{await page.locator('body').inner_text()}\n{await page.locator('body').aria_snapshot()}"
    )


async def says_nothing(page: Page) -> None:
    await expect(page.get_by_role("heading", name="Poste verrouillé")).to_be_visible()
    told = await all_read_out(page)
    assert [one for one in PRIVATE if one in told] == []


async def unlocks(page: Page, password: str) -> None:
    await page.get_by_label("Votre mot de passe").fill(password)
    await page.get_by_role("button", name="Déverrouiller").click()


async def test_one_key_hides_all_that_can_be_read_and_the_password_brings_it_back(
    desk: Desk,
) -> None:
    page = desk.page
    desk.house.team.move(desk.house.agent("lea"), Presence.READY)
    await desk.sign_in()
    desk.house.offer("rosa", handover=HANDED_ON)
    desk.house.connect("rosa")
    await page.get_by_label("Ce que la prochaine personne").fill(TYPED)
    told = await all_read_out(page)
    assert [one for one in PRIVATE if one not in told] == []
    await page.get_by_role("button", name="Mes heures").click()
    await page.keyboard.press("Shift+F8")
    await says_nothing(page)
    await expect(page.get_by_text("Votre appel continue.")).to_be_visible()
    await expect(page.get_by_role("button", name="Se déconnecter")).to_be_hidden()
    # The keys that do something do nothing now; what happens meanwhile is not told.
    await page.keyboard.press("F6")
    desk.house.told("rosa", handover="Autre chose.")
    await asyncio.sleep(0.3)
    engagement = desk.house.agent("rosa").engagement
    assert isinstance(engagement, Engagement)
    assert engagement.decisions.empty()
    await says_nothing(page)
    await unlocks(page, "demo-lea")
    await expect(page.get_by_role("alert")).to_contain_text("pas le mot de passe")
    await says_nothing(page)
    await unlocks(page, "demo-rosa")
    await expect(page.get_by_text("Autre chose.")).to_be_visible()
    await expect(page.get_by_label("Ce que la prochaine personne")).to_have_value(TYPED)
    assert desk.house.agent("rosa").presence is Presence.TALKING


async def test_a_locked_desk_stays_so_in_a_new_tab_and_loaded_again(desk: Desk) -> None:
    await talk(desk)
    await desk.page.get_by_role("button", name="Verrouiller").click()
    await says_nothing(desk.page)
    await desk.page.reload()
    await says_nothing(desk.page)
    other = await desk.page.context.new_page()
    await other.goto(desk.address)
    await says_nothing(other)
    await unlocks(other, "demo-rosa")
    for page in (desk.page, other):
        await expect(page.locator("#call-title")).to_have_text("Vous êtes ensemble")


async def test_wrong_tries_are_limited(desk: Desk) -> None:
    await desk.sign_in()
    await desk.page.keyboard.press("Shift+F8")
    for _ in range(5):
        await unlocks(desk.page, "non")
        await expect(desk.page.locator("#locked-problem")).to_contain_text("pas le mot de passe")
        await expect(desk.page.get_by_label("Votre mot de passe")).to_be_empty()
    await unlocks(desk.page, "demo-rosa")
    await expect(desk.page.locator("#locked-problem")).to_contain_text("attendez")
    await says_nothing(desk.page)


async def test_a_call_is_told_and_answered_while_locked_and_not_a_word_of_it(desk: Desk) -> None:
    page = desk.page
    await desk.sign_in()
    await page.keyboard.press("Shift+F8")
    pop = desk.house.offer("rosa", handover=HANDED_ON)
    assert await desk.acked(pop)
    await expect(page.get_by_text("Décrochez votre téléphone")).to_be_visible()
    # The tab that is the phone rings.
    await page.evaluate(
        """() => {
          window.told = [];
          window.phone = new BroadcastChannel("fil.phone");
          window.phone.onmessage = ({data}) => window.told.push(data);
          window.phone.postMessage("rings");
        }"""
    )
    await page.get_by_role("button", name="Répondre", exact=True).click()
    await page.keyboard.press("F3")
    assert await page.evaluate("window.told") == ["answer", "answer"]
    await says_nothing(page)


async def test_after_sign_out_nothing_can_be_read_with_the_back_button_either(desk: Desk) -> None:
    page = desk.page
    await talk(desk)
    await page.keyboard.press("Shift+F8")
    await unlocks(page, "demo-rosa")
    await page.get_by_role("button", name="Se déconnecter").click()
    await expect(page.get_by_label("Identifiant")).to_be_visible()
    await page.go_back()
    await expect(page.get_by_label("Identifiant")).to_be_visible()
    assert await page.evaluate("localStorage.length") == 0


async def test_a_page_that_the_browser_kept_is_asked_for_again(desk: Desk) -> None:
    page = desk.page
    await talk(desk)
    desk.house.door.sessions.clear()  # signed out, which a page that was kept does not know
    hidden = await page.evaluate(
        """() => {
          dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
          return document.body.hidden;
        }"""
    )
    assert hidden
    await expect(page.get_by_label("Identifiant")).to_be_visible()
