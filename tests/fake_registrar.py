"""An engine that knows browsers: their pages register, may be left unheard, and ring."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from cti.people.agents import Agent

SOUND = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"


class Registrar:
    """Browsers as phones, for the web: every REGISTER is answered, unless it is ``deaf``."""

    def __init__(self) -> None:
        self.deaf = False
        self.registered = 0
        self.opened = 0
        self.ice_servers: list[dict[str, str]] = []
        self.connected = 0
        self.answers: dict[str, list[int]] = {}  # to each ring, by its Call-ID
        self._way: _Way | None = None
        self._contact = ""

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
        self._way = _Way(self)
        yield self._way

    def ring(self, call_id: str) -> None:
        """Have the page that registered last ring; nobody will be heard there."""
        assert self._way is not None
        lines = [
            f"INVITE {self._contact} SIP/2.0",
            f"Via: SIP/2.0/WS 127.0.0.1;branch=z9hG4bK{call_id}",
            f"From: <sip:line@fil.invalid>;tag={call_id}",
            f"To: <{self._contact}>",
            f"Call-ID: {call_id}",
            "CSeq: 1 INVITE",
            "Contact: <sip:line@fil.invalid;transport=ws>",
            "Max-Forwards: 70",
            "Content-Type: application/sdp",
            f"Content-Length: {len(SOUND)}",
        ]
        self._way.says("\r\n".join([*lines, "", SOUND]))

    def heard(self, message: str) -> None:
        """Note what the page says of itself, or of a ring."""
        if contact := re.search(r"^Contact: <(.*?)>", message, re.M):
            self._contact = contact[1]
        answer = re.match(r"SIP/2.0 (\d+)", message)
        if answer and (ring := re.search(r"^Call-ID: (\S+)", message, re.M | re.I)):
            self.answers.setdefault(ring[1], []).append(int(answer[1]))


class _Way:
    def __init__(self, registrar: Registrar) -> None:
        self._registrar = registrar
        self._says: asyncio.Queue[str] = asyncio.Queue()

    def says(self, message: str) -> None:
        self._says.put_nowait(message)

    async def receive(self) -> str:
        return await self._says.get()

    async def send(self, message: str) -> None:
        self._registrar.heard(message)
        if not message.startswith("REGISTER ") or self._registrar.deaf:
            return
        self._registrar.registered += 1
        kept = re.findall(r"^(?:Via|From|To|Call-ID|CSeq|Contact): .*$", message, re.M | re.I)
        lines = ["SIP/2.0 200 OK", *(line.strip() for line in kept), "Content-Length: 0", "", ""]
        self.says("\r\n".join(lines))
