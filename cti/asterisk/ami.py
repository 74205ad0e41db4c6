"""Watches what only the engine's old door (AMI) tells: how the trunk is, who tries passwords.

It decides nothing. The line works the same when this door is shut; a screen only
shows that nobody watches. panoramisk speaks the protocol; what it would do that
must not happen (actions sent late after a cut, a lost pong that nobody notices,
a value that carries a second action) is refused here.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import Any

from panoramisk import Manager

log = logging.getLogger(__name__)

ANSWER_SECONDS_MAX = 5.0
PING_SECONDS = 10.0  # a line that dies is noticed within this and an answer's limit
RECONNECT_SECONDS_MAX = 10.0
REFUSALS_LOG_SECONDS = 60.0  # someone trying passwords must not fill the log
TRUNK_STATES = frozenset({"Registered", "Unregistered", "Rejected", "Stopping", "Stopped"})
REFUSALS = frozenset({"InvalidPassword", "InvalidAccountID", "ChallengeResponseFailed"})

# panoramisk logs whole messages, with what callers sent: nothing of it may come out.
_SILENT = logging.getLogger(f"{__name__}.protocol")
_SILENT.addFilter(lambda _: False)


class AmiAway(Exception):
    """AMI is not connected, or did not answer in time. The action was not kept for later."""


class AmiStatus:
    """What is known of the engine from this door, now."""

    def __init__(self) -> None:
        self.connected = False
        self.ready = False  # the engine has finished starting
        self.trunk: str | None = None  # one of TRUNK_STATES; None: unknown, or no trunk
        self.refusals = 0  # passwords and names refused since we started


class _Line(Manager):  # type: ignore[misc]
    """One connection, never used again: what it had not sent is lost with it, as it must be."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**config, loop=asyncio.get_running_loop(), log=_SILENT)
        self.lost = asyncio.Event()

    def connection_made(self, f: asyncio.Future[Any]) -> None:
        """Log in; a connection that failed is the watcher's business."""
        if not f.cancelled() and f.exception() is None:
            super().connection_made(f)

    def login(self, future: asyncio.Future[Any]) -> None:
        """Note the engine's answer to our name."""
        self.authenticated = not future.cancelled() and bool(future.result().success)

    def ping(self) -> None:
        """Nothing: the watcher asks, and notices when no answer comes."""

    def connection_lost(self, _: Any) -> None:
        """Say so to the watcher, who connects again."""
        self.authenticated = False
        self.lost.set()


class AmiWatch:
    """Keeps ``status`` true while ``run`` runs."""

    def __init__(self, host: str, port: int, username: str, secret: str) -> None:
        self.status = AmiStatus()
        self._config = {"host": host, "port": port, "username": username, "secret": secret}
        self._line: _Line | None = None
        self._logged_at = -REFUSALS_LOG_SECONDS

    def __repr__(self) -> str:
        return f"<AmiWatch {'connected' if self.status.connected else 'disconnected'}>"

    async def run(self) -> None:
        """Watch for as long as we live; connect again when the line is lost. Returns never."""
        absent = False
        while True:
            try:
                await self._stay()
            except Exception as error:  # noqa: BLE001 - a watcher must not take the line down
                kind = {"error": type(error).__name__}
                if self.status.connected:
                    log.warning("ami.lost", extra=kind)
                elif not absent:
                    log.warning("ami.absent", extra=kind)
                absent = not self.status.connected
            finally:
                self._hang_up()
            pause = random.uniform(0, RECONNECT_SECONDS_MAX)  # noqa: S311 - chance, not secrecy
            await asyncio.sleep(pause)

    async def ask(self, action: str, **fields: str) -> Any:
        """Put one action and return panoramisk's answer: a message, or a list of them.

        Raises AmiAway at once when not connected, or after ANSWER_SECONDS_MAX; ValueError
        for a line break in a field, which would make it a second action.
        """
        if any(mark in text for text in (action, *fields, *fields.values()) for mark in "\r\n"):
            raise ValueError("A field of an AMI action holds a line break.")
        line = self._line
        if line is None or not line.authenticated:
            raise AmiAway("The engine's AMI is not connected.")
        answer = line.send_action({"Action": action, **fields})
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                return await answer
        except TimeoutError:
            raise AmiAway("The engine's AMI did not answer.") from None

    async def _stay(self) -> None:
        """Connect once and watch until the line is lost."""
        self._line = line = _Line(**self._config)
        for pattern, note in (
            ("FullyBooted", self._booted),
            ("Shutdown", self._shut_down),
            ("Registry", self._registry),
            *((name, self._refusal) for name in REFUSALS),
        ):
            line.register_event(pattern, note)
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                await line.connect()
                await line.authenticated_future
        except TimeoutError:
            raise AmiAway from None
        if not line.authenticated:
            raise AmiAway
        self.status.connected = True
        log.info("ami.connected")
        await self._ask_trunk()
        while True:
            try:
                async with asyncio.timeout(PING_SECONDS):
                    await line.lost.wait()
                raise AmiAway
            except TimeoutError:
                await self.ask("Ping")

    async def _ask_trunk(self) -> None:
        """Learn how the trunk stands: its events only tell of changes."""
        answer = await self.ask("PJSIPShowRegistrationsOutbound")
        for message in answer if isinstance(answer, list) else [answer]:
            if message.get("Event") == "OutboundRegistrationDetail":
                self._trunk(message.get("Status"))

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
        self.status.connected = self.status.ready = False
        self.status.trunk = None

    def _booted(self, _: Manager, __: Any) -> None:
        self.status.ready = True

    def _shut_down(self, _: Manager, __: Any) -> None:
        self.status.ready = False
        log.warning("engine.stopping")

    def _registry(self, _: Manager, message: Any) -> None:
        self._trunk(message.get("Status"))

    def _trunk(self, status: str | None) -> None:
        state = status if status in TRUNK_STATES else None
        if state != self.status.trunk:
            self.status.trunk = state
            level = logging.INFO if state == "Registered" else logging.WARNING
            log.log(level, "trunk.changed", extra={"status": state})

    def _refusal(self, _: Manager, __: Any) -> None:
        self.status.refusals += 1
        if time.monotonic() - self._logged_at >= REFUSALS_LOG_SECONDS:
            self._logged_at = time.monotonic()
            log.warning("password.refused", extra={"times": self.status.refusals})
