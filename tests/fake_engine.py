"""The stand-in engine behind real sockets: a whole ``fil serve`` can be run against it.

It holds more calls than scripted telephones could on one machine, in real time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any
from weakref import WeakKeyDictionary

from aiohttp import web

from cti import setup
from cti.asterisk.wire import WireLost
from cti.simulation.fake import FakeAsterisk
from cti.simulation.fake_wire import FakeWire
from sounds.catalogue import Catalogue
from tests.line import Line, free_ports, made_ready


class Server:
    """ARI as the engine serves it: ``/ari/…`` and its websocket, for those with the password."""

    def __init__(self, engine: FakeAsterisk, secret: str) -> None:
        self._engine = engine
        self._secret = "Basic " + b64encode(f"fil:{secret}".encode()).decode()
        # Each connection is a thread of the engine's own.
        self._wires: WeakKeyDictionary[asyncio.BaseTransport, FakeWire] = WeakKeyDictionary()

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/ari/events", self._events)
        app.router.add_route("*", "/ari/{path:.*}", self._command)
        return app

    def _refused(self, request: web.Request) -> web.Response | None:
        if request.headers.get("Authorization") == self._secret:
            return None
        return web.json_response({"message": "Authentication required"}, status=401)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if refused := self._refused(request):
            return refused
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        with contextlib.suppress(WireLost, ConnectionError):
            async with self._engine.wire().listen(request.query["app"]) as events:
                ends = [
                    asyncio.ensure_future(self._tell(events, socket)),
                    asyncio.ensure_future(self._hear(events, socket)),
                ]
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                for end in ends:
                    end.cancel()
                await asyncio.wait(ends)
        return socket

    async def _tell(self, events: Any, socket: web.WebSocketResponse) -> None:
        with contextlib.suppress(WireLost, ConnectionError):
            while True:
                await socket.send_str(await events.receive())

    async def _hear(self, events: Any, socket: web.WebSocketResponse) -> None:
        with contextlib.suppress(WireLost):
            async for message in socket:
                await events.send(json.loads(message.data))

    async def _command(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        values: dict[str, Any] = dict(request.query)
        if request.method not in ("GET", "DELETE") and request.can_read_body:
            values |= await request.json()
        assert request.transport is not None
        wire = self._wires.setdefault(request.transport, self._engine.wire())
        try:
            path = request.rel_url.raw_path.removeprefix("/ari")
            status, said = await wire.put(request.method, path, values)
        except WireLost:
            request.transport.abort()
            raise
        if isinstance(said, bytes):
            return web.Response(status=status, body=said, content_type="text/html")
        if said is None:
            return web.Response(status=status)
        return web.json_response(said, status=status)


@asynccontextmanager
async def a_line_without_engine(
    data: Path, **settings: str
) -> AsyncIterator[tuple[Line, FakeAsterisk]]:
    """A whole line in ``data`` whose engine is the stand-in, in this process's own loop."""
    sip, ari, ami, web_port = free_ports(4)
    outside = {k: v for k, v in os.environ.items() if not k.startswith("FIL_")}
    # An installed line is compiled already: its start is not to be measured with that in it.
    outside.pop("PYTHONDONTWRITEBYTECODE", None)
    environment = outside | {
        "FIL_DATA": str(data),
        "FIL_SIP_PORT": str(sip),
        "FIL_ARI_PORT": str(ari),
        "FIL_AMI_PORT": str(ami),  # nobody answers there
        "FIL_WEB_PORT": str(web_port),
        "FIL_FLOW": "demo.yaml",
        **settings,
    }
    line = await made_ready(environment)
    prompts = Catalogue.load(line.sounds)

    def seconds(path: str) -> float | None:
        _, _, language, prompt = path.split("/")
        return (
            prompts.seconds(prompt, language) if (language, prompt) in prompts.lengths() else None
        )

    engine = FakeAsterisk(Random(1), prompt_seconds=seconds)
    for name in setup.DEMO_PEOPLE:
        engine.add_phone(name)
    runner = web.AppRunner(
        Server(engine, line.settings.secret("ari")).app(), access_log=None, shutdown_timeout=0.1
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", ari).start()
    try:
        await line.start(seconds_max=60)
        yield line, engine
    finally:
        line.stop()
        await runner.cleanup()
