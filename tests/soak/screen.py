"""An agent's screen that lives on: it signs in, resumes after each cut, and acks what it shows."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from typing import Any

import aiohttp

from tests.soak.evidence import Evidence

ANSWER_SECONDS_MAX = 3.0
FLAPS, FLAP_SECONDS = 10, 10.0
TAKES_CALLS_AGAIN = ("NOT_READY", "LOGGED_OUT")


class Screen:
    """One agent's screen; ``run`` keeps it open whatever happens to the line."""

    def __init__(self, agent: str, web: str, evidence: Evidence, rng: random.Random) -> None:
        self.agent = agent
        self.presence = ""
        self.connected_call: str | None = None  # the call this agent has, by its screen
        self.joined_call: str | None = None  # the last call where somebody came to join them
        self.alone_call: str | None = None  # … and where nobody could
        self._web, self._evidence, self._rng = web, evidence, rng
        self._token = ""
        self._epoch, self._seq = "", 0
        self._socket: aiohttp.ClientWebSocketResponse[bool] | None = None
        self._results: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._acks = True
        self._working = True

    async def run(self) -> None:
        """Open, read, and open again, until cancelled."""
        async with aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, connect=3)
        ) as session:
            minder = asyncio.create_task(self._keep_ready())
            try:
                while True:
                    with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                        await self._once(session)
                    await asyncio.sleep(self._rng.uniform(0.1, 1.0))
            finally:
                minder.cancel()

    async def _once(self, session: aiohttp.ClientSession) -> None:
        if not self._token:
            body = {"username": self.agent, "password": f"demo-{self.agent}"}
            async with asyncio.timeout(10):
                async with session.post(f"{self._web}/api/v1/login", json=body) as reply:
                    if reply.status != 200:
                        return
                    self._token = (await reply.json())["token"]
        try:
            async with session.ws_connect(
                f"{self._web}/cti/v1",
                protocols=["fil.cti.v1"],
                headers={"Authorization": f"Bearer {self._token}"},
                heartbeat=5,
            ) as self._socket:
                self._evidence.write("screen", agent=self.agent, open=True)
                async for message in self._socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        await self._take(json.loads(message.data))
        except aiohttp.WSServerHandshakeError as refused:
            if refused.status in (401, 403):
                self._token = ""
        finally:
            if self._socket is not None:
                self._evidence.write("screen", agent=self.agent, open=False)
            self._socket = None
            for result in self._results.values():
                if not result.done():
                    result.set_result({"ok": False})
            self._results.clear()

    async def _take(self, frame: dict[str, Any]) -> None:
        if frame.get("op") == "result":
            waiting = self._results.pop(frame["id"], None)
            if waiting is not None and not waiting.done():
                waiting.set_result(frame)
            return
        self._evidence.write("frame", agent=self.agent, frame=frame)
        data = frame["data"]
        match frame["type"]:
            case "hello":
                if data["epoch"] == self._epoch and data["last_seq"] > self._seq:
                    await self._send("resume", epoch=self._epoch, since=self._seq)
                self._epoch = data["epoch"]
            case "snapshot":
                self.presence = data["presence"]["presence"]
                connected = data["call"] and data["call_state"] == "connected"
                self.connected_call = data["call"]["id"] if connected else None
            case "presence.changed":
                self.presence = data["presence"]
            case "call.connected":
                self.connected_call = data["call"]["id"]
            case "call.joined":
                self.joined_call = data["call"]["id"]
            case "call.not_joined":
                self.alone_call = data["call"]["id"]
            case "call.ended" | "call.withdrawn":
                self.connected_call = None
        self._seq = frame["seq"]
        if self._acks:
            await self._send("ack", seq=frame["seq"])
            self._evidence.write("ack", agent=self.agent, seq=frame["seq"])

    async def _send(self, op: str, **data: Any) -> str:
        self._number += 1
        id_ = f"{op}-{self._number}"
        if self._socket is not None:
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                await self._socket.send_json({"op": op, "id": id_, "data": data})
        return id_

    async def does(self, op: str, **data: Any) -> bool:
        """Ask something of the line; False when it refuses or does not answer."""
        if self._socket is None:
            return False
        if data.get("together"):  # before the answer, which may be lost
            self._evidence.write("stays", agent=self.agent)
        result = asyncio.get_running_loop().create_future()
        id_ = f"{op}-{self._number + 1}"
        self._results[id_] = result
        await self._send(op, **data)
        ok = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                ok = bool((await result)["ok"])
        self._evidence.write("did", agent=self.agent, op=op, ok=ok)
        return ok

    async def _keep_ready(self) -> None:
        """Come back after a pause, a missed ring or a lost screen; at times, see nothing."""
        while True:
            await asyncio.sleep(self._rng.uniform(0.5, 2.0))
            if not self._working or self._socket is None:
                continue
            chance = self._rng.random()
            if self.presence in TAKES_CALLS_AGAIN:
                await self.does("presence.set", presence="READY", reason=None)
            elif self.presence == "READY" and chance < 0.01:
                await self.does("presence.set", presence="NOT_READY", reason="pause")
            elif chance < 0.015:
                self._acks = False  # a browser that has frozen
                await asyncio.sleep(self._rng.uniform(1, 5))
                self._acks = True

    async def flap(self) -> None:
        """Lose the connection ten times in ten seconds."""
        for _ in range(FLAPS):
            if self._socket is not None:
                await self._socket.close()
            await asyncio.sleep(FLAP_SECONDS / FLAPS)

    def stop_working(self) -> None:
        """Change nothing any more: the run is over, and what is shown will be compared."""
        self._working, self._acks = False, True
