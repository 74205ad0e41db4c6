"""An engine that knows browsers and calls nobody: their pages register, and may be left unheard."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from cti.people.agents import Agent


class Registrar:
    """Browsers as phones, for the web: every REGISTER is answered, unless it is ``deaf``."""

    def __init__(self) -> None:
        self.deaf = False
        self.registered = 0
        self.opened = 0
        self.ice_servers: list[dict[str, str]] = []
        self.connected = 0

    async def open(self, agent: Agent) -> dict[str, Any]:
        self.opened += 1
        return {"account": f"{agent.id}-web", "secret": "s", "ice_servers": self.ice_servers}

    async def close(self, agent: Agent) -> None:
        pass

    async def check(self, agent: Agent) -> str | None:
        return "phone_not_there"

    def may_pass(self, agent: Agent, message: str) -> bool:
        return True

    def passed(self, agent: Agent, message: str) -> None:
        pass

    @asynccontextmanager
    async def connect(self, agent: Agent) -> AsyncIterator[_Way]:
        self.connected += 1
        yield _Way(self)


class _Way:
    def __init__(self, registrar: Registrar) -> None:
        self._registrar = registrar
        self._says: asyncio.Queue[str] = asyncio.Queue()

    async def receive(self) -> str:
        return await self._says.get()

    async def send(self, message: str) -> None:
        if not message.startswith("REGISTER ") or self._registrar.deaf:
            return
        self._registrar.registered += 1
        kept = re.findall(r"^(?:Via|From|To|Call-ID|CSeq|Contact): .*$", message, re.M | re.I)
        lines = ["SIP/2.0 200 OK", *(line.strip() for line in kept), "Content-Length: 0", "", ""]
        self._says.put_nowait("\r\n".join(lines))
