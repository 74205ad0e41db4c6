"""The wire to the stand-in engine: its REST commands and its websocket, status by status."""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from cti.asterisk.wire import POOL_MAX, WireLost
from cti.simulation import fake_dialplan as dialplan
from cti.simulation.fake_channel import Bridge, Channel, Json, Playback, Reply, stamp

if TYPE_CHECKING:
    from cti.simulation.fake import FakeAsterisk
    from cti.simulation.fake_people import FakePhone

NOT_OURS = {"message": "Channel not in Stasis application"}
NO_CHANNEL = {"message": "Channel not found"}
NO_BRIDGE = {"message": "Bridge not found"}
NO_PLAYBACK = {"message": "Playback not found"}
NOWHERE = {"message": "Resource not found"}
TAKEN = {"message": "Channel with given unique ID already exists"}
CLAIMED = {"message": "Channel has already been claimed by another application"}
NOT_OFFERED = {"message": "Channel not found or not in broadcast state"}
NO_ALLOCATION = {"error": "Allocation failed"}


class FakeSocket:
    """One websocket of an application. Its messages keep their order, whatever they take."""

    def __init__(self, engine: FakeAsterisk) -> None:
        self._engine = engine
        self._on_the_way: deque[str] = deque()
        self._arrived: deque[str] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._last_at = 0.0
        self.open = True

    def say(self, text: str) -> None:
        """Send a message to the application."""
        engine = self._engine
        twice = engine.faults.duplicated and engine.rng.random() < engine.faults.duplicated
        for _ in range(2 if twice else 1):
            at = engine.time() + engine.rng.uniform(*engine.faults.event_seconds)
            at = self._last_at = max(at, self._last_at, engine.stalled_until)
            self._on_the_way.append(text)
            engine.at(at, self._arrive)

    def _arrive(self) -> None:
        if self._on_the_way:
            self._arrived.append(self._on_the_way.popleft())
            self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def cut(self) -> None:
        """Break; what was on its way is lost."""
        self.open = False
        self._on_the_way.clear()
        for app, socket in self._engine.apps.items():
            if socket is self:
                self._engine.apps[app] = None
        self._wake()

    async def receive(self) -> str:
        """The next message. Raises WireLost."""
        while not self._arrived:
            if not self.open:
                raise WireLost("closed")
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        return self._arrived.popleft()

    async def send(self, data: Json) -> None:
        """Say something to the engine. Raises WireLost."""
        if not self.open:
            raise WireLost("closed")
        answer = {"type": "RESTResponse", "request_id": data.get("request_id"), "status_code": 200}
        self.say(json.dumps(answer))


class Connection:
    """One of a wire's HTTP connections."""

    __slots__ = ("conflicted",)

    def __init__(self) -> None:
        self.conflicted = False  # it has seen a 409: an offline phone is told as another one


class FakeWire:
    """A ``Wire`` to the stand-in engine, for one life of a controller."""

    def __init__(self, engine: FakeAsterisk) -> None:
        self.alive = True
        self._engine = engine
        self._free = asyncio.Semaphore(POOL_MAX)
        self._idle: list[Connection] = []
        self._sockets: list[FakeSocket] = []
        self._asked: set[asyncio.Future[tuple[int, Any]]] = set()

    def die(self) -> None:
        """The process at this end was killed: its sockets close, commands on their way go on."""
        self.alive = False
        for socket in self._sockets:
            socket.cut()

    def engine_gone(self) -> None:
        """The process at the other end was."""
        for socket in self._sockets:
            socket.cut()
        for future in self._asked:
            if not future.done():
                future.set_exception(WireLost("closed"))
        self._asked.clear()

    @asynccontextmanager
    async def listen(self, app: str) -> AsyncIterator[FakeSocket]:
        """Have the events of one application come, until left. Raises WireLost."""
        engine = self._engine
        await self._pass(engine.faults.request_seconds)
        if engine.phase != "on":
            raise WireLost("refused")
        socket = FakeSocket(engine)
        before = engine.apps.get(app)
        if before is not None:
            engine.to_app(app, "ApplicationReplaced")
        engine.apps[app] = socket
        self._sockets.append(socket)
        try:
            yield socket
        finally:
            socket.cut()
            self._sockets.remove(socket)

    async def _pass(self, seconds: tuple[float, float]) -> None:
        engine = self._engine
        at = max(engine.time() + engine.rng.uniform(*seconds), engine.stalled_until)
        await asyncio.sleep(at - engine.time())

    async def put(self, method: str, path: str, values: Mapping[str, Any]) -> tuple[int, Any]:
        """One exchange: (HTTP status, the engine's JSON). Raises WireLost."""
        async with self._free:
            engine = self._engine
            connection = self._idle.pop() if self._idle else Connection()
            future: asyncio.Future[tuple[int, Any]] = asyncio.get_running_loop().create_future()
            self._asked.add(future)
            at = engine.time() + engine.rng.uniform(*engine.faults.request_seconds)
            at = max(at, engine.stalled_until)
            request = (method, path, dict(values))
            engine.at(at, self._arrive, connection, request, future)
            try:
                answer = await future
            finally:
                self._asked.discard(future)
            self._idle.append(connection)  # after anything else the connection is closed
            return answer

    def _arrive(
        self,
        connection: Connection,
        request: tuple[str, str, Json],
        future: asyncio.Future[tuple[int, Any]],
    ) -> None:
        engine, faults = self._engine, self._engine.faults
        if engine.phase == "off":
            if not future.done():
                future.set_exception(WireLost("refused"))
            return
        lost = engine.rng.random() < faults.lost_reply
        reply: Reply = partial(self._reply, future, connection, lost)
        if engine.phase == "booting":
            reply(404, b"<!DOCTYPE HTML>")  # its web server before its telephone
        elif engine.phase == "starting" or engine.rng.random() < faults.unavailable:
            reply(503, {"message": "Asterisk not booted"})
        elif engine.rng.random() < faults.failing:
            reply(500, {"message": "Internal Server Error"})
        else:
            obey(engine, connection, *request, reply)

    def _reply(
        self,
        future: asyncio.Future[tuple[int, Any]],
        connection: Connection,
        lost: bool,
        status: int,
        answer: Any,
    ) -> None:
        engine = self._engine
        if status == 409 and answer is TAKEN:
            connection.conflicted = True
        if lost:
            return
        at = engine.time() + engine.rng.uniform(*engine.faults.reply_seconds)
        engine.at(max(at, engine.stalled_until), _settle, future, status, answer)

    async def close(self) -> None:
        """Close our connections; calls in the engine go on."""
        for socket in list(self._sockets):
            socket.cut()


def _settle(future: asyncio.Future[tuple[int, Any]], status: int, answer: Any) -> None:
    if not future.done():
        future.set_result((status, answer))


# -- the commands -------------------------------------------------------------------


@dataclass(slots=True)
class Command:
    """One command as it arrived; ``reply`` is called once, when it has been done or refused."""

    engine: FakeAsterisk
    connection: Connection
    ids: dict[str, str]  # those in its path
    values: Json
    reply: Reply


# By method and first part of the path: (pattern, what does it).
_ROUTES: dict[tuple[str, str], list[tuple[re.Pattern[str], Callable[[Command], None]]]] = {}


def _on(method: str, path: str) -> Callable[[Callable[[Command], None]], Callable[[Command], None]]:
    """Which command a function is; ``{id}`` stands for one part of the path."""
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))

    def keep(handler: Callable[[Command], None]) -> Callable[[Command], None]:
        _ROUTES.setdefault((method, path.split("/")[1]), []).append((pattern, handler))
        return handler

    return keep


def obey(
    engine: FakeAsterisk, connection: Connection, method: str, path: str, values: Json, reply: Reply
) -> None:
    """Do one command."""
    for pattern, handler in _ROUTES.get((method, path.split("/")[1]), ()):
        if found := pattern.fullmatch(path):
            ids = {name: unquote(value) for name, value in found.groupdict().items()}
            handler(Command(engine, connection, ids, values, reply))
            return
    reply(404, NOWHERE)


def _ours(c: Command, id_: str, missing: int = 404, away: int = 409) -> Channel | None:
    """A channel in an application's hands; else None, the refusal given."""
    ch = c.engine.channels.get(id_)
    if ch is None:
        c.reply(missing, NO_CHANNEL)
    elif ch.app is None:
        c.reply(away, NOT_OURS)
    else:
        return ch
    return None


@_on("GET", "/asterisk/info")
def _info(c: Command) -> None:
    c.reply(200, c.engine.info())


@_on("GET", "/asterisk/ping")
def _ping(c: Command) -> None:
    c.reply(200, {"ping": "pong", "timestamp": stamp(c.engine.now())})


@_on("GET", "/asterisk/modules/{id}")
def _module(c: Command) -> None:
    if c.ids["id"] in c.engine.modules:
        c.reply(200, {"name": c.ids["id"], "status": "Running"})
    else:
        c.reply(404, {"message": "Module could not be found in running modules"})


@_on("PUT", "/asterisk/modules/{id}")
def _reload(c: Command) -> None:
    c.reply(204, None)


@_on("GET", "/asterisk/variable")
def _global(c: Command) -> None:
    c.reply(200, {"value": c.engine.variables.get(str(c.values.get("variable")), "")})


@_on("POST", "/asterisk/variable")
def _set_global(c: Command) -> None:
    c.engine.variables[str(c.values["variable"])] = str(c.values.get("value", ""))
    c.reply(204, None)


@_on("GET", "/applications")
def _applications(c: Command) -> None:
    c.reply(200, [_application(c.engine, name) for name in c.engine.apps])


def _application(engine: FakeAsterisk, name: str) -> Json:
    told = [ch for ch in engine.channels.values() if name in ch.apps]
    bridges = {ch.bridge.id: None for ch in told if ch.bridge is not None}
    return {
        "name": name,
        "channel_ids": [ch.id for ch in told],
        "bridge_ids": list(bridges),
        "endpoint_ids": [],
        "device_names": [],
        "events_allowed": [],
        "events_disallowed": [],
    }


@_on("GET", "/endpoints/PJSIP")
def _endpoints(c: Command) -> None:
    # A telephone outside is no endpoint: the trunk is.
    c.reply(200, [_known(phone) for phone in c.engine.phones.values() if not phone.outside])


@_on("GET", "/endpoints/PJSIP/{id}")
def _endpoint(c: Command) -> None:
    phone = c.engine.phones.get(c.ids["id"])
    if phone is None:
        c.reply(404, {"message": "Endpoint not found"})
        return
    c.reply(200, _known(phone))


def _known(phone: FakePhone) -> Json:
    calls = [call.channel_id for call in phone.calls]
    state = "online" if phone.registered else "offline"
    return {"technology": "PJSIP", "resource": phone.name, "state": state, "channel_ids": calls}


@_on("POST", "/events/claim")
def _claim(c: Command) -> None:
    ch = c.engine.channels.get(str(c.values["channelId"]))
    if ch is None or (ch.offered is None and ch.app is None):
        c.reply(404, NOT_OFFERED)
    elif ch.offered is None:
        c.reply(409, CLAIMED)
    else:
        ch.offered = None
        c.reply(204, None)
        c.engine.resume(ch, str(c.values["application"]))


@_on("GET", "/bridges")
def _bridges(c: Command) -> None:
    c.reply(200, [bridge.json() for bridge in c.engine.bridges.values()])


@_on("GET", "/bridges/{id}")
def _bridge(c: Command) -> None:
    bridge = c.engine.bridges.get(c.ids["id"])
    c.reply(*((404, NO_BRIDGE) if bridge is None else (200, bridge.json())))


@_on("POST", "/bridges/{id}")
def _make_bridge(c: Command) -> None:
    id_ = c.ids["id"]
    # The engine may keep the name of a bridge that is no more; here it always does.
    if id_ in c.engine.bridges or id_ in c.engine.bridge_names_kept:
        c.reply(409, {"message": f"Bridge with id '{id_}' already exists"})
        return
    bridge = Bridge(
        id_,
        str(c.values.get("type") or "mixing"),
        str(c.values.get("name") or ""),
        stamp(c.engine.now()),
    )
    c.engine.bridges[id_] = bridge
    c.reply(200, bridge.json())


@_on("DELETE", "/bridges/{id}")
def _end_bridge(c: Command) -> None:
    bridge = c.engine.bridges.pop(c.ids["id"], None)
    if bridge is None:
        c.reply(404, NO_BRIDGE)
        return
    c.engine.bridge_names_kept.add(bridge.id)
    c.reply(204, None)
    for ch in list(bridge.members):
        c.engine.leave_bridge(ch)


@_on("POST", "/bridges/{id}/addChannel")
def _add(c: Command) -> None:
    bridge = c.engine.bridges.get(c.ids["id"])
    if bridge is None:
        c.reply(404, NO_BRIDGE)
        return
    given = c.values["channel"]
    ids = given.split(",") if isinstance(given, str) else list(given)
    members = []
    for id_ in ids:
        ch = _ours(c, id_, missing=400, away=422)
        if ch is None:
            return
        members.append(ch)
    role = c.values.get("role")

    def add(rest: list[Channel]) -> None:
        if not rest:
            c.reply(204, None)
            return
        ch = rest.pop(0)

        def enter() -> None:
            if c.engine.bridges.get(bridge.id) is bridge:
                c.engine.enter_bridge(ch, bridge, role)
            add(rest)

        if ch.app is None:
            c.reply(422, NOT_OURS)
            return
        ch.commands.append(enter)
        c.engine.turn(ch)

    add(members)


@_on("POST", "/bridges/{id}/removeChannel")
def _remove(c: Command) -> None:
    bridge = c.engine.bridges.get(c.ids["id"])
    if bridge is None:
        c.reply(404, NO_BRIDGE)
        return
    ch = _ours(c, str(c.values["channel"]), missing=400, away=422)
    if ch is None:
        return

    def leave() -> None:
        if ch.bridge is not bridge:
            c.reply(422, {"message": "Channel not in this bridge"})
            return
        c.engine.leave_bridge(ch)
        c.reply(204, None)

    ch.commands.append(leave)
    c.engine.turn(ch)


@_on("GET", "/channels")
def _channels(c: Command) -> None:
    c.reply(200, [ch.json() for ch in c.engine.channels.values()])


@_on("GET", "/channels/{id}")
def _channel(c: Command) -> None:
    ch = c.engine.channels.get(c.ids["id"])
    c.reply(*((404, NO_CHANNEL) if ch is None else (200, ch.json())))


@_on("POST", "/channels/{id}")
def _originate(c: Command) -> None:
    if not c.values.get("endpoint"):
        c.reply(400, {"message": "Endpoint must be specified"})
        return
    if c.ids["id"] in c.engine.channels:
        c.reply(409, TAKEN)
        return
    name, _, trunk = str(c.values["endpoint"]).removeprefix("PJSIP/").partition("@")
    phone = c.engine.phones.get(name)
    if phone is None or not phone.registered or phone.outside != bool(trunk):
        # The engine repeats, on a connection that has seen one, an earlier 409.
        c.reply(*((409, TAKEN) if c.connection.conflicted else (500, NO_ALLOCATION)))
        return
    ch = c.engine.originate(c.ids["id"], phone, c.values)
    c.reply(200, ch.json())


@_on("DELETE", "/channels/{id}")
def _hang_up(c: Command) -> None:
    ch = c.engine.channels.get(c.ids["id"])
    if ch is None:
        c.reply(404, NO_CHANNEL)
        return
    c.reply(204, None)
    c.engine.command_hangup(ch)


@_on("POST", "/channels/{id}/continue")
def _continue(c: Command) -> None:
    ch = _ours(c, c.ids["id"])
    if ch is None:
        return
    c.reply(204, None)
    context = c.values.get("context")

    def after() -> None:
        if context == "alone":
            c.engine.take_course(ch, dialplan.alone(c.engine, ch))
        elif context == "relay":
            c.engine.take_course(ch, dialplan.relay(c.engine, ch))
        else:
            c.engine.resume(ch, None)

    def leave() -> None:
        ch.leaving = after

    ch.commands.append(leave)
    c.engine.turn(ch)


@_on("POST", "/channels/{id}/answer")
def _answer(c: Command) -> None:
    ch = _ours(c, c.ids["id"])
    if ch is not None:
        ch.commands.append(lambda: c.reply(204, None))
        c.engine.turn(ch)


@_on("POST", "/channels/{id}/moh")
def _music_on(c: Command) -> None:
    _music(c, c.engine.music_on)


@_on("DELETE", "/channels/{id}/moh")
def _music_off(c: Command) -> None:
    _music(c, c.engine.music_off)


def _music(c: Command, change: Callable[[Channel], None]) -> None:
    """Promised at once, done in turn."""
    ch = _ours(c, c.ids["id"])
    if ch is not None:
        c.reply(204, None)
        ch.commands.append(lambda: change(ch))
        c.engine.turn(ch)


@_on("POST", "/channels/{id}/mute")
def _mute(c: Command) -> None:
    _set_muted(c, True)


@_on("DELETE", "/channels/{id}/mute")
def _unmute(c: Command) -> None:
    _set_muted(c, False)


def _set_muted(c: Command, muted: bool) -> None:
    ch = _ours(c, c.ids["id"])
    if ch is None:
        return

    def change() -> None:
        if c.values.get("direction") in ("in", "both"):
            ch.muted = muted
            c.engine.tell(ch)
        c.reply(204, None)

    ch.commands.append(change)
    c.engine.turn(ch)


@_on("GET", "/channels/{id}/variable")
def _variable(c: Command) -> None:
    ch = c.engine.channels.get(c.ids["id"])
    name = str(c.values.get("variable"))
    if ch is None:
        c.reply(404, NO_CHANNEL)
    elif name == "TIMEOUT(absolute)":
        left = 0.0 if ch.deadline_at is None else ch.deadline_at - c.engine.time()
        c.reply(200, {"value": f"{left:.3f}"})
    elif name in ch.variables:
        c.reply(200, {"value": ch.variables[name]})
    else:
        c.reply(404, {"message": "Provided variable was not found"})


@_on("POST", "/channels/{id}/variable")
def _set(c: Command) -> None:
    ch = _ours(c, c.ids["id"])
    if ch is None:
        return
    name, value = str(c.values["variable"]), str(c.values.get("value") or "")

    def set_it() -> None:
        if name == "TIMEOUT(absolute)":
            c.engine.set_deadline(ch, float(value or 0))
        elif name == "TALK_DETECT(set)":
            c.engine.detect_voice(ch, float(value.partition(",")[0]) / 1000)
        elif name == "TALK_DETECT(remove)":
            c.engine.detect_voice(ch, None)
        else:
            ch.variables[name] = value
            c.engine.event(ch, "ChannelVarset", variable=name, value=value, channel=ch.json())
        c.reply(204, None)

    ch.commands.append(set_it)
    c.engine.turn(ch)


@_on("POST", "/channels/{id}/play/{playback}")
def _play(c: Command) -> None:
    ch = _ours(c, c.ids["id"])
    if ch is None:
        return
    playback = Playback(c.ids["playback"], str(c.values["media"]), ch)
    c.engine.playbacks[playback.id] = playback
    c.reply(201, playback.json())
    ch.commands.append(lambda: c.engine.start_playing(playback))
    c.engine.turn(ch)


@_on("GET", "/playbacks/{id}")
def _playback(c: Command) -> None:
    playback = c.engine.playbacks.get(c.ids["id"])
    c.reply(*((404, NO_PLAYBACK) if playback is None else (200, playback.json())))


@_on("DELETE", "/playbacks/{id}")
def _stop(c: Command) -> None:
    playback = c.engine.playbacks.get(c.ids["id"])
    if playback is None:
        c.reply(404, NO_PLAYBACK)
        return
    c.reply(204, None)
    c.engine.stop_playing(playback, "done")


@_on("GET", "/channels/{id}/rtp_statistics")
def _statistics(c: Command) -> None:
    ch = c.engine.channels.get(c.ids["id"])
    if ch is None:
        c.reply(404, NO_CHANNEL)
        return
    c.reply(200, {"rxcount": c.engine.packets(ch), "channel_uniqueid": ch.id})
