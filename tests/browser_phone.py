"""An agent whose browser is their phone: Chromium with a microphone that plays a tone."""

from __future__ import annotations

import asyncio
import math
import re
import struct
import time
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import (
    Browser,
    BrowserContext,
    Page,
    WebSocketRoute,
    async_playwright,
    expect,
)

from cti.rehearsal.phone import PhoneCall
from tests.desk_page import CHROMIUM, CHROMIUM_ARGS
from tests.line import NUMBER, Line

CALLER_HZ, ROSA_HZ = 440, 880
SPEAKS_HZ = 48_000
LOOPS_SECONDS = 10
SPOKEN = int(0.75 * SPEAKS_HZ)  # samples of each second; then a breath

# A headset: ``pullOut(false)`` leaves another microphone, ``pullOut(true)`` none.
HEADSET = """
  window.microphones = [];
  window.plugged = true;
  const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    if (!plugged) throw new DOMException("none", "NotFoundError");
    const stream = await get(wanted);
    microphones.push(stream.getAudioTracks()[0]);
    return stream;
  };
  window.pullOut = (all) => {
    plugged = !all;
    microphones.at(-1).stop();
    microphones.at(-1).dispatchEvent(new Event("ended"));
  };
"""
# What the page hears of the other side: the strongest pitch, by its own analyser.
HEARS = """async (ms) => {
  const voice = document.getElementById("voice");
  if (!voice.srcObject) return 0;
  const context = new AudioContext();
  await context.resume();
  const analyser = context.createAnalyser();
  analyser.fftSize = 8192;
  analyser.smoothingTimeConstant = 0;
  context.createMediaStreamSource(voice.srcObject).connect(analyser);
  await new Promise((done) => setTimeout(done, ms));
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  let best = 0;
  for (let i = 1; i < bins.length; i += 1) if (bins[i] > bins[best]) best = i;
  const hz = bins[best] > -70 ? (best * context.sampleRate) / analyser.fftSize : 0;
  await context.close();
  return hz;
}"""


def tone_file(path: Path, hz: float) -> Path:
    """A microphone that says one note again and again: Chromium plays the file in a loop.

    With a breath each second: a note that never stops is noise to a browser, and is suppressed.
    """
    count = SPEAKS_HZ * LOOPS_SECONDS
    samples = (
        int(9000 * math.sin(2 * math.pi * hz * n / SPEAKS_HZ)) if n % SPEAKS_HZ < SPOKEN else 0
        for n in range(count)
    )
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SPEAKS_HZ)
        file.writeframes(b"".join(struct.pack("<h", one) for one in samples))
    return path


@asynccontextmanager
async def chromium_speaking(folder: Path, hz: float) -> AsyncIterator[Browser]:
    """A browser whose microphone says one note, and is allowed without a question."""
    microphone = tone_file(folder / f"microphone-{hz:.0f}.wav", hz)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            headless=True,
            args=[
                *CHROMIUM_ARGS,
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                "--allow-loopback-in-peer-connection",
                f"--use-file-for-fake-audio-capture={microphone}",
            ],
        )
        yield browser
        await browser.close()


async def leaves(page: Page) -> None:
    """Be a phone no more: the next who is this agent has a telephone on a table."""
    await page.evaluate(
        """() => fetch("/api/v1/phone", { method: "DELETE", headers: {
             "X-CSRF-Token": document.querySelector("meta[name=csrf]")?.content ?? "" } })
           .then(() => null, () => null)"""
    )


class AtTheDesk:
    """An agent before the page, by name."""

    def __init__(self, line: Line, name: str, context: BrowserContext, page: Page) -> None:
        self.line, self.name, self.context, self.page = line, name, context, page
        self.complaints: list[str] = []
        self.phone_sockets: list[WebSocketRoute] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console",
            lambda said: self.complaints.append(said.text) if said.type == "error" else None,
        )

    @classmethod
    @asynccontextmanager
    async def at(cls, line: Line, browser: Browser, name: str) -> AsyncIterator[AtTheDesk]:
        """Sign in with a browser that has its own cookies."""
        context = await browser.new_context(locale="fr-FR", viewport={"width": 1280, "height": 720})
        page = await context.new_page()
        here = cls(line, name, context, page)
        await page.route_web_socket(re.compile(r"/phone$"), here._between)
        try:
            await here.sign_in()
            yield here
        finally:
            await leaves(page)
            await context.close()

    def _between(self, socket: WebSocketRoute) -> None:
        socket.connect_to_server()
        self.phone_sockets.append(socket)

    async def cut_phone(self) -> None:
        """Cut the socket of the page's phone, as a home line does; the page is told nothing."""
        await self.phone_sockets[-1].close(code=1012)

    async def sign_in(self) -> None:
        await self.page.goto(self.line.web)
        await self.page.get_by_label("Identifiant").fill(self.name)
        await self.page.get_by_label("Mot de passe").fill(f"demo-{self.name}")
        await self.page.get_by_role("button", name="Se connecter").click()
        await expect(self.page.get_by_text("Relié à la ligne")).to_be_visible()

    async def answers_here(self) -> None:
        """This browser is the phone now, and the agent takes calls."""
        await self.page.get_by_role("button", name="Répondre dans ce navigateur").click()
        await expect(self.page.get_by_text("Prêt dans ce navigateur")).to_be_visible()
        await self.page.get_by_role("button", name="Disponible").click()
        await expect(self.page.locator("#presence-state")).to_have_text("Disponible")

    async def answers(self, title: str = "Vous êtes ensemble") -> None:
        """The page rings; its agent answers there."""
        await self.page.get_by_role("button", name="Répondre", exact=True).click(timeout=20_000)
        await expect(self.page.locator("#call-title")).to_have_text(title)

    async def hears_hz(self, ms: int = 700) -> float:
        """The strongest pitch the page hears now; 0: silence."""
        return float(await self.page.evaluate(HEARS, ms))

    async def hears(self, hz: float, seconds_max: float = 6) -> None:
        """Wait until the page hears this pitch."""
        heard, until = 0.0, time.monotonic() + seconds_max
        while time.monotonic() < until:
            heard = await self.hears_hz()
            if abs(heard - hz) < 25:
                return
            await asyncio.sleep(0.1)  # a page without sound yet answers at once
        raise AssertionError(f"{self.name}'s page hears {heard:.0f} Hz, not {hz} Hz")


@asynccontextmanager
async def rung(
    line: Line, browser: Browser, before: str = ""
) -> AsyncIterator[tuple[AtTheDesk, PhoneCall]]:
    """A caller rings Rosa's browser; ``before`` is a script that her page has first."""
    async with AtTheDesk.at(line, browser, "rosa") as rosa, line.caller(hz=CALLER_HZ) as telephone:
        if before:
            await rosa.page.evaluate(f"() => {{{before}}}")
        await rosa.answers_here()
        yield rosa, await telephone.call(NUMBER)


@asynccontextmanager
async def together(
    line: Line, browser: Browser, before: str = ""
) -> AsyncIterator[tuple[AtTheDesk, PhoneCall]]:
    """Rosa has answered: the caller hears her browser."""
    async with rung(line, browser, before) as (rosa, call):
        await rosa.answers()
        await call.hears(ROSA_HZ, 8)
        yield rosa, call
