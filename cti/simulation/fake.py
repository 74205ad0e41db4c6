"""``FakeAsterisk``: an engine and our dialplan without Asterisk, as honest as it can be made.

The real ``Ari`` speaks to it through ``wire()``. What it does, it does as Asterisk
22.10.1 was seen doing it; ``tests/contract`` puts the same questions to both. It lives
by the loop it is in, real or virtual, and by one random source.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Literal

from cti import clock
from cti.simulation import fake_dialplan as dialplan
from cti.simulation.fake_channel import Bridge, Channel, Course, Json, Playback, stamp
from cti.simulation.fake_people import FakeCaller, FakePhone, FakePhoneCall, FarEnd
from cti.simulation.fake_wire import FakeSocket, FakeWire

__all__ = ["FakeAsterisk", "FakeCaller", "FakePhone", "FakePhoneCall", "Faults"]

NUMBER = "0800190000"
ENTITY = "02:00:00:00:00:01"
PHONE_SILENT_SECONDS = 15.0  # rtp_timeout of a desk phone
CALLER_SILENT_SECONDS = 60.0  # rtp_timeout of the trunk
HANGUP_SECONDS = 1.3  # from a graceful stop to the end of the sockets
PACKETS_A_SECOND = 50
VOICE_SECONDS = 0.1  # until it is told of
TOLD_SECONDS = 0.2  # who leaves so soon after coming into our hands had not yet been told of
OWNER = "CHANNEL(hangup_handler_push)"
CAUSES = {
    16: "Normal Clearing",
    17: "User busy",
    19: "User alerting, no answer",
    21: "Call Rejected",
    44: "Requested channel not available",
}
Range = tuple[float, float]  # seconds, at least and at most


@dataclass(slots=True)
class Faults:
    """What goes wrong on the wire; nothing by default but a little time."""

    request_seconds: Range = (0.0002, 0.001)
    reply_seconds: Range = (0.0002, 0.001)
    event_seconds: Range = (0.0002, 0.001)  # independent of replies: either may come first
    lost_reply: float = 0.0  # chance that a command is done and its reply never comes
    failing: float = 0.0  # chance that a command is refused with a 500 and not done
    unavailable: float = 0.0  # chance of a 503
    duplicated: float = 0.0  # chance that an event comes twice


class FakeAsterisk:
    """The engine: channels, bridges, playbacks, phones, callers, its own coming and going."""

    def __init__(
        self,
        rng: Random,
        *,
        prompt_seconds: Callable[[str], float | None],
        on_call: Sequence[str] = (),
        overflow: str = "",
    ) -> None:
        self.rng = rng
        self.prompt_seconds = prompt_seconds  # by path; None: there is no such file
        self.faults = Faults()
        self.running = True
        self.phase: Literal["off", "booting", "starting", "on"] = "on"
        self.started_at = clock.now()
        self.calls_ever: list[FarEnd] = []  # everybody whose call reached us, in order
        self.channels: dict[str, Channel] = {}
        self.bridges: dict[str, Bridge] = {}
        self.bridge_names_kept: set[str] = set()  # of bridges that are no more
        self.playbacks: dict[str, Playback] = {}
        self.phones: dict[str, FakePhone] = {}
        self.variables = {"FIL_ON_CALL": "&".join(on_call)}
        self.modules = {"func_talkdetect.so"}  # those that anybody asks about
        self.overflow_phone = self.add_phone(overflow) if overflow else None
        self.outside = {overflow} if overflow else set()  # who is reached over the trunk
        self.apps: dict[str, FakeSocket | None] = {}  # each name once heard, and who listens
        self.stalled_until = 0.0
        self.wires: list[FakeWire] = []
        self._loop = asyncio.get_running_loop()
        # What we schedule belongs to us, not to the task that happened to call.
        self._context = contextvars.copy_context()
        self._numbers = itertools.count()
        self._callers = itertools.count(1)
        self._boot: asyncio.TimerHandle | None = None

    # -- time

    def time(self) -> float:
        """The loop's time."""
        return self._loop.time()

    def later(self, seconds: float, do: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Do something as the engine, after a while."""
        return self._loop.call_later(seconds, do, *args, context=self._context)

    def at(self, when: float, do: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Do something as the engine, at a time of the loop."""
        return self._loop.call_at(when, do, *args, context=self._context)

    def moment(self) -> float:
        """What the engine's own threads take."""
        return self.rng.uniform(0.0002, 0.002)

    def epoch(self) -> int:
        """``${EPOCH}``."""
        return int(clock.now().timestamp())

    # -- the outside: wires, phones, callers

    def wire(self) -> FakeWire:
        """A wire for one life of a controller."""
        wire = FakeWire(self)
        self.wires.append(wire)
        return wire

    def add_phone(self, name: str, registered: bool = True) -> FakePhone:
        """A desk phone with an account."""
        phone = self.phones[name] = FakePhone(self, name, registered)
        return phone

    def add_relay(self, number: str) -> FakePhone:
        """A partner line, reached over the trunk by its number."""
        self.outside.add(number)
        return self.add_phone(number)

    def add_own_phone(self, number: str, name: str) -> FakePhone:
        """Somebody's own telephone, reached over the trunk by its number."""
        phone = self.phones[number] = FakePhone(self, name, registered=True, outside=True)
        return phone

    def dial(self, number: str | None, dialled: str = NUMBER) -> FakeCaller:
        """Somebody dials our number; None: they withhold theirs."""
        caller = FakeCaller(self, f"caller-{next(self._callers)}", number)
        self.calls_ever.append(caller)
        if self.phase != "on":
            caller.ended("engine")
            return caller
        n = next(self._numbers)
        id_ = f"{int(self.started_at.timestamp())}.{n}"
        ch = Channel(id_, f"PJSIP/trunk-{n:08x}", ("", number or ""), caller, self._stamp())
        caller.channel, caller.channel_id = ch, id_
        self.channels[id_] = ch
        self.later(self.moment(), self._arrive, ch, dialled)
        return caller

    def _arrive(self, ch: Channel, dialled: str) -> None:
        if ch.ended:
            return
        ch.state = "Up"
        ch.far.came_up()
        self.take_course(ch, dialplan.from_trunk(self, ch, dialled))

    def cut_sockets(self) -> None:
        """Every websocket breaks; commands still pass."""
        for socket in self.apps.values():
            if socket is not None:
                socket.cut()

    def stall(self, seconds: float) -> None:
        """Nothing passes on any wire for a while; then all of it does."""
        self.stalled_until = max(self.stalled_until, self.time() + seconds)

    def stop(self, kill: bool) -> None:
        """The engine ends: killed, or in good order (every call gets its BYE)."""
        if self._boot is not None:
            self._boot.cancel()
        if not kill and self.phase == "on":
            for ch in list(self.channels.values()):
                self.end(ch, "engine", 16)
            self.phase, self.running = "off", False
            self.later(HANGUP_SECONDS, self._gone)
            return
        for ch in list(self.channels.values()):
            self._forget(ch)
            ch.far.ended("engine")
        self.phase, self.running = "off", False
        self._gone()

    def _gone(self) -> None:
        self.channels.clear()
        self.bridges.clear()
        self.bridge_names_kept.clear()
        self.playbacks.clear()
        for wire in self.wires:
            wire.engine_gone()
        self.apps.clear()
        self.wires = [wire for wire in self.wires if wire.alive]

    def boot(self, seconds: float) -> None:
        """The engine starts again: its web server speaks after a third of the time."""
        if self.phase != "off" or self._boot is not None:
            self.stop(kill=True)
        self._gone()
        on_call = self.variables["FIL_ON_CALL"]  # on disk too
        self.variables = {"FIL_ON_CALL": on_call}
        self._boot = self.later(seconds / 3, self._booting, seconds)

    def _booting(self, seconds: float) -> None:
        self.phase = "booting"
        self._boot = self.later(seconds / 3, self._starting, seconds)

    def _starting(self, seconds: float) -> None:
        self.phase = "starting"
        self._boot = self.later(seconds / 3, self._started)

    def _started(self) -> None:
        self.phase, self.running, self._boot = "on", True, None
        self.started_at = clock.now()

    # -- what far ends do

    def key_pressed(self, ch: Channel, key: str) -> None:
        """A key arrives."""
        if ch.app is None:
            if ch.course is not None and ch.outgoing:
                self.resume(ch, key)
            return
        self.later(0.12, self._key_heard, ch, key)

    def _key_heard(self, ch: Channel, key: str) -> None:
        unheard = ch.bridge is not None and ch.bridge.type == "mixing" and not ch.bridge.hears_keys
        if ch.app is not None and not unheard:
            self.event(ch, "ChannelDtmfReceived", digit=key, duration_ms=120, channel=ch.json())

    def hung_up(self, ch: Channel) -> None:
        """A BYE, a CANCEL, or a refusal arrives."""
        if ch.outgoing and ch.state != "Up":
            self.declined(ch, 17, 486)
            return
        far = ch.far
        far.ended("self")
        cause = 16 if ch.bridge is not None else 0
        self.later(self.moment(), self._end_told, ch, "self", cause, {})

    def detect_voice(self, ch: Channel, silence_seconds: float | None) -> None:
        """``TALK_DETECT``; set a second time it changes nothing of what was told."""
        ch.silence_seconds = silence_seconds
        ch.talking = ch.talking and silence_seconds is not None
        self.voice_changed(ch)

    def voice_changed(self, ch: Channel) -> None:
        """Somebody begins or ceases to speak; of packets that do not come nothing is told."""
        if ch.voice_timer is not None:
            ch.voice_timer.cancel()
            ch.voice_timer = None
        far = ch.far
        if ch.silence_seconds is None or ch.ended or not far.sends or far.voice == ch.talking:
            return
        seconds = VOICE_SECONDS if far.voice else ch.silence_seconds
        ch.voice_timer = self.later(seconds, self._voice_told, ch)

    def sending_changed(self, ch: Channel) -> None:
        """A telephone that is up sends packets, or none, from now on."""
        self.voice_changed(ch)
        if not ch.far.sends:
            seconds = PHONE_SILENT_SECONDS if ch.outgoing else CALLER_SILENT_SECONDS
            self.later(seconds, self._still_sends_nothing, ch, ch.far.sent_seconds())

    def _still_sends_nothing(self, ch: Channel, sent_seconds: float) -> None:
        if ch.far.sent_seconds() == sent_seconds:
            self._end_told(ch, "vanished", 44, {"cause": 1, "soft": True})

    def _voice_told(self, ch: Channel) -> None:
        if ch.far.vanished or ch.ended:
            return
        ch.talking = not ch.talking
        if ch.talking:
            self.event(ch, "ChannelTalkingStarted", channel=ch.json())
        else:
            self.event(ch, "ChannelTalkingFinished", duration=1000, channel=ch.json())

    def sound_stopped(self, ch: Channel) -> None:
        """A telephone sends nothing any more, not even its BYE."""
        over_trunk = ch.name.startswith("PJSIP/trunk-")
        seconds = CALLER_SILENT_SECONDS if over_trunk else PHONE_SILENT_SECONDS
        if ch.state == "Up":
            self.later(seconds, self._end_told, ch, "vanished", 44, {"cause": 1, "soft": True})

    def answered(self, ch: Channel) -> None:
        """A phone that rang is picked up."""
        self.later(self.moment(), self._answered, ch)

    def declined(self, ch: Channel, cause: int, status: int) -> None:
        """A phone that rang refuses."""
        ch.far.ended("self")
        told = {"cause": cause, "tech_cause": status}
        self.later(self.moment(), self._end_told, ch, "self", cause, told)

    # -- outgoing legs

    def originate(self, id_: str, phone: FakePhone, values: Json) -> Channel:
        """A phone is called for an application."""
        shown = str(values.get("callerId") or "").partition("<")[2].rstrip(">")
        ch = self._outgoing(id_, phone, shown)
        app = str(values["app"])
        ch.apps[app] = None
        ch.variables["args"] = str(values.get("appArgs") or "")
        ch.handler = bool((values.get("variables") or {}).get(OWNER))
        seconds = values.get("timeout") or 30
        ch.timer = self.later(float(seconds), self._unanswered, ch)
        self._dial_event(ch, "")
        return ch

    def _outgoing(self, id_: str, phone: FakePhone, shown: str) -> Channel:
        call = FakePhoneCall(phone, shown)
        self.calls_ever.append(call)
        n = next(self._numbers)
        name = f"PJSIP/{'trunk' if phone.outside else phone.name}-{n:08x}"
        ch = Channel(id_ or f"{self.epoch()}.{n}", name, ("SOS Crise", shown), call, self._stamp())
        ch.outgoing = True
        ch.dialplan = ("from-phone", "s", 1, "AppDial2", "(Outgoing Line)")
        call.channel, call.channel_id = ch, ch.id
        phone.calls.append(call)
        self.channels[ch.id] = ch
        if phone.reachable:
            self.later(self.moment(), self._ring, ch, phone, call)
        return ch

    def _ring(self, ch: Channel, phone: FakePhone, call: FakePhoneCall) -> None:
        if ch.ended:
            return
        if phone.refuses_with is not None:
            call.decline(phone.refuses_with)
            return
        ch.state = "Ringing"
        self._dial_event(ch, "RINGING")
        self.event(ch, "ChannelStateChange", channel=ch.json())
        if phone.on_ring is not None:
            phone.on_ring(call)

    def _unanswered(self, ch: Channel) -> None:
        if not ch.ended and ch.state != "Up":
            self.end(ch, "unanswered", 19, tech_cause=480)

    def _answered(self, ch: Channel) -> None:
        if ch.ended:
            return
        if ch.timer is not None:
            ch.timer.cancel()
            ch.timer = None
        ch.state = "Up"
        ch.far.came_up()
        if not ch.far.sends:
            self.sending_changed(ch)
        ch.said = "silence"
        if ch.serves is not None:
            outside = ch.far.name in self.outside
            course = dialplan.taking if outside else dialplan.on_call_accept
            self.take_course(ch, course(self, ch))
            return
        self.event(ch, "ChannelStateChange", channel=ch.json())
        self._dial_event(ch, "ANSWER")
        app = next(iter(ch.apps))
        if not self.enter(ch, app, [ch.variables["args"]]):
            self.end(ch, "refused", 16)

    def _dial_event(self, ch: Channel, status: str) -> None:
        name = ch.far.name
        self.event(ch, "Dial", dialstatus=status, forward="", dialstring=name, peer=ch.json())

    # -- the dialplan's words

    def take_course(self, ch: Channel, course: Course) -> None:
        """Run a course on a channel, in place of the one it was on."""
        self._leave_course(ch)
        ch.course = course
        self.resume(ch, None)

    def resume(self, ch: Channel, value: Any) -> None:
        """Go on with the course of a channel; at its end the channel is hung up."""
        if ch.timer is not None:
            ch.timer.cancel()
            ch.timer = None
        course = ch.course
        assert course is not None
        try:
            wait = course.send(value)
        except StopIteration:
            if ch.course is course:
                ch.course = None
                self.end(ch, "dialplan", 16)
            return
        if wait is not None and ch.course is course:
            ch.timer = self.later(wait, self.resume, ch, None)

    def _leave_course(self, ch: Channel) -> None:
        if ch.timer is not None:
            ch.timer.cancel()
            ch.timer = None
        ch.offered = None
        course, ch.course = ch.course, None
        if course is not None:
            course.close()

    def tell(self, ch: Channel) -> None:
        """Have the far end of a channel, and of those bridged with it, hear what they now hear."""
        if ch.far.channel is ch:
            ch.far.hear(ch.sound())
        if ch.bridge is not None and ch.bridge.type == "mixing":
            for other in ch.bridge.members:
                if other is not ch and other.far.channel is other:
                    other.far.hear(other.sound())

    def set_deadline(self, ch: Channel, seconds: float) -> None:
        """``TIMEOUT(absolute)``."""
        if ch.deadline is not None:
            ch.deadline.cancel()
        ch.deadline = ch.deadline_at = None
        if seconds > 0:
            ch.deadline_at = self.time() + seconds
            ch.deadline = self.later(seconds, self._deadline_over, ch)

    def _deadline_over(self, ch: Channel) -> None:
        ch.deadline = ch.deadline_at = None
        self.go(ch, dialplan.lease_over)

    def go(self, ch: Channel, course: Callable[[FakeAsterisk, Channel], Course]) -> None:
        """Take a channel out of whatever it does, to another place of the dialplan."""
        if ch.ended or ch.outgoing:
            return
        if ch.app is None:
            self.take_course(ch, course(self, ch))
        else:
            self._interrupt(ch, lambda: self.take_course(ch, course(self, ch)))

    def redirect(self, name: str) -> None:
        """``ChannelRedirect(<name>,rescue,s,1)``."""
        for ch in self.channels.values():
            if ch.name == name:
                self.later(self.moment(), self.go, ch, dialplan.rescue)

    def broadcast(self, ch: Channel, word: str) -> None:
        """``StasisBroadcast``: the call is offered to the controller."""
        ch.offered = word
        number = ch.caller_id[1]
        self.to_app("fil", "CallBroadcast", channel=ch.json(), caller=number, called="s")

    def phones_on_call(self) -> list[str]:
        """The phones of FIL_ON_CALL that are registered and free."""
        names = [n for n in self.variables["FIL_ON_CALL"].split("&") if n in self.phones]
        return [n for n in names if self.phones[n].registered and not self.phones[n].calls]

    def dial_phone(self, caller: Channel, name: str) -> Channel:
        """One leg of the dialplan's ``Dial``."""
        leg = self._outgoing("", self.phones[name], NUMBER)
        leg.serves = caller
        return leg

    def taken(self, leg: Channel) -> None:
        """A phone that was dialled takes the caller."""
        self.later(0, self._taken, leg)

    def _taken(self, leg: Channel) -> None:
        caller = leg.serves
        if caller is not None and caller.together is None and leg in (caller.dialled or ()):
            self.resume(caller, leg)

    def _dialled_ended(self, leg: Channel) -> None:
        """A leg of ``Dial`` is over: the last one that rang, or the one who talked, ends it."""
        caller = leg.serves
        if caller is None or not caller.dialled or leg not in caller.dialled:
            return
        caller.dialled.remove(leg)
        if caller.together is leg or not caller.dialled:
            self.later(0, self._dial_over, caller, caller.dialled)

    def _dial_over(self, caller: Channel, legs: list[Channel]) -> None:
        if caller.dialled is legs:
            self.resume(caller, None)

    # -- an application's hands

    def enter(self, ch: Channel, app: str, args: Iterable[str]) -> bool:
        """``Stasis(<app>)``; False when nobody listens there."""
        if self.apps.get(app) is None:
            return False
        ch.app, ch.leaving, ch.interrupted = app, None, False
        ch.entered_at = self.time()
        # The dialplan's StartMusicOnHold goes on, in a talk too, until a playback, a waiting
        # bridge or a command ends it.
        ch.said = "silence" if ch.outgoing else "music"
        ch.apps[app] = None
        if ch.outgoing:
            ch.dialplan = ("from-phone", "s", 1, "Stasis", f"{app},agent")
        self.event(ch, "StasisStart", args=list(args), channel=ch.json())
        self.tell(ch)
        return True

    def turn(self, ch: Channel) -> None:
        """Do what waits on a channel, one command after the other, unless it plays."""
        while ch.app is not None and ch.playing is None:
            if ch.commands:
                ch.commands.popleft()()
            elif ch.leaving is not None:
                after, ch.leaving = ch.leaving, None
                self._leave_app(ch)
                after()
                return
            else:
                return

    def start_playing(self, playback: Playback) -> None:
        """A playback's turn has come."""
        ch = playback.channel
        if playback.stopped:
            self._finish(playback, "done")
            return
        playback.state = "playing"
        self.event(ch, "PlaybackStarted", playback=playback.json())
        scheme, _, path = playback.media.partition(":")
        if scheme != "sound":
            self.playbacks.pop(playback.id, None)  # never heard of again
            return
        seconds = self.prompt_seconds(path)
        if seconds is None or ch.interrupted:
            self._finish(playback, "failed")
            return
        ch.playing = playback
        if ch.bridge is None:
            ch.said = "silence"  # music of the dialplan's does not come back, a bridge's does
        ch.playing_ends = self.later(seconds, self.stop_playing, playback, "done")
        self.tell(ch)

    def stop_playing(self, playback: Playback, state: str) -> None:
        """A playback ends, by itself or by a command."""
        ch = playback.channel
        if ch.playing is not playback:
            playback.stopped = True
            return
        assert ch.playing_ends is not None
        ch.playing_ends.cancel()
        ch.playing = ch.playing_ends = None
        self._finish(playback, state)
        self.tell(ch)
        self.turn(ch)

    def _finish(self, playback: Playback, state: str) -> None:
        playback.state = state
        if self.playbacks.get(playback.id) is playback:
            del self.playbacks[playback.id]
        self.event(playback.channel, "PlaybackFinished", playback=playback.json())

    def _interrupt(self, ch: Channel, after: Callable[[], None]) -> None:
        """End a channel's stay: its playbacks fail, its waiting commands are still done."""
        ch.leaving, ch.interrupted = after, True
        if ch.playing is not None:
            self.stop_playing(ch.playing, "failed")
        else:
            self.turn(ch)

    def _leave_app(self, ch: Channel) -> None:
        self.leave_bridge(ch)
        app = ch.app
        self.event(ch, "StasisEnd", channel=ch.json())
        ch.app = None
        if app is not None and not ch.outgoing:
            ch.apps.pop(app, None)

    def enter_bridge(self, ch: Channel, bridge: Bridge, role: str | None) -> None:
        """A channel joins a bridge, and leaves the one it was in."""
        # Straight from one waiting bridge into another, or the same: its music is lost.
        lost = ch.bridge is not None and ch.bridge.type == bridge.type == "holding"
        self.leave_bridge(ch)
        ch.bridge, ch.role = bridge, None if lost else role
        if role == "holding_participant":
            ch.said = "silence"  # the dialplan's music ends; a talk would not end it
        bridge.members.append(ch)
        self._bridge_event(ch, bridge, "ChannelEnteredBridge")
        self.tell(ch)

    def music_on(self, ch: Channel) -> None:
        """The channel has music of its own."""
        ch.said = "music"
        self.tell(ch)

    def music_off(self, ch: Channel) -> None:
        """The channel's own music ends, and that of its waiting bridge."""
        ch.said, ch.role = "silence", None
        self.tell(ch)

    def leave_bridge(self, ch: Channel) -> None:
        """A channel leaves its bridge, if it is in one."""
        bridge, role, ch.bridge, ch.role = ch.bridge, ch.role, None, None
        if bridge is None:
            return
        if role == "holding_participant":
            ch.said = "silence"  # with the bridge's music, that which was asked for ends
        bridge.members.remove(ch)
        self._bridge_event(ch, bridge, "ChannelLeftBridge")
        for one in (ch, *bridge.members):
            self.tell(one)

    def _bridge_event(self, ch: Channel, bridge: Bridge, type_: str) -> None:
        apps = dict(ch.apps)
        for member in bridge.members:
            apps |= member.apps
        for app in apps:
            self.to_app(app, type_, bridge=bridge.json(), channel=ch.json())

    # -- the end of a channel

    def end(self, ch: Channel, how: str, cause: int, **told: Any) -> None:
        """Hang a channel up from our side; nothing when it has ended."""
        self._end_told(ch, how, cause, None, **told)

    def command_hangup(self, ch: Channel) -> None:
        """``DELETE /channels/…``."""
        self._end_told(ch, "command", 16, {"cause": 32, "soft": True})

    def _end_told(
        self, ch: Channel, how: str, cause: int, request: Json | None, **told: Any
    ) -> None:
        """``request``: what ChannelHangupRequest says; None: it is not sent."""
        if ch.ended:
            return
        ch.ended = True
        untold = self.time() - ch.entered_at < TOLD_SECONDS
        ch.far.in_the_dialplan = ch.app is None or untold
        ch.far.ended(how)
        if request is not None:
            self.event(ch, "ChannelHangupRequest", **request, channel=ch.json())
        if "tech_cause" in (request or {}):
            told["tech_cause"] = (request or {})["tech_cause"]
        if ch.app is not None:
            self._interrupt(ch, lambda: self._end_now(ch, cause, told))
        else:
            self._end_now(ch, cause, told)

    def _end_now(self, ch: Channel, cause: int, told: Json) -> None:
        self._forget(ch)
        if ch.handler and ch.variables.get("FIL_CALLER"):
            self.redirect(ch.variables["FIL_CALLER"])
        if ch.outgoing:
            told = {"cause": cause, "cause_txt": CAUSES.get(cause, "Unknown")} | told
            self.event(ch, "ChannelDestroyed", **told, channel=ch.json())
            self._dialled_ended(ch)

    def _forget(self, ch: Channel) -> None:
        ch.ended = True
        self.set_deadline(ch, 0)
        if ch.voice_timer is not None:
            ch.voice_timer.cancel()
        if ch.playing_ends is not None:
            ch.playing_ends.cancel()
        self.channels.pop(ch.id, None)
        self._leave_course(ch)
        if isinstance(ch.far, FakePhoneCall) and ch.far in ch.far.phone.calls:
            ch.far.phone.calls.remove(ch.far)

    # -- events

    def event(self, ch: Channel, type_: str, **data: Any) -> None:
        """Tell every application that follows a channel."""
        for app in ch.apps:
            self.to_app(app, type_, **data)

    def to_app(self, app: str, type_: str, **data: Any) -> None:
        """Tell one application; what nobody listens to is lost."""
        socket = self.apps.get(app)
        if socket is not None:
            said = {"type": type_, "timestamp": self._stamp()} | data
            socket.say(json.dumps(said | {"asterisk_id": ENTITY, "application": app}))

    def packets(self, ch: Channel) -> int:
        """How many packets of sound the far end has sent."""
        return int(ch.far.sent_seconds() * PACKETS_A_SECOND)

    def _stamp(self) -> str:
        return stamp(clock.now())

    def info(self) -> Json:
        """``GET /asterisk/info``."""
        return {
            "system": {"version": "22.10.1", "entity_id": ENTITY},
            "config": {"name": "", "default_language": "fr"},
            "status": {"startup_time": stamp(self.started_at)},
        }

    def now(self) -> datetime:
        """The time, as events tell it."""
        return clock.now()
