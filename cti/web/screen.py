"""The agent websocket: one open screen tells and asks, numbered, bounded, never in the way.

A screen drains its agent's outbox and hands decisions to the agent. It never
waits for a call, and a call never waits for it: what is told goes through a
bounded queue, and a screen that does not read is closed. One that comes back says
the last number it has seen, and is told what came after: each frame once, in order.
The rules are in docs/cti.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from aiohttp import WSCloseCode, WSMsgType, web
from pydantic import ValidationError

from cti import clock
from cti.people.agents import (
    Agent,
    Close,
    Decline,
    End,
    Hold,
    Message,
    Mute,
    Orient,
    Presence,
    TakeBack,
)
from cti.people.desk import Desk
from cti.people.help import Helping
from cti.people.suggesting import Tongue
from cti.web import words
from cti.web.answers import Refusal, problem, says
from cti.web.door import EVERYONE, GUARD, SESSION, WHO, Guard, Session, allow, roles_of
from cti.web.frames import (
    OPS,
    PROTOCOL,
    Ack,
    CallClose,
    CallDanger,
    CallDecline,
    CallEnd,
    CallHold,
    CallMute,
    CallOrient,
    CallQuality,
    CallTake,
    CallTakeBack,
    Closed,
    DutySet,
    HelpAnswer,
    HelpAsk,
    HelpEnd,
    PresenceHere,
    PresenceSet,
    Resume,
    WrapupDone,
    WrapupExtend,
)
from cti.web.language import language_of

log = logging.getLogger(__name__)

FRAME_BYTES_MAX = 16 * 1024
FRAMES_PER_SECOND_MAX = 20.0
FRAMES_AT_ONCE_MAX = 40
FRAMES_DELAYED_MAX = 100  # in a row
FRAMES_QUEUED_MAX = 256
CLOCK_GRAIN_SECONDS = 0.001  # a shorter delay is none
SCREENS_PER_AGENT_MAX = 5
HEARTBEAT_SECONDS = 15
SESSION_CHECK_SECONDS = 20.0  # sessions ended elsewhere than here
CLOSE_SECONDS_MAX = 2.0
ID_CHARS_MAX = 64

OUT_OF_STEP = 4008  # reads too slowly or writes too fast
TOO_MANY = 4009
SIGNED_OUT = 4401


class Team(Protocol):
    """The running team, as a screen needs it."""

    @property
    def agents(self) -> Mapping[str, Agent]:
        """Everybody, by id."""

    @property
    def helping(self) -> Helping:
        """The requests for help."""

    @property
    def desk(self) -> Desk:
        """The callers who wait, for regulators."""

    async def set_presence(
        self, agent: Agent, presence: Presence, reason: str | None
    ) -> str | None:
        """Change what the agent can take; tells their screens. Returns an error code or None."""

    def here(self, agent: Agent) -> None:
        """They are still there, though their phone rang in vain."""

    def set_duty(self, agent: Agent, ends_at: datetime | None, one_more: bool | None) -> str | None:
        """When the shift ends, and whether they take one more. Returns an error code or None."""

    def extend_wrap_up(self, agent: Agent, call_id: str) -> str | None:
        """Give as much time again. Returns an error code or None."""

    async def wrapup_done(self, agent: Agent, call_id: str, disposition: str) -> str | None:
        """Close the wrap-up of a call. Returns an error code or None."""

    def snapshot(self, agent: Agent) -> dict[str, Any]:
        """All that the agent's screen must show now."""


class MistakeError(Exception):
    """A command that does nothing; the text is its error code."""


class Open(Protocol):
    """A websocket of an agent: of their screen, or of their browser's phone."""

    agent: Agent
    secret: str

    def stop(self, code: int) -> None:
        """Have it closed with that code; returns at once."""


class Screens:
    """Every screen open now, so that signing out closes them and nobody opens too many."""

    def __init__(self) -> None:
        self._open: dict[str, list[Open]] = {}

    def of(self, agent_id: str) -> list[Open]:
        """List the screens of an agent that are open now."""
        return list(self._open.get(agent_id, []))

    def add(self, screen: Open) -> None:
        """Count a screen in. The oldest of an agent who has too many is closed.

        Closing the oldest rather than refusing the newest: after a cut, the old
        ones are ghosts that nobody looks at.
        """
        mine = self._open.setdefault(screen.agent.id, [])
        mine.append(screen)
        for oldest in mine[:-SCREENS_PER_AGENT_MAX]:  # some may be closing already
            oldest.stop(TOO_MANY)

    def remove(self, screen: Open) -> None:
        """Count a screen out."""
        mine = self._open.get(screen.agent.id, [])
        if screen in mine:
            mine.remove(screen)
        if not mine:
            self._open.pop(screen.agent.id, None)

    def all(self) -> list[Open]:
        """List the screens open now."""
        return [screen for mine in self._open.values() for screen in mine]

    def close_session(self, secret: str) -> None:
        """Close the screens opened with that session."""
        for screen in self.all():
            if screen.secret == secret:
                screen.stop(SIGNED_OUT)

    def close_agent(self, agent_id: str) -> None:
        """Close the screens of somebody who no longer may have any."""
        for screen in list(self._open.get(agent_id, [])):
            screen.stop(SIGNED_OUT)

    async def watch_sessions(self, guard: Guard) -> None:
        """Close screens whose session ended elsewhere. Runs for ever.

        A store that does not answer closes nobody's screen: calls come first.
        """
        while True:
            await asyncio.sleep(SESSION_CHECK_SECONDS)
            for secret in {screen.secret for screen in self.all()}:
                try:
                    ended = await guard.find(secret) is None
                except Exception:  # noqa: BLE001  # whatever the store raises, the screens stay
                    break
                if ended:
                    self.close_session(secret)


SCREENS: web.AppKey[Screens] = web.AppKey("screens", Screens)
TEAM: web.AppKey[Team] = web.AppKey("team", Team)


class Pace:
    """So many frames a second, with some at once; the rest waits its turn, then is too much."""

    def __init__(self, clock: Callable[[], float] = clock.monotonic) -> None:
        self._clock = clock
        self._left = float(FRAMES_AT_ONCE_MAX)
        self._at = clock()
        self._delayed = 0

    @property
    def exceeded(self) -> bool:
        """Whether frames have been coming too fast for too long."""
        return self._delayed > FRAMES_DELAYED_MAX

    def wait_seconds(self) -> float:
        """Take one turn; returns how long to wait before the next."""
        now = self._clock()
        gained = (now - self._at) * FRAMES_PER_SECOND_MAX
        self._left = min(FRAMES_AT_ONCE_MAX, self._left + gained) - 1
        self._at = now
        wait = max(0.0, -self._left / FRAMES_PER_SECOND_MAX)
        self._delayed = self._delayed + 1 if wait > CLOCK_GRAIN_SECONDS else 0
        return wait


class Screen:
    """One open websocket of one agent."""

    def __init__(
        self,
        agent: Agent,
        team: Team,
        session: Session,
        secret: str,
        socket: web.WebSocketResponse,
        tongue: Tongue,
    ) -> None:
        self.agent = agent
        self.secret = secret
        self._team = team
        self._session = session
        self._socket = socket
        self._tongue = tongue
        self._queue: asyncio.Queue[tuple[int, str]] = asyncio.Queue(FRAMES_QUEUED_MAX)
        self._sent = 0  # the highest number that has left for this screen
        self._stopped: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def stop(self, code: int) -> None:
        """Have the screen closed with that code; returns at once."""
        if not self._stopped.done():
            self._stopped.set_result(code)

    async def run(self, known: Resume | None = None) -> int:
        """Serve the screen until it leaves or is stopped. Returns the code to close it with.

        ``known``: what it has seen before; it is told what came after, if that is still kept.
        """
        # Nothing awaits from here to the subscription, so no message falls between.
        begin = [(message.seq, _text(message)) for message in self._first(known)]
        leave = self.agent.outbox.open_screen(self._show)
        left = (self._session.expires_at - clock.now()).total_seconds()
        expiry = asyncio.get_running_loop().call_later(max(0.0, left), self.stop, SIGNED_OUT)
        work = {asyncio.create_task(self._read()), asyncio.create_task(self._write(begin))}
        try:
            first: set[asyncio.Future[Any]] = {*work, self._stopped}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leave()
            expiry.cancel()
            for task in work:
                task.cancel()
            results = await asyncio.gather(*work, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, ConnectionError):
                log.error("screen.broken", extra={"kind": type(result).__name__})
        return self._stopped.result() if self._stopped.done() else WSCloseCode.OK

    # What is told

    def _first(self, known: Resume | None) -> list[Message]:
        """The hello, then what was missed since what is ``known``, or else a snapshot."""
        outbox = self.agent.outbox
        missed = self._since(known) if known else None
        hello = {
            "epoch": outbox.epoch,
            "last_seq": outbox.last_seq,
            "heartbeat_seconds": HEARTBEAT_SECONDS,
            "resumed": missed is not None,
        }
        if known is None or missed is None:
            return [_unnumbered("hello", hello, outbox.last_seq), self._snapshot()]
        return [_unnumbered("hello", hello, known.since), *missed]

    def _since(self, known: Resume) -> list[Message] | None:
        """What came after what is known; None when it is of another life, or no longer kept."""
        outbox = self.agent.outbox
        return outbox.since(known.since) if known.epoch == outbox.epoch else None

    def _snapshot(self) -> Message:
        view = self._team.snapshot(self.agent)
        return _unnumbered("snapshot", view, self.agent.outbox.last_seq)

    def _tell_again(self, known: Resume) -> None:
        missed = self._since(known)
        room = FRAMES_QUEUED_MAX - self._queue.qsize() - 1  # one place for the result
        for message in missed if missed is not None and len(missed) <= room else [self._snapshot()]:
            self._show(message)

    def _show(self, message: Message) -> None:
        self._queue_text(_text(message), message.seq)

    def _queue_text(self, text: str, seq: int = 0) -> None:
        if self._stopped.done():
            return  # one frame may have found no room: after it none may leave, or it would be lost
        try:
            self._queue.put_nowait((seq, text))
        except asyncio.QueueFull:
            log.warning("screen.too_slow", extra={"agent_id": self.agent.id})
            self.stop(OUT_OF_STEP)

    async def _write(self, begin: list[tuple[int, str]]) -> None:
        begin.reverse()
        while True:  # the beginning has no place in the queue, which may be shorter
            seq, text = begin.pop() if begin else await self._queue.get()
            self._sent = max(self._sent, seq)
            await self._socket.send_str(text)

    # What is asked

    async def _read(self) -> None:
        pace = Pace()
        while True:
            message = await self._socket.receive()
            match message.type:
                case WSMsgType.TEXT:
                    await self._answer(message.data)
                case WSMsgType.BINARY:
                    self._queue_text(_result(None, "bad_json", self._tongue))
                case WSMsgType.PING:  # not answered by the library, which would do so at any pace
                    await self._socket.pong(message.data)
                case WSMsgType.PONG:
                    pass
                case _:
                    return
            # A burst is not an error: the socket is simply read more slowly for a while.
            await asyncio.sleep(pace.wait_seconds())
            if pace.exceeded:
                log.warning("screen.too_fast", extra={"agent_id": self.agent.id})
                self.stop(OUT_OF_STEP)

    async def _answer(self, text: str) -> None:
        id_: str | int | None = None
        error: str | None
        try:
            frame = _object(text)
            id_ = _id(frame)
            error = await self._obey(self._command(frame))
        except MistakeError as mistake:
            error = str(mistake)
        except Exception as trouble:  # noqa: BLE001  # one broken command, one error
            log.error(
                "screen.command_failed",
                extra={"kind": type(trouble).__name__, "where": _where(trouble)},
            )
            error = "internal"
        self._queue_text(_result(id_, error, self._tongue))

    async def _obey(self, command: Closed) -> str | None:
        agent = self.agent
        match command:
            case Ack(seq=seq):
                if seq > self._sent:  # of another life of the line, or made up
                    raise MistakeError("not_sent")
                agent.outbox.ack(seq)
                return None
            case Resume():
                self._tell_again(command)
                return None
            case PresenceSet(presence=presence, reason=reason):
                return await self._team.set_presence(agent, Presence(presence), reason)
            case CallDecline(call=call):
                return agent.decide(call, Decline())
            case CallOrient(call=call) if agent.has(call):
                return agent.decide(call, _orient(command))
            case CallOrient(call=call):
                return self._team.desk.orient(agent, call, _orient(command))
            case CallTake(call=call):
                return await self._team.desk.take(agent, call)
            case CallDanger(call=call, level=level):
                return self._team.desk.judge_danger(agent, call, level)
            case CallHold(call=call, on=on):
                return agent.decide(call, Hold(on))
            case CallMute(call=call, on=on):
                return agent.decide(call, Mute(on))
            case CallTakeBack(call=call):
                return agent.decide(call, TakeBack())
            case CallEnd(call=call):
                return agent.decide(call, End())
            case CallQuality(call=call):
                engagement = agent.engagement
                if engagement is None or engagement.call_id != call:
                    return "no_such_call"
                engagement.heard.add(
                    command.mos, command.lost_percent, command.jitter_ms, command.round_trip_ms
                )
                return None
            case CallClose(call=call, why=why):
                return agent.decide(call, Close(why))
            case PresenceHere():
                self._team.here(agent)
                return None
            case DutySet(ends_at=ends_at, one_more=one_more):
                return self._team.set_duty(agent, ends_at, one_more)
            case HelpAsk(call=call_or_none):
                return self._team.helping.ask(agent, call_or_none)
            case HelpAnswer(agent=agent_id):
                return self._team.helping.answer(agent, agent_id)
            case HelpEnd():
                self._team.helping.over(agent)
                return None
            case WrapupExtend(call=call):
                return self._team.extend_wrap_up(agent, call)
            case WrapupDone(call=call, disposition=disposition):
                return await self._team.wrapup_done(agent, call, disposition)
        raise MistakeError("unknown_op")

    def _command(self, frame: dict[str, Any]) -> Closed:
        op = frame.get("op")
        model = OPS.get(op) if isinstance(op, str) else None
        if model is None:
            raise MistakeError("unknown_op")
        if not roles_of(model) & self.agent.roles:
            raise MistakeError("not_your_role")
        try:
            return model.model_validate(frame.get("data", {}))
        except ValidationError:
            # Without the details: they repeat what was typed, which may be about a caller.
            raise MistakeError("bad_frame") from None


def _object(text: str) -> dict[str, Any]:
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        raise MistakeError("bad_json") from None
    if not isinstance(frame, dict):
        raise MistakeError("bad_json")
    return frame


def _id(frame: dict[str, Any]) -> str | int | None:
    id_ = frame.get("id")
    if isinstance(id_, str) and len(id_) <= ID_CHARS_MAX:
        return id_
    if isinstance(id_, int) and not isinstance(id_, bool) and abs(id_) < 2**53:
        return id_
    return None


def _orient(frame: CallOrient) -> Orient:
    to = frame.to
    return Orient(
        to.line,
        to.agent,
        to.relay,
        frame.handover or None,
        frame.together,
        frame.consult,
        frame.danger,
    )


def _result(id_: str | int | None, error: str | None, tongue: Tongue) -> str:
    why = {"code": error, "message": words.command_error(error, tongue)} if error else None
    return json.dumps({"op": "result", "id": id_, "ok": error is None, "error": why})


def _unnumbered(type_: str, data: dict[str, Any], last_seq: int) -> Message:
    """A frame for one screen alone; it carries the number of the last frame before it."""
    return Message(last_seq, uuid.uuid4().hex, type_, clock.now(), data)


def _text(message: Message) -> str:
    return json.dumps(
        {
            "seq": message.seq,
            "id": message.id,
            "type": message.type,
            "time": message.time.isoformat(),
            "data": message.data,
        }
    )


def _where(trouble: BaseException) -> str:
    step = trouble.__traceback__
    while step and step.tb_next:
        step = step.tb_next
    return f"{step.tb_frame.f_code.co_qualname}:{step.tb_lineno}" if step else "?"


@allow(*EVERYONE)
@says({101: None, 400: Refusal})
async def screen(request: web.Request) -> web.StreamResponse:
    """``GET /cti/v1``: open a screen. Returns when the screen is closed."""
    guard, screens = request.app[GUARD], request.app[SCREENS]
    secret, by_cookie = guard.secret_of(request)
    # Browsers send cookies with any page's websocket: only our pages may open one.
    if secret is None or not guard.right_origin(request, required=by_cookie):
        raise web.HTTPForbidden
    offered = request.headers.get("Sec-WebSocket-Protocol")
    if offered is not None and PROTOCOL not in [p.strip() for p in offered.split(",")]:
        return problem(
            400,
            "unknown_protocol",
            words.UNKNOWN_PROTOCOL.said(language_of(request)).format(PROTOCOL),
        )
    try:
        known = _known(request)
    except ValidationError:
        return problem(400, "bad_resume", words.BAD_RESUME.said(language_of(request)))
    socket = web.WebSocketResponse(
        protocols=(PROTOCOL,),
        heartbeat=HEARTBEAT_SECONDS,
        max_msg_size=FRAME_BYTES_MAX + 1,  # from which on it is too big
        autoping=False,
        compress=False,
        timeout=1.0,
        writer_limit=2 * FRAME_BYTES_MAX,
    )
    await socket.prepare(request)
    agent = request[WHO]
    tongue = language_of(request)
    mine = Screen(agent, request.app[TEAM], request[SESSION], secret, socket, tongue)
    screens.add(mine)
    log.info("screen.opened", extra={"agent_id": agent.id})
    try:
        code = await mine.run(known)
    finally:
        screens.remove(mine)
    log.info("screen.closed", extra={"agent_id": agent.id, "code": int(code)})
    await close_socket(request, socket, code)
    return socket


def _known(request: web.Request) -> Resume | None:
    """What the screen says it has seen before. Raises ValidationError."""
    given = dict(request.query)
    return Resume.model_validate_strings(given) if given else None


async def close_socket(request: web.Request, socket: web.WebSocketResponse, code: int) -> None:
    """Close within a limit: a screen that does not read would never let the close frame out."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS_MAX):
            await socket.close(code=code)
    transport = request.transport
    if isinstance(transport, asyncio.WriteTransport) and transport.get_write_buffer_size():
        transport.abort()  # nobody reads there; what is left would be kept for a quarter of an hour
