"""A wire that tests may cut, stall and mend: a TCP proxy between the controller and the engine."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

Direction = Literal["to_engine", "to_controller"]
CHUNK_BYTES = 65_536


class Proxy:
    """Passes bytes between a port of ours and the engine's, unless told otherwise.

    A stalled direction delivers nothing and closes nothing, as a lost network does.
    """

    def __init__(self, engine_port: int) -> None:
        self.port = 0
        self._engine_port = engine_port
        self._open: dict[Direction, asyncio.Event] = {
            "to_engine": asyncio.Event(),
            "to_controller": asyncio.Event(),
        }
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusing = False
        self.mend()

    def stall(self, *directions: Direction) -> None:
        """Deliver nothing more in these directions, both when none is named."""
        for direction in directions or ("to_engine", "to_controller"):
            self._open[direction].clear()

    def cut(self, refusing: bool = False) -> None:
        """Reset every connection; with ``refusing``, every later one too until ``mend``."""
        self._refusing = refusing
        for writer in list(self._writers):
            _reset(writer)

    def mend(self) -> None:
        """Deliver again, what was held back included."""
        self._refusing = False
        for way in self._open.values():
            way.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            _reset(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._engine_port)
        except OSError:
            _reset(writer)
            return
        self._writers |= {writer, far_writer}
        ways = [
            asyncio.create_task(self._pass(reader, far_writer, "to_engine")),
            asyncio.create_task(self._pass(far_reader, writer, "to_controller")),
        ]
        self._tasks |= set(ways)
        await asyncio.wait(ways)
        self._tasks -= set(ways)
        self._writers -= {writer, far_writer}

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._open[direction].wait()
                writer.write(data)
                await writer.drain()
        writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a crash does: at once, what was on its way lost."""
    held = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def a_proxy(engine_port: int) -> AsyncIterator[Proxy]:
    """A proxy in front of the engine's port, on a free port of its own (``proxy.port``)."""
    proxy = Proxy(engine_port)
    server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.mend()
        proxy.cut(refusing=True)
        for task in list(proxy._tasks):
            task.cancel()
