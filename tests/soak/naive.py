"""The controller that most begin with: it answers, plays music, rings a free phone, bridges.

No claim, no lease, no recovery, nothing in the dialplan behind it. The same soak on it
shows that the checker finds what it looks for.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from typing import Any

import aiohttp

from cti.config import load

DIALPLAN = """\
[from-trunk]
exten => _[+0-9]!,1,Answer()
 same => n,Stasis(fil)
 same => n,Hangup()
[from-phone]
"""
RING_SECONDS = 8


class Naive:
    """One process's whole knowledge, lost with it."""

    def __init__(self, http: aiohttp.ClientSession, url: str, phones: list[str]) -> None:
        self._http, self._url = http, url
        self._free = list(phones)
        self._waiting: list[str] = []
        self._ringing: dict[str, tuple[str, str]] = {}  # leg -> (caller, phone)
        self._pairs: dict[str, str] = {}
        self._phone_of: dict[str, str] = {}

    async def _do(self, method: str, path: str, **query: str) -> bool:
        async with self._http.request(method, f"{self._url}/ari/{path}", params=query) as reply:
            return reply.status < 300

    async def hear(self, event: dict[str, Any]) -> None:
        channel = event.get("channel", {}).get("id", "")
        match event["type"]:
            case "StasisStart" if channel in self._ringing:
                await self._join(channel)
            case "StasisStart":
                await self._do("POST", f"channels/{channel}/moh")
                self._waiting.append(channel)
            case "StasisEnd" | "ChannelDestroyed":
                await self._over(channel)
        await self._ring_next()

    async def _ring_next(self) -> None:
        while self._waiting and self._free:
            caller, phone = self._waiting.pop(0), self._free.pop(0)
            leg = f"{caller}-{phone}-{time.monotonic_ns()}"
            self._ringing[leg] = caller, phone
            query = {"endpoint": f"PJSIP/{phone}", "app": "fil", "timeout": str(RING_SECONDS)}
            if not await self._do("POST", f"channels/{leg}", **query):
                await self._over(leg)

    async def _join(self, leg: str) -> None:
        caller, phone = self._ringing.pop(leg)
        self._phone_of[leg] = phone
        self._pairs |= {leg: caller, caller: leg}
        bridge = f"naive-{leg}"
        await self._do("POST", f"bridges/{bridge}", type="mixing")
        await self._do("DELETE", f"channels/{caller}/moh")
        await self._do("POST", f"bridges/{bridge}/addChannel", channel=f"{caller},{leg}")

    async def _over(self, channel: str) -> None:
        if channel in self._waiting:
            self._waiting.remove(channel)
        if channel in self._ringing:
            caller, phone = self._ringing.pop(channel)
            self._free.append(phone)
            self._waiting.insert(0, caller)
        if channel in self._phone_of:
            self._free.append(self._phone_of.pop(channel))
        other = self._pairs.pop(channel, None)
        if other is not None:
            await self._do("DELETE", f"channels/{other}")


async def serve() -> None:
    settings = load()
    auth = aiohttp.BasicAuth("fil", settings.secret("ari"))
    phones = os.environ["SOAK_PHONES"].split(",")
    async with aiohttp.ClientSession(auth=auth) as http:
        naive = Naive(http, settings.ari_url, phones)
        async with http.ws_connect(f"{settings.ari_url}/ari/events?app=fil") as socket:
            print(json.dumps({"event": "house.recovered"}), flush=True)
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    await naive.hear(json.loads(message.data))


def main() -> None:
    """A parent that starts it again, as any service manager does."""
    if "--child" in sys.argv:
        asyncio.run(serve())
        return
    while True:
        subprocess.run([sys.executable, "-m", "tests.soak.naive", "--child"], check=False)
        time.sleep(0.2)


if __name__ == "__main__":
    main()
