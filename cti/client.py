"""``fil cti``: an agent's screen as a program, the reference client of ``fil.cti.v1``.

It prints each frame as one line of JSON, acks what it has printed, and comes back by itself
after a cut, where it was. Commands are typed as ``op {json}``. It knows of the line only what
docs/cti.md says: whoever writes a client may read it as an example.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import io
import ipaddress
import json
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TextIO

import aiohttp
from yarl import URL

from cti.config import Settings, SettingsError

PROTOCOL = "fil.cti.v1"
PASSWORD_VARIABLE = "CTI_PASSWORD"  # noqa: S105 -- where it is, not what it is
ANSWER_SECONDS_MAX = 10.0
RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 0.4, 10.0
ACKS_APART_SECONDS = 0.1  # the latest acks all before it: a burst of frames needs few
HEARTBEAT_SECONDS = 15.0
GOODBYE_SECONDS_MAX = 2.0
SIGNED_OUT, TOO_MANY = 4401, 4009


class SessionOver(Exception):
    """The line no longer knows who we are: the password opens another session."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command ``fil cti``."""
    text = "be an agent's screen: print its frames, send commands typed as: op {json}"
    cti = commands.add_parser("cti", help=text, description=text)
    cti.add_argument("user", help=f"who signs in; the password: {PASSWORD_VARIABLE}, or asked for")
    cti.add_argument("--url", default="", help="of the line: https://… ; without it, this machine")
    cti.add_argument(
        "--presence", choices=["READY", "NOT_READY"], help="said at the beginning, and after a cut"
    )
    cti.set_defaults(run=_run)


def _run(settings: Settings, options: argparse.Namespace) -> None:
    own = f"http://{settings.web_address}:{settings.web_port}"
    client = Client(_address(options.url or own), options.user, _password(), options.presence)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    try:
        asyncio.run(_until_stopped(client.run(sys.stdin)))
    except asyncio.CancelledError:
        return
    except BrokenPipeError:  # whoever read us has gone; nothing more may be written, at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Do it until Ctrl-C or SIGTERM, which end it in good order."""
    task = asyncio.ensure_future(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await task


def _address(written: str) -> URL:
    """The line's address. Raises SettingsError: a password goes in clear to this machine alone."""
    try:
        url = URL(written)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host or url.user or url.query_string:
        raise SettingsError(
            f"--url {written[:80]} : écrivez https://hôte, ou http://127.0.0.1:8080"
        )
    if url.scheme == "http" and not _is_this_machine(url.host):
        raise SettingsError(
            f"--url : le mot de passe irait en clair à {url.host[:80]}. Écrivez https://."
        )
    return url


def _is_this_machine(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _password() -> str:
    """From the environment or typed unseen; the standard input is for commands."""
    if password := os.environ.get(PASSWORD_VARIABLE):
        return password
    if sys.stdin.isatty():
        return getpass.getpass("Mot de passe : ")
    raise SettingsError(f"Donnez le mot de passe dans la variable {PASSWORD_VARIABLE}.")


def _say(what: str) -> None:
    print(f"fil: {what}", file=sys.stderr, flush=True)


class Client:
    """One screen, kept open. ``show`` gets each frame as a line; ``say`` what happens besides."""

    def __init__(
        self,
        url: URL,
        user: str,
        password: str,
        presence: str | None = None,
        show: Callable[[str], object] = lambda line: print(line, flush=True),
        say: Callable[[str], object] = _say,
    ) -> None:
        self._url, self._user, self._password = url, user, password
        self._presence, self._presence_said = presence, False
        self._show, self._say = show, say
        self._epoch, self._seq = "", 0  # of the last frame printed; no epoch: nothing to resume
        self._next_epoch = ""  # ours once its snapshot is printed, and no sooner
        self._unacked = asyncio.Event()
        self._token = ""
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._waiting: dict[str, str] = {}  # commands without a result yet: id -> op
        self._number = 0
        self._tries = 0

    async def run(self, typed: TextIO | None = None) -> None:
        """Sign in and stay until cancelled. Raises SettingsError when that is of no use."""
        limit = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX)
        async with aiohttp.ClientSession(timeout=limit) as self._http:
            lines = asyncio.ensure_future(self._obey(_lines_of(typed))) if typed else None
            try:
                await self._stay()
            finally:
                if lines is not None:
                    lines.cancel()
                await self._sign_out()

    # -- the session

    async def _sign_in(self) -> None:
        body = {"username": self._user, "password": self._password}
        async with self._http.post(self._url.with_path("/api/v1/login"), json=body) as answer:
            if answer.status >= 500:
                raise ConnectionError
            if answer.content_type != "application/json":
                raise SettingsError(f"--url : il n'y a pas de ligne à {self._url}.")
            told = await answer.json()
        if answer.status == 429:
            self._say(told["error"]["message"])
            await asyncio.sleep(float(answer.headers.get("Retry-After", 60)))
            raise ConnectionError
        if answer.status != 200:
            raise SettingsError(told["error"]["message"])
        self._token = told["token"]

    async def _sign_out(self) -> None:
        """End the session, so that nobody else can ever use it; the line may be away."""
        if self._token:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with asyncio.timeout(GOODBYE_SECONDS_MAX):
                    at = self._url.with_path("/api/v1/logout")
                    await (await self._http.post(at, headers=self._bearer())).read()

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    # -- the socket

    async def _stay(self) -> None:
        """Open the screen, and open it again whenever it is cut."""
        while True:
            try:
                if not self._token:
                    await self._sign_in()
                code = await self._once()
                if code == TOO_MANY:
                    raise SettingsError("Trop d'écrans sont ouverts pour cette personne.")
                if code == SIGNED_OUT:
                    raise SessionOver
                self._say(f"coupé (code {code})")
            except SessionOver:
                self._token = ""
            except BrokenPipeError:
                raise
            except (aiohttp.ClientError, ConnectionError, TimeoutError) as trouble:
                self._say(f"la ligne ne répond pas ({type(trouble).__name__})")
            longest = min(RETRY_SECONDS_MAX, RETRY_SECONDS_MIN * 2**self._tries)
            self._tries = min(self._tries + 1, 10)
            await asyncio.sleep(random.uniform(0.5, 1.0) * longest)  # noqa: S311 -- not all at once

    async def _once(self) -> int | None:
        """Open the screen where it was, and serve it until it closes; returns the code."""
        known = {"epoch": self._epoch, "since": str(self._seq)} if self._epoch else {}
        try:
            self._socket = await self._http.ws_connect(
                self._url.with_path("/cti/v1").with_query(known),
                protocols=[PROTOCOL],
                headers=self._bearer(),
                heartbeat=HEARTBEAT_SECONDS,
            )
        except aiohttp.WSServerHandshakeError as refused:
            if refused.status == 401:
                raise SessionOver from None
            if refused.status in (400, 403, 404):
                raise SettingsError(f"La ligne refuse cet écran ({refused.status}).") from None
            raise
        self._unacked.clear()  # numbers of before may mean other frames here
        acks = asyncio.ensure_future(self._ack(self._socket))
        try:
            async for message in self._socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    await self._hear(json.loads(message.data))
            return self._socket.close_code
        finally:
            acks.cancel()
            await self._socket.close()
            self._socket = None
            for id_, op in self._waiting.items():
                self._say(f"{id_} {op} : coupé avant la réponse")
            self._waiting.clear()

    async def _hear(self, frame: dict[str, Any]) -> None:
        self._show(json.dumps(frame))  # ASCII: nothing in it can steer a terminal
        if frame.get("op") == "result":
            self._waiting.pop(frame["id"] or "", None)
            return
        match frame["type"]:
            case "hello":
                self._tries, self._next_epoch = 0, frame["data"]["epoch"]
                if not frame["data"]["resumed"]:
                    self._epoch = ""
                    return
            case "snapshot":
                self._epoch = self._next_epoch
                await self._be_present(frame["data"]["presence"])
            case "presence.changed":
                await self._be_present(frame["data"])
        self._seq = frame["seq"]
        self._unacked.set()

    async def _ack(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Say what has been printed: a call's phone rings only once its pop is acked."""
        while True:
            await self._unacked.wait()
            self._unacked.clear()
            with contextlib.suppress(ConnectionError):
                data = {"seq": self._seq}
                await socket.send_json({"op": "ack", "id": f"ack {self._seq}", "data": data})
            await asyncio.sleep(ACKS_APART_SECONDS)

    async def _be_present(self, view: dict[str, Any]) -> None:
        """Say the presence that was asked for, once, and again when a cut has taken it away."""
        if self._presence and (not self._presence_said or view["reason"] == "screen_lost"):
            self._presence_said = True
            await self._send("presence.set", {"presence": self._presence})

    # -- what is typed

    async def _obey(self, lines: asyncio.Queue[str]) -> None:
        while True:
            op, _, written = (await lines.get()).strip().partition(" ")
            try:
                data = json.loads(written) if written.strip() else {}
            except ValueError:
                self._say(f"{op[:40]} : ce n'est pas du JSON. Écrivez : op {{json}}")
                continue
            if op:
                await self._send(op, data)

    async def _send(self, op: str, data: Any) -> None:
        self._number += 1
        id_ = f"c{self._number}"
        try:
            if self._socket is None:
                raise ConnectionError
            self._waiting[id_] = op
            await self._socket.send_json({"op": op, "id": id_, "data": data})
        except ConnectionError:
            self._waiting.pop(id_, None)
            self._say(f"{id_} {op[:40]} : coupé, rien n'a été envoyé")


def _lines_of(typed: TextIO) -> asyncio.Queue[str]:
    """What is typed, line by line; its end is no end of ours."""
    lines: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            for line in typed:
                loop.call_soon_threadsafe(lines.put_nowait, line)

    threading.Thread(target=read, daemon=True).start()
    return lines
