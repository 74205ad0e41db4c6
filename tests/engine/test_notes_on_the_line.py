"""On the running line: a note and a request for help, through a controller that is killed."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import aiohttp
import pytest

from cti.records.last_good import FILE_NAME
from tests.line import NUMBER, Desk, Line

CANARY = "Zéphyrine a peur du noir"
WRITTEN = (CANARY.encode(), CANARY.encode("ascii", "backslashreplace"), b"phyrine")
VALUES = {"demande": "parler", "themes": ["angoisse"], "note": CANARY}


class Browser:
    """A page's own requests."""

    def __init__(self, line: Line, session: aiohttp.ClientSession) -> None:
        self._line, self._session = line, session

    async def asks(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        async with self._session.request(method, f"{self._line.web}{path}", **more) as answer:
            return answer.status, await answer.json()


async def signed_in(line: Line, name: str, session: aiohttp.ClientSession) -> Browser:
    async with session.post(
        f"{line.web}/api/v1/login", json={"username": name, "password": f"demo-{name}"}
    ) as reply:
        token = (await reply.json())["token"]
    session.headers["Authorization"] = f"Bearer {token}"
    session.cookie_jar.clear()
    return Browser(line, session)


def snapshot(desk: Desk) -> dict[str, Any]:
    frames = [frame for _, frame in desk.frames if frame["type"] == "snapshot"]
    data: dict[str, Any] = frames[-1]["data"]
    return data


async def put_away(page: Browser, call_id: str) -> dict[str, Any]:
    """A talk among the agent's own, once what it was has come there."""
    async with asyncio.timeout(10):
        while True:
            status, mine = await page.asks("GET", "/api/v1/my/calls?days=1")
            assert status == 200
            talks = [one for one in mine["calls"] if one["call"] == call_id]
            if talks and talks[0]["disposition"]:
                return dict(talks[0])
            await asyncio.sleep(0.05)


@pytest.mark.timeout(240)
async def test_a_note_and_a_request_for_help_outlive_a_controller_that_is_killed(
    line: Line,
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        line.agent("rosa", hz=800) as rosa,
        line.agent("sam") as sam,
        line.caller() as telephone,
    ):
        page = await signed_in(line, "rosa", session)
        call = await telephone.call(NUMBER)
        call_id = (await rosa.sees("call.offered"))["data"]["call"]["id"]
        address = f"/api/v1/calls/{call_id}/note"
        assert (await page.asks("GET", address))[0] == 403  # it only rings
        await (await rosa.ring()).answer()
        await rosa.sees("call.connected", 10)

        status, form = await page.asks("GET", "/api/v1/form")
        assert (status, form["fields"][-1]["id"]) == (200, "note")
        status, cards = await page.asks("GET", "/api/v1/cards")
        assert (status, len(cards["cards"])) == (200, 8)
        status, empty = await page.asks("GET", address)
        assert (status, empty["version"], empty["form"]) == (200, 0, form["version"])
        body = {"values": VALUES, "version": 0, "form": form["version"]}
        status, saved = await page.asks("PUT", address, json=body)
        assert (status, saved["version"]) == (200, 1)

        assert (await rosa.does("help.ask", call=call_id))["ok"]
        assert (await rosa.sees("help.waiting"))["data"]["seen"] is True
        assert (await sam.sees("help.asked"))["data"]["call"] == {"id": call_id}
        kept = line.settings.data / "last-good" / FILE_NAME
        await line.until(lambda: f'"{call_id}", null]' in kept.read_text(), 5, "help is kept")

        before = line.log_path.read_text().count("house.recovered")
        os.kill(line.controller_pid(), signal.SIGKILL)
        await line.until(
            lambda: line.log_path.read_text().count("house.recovered") > before, 30, "back"
        )
        async with (
            Desk.sign_in(line, "rosa", rosa.phone) as rosa_again,
            Desk.sign_in(line, "sam", sam.phone) as sam_again,
        ):
            assert snapshot(rosa_again)["help"]["call"] == {"id": call_id}
            assert [one["agent"] for one in snapshot(sam_again)["helps"]] == ["rosa"]
            assert (await sam_again.does("help.answer", agent="rosa"))["ok"]
            assert (await rosa_again.sees("help.answered"))["data"]["by"] == "sam"
            assert (await rosa_again.does("help.end"))["ok"]

            assert (await page.asks("GET", address))[1]["values"] == VALUES
            await call.hears(800, 5)
            await call.hang_up()
            await rosa_again.sees("call.ended")
            body = {"values": VALUES | {"danger": False}, "version": 1}
            assert (await page.asks("PUT", address, json=body))[1]["version"] == 2
            await rosa_again.does("wrapup.done", call=call_id, disposition="ecoute")
            await line.closed_record(call_id)
            talk = await put_away(page, call_id)
            assert (talk["line"], talk["note"], talk["disposition"]) == (
                "regulators",
                True,
                "ecoute",
            )
            status, hours = await page.asks("GET", "/api/v1/my/hours?days=1")
            assert (status, len(hours["days"])) == (200, 1)
            assert hours["days"][0]["talks"] >= 1
        frames = str([desk.frames for desk in (rosa, sam, rosa_again, sam_again)])
    files = {
        str(path): path.read_bytes()
        for path in line.settings.data.rglob("*")
        if path.is_file() and not path.is_relative_to(line.sounds)
    }
    assert any(b"help.answered" in data for data in files.values())  # as an event
    assert [name for name, data in files.items() if any(one in data for one in WRITTEN)] == []
    assert CANARY not in frames
