"""Callers whose telephones say the worst of who calls, and the desks that are offered them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, Page, WebSocket, expect
from sqlalchemy import text

from cti.records.database import create_database
from cti.rehearsal.phone import CallEnded
from tests.browser_phone import chromium_speaking, leaves
from tests.hostile import MARK, Identity, a_phone, identities
from tests.line import NUMBER, Line
from tests.traces import written

AT_ONCE_MAX = 24
IDENTITIES_MIN = 200  # that come as far as a desk
RUNG_EVERY = 8  # of so many pops, one is left until the page has rung
STAY_SECONDS_MAX = 150.0
BAD_EVENTS = ("call.failed", "task.failed", "mailbox.overflowed", "orphan.failed", "Traceback")

# Before anything of the page: whatever breaks its policy is written down.
LISTEN = """
window.__broke = [];
document.addEventListener("securitypolicyviolation",
  (event) => window.__broke.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""
# What there is to see while a caller is offered.
LOOK = """(mark) => {
  const box = (id) => document.getElementById(id).getBoundingClientRect();
  const kept = JSON.stringify(
    [{...localStorage}, {...sessionStorage}, location.href, document.title]);
  return {
    hit: window.__hit ?? null,
    broke: window.__broke,
    offered: document.getElementById("call").dataset.state === "offered",
    sheet: Math.round(box("sheet").height),
    wide: Math.round(box("call").width),
    overflow: document.documentElement.scrollWidth - window.innerWidth,
    cut: [...document.querySelectorAll("#sheet dd, #waiting li")]
      .filter((one) => one.scrollWidth > one.clientWidth + 1).length,
    scripts: document.scripts.length,
    foreign: document.querySelectorAll(
      "iframe, object, embed, base, img, video, audio:not([id]), math, style, meta[http-equiv]"
    ).length,
    marked: (document.documentElement.outerHTML + kept).includes(mark),
  };
}"""


class Watched:
    """A desk in a browser: all it is sent, all it complains of, every address it asks for."""

    def __init__(self, line: Line, name: str, page: Page) -> None:
        self.line, self.name, self.page = line, name, page
        self.offers: asyncio.Queue[str] = asyncio.Queue()  # calls
        self.frames: list[str] = []
        self.is_rung = False  # for the caller offered last
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.on("websocket", self._opened)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(f"{said.type}: {said.text}"))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))
        page.on("popup", lambda popup: self.complaints.append(f"popup {popup.url}"))
        page.on("request", lambda request: self.asked.append(request.url))

    @classmethod
    @asynccontextmanager
    async def at(cls, line: Line, browser: Browser, name: str) -> AsyncIterator[Watched]:
        context = await browser.new_context(locale="fr-FR", viewport={"width": 1280, "height": 720})
        await context.add_init_script(LISTEN)
        page = await context.new_page()
        desk = cls(line, name, page)
        try:
            await desk._sit_down()
            yield desk
        except BaseException:
            await leaves(page)  # who is well signs out by themselves
            raise
        finally:
            await context.close()

    async def _sit_down(self) -> None:
        page, name = self.page, self.name
        await page.goto(self.line.web)
        await page.get_by_label("Identifiant").fill(name)
        await page.get_by_label("Mot de passe").fill(f"demo-{name}")
        await page.get_by_role("button", name="Se connecter").click()
        await expect(page.get_by_text("Relié à la ligne")).to_be_visible()
        await page.get_by_role("button", name="Répondre dans ce navigateur").click()
        await expect(page.get_by_text("Prêt dans ce navigateur")).to_be_visible()

    def _opened(self, socket: WebSocket) -> None:
        socket.on("framereceived", self._receive)

    def _receive(self, told: str | bytes) -> None:
        frame = told if isinstance(told, str) else told.decode("utf-8", "replace")
        self.frames.append(frame)
        self.is_rung |= frame.startswith("INVITE ")
        if frame.startswith("{") and json.loads(frame).get("type") == "call.offered":
            self.is_rung = False
            self.offers.put_nowait(json.loads(frame)["data"]["call"]["id"])

    async def be_ready(self) -> None:
        """Take calls; a machine that is very slow may have paused this desk."""
        state = await self.page.locator("#presence").get_attribute("data-presence")
        if state in ("NOT_READY", "LOGGED_OUT"):
            await self.page.get_by_role("button", name="Disponible").click()

    async def look(self) -> dict[str, Any]:
        seen: dict[str, Any] = await self.page.evaluate(LOOK, MARK)
        return seen

    async def rung(self) -> None:
        """Wait until its telephone rings for the caller shown now."""
        for _ in range(100):
            if self.is_rung:
                return
            await asyncio.sleep(0.05)

    def rings(self) -> int:
        """How many times its telephone was rung."""
        return sum(frame.startswith("INVITE ") for frame in self.frames)


class Crowd:
    """The callers who are on the line now, by their channel."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.refused: list[Identity] = []
        self._room = asyncio.Semaphore(AT_ONCE_MAX)
        self._leave: dict[str, asyncio.Event] = {}  # by the telephone's Call-ID
        self._sip: dict[str, str] = {}  # channel -> Call-ID
        self._database = create_database(line.settings.database)

    async def one(self, place: int, identity: Identity) -> None:
        """Call as somebody, and stay until a desk has shown it."""
        async with self._room:
            async with a_phone(identity, f"0199003{place:03d}", self.line.server) as telephone:
                call = await telephone.call(NUMBER, headers=identity.headers)
                leave = self._leave[call.call_id] = asyncio.Event()
                try:
                    await call.answered(10)
                    await asyncio.wait_for(leave.wait(), STAY_SECONDS_MAX)
                    await call.hang_up()
                except (CallEnded, TimeoutError):
                    self.refused.append(identity)
                    assert call.answered_at is None, f"{identity} was never offered"
                    await call.hang_up()

    async def leaves(self, call_id: str) -> None:
        """The caller of a call has seen enough."""
        self._leave[await self._call_id_of(await self._channel_of(call_id))].set()

    async def _channel_of(self, call_id: str) -> str:
        for _ in range(500):
            async with self._database.sessions() as session:
                found = await session.execute(
                    text("select channel_id from calls where id = :id"), {"id": call_id}
                )
                if row := found.one_or_none():
                    return str(row.channel_id)
            await asyncio.sleep(0.02)
        raise AssertionError(f"no record of {call_id}")

    async def _call_id_of(self, channel: str) -> str:
        question = f"channels/{channel}/variable?variable=CHANNEL(pjsip,call-id)"
        answer = await asyncio.to_thread(self.line.ari, question)
        return str(answer["value"])

    async def close(self) -> None:
        await self._database.close()


async def watch(
    desk: Watched, crowd: Crowd, seen: list[dict[str, Any]], as_ever: dict[str, Any]
) -> None:
    """Look at each caller who is offered, then let them go. For ever."""
    offered = desk.page.locator("#call[data-state=offered]")
    while True:
        try:
            call_id = await asyncio.wait_for(desk.offers.get(), 1)
        except TimeoutError:
            await desk.be_ready()
            continue
        await expect(offered).to_be_visible()
        if len(seen) % RUNG_EVERY == 0:
            await desk.rung()
        found = await desk.look()
        if not found["offered"]:
            continue  # a machine that is very slow looks after the ring; it rings again
        seen.append(found)
        assert (seen[-1], desk.complaints) == (as_ever, [])
        await crowd.leaves(call_id)


async def ordinary(desk: Watched, line: Line) -> dict[str, Any]:
    """What the desk shows of an ordinary caller."""
    async with line.caller() as telephone:
        call = await telephone.call(NUMBER)
        await desk.offers.get()
        await desk.rung()
        seen = await desk.look()
        await call.hang_up()
        await expect(desk.page.locator("#call[data-state=none]")).to_be_visible()
    return seen


@pytest.mark.timeout(400)
async def test_whatever_a_telephone_says_of_who_calls_the_desk_is_as_with_anybody(
    line: Line, tmp_path: Any
) -> None:
    wanted = list(identities())
    log_before = line.log_path.stat().st_size
    crowd, seen = Crowd(line), list[dict[str, Any]]()
    async with (
        chromium_speaking(tmp_path, 880) as browser,
        Watched.at(line, browser, "rosa") as rosa,
        Watched.at(line, browser, "remy") as remy,
    ):
        await rosa.be_ready()
        as_ever = await ordinary(rosa, line)
        await remy.be_ready()
        watching = [asyncio.create_task(watch(desk, crowd, seen, as_ever)) for desk in (rosa, remy)]
        everybody = asyncio.gather(*(crowd.one(n, one) for n, one in enumerate(wanted)))
        done, others = await asyncio.wait(
            {everybody, *watching}, return_when=asyncio.FIRST_COMPLETED
        )
        for task in others:
            task.cancel()
        await asyncio.wait(others)
        for task in done:
            await task
        last = [await desk.look() for desk in (rosa, remy)]
        for desk in (rosa, remy):
            await desk.page.get_by_role("button", name="Se déconnecter").click()
            await expect(desk.page.get_by_label("Mot de passe")).to_be_visible()
    await crowd.close()

    print(f"{len(wanted)} identities, {len(crowd.refused)} refused, {len(seen)} pops looked at")
    assert [one for one in crowd.refused if not one.may_be_refused] == []
    assert len(wanted) - len(crowd.refused) >= IDENTITIES_MIN
    assert len(seen) >= len(wanted) - len(crowd.refused)
    for one in last:
        assert (one["hit"], one["broke"], one["marked"]) == (None, [], False)
    assert as_ever["offered"]
    assert as_ever["overflow"] <= 0
    assert rosa.rings() + remy.rings() >= len(seen) // RUNG_EVERY
    for desk in (rosa, remy):
        assert desk.complaints == []
        assert [frame for frame in desk.frames if MARK in frame] == []
        assert [url for url in desk.asked if not url.startswith(f"{line.web}/")] == []
    places = await asyncio.to_thread(written, line)
    assert [place for place, data in places.items() if MARK.encode() in data] == []
    log = line.log_path.read_bytes()[log_before:].decode()
    for row in log.splitlines():
        assert row == "fil: ready" or "event" in json.loads(row), row
        assert not any(bad in row for bad in BAD_EVENTS), row
