"""The one door to the telephone engine: its events come in here, our commands go out here.

A thin client of our own, with ari-py's names for the operations
(``ari.channels.originate``): ari-py cannot be imported on Python 3, and the living
clients lose the socket or the order of events (ARCHITECTURE.md).

Events come on a websocket. One reader hands them to mailboxes and never waits for
anybody. Commands go over HTTP, never over that socket: there, one command that
blocks would hold all the others, hang-ups included, and it would save 0.2 ms of 0.4
(claim to first sound: 4.5 ms over HTTP). Their parameters travel in the body, so that
no number is ever part of an URL.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from urllib.parse import unquote
from weakref import WeakValueDictionary

from cti import clock
from cti.asterisk import ari_models as models
from cti.asterisk.ari_base import EPOCH, Json, Request, path, record, text
from cti.asterisk.ari_models import CallBroadcast, Event
from cti.asterisk.wire import POOL_MAX, Socket, Wire, WireLost
from cti.lag import Lag
from cti.tasks import Group

log = logging.getLogger(__name__)

OLDEST_VERSION = (22, 10, 1)  # older ones have known security holes, two of them in ARI
MAILBOX_EVENTS_MAX = 256  # one call makes about ten events
HELD_EVENTS_MAX = 20_000  # kept while the calls are taken back
ASKED_EVERY_SECONDS = 10.0  # the engine is asked whether it still hears us
ANSWER_SECONDS_MAX = 5.0  # a socket that does not answer by then is dead
STEADY_SECONDS = 5.0  # a connection that lasted this long was a good one
ALIVE = {"type": "RESTRequest", "request_id": "alive", "method": "GET", "uri": "asterisk/ping"}
POOL_KEPT_FREE = 4  # connections that commands which may block never take

# Measured on 22.10.1: these wait until a playback on the channel ends; no other does.
MAY_BLOCK = frozenset(
    {
        "bridges.addChannel",
        "bridges.removeChannel",
        "channels.answer",
        "channels.setChannelVar",
        "channels.setChannelVars",
    }
)
# What frees a blocked channel cannot stand in line behind what it frees.
NEVER_QUEUED = frozenset({"channels.hangup", "playbacks.stop"})
AGAIN_SECONDS = (0.05, 0.3)  # a command is put again after a failure of the engine's own
# Creations under an id of ours: done twice, they are done.
CREATIONS = {
    "channels.originate": "/channels/{id}",
    "channels.originateWithId": "/channels/{id}",
    "channels.create": "/channels/{id}",
    "bridges.create": "/bridges/{id}",
    "bridges.createWithId": "/bridges/{id}",
}


class AriError(Exception):
    """The engine did not do what it was asked. Holds no number and no name."""

    def __init__(self, operation: str, status: int = 0, message: str = "") -> None:
        self.operation = operation
        self.status = status
        # Some of the engine's sentences repeat what they were given.
        self.message = re.sub(r"\d{3,}", "#", message)[:120]
        super().__init__(f"{operation}: {self.message or type(self).__name__} ({status})")


class Gone(AriError):
    """What the command names does not exist (any more): a bridge, a playback, a recording."""


class LegGone(Gone):
    """The channel has ended: news, not an error."""


class AriConflict(AriError):
    """The engine is in no state to do this: claimed by another, or not in our hands."""


class PhoneUnreachable(AriError):
    """The phone to ring is offline or unknown."""


class AriTimeout(AriError):
    """No answer within the command's limit; the engine may still do it later."""


class EngineAway(AriError):
    """The engine is absent or still starting. Says nothing about any call."""


class EngineRefused(Exception):
    """The engine cannot serve the line; the sentence says what to do."""


class AppTaken(Exception):
    """Another controller has taken our place. Connecting again would start a fight."""


class MailboxClosed(Exception):
    """The mailbox was closed by its owner."""


class MailboxOverflow(Exception):
    """Nobody read this mailbox: its call has missed events and must go to the fallback."""


@dataclass(frozen=True)
class EngineInfo:
    """Which engine we are connected to. Another ``started_at``: it restarted, every call ended."""

    version: str
    started_at: datetime
    entity_id: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RawEvent(Event):
    """An event of a type that this version does not know."""

    data: Json = field(default_factory=dict)


def read_event(data: Json) -> Event:
    """The typed event; a RawEvent when its type is unknown. Never raises."""
    kind = models.EVENTS.get(text(data.get("type")))
    if kind is not None:
        return kind.read(data)
    plain = Event.read(data)
    return RawEvent(
        type=plain.type, application=plain.application, timestamp=plain.timestamp, data=data
    )


def ids_in(data: Json) -> set[str]:
    """The ids of the channels, bridges, playbacks and recordings that an event speaks of."""
    found: list[object] = [record(data.get("recording")).get("name")]
    for value in data.values():
        thing = record(value)
        found += [thing.get("id"), text(thing.get("target_uri")).partition(":")[2]]
    return {i for i in found if isinstance(i, str) and i}


class Mailbox:
    """The events about some ids, in the order they came. Open it before creating what it hears."""

    def __init__(self, ids: tuple[str, ...], forget: Callable[[Mailbox], None]) -> None:
        self.ids = ids
        self.overflowed = False
        self._closed = False
        self._events: deque[Event] = deque()
        self._news = asyncio.Event()
        self._forget = forget

    async def get(self) -> Event:
        """The next event, when there is one. Raises MailboxOverflow or MailboxClosed."""
        while True:
            if self.overflowed:
                raise MailboxOverflow
            if self._events:
                return self._events.popleft()
            if self._closed:
                raise MailboxClosed
            self._news.clear()
            await self._news.wait()

    def put_nowait(self, event: Event) -> None:
        """Add an event. A full mailbox closes: its owner is told at the next ``get``."""
        if self._closed:
            return
        if len(self._events) >= MAILBOX_EVENTS_MAX:
            self.overflowed = True
            log.error("mailbox.overflowed", extra={"ids": self.ids})
            self.close()
        else:
            self._events.append(event)
            self._news.set()

    def close(self) -> None:
        """Receive nothing more. What is already inside can still be read."""
        self._closed = True
        self._forget(self)
        self._news.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Every event until the mailbox is closed. Raises MailboxOverflow."""
        while True:
            try:
                event = await self.get()
            except MailboxClosed:
                return
            yield event


class Ari:
    """The engine's events and commands, as one application sees them.

    ``on_orphan`` is called, in the reader, with every event no mailbox is open for, and
    with every CallBroadcast; it must not block.
    """

    def __init__(
        self,
        wire: Wire,
        *,
        app: str = "fil",
        on_orphan: Callable[[Event], None] | None = None,
    ) -> None:
        self.app = app
        self.connected = False
        self.in_step = asyncio.Event()  # connected, and every call compared with the engine
        self.last_event_at = clock.monotonic()
        self.lost_at: datetime | None = None  # when we were last in step with the engine
        self.on_orphan = on_orphan
        self.lag = Lag()  # from the engine's clock on an event to our handing it over
        self._wire = wire
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._may_block = asyncio.Semaphore(POOL_MAX - POOL_KEPT_FREE)
        self._mailboxes: dict[str, list[Mailbox]] = {}
        self._held: deque[tuple[set[str], Event]] | None = None
        self._hears_us = asyncio.Event()  # since it was last asked
        self.applications = models.Applications(self._command)
        self.asterisk = models.Asterisk(self._command)
        self.bridges = models.Bridges(self._command)
        self.channels = models.Channels(self._command)
        self.deviceStates = models.DeviceStates(self._command)
        self.endpoints = models.Endpoints(self._command)
        self.events = models.Events(self._command)
        self.mailboxes = models.Mailboxes(self._command)
        self.playbacks = models.Playbacks(self._command)
        self.recordings = models.Recordings(self._command)
        self.sounds = models.Sounds(self._command)

    def __repr__(self) -> str:
        return f"<Ari {self.app} {'connected' if self.connected else 'disconnected'}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close our connections; calls in the engine go on."""
        await self._wire.close()

    # --- events in

    def open_mailbox(self, *ids: str) -> Mailbox:
        """Receive the events about these channels, bridges, playbacks or recordings from now on."""
        mailbox = Mailbox(ids, self._forget)
        for one in ids:
            self._mailboxes.setdefault(one, []).append(mailbox)
        return mailbox

    def _forget(self, mailbox: Mailbox) -> None:
        for one in mailbox.ids:
            others = [m for m in self._mailboxes.get(one, []) if m is not mailbox]
            if others:
                self._mailboxes[one] = others
            else:
                self._mailboxes.pop(one, None)

    def tell(self, id_: str, event: Event) -> None:
        """Put in the mailboxes of ``id_`` what was learnt by asking, its event having been lost."""
        self._deliver({id_}, event)

    def _deliver(self, ids: set[str], event: Event) -> None:
        mailboxes = dict.fromkeys(m for i in ids for m in self._mailboxes.get(i, []))
        for mailbox in mailboxes:
            mailbox.put_nowait(event)
        if self.on_orphan is not None and (not mailboxes or isinstance(event, CallBroadcast)):
            try:
                self.on_orphan(event)
            except Exception as error:  # noqa: BLE001 - one bug there must not stop the reader
                # No traceback: its text could hold what the caller's phone sent.
                log.error(
                    "orphan.failed", extra={"event": event.type, "error": type(error).__name__}
                )

    def absent_seconds(self) -> float:
        """For how long we have been out of step with the engine; 0 when we are in step."""
        if self.in_step.is_set() or self.lost_at is None:
            return 0.0
        return (clock.now() - self.lost_at).total_seconds()

    async def run(self, on_connected: Callable[[EngineInfo], Awaitable[None]]) -> None:
        """Stay connected, for as long as we live. Returns never.

        At every connection ``on_connected`` is awaited (it takes the calls back) while
        events are kept; then these are delivered in order, then the live ones. It must
        not wait for an event, and is cancelled when the connection is lost meanwhile.
        Raises EngineRefused, AppTaken, or what ``on_connected`` raised of its own.
        """
        attempt, absent = 0, False
        while True:
            began = clock.monotonic()
            try:
                await self._stay(on_connected)
            except (WireLost, AriError) as error:
                if self.in_step.is_set():
                    self.lost_at = clock.now()
                if self.connected:
                    log.warning("engine.lost", extra={"error": type(error).__name__})
                elif not absent:
                    log.warning("engine.absent", extra={"error": type(error).__name__})
                absent = not self.connected
            finally:
                self.connected = False
                self.in_step.clear()
            attempt = 0 if clock.monotonic() - began > STEADY_SECONDS else attempt + 1
            await asyncio.sleep(backoff_seconds(attempt))

    async def _stay(self, on_connected: Callable[[EngineInfo], Awaitable[None]]) -> None:
        """Connect once and read until the connection is lost."""
        info = await self._engine()
        async with self._wire.listen(self.app) as socket:
            self._held = deque()
            self.connected = True
            log.info("engine.connected", extra={"version": info.version})
            try:
                async with Group() as wire:
                    wire.create_task(self._read(socket))
                    wire.create_task(self._stay_heard(socket))
                    await on_connected(info)
                    self._release()
                    self.in_step.set()
            except BaseExceptionGroup as group:
                raise group.exceptions[0] from None

    async def _engine(self) -> EngineInfo:
        """Ask the engine what it is. Raises EngineRefused when it cannot serve the line."""
        try:
            info = await self.asterisk.getInfo()
        except AriError as error:
            if error.status not in (401, 403):
                raise
            raise EngineRefused(
                "The telephone engine refused our name or password. Restart the engine, so that"
                " it reads the secrets of this installation, then start again."
            ) from None
        system = info.system or models.SystemInfo()
        found = re.match(r"(\d+)\.(\d+)\.(\d+)", system.version)
        version = found[0] if found else "of unknown version"
        numbers = tuple(map(int, found.groups())) if found else (0,)
        if numbers[0] != OLDEST_VERSION[0] or numbers < OLDEST_VERSION:
            raise EngineRefused(
                f"The telephone engine is Asterisk {version}; the line needs Asterisk 22, at least"
                " 22.10.1 (older ones have known security holes). Rebuild the engine, then start"
                " again."
            )
        started_at = info.status.startup_time if info.status else EPOCH
        return EngineInfo(version, started_at, system.entity_id)

    async def _read(self, socket: Socket) -> None:
        """Hand every message over, never waiting for those who get them."""
        while True:
            heard = await socket.receive()
            self.last_event_at = clock.monotonic()
            try:
                data = record(json.loads(heard))
            except ValueError:
                log.warning("event.unreadable")
                continue
            if data.get("type") == "RESTResponse":
                self._hears_us.set()
                continue
            if data.get("type") == "ApplicationReplaced":
                raise AppTaken("Another controller took over the line; this one must stop.")
            self._take(ids_in(data), read_event(data))

    async def _stay_heard(self, socket: Socket) -> None:
        """Ask the engine for signs of life, for ever; one that does not answer is left.

        However much it says: of a wire that is dead one way, events may still come while
        no command arrives. And pongs would show that the socket lives, not the engine.
        """
        while True:
            await asyncio.sleep(ASKED_EVERY_SECONDS)
            self._hears_us.clear()
            try:
                async with asyncio.timeout(ANSWER_SECONDS_MAX):
                    await socket.send(ALIVE)
                    await self._hears_us.wait()
            except TimeoutError:
                raise WireLost("deaf") from None

    def _take(self, ids: set[str], event: Event) -> None:
        if self._held is None:
            self._hand_over(ids, event)
        elif len(self._held) < HELD_EVENTS_MAX:
            self._held.append((ids, event))
        else:
            raise WireLost

    def _release(self) -> None:
        """Deliver what was held, then let events through."""
        held, self._held = self._held, None
        for ids, event in held or ():
            self._hand_over(ids, event)

    def _hand_over(self, ids: set[str], event: Event) -> None:
        """Deliver what the engine said, and note how late."""
        if event.timestamp != EPOCH:
            self.lag.note((clock.now() - event.timestamp).total_seconds())
        self._deliver(ids, event)

    # --- commands out

    async def _command(self, request: Request, seconds_max: float) -> Any:
        """Put one command to the engine and return its JSON, within ``seconds_max`` in all."""
        try:
            async with asyncio.timeout(seconds_max), self._turn(request):
                status, answer = await self._put_again(request)
                if status < 400:
                    return answer
                error = failure(request.operation, status, answer)
                taken = status == 409 or "duplicate" in error.message
                if taken and request.operation in CREATIONS:
                    return await self._existing(request, error)
                raise error
        except AriError:
            raise
        except TimeoutError:
            raise AriTimeout(request.operation) from None
        except WireLost:
            raise EngineAway(request.operation) from None

    @asynccontextmanager
    async def _turn(self, request: Request) -> AsyncIterator[None]:
        """One command in flight per channel, first come first served."""
        async with AsyncExitStack() as held:
            if request.method != "GET" and request.operation not in NEVER_QUEUED:
                for channel in sorted(set(request.channels)):
                    lock = self._turns.setdefault(channel, asyncio.Lock())
                    await held.enter_async_context(lock)
            if request.operation in MAY_BLOCK:
                await held.enter_async_context(self._may_block)
            yield

    async def _put_again(self, request: Request) -> tuple[int, Any]:
        """One exchange; repeated when the engine said that it failed, and so did nothing."""
        for pause_seconds in AGAIN_SECONDS:
            status, answer = await self._put(request)
            if status < 500 or _has_a_meaning(answer):
                return status, answer
            await asyncio.sleep(pause_seconds)
        return await self._put(request)

    async def _put(self, request: Request) -> tuple[int, Any]:
        """One exchange with the engine: (HTTP status, its JSON or bytes)."""
        values = {name: value for name, value in request.values.items() if value is not None}
        return await self._wire.put(request.method, request.path, values)

    async def _existing(self, request: Request, error: AriError) -> Any:
        """What we were creating, when it is already there; else raises what the refusal meant."""
        own_id = next(iter(request.channels), None) or request.values.get("bridgeId")
        own_id = own_id or unquote(request.path.rpartition("/")[2])
        where = path(CREATIONS[request.operation], id=own_id)
        status, answer = await self._put(Request(request.operation, "GET", where, {}, ()))
        if status < 400:
            return answer
        if isinstance(error, AriConflict) and request.channels:
            # The engine repeats an earlier 409 of the same connection for a phone that is offline.
            raise PhoneUnreachable(request.operation, error.status, error.message)
        raise error


def failure(operation: str, status: int, answer: Any) -> AriError:
    """What a refusal means."""
    said = record(answer)
    message = text(said.get("message") or said.get("error"))
    kind: type[AriError] = AriError
    if status == 503 or (status == 404 and message in ("", "Resource not found")):
        kind = EngineAway  # its web server speaks before its telephone does
    elif status in (400, 404) and message.startswith("Channel not found"):
        kind = LegGone
    elif status == 404:
        kind = Gone
    elif status in (409, 422):  # joining a bridge says 422 where all else says 409
        kind = AriConflict
    elif status == 500 and _says_offline(answer):
        kind = PhoneUnreachable
    return kind(operation, status, message)


def _says_offline(answer: Any) -> bool:
    return record(answer).get("error") == "Allocation failed"


def _has_a_meaning(answer: Any) -> bool:
    """Whether a failure says something of what was asked, rather than of the engine."""
    return _says_offline(answer) or "duplicate" in text(record(answer).get("message"))


def backoff_seconds(attempt: int) -> float:
    """How long to wait before connecting again: 0.1 s, doubling up to 5 s, at random below that."""
    longest = min(5.0, 0.1 * 2 ** min(attempt, 6))
    return random.uniform(0, longest)  # noqa: S311 - chance, not secrecy
