"""A wire that answers some commands wrongly: between controller and engine, it understands HTTP."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import aiohttp
from aiohttp import WSMsgType, web

# What may become of a command: refused twice over, never answered, or obeyed in silence.
Fault = Literal["500", "503", "never", "lost"]
NEVER_SECONDS = 60.0  # longer than any command is waited for


@dataclass
class Rule:
    """The first commands that match go wrong, one fault each, in this order."""

    method: str
    path: re.Pattern[str]
    body: str
    faults: list[Fault]
    done: list[Fault] = field(default_factory=list)

    def matches(self, method: str, path: str, body: str) -> bool:
        return method == self.method and bool(self.path.search(path)) and self.body in body


class RestFaults:
    """Passes commands and events on, except where a rule says otherwise."""

    def __init__(self, engine_port: int) -> None:
        self.port = 0
        self.rules: list[Rule] = []
        self.lost_event = ""  # the type of events that never arrive
        self._engine = f"http://127.0.0.1:{engine_port}"
        self._http: aiohttp.ClientSession

    def spoil(self, method: str, path: str, *faults: Fault, body: str = "") -> Rule:
        """Have the next commands like this go wrong. ``path`` is a pattern, ``body`` a part."""
        rule = Rule(method, re.compile(path), body, list(faults))
        self.rules = [rule]
        return rule

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._events(request)
        body = await request.read()
        for rule in self.rules:
            if rule.faults and rule.matches(request.method, request.path, body.decode()):
                fault = rule.faults.pop(0)
                rule.done.append(fault)
                if fault == "lost":
                    await self._pass(request, body)
                if fault in ("lost", "never"):
                    await asyncio.sleep(NEVER_SECONDS)
                    return web.Response(status=504)
                return web.json_response({"message": "a fault"}, status=int(fault))
        return await self._pass(request, body)

    async def _pass(self, request: web.Request, body: bytes) -> web.Response:
        async with self._http.request(
            request.method,
            self._engine + request.path_qs,
            data=body,
            headers={k: v for k, v in request.headers.items() if k not in ("Host", "Connection")},
        ) as answer:
            said = await answer.read()
            kind = answer.headers.get("Content-Type")
            headers = {"Content-Type": kind} if kind else {}
            return web.Response(status=answer.status, body=said, headers=headers)

    def _loses(self, event: str) -> bool:
        return bool(self.lost_event) and f'"type":"{self.lost_event}"' in event.replace(" ", "")

    async def _events(self, request: web.Request) -> web.WebSocketResponse:
        near = web.WebSocketResponse()
        await near.prepare(request)
        authorization = {"Authorization": request.headers["Authorization"]}
        async with self._http.ws_connect(
            self._engine + request.path_qs, headers=authorization
        ) as far:

            async def questions() -> None:
                async for message in near:
                    await far.send_str(message.data)
                await far.close()

            asking = asyncio.create_task(questions())
            async for message in far:
                if message.type is WSMsgType.TEXT and not self._loses(message.data):
                    await near.send_str(message.data)
            asking.cancel()
        await near.close()
        return near


@asynccontextmanager
async def rest_faults(engine_port: int) -> AsyncIterator[RestFaults]:
    """Such a wire to the engine's port, on a free port of its own (``port``)."""
    wire = RestFaults(engine_port)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", wire._serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), skip_auto_headers=("User-Agent",)
    ) as http:
        wire._http = http
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        wire.port = runner.addresses[0][1]
        try:
            yield wire
        finally:
            await runner.cleanup()
