"""The phone in the page, without a call: its devices, its tabs, its sleep, and what it tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser_phone import HEADSET, chromium_speaking
from tests.desk_page import Desk, desk_at
from tests.fake_registrar import Registrar

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What the page asks of the browser, and a headset that can be unplugged.
WATCHED = """
  window.outputs = [];
  const set = HTMLMediaElement.prototype.setSinkId;
  HTMLMediaElement.prototype.setSinkId = function (id) {
    outputs.push(id);
    return set.call(this, id);
  };
  window.told = [];
  window.allowed = "default";
  window.Notification = class {
    static get permission() { return allowed; }
    static async requestPermission() { told.push("asked"); return (allowed = "granted"); }
    constructor(...what) { told.push(JSON.stringify(what)); }
    close() { told.push("closed"); }
  };
"""
HIDDEN = "Object.defineProperty(document, 'hidden', { configurable: true, get: () => %s })"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with chromium_speaking(tmp_path_factory.mktemp("rosa"), 880) as one:
        yield one


@pytest.fixture
def registrar() -> Registrar:
    return Registrar()


@pytest_asyncio.fixture(loop_scope="module")
async def desk(browser: Browser, registrar: Registrar) -> AsyncIterator[Desk]:
    async def nobody() -> None:
        pass

    async with desk_at(browser, nobody, phones=registrar) as here:
        await here.page.context.add_init_script(WATCHED + HEADSET)
        await here.sign_in()
        await here.page.get_by_role("button", name="Répondre dans ce navigateur").click()
        await ready(here.page)
        yield here


async def ready(page: Page) -> None:
    await expect(page.get_by_text("Prêt dans ce navigateur")).to_be_visible()


async def becomes(page: Page, expression: str, value: object) -> None:
    """Wait until something in the page has a value; the page lets no text be run as a script."""
    for _ in range(40):
        found = await page.evaluate(expression)
        if found == value:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{expression} is {found}, not {value}")


async def test_the_ring_is_tried_where_and_as_loud_as_it_was_chosen(desk: Desk) -> None:
    page = desk.page
    await page.get_by_text("Son et sonnerie").click()
    where = page.get_by_label("La sonnerie sort de")
    chosen = await where.locator("option").nth(1).get_attribute("value")
    assert chosen
    await where.select_option(chosen)
    await page.get_by_label("Volume de la sonnerie").fill("30")
    struck = "performance.getEntriesByName('fil-ring-heard').length"
    before = await page.evaluate(struck)
    await page.get_by_role("button", name="Essayer la sonnerie").click()
    await becomes(page, struck, before + 1)
    assert chosen in await page.evaluate("outputs")
    await page.reload()
    await ready(page)
    await page.get_by_text("Son et sonnerie").click()
    await expect(where).to_have_value(chosen)
    await expect(page.get_by_label("Volume de la sonnerie")).to_have_value("30")
    await page.get_by_role("button", name="Essayer la sonnerie").click()
    await becomes(page, struck, 1)
    assert chosen in await page.evaluate("outputs")


async def test_a_headset_unplugged_is_replaced_at_once_and_found_again(desk: Desk) -> None:
    page = desk.page
    told = page.locator("#device")
    await page.evaluate("pullOut(false)")
    await expect(told).to_contain_text("Un autre micro")
    live = "microphones.map((one) => one.readyState)"
    assert await page.evaluate(live) == ["ended", "live"]
    await ready(page)
    await page.evaluate("pullOut(true)")
    await expect(told).to_contain_text("on ne vous entend plus")
    await expect(page.get_by_text("Pas de micro")).to_be_visible()
    await page.evaluate(
        "plugged = true; navigator.mediaDevices.dispatchEvent(new Event('devicechange'))"
    )
    await expect(told).to_contain_text("de nouveau là")
    await ready(page)
    assert await page.evaluate(live) == ["ended", "ended", "live"]


async def test_a_machine_that_slept_says_whether_calls_can_come(
    desk: Desk, registrar: Registrar
) -> None:
    page = desk.page
    notice = page.locator("#notice")
    await page.get_by_role("button", name="Disponible").click()
    await expect(page.locator("#presence-state")).to_have_text("Disponible")
    before = registrar.connected, registrar.registered
    await page.evaluate("const now = Date.now; Date.now = () => now() + 3_600_000")
    await expect(notice).to_contain_text("les appels peuvent arriver")
    assert (registrar.connected, registrar.registered) == (before[0] + 1, before[1] + 1)
    registrar.deaf = True
    await page.evaluate("dispatchEvent(new Event('online'))")
    await expect(notice).to_contain_text("se relie à la ligne")
    await expect(notice).to_contain_text("aucun appel ne peut arriver ici")
    registrar.deaf = False
    await page.get_by_role("button", name="Pause").click()
    await page.evaluate("dispatchEvent(new Event('online'))")
    await expect(notice).to_contain_text("quand vous choisirez")
    await ready(page)
    assert registrar.opened == 1  # the account is the same all along: no talk was taken over


async def test_a_notification_is_asked_for_at_the_check_and_tells_nothing_of_the_caller(
    desk: Desk,
) -> None:
    page = desk.page
    assert await page.evaluate("told") == []  # becoming a phone asks nothing
    await page.get_by_role("button", name="Vérifier mon casque").click()
    await page.get_by_role("button", name="Autoriser").click()
    await expect(page.locator("#check")).to_contain_text("Avertir quand la page est cachée oui")
    assert await page.evaluate("told.splice(0)") == ["asked"]
    await page.locator("#check").get_by_role("button", name="Arrêter").click()
    desk.house.offer("rosa", "c1", handover="Parle doucement.", language="en")
    await expect(page.locator("#sheet")).to_be_visible()
    desk.house.withdraw("rosa", "caller_left")
    await expect(page.locator("#sheet")).to_be_hidden()
    assert await page.evaluate("told") == []  # the page was in sight
    await page.evaluate(HIDDEN % "true")
    desk.house.offer("rosa", "c2", handover="Parle doucement.", language="en")
    await becomes(page, "told.length", 1)
    desk.house.told("rosa", danger=True)
    desk.house.withdraw("rosa", "caller_left")
    await becomes(page, "told.at(-1)", "closed")
    assert await page.evaluate("told") == [
        '["Un appel pour vous",{"tag":"fil","requireInteraction":true}]',
        "closed",
    ]


async def test_where_neither_line_nor_relay_is_reached_the_network_is_named(
    desk: Desk, registrar: Registrar
) -> None:
    dead = {"urls": "turn:127.0.0.1:9", "username": "1:a", "credential": "b"}
    registrar.ice_servers = [dead]
    await desk.page.reload()
    await ready(desk.page)
    await desk.page.get_by_role("button", name="Vérifier mon casque").click()
    check = desk.page.locator("#check")
    await expect(check.locator(".verdict")).to_have_attribute("data-verdict", "bad")
    await expect(check).to_contain_text("Passage par le relais à revoir")
    await expect(check).to_contain_text("essayez un partage de connexion")


async def test_a_second_tab_may_become_the_phone_and_the_first_again_once_it_is_closed(
    desk: Desk, registrar: Registrar
) -> None:
    first = desk.page
    second = await first.context.new_page()
    await second.goto(desk.address)
    await expect(second.get_by_text("dans un autre onglet")).to_be_visible()
    await second.get_by_role("button", name="Répondre plutôt ici").click()
    await ready(second)
    await expect(first.get_by_text("dans un autre onglet")).to_be_visible()
    assert registrar.opened == 2
    await second.close()
    await expect(first.get_by_text("Prêt dans ce navigateur")).to_be_visible()


async def test_a_ring_whose_end_comes_late_does_not_make_the_next_one_busy(
    desk: Desk, registrar: Registrar
) -> None:
    for call_id in ("first", "second"):
        registrar.ring(call_id)
        for _ in range(200):
            if len(registrar.answers.get(call_id, [])) == 2:
                break
            await asyncio.sleep(0.05)
    assert registrar.answers == {"first": [100, 180, 480], "second": [100, 180]}
