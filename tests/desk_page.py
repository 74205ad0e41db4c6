"""A volunteer in front of the desk in a real Chromium, and the house behind it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from cti.people.agents import Message
from cti.web.door import GUARD
from cti.web.notes import WRITING
from cti.web.phone import Phones
from cti.web.screen import SCREENS
from tests.desk_papers import lay_papers
from tests.web_house import House, Settings

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ACK_SECONDS_MAX = 0.5  # beyond it the call goes to somebody else


class Desk:
    """A volunteer in front of the desk, and the house behind it."""

    def __init__(self, house: House, page: Page, address: str) -> None:
        self.house = house
        self.page = page
        self.address = address
        self.scripts_blocked: list[str] = []

    def hear(self, line: ConsoleMessage) -> None:
        if "Content Security Policy" in line.text:
            self.scripts_blocked.append(line.text)

    async def sign_in(self, who: str = "rosa") -> None:
        await self.log_in(who)
        await expect(self.page.locator("#wire")).to_have_attribute("data-on", "yes")

    async def log_in(self, who: str) -> None:
        await self.page.goto(self.address)
        await self.page.locator("#username").fill(who)
        await self.page.locator("#password").fill(f"demo-{who}")
        await self.page.keyboard.press("Enter")

    async def acked(self, message: Message, who: str = "rosa") -> bool:
        return await self.house.agent(who).outbox.displayed(message, ACK_SECONDS_MAX)

    def cut(self) -> None:
        """Cut the wire, and let nobody back in for now."""
        self.house.app[GUARD]._origins = frozenset()
        for screen in self.house.app[SCREENS].all():
            screen.stop(4008)

    def mend(self) -> None:
        """Let screens come back."""
        self.house.app[GUARD]._origins = frozenset([self.address])

    async def decision(self, who: str = "rosa") -> object:
        engagement = self.house.agent(who).engagement
        assert engagement
        return await asyncio.wait_for(engagement.decisions.get(), 4)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser; closed at the end."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=CHROMIUM_ARGS, headless=True
        )
        yield browser
        await browser.close()


@asynccontextmanager
async def desk_at(
    browser: Browser,
    demo_call: Callable[[], Awaitable[None]],
    dark: bool = False,
    locale: str = "fr-FR",
    phones: Phones | None = None,
) -> AsyncIterator[Desk]:
    """A desk of a house of its own; whatever its scripts complain of fails at the end."""
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    house = House(Settings(origins=[address]), demo_call=demo_call, phones=phones)
    with TemporaryDirectory() as folder:
        house.app[WRITING] = lay_papers(house, Path(folder))  # read now; notes are in memory
    runner = web.AppRunner(house.app, shutdown_timeout=1)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    context = await browser.new_context(
        locale=locale,
        viewport={"width": 1280, "height": 720},
        color_scheme="dark" if dark else "light",
    )
    page = await context.new_page()
    here = Desk(house, page, address)
    page.on("pageerror", lambda error: here.scripts_blocked.append(str(error)))
    page.on("console", here.hear)
    try:
        yield here
    finally:
        await context.close()
        await runner.cleanup()
    assert not here.scripts_blocked, here.scripts_blocked
