"""The people at the far ends of the stand-in engine's wires, and the truth about what they hear.

What a rehearsal judges calls by is here and nowhere else: ``heard`` of each call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from cti.simulation.fake import FakeAsterisk
    from cti.simulation.fake_channel import Channel

State = Literal["ringing", "up", "ended"]
USER_BUSY, NO_ANSWER, NORMAL, DECLINED = 17, 19, 16, 21  # Q.850
UNKNOWN, CONGESTION = 1, 34
CAUSES = {
    486: USER_BUSY,
    600: USER_BUSY,
    603: DECLINED,
    480: NO_ANSWER,
    408: NO_ANSWER,
    404: UNKNOWN,
    503: CONGESTION,
}


class FarEnd:
    """One telephone in one call: ``heard`` holds (loop time, sound) at each change.

    A sound is ``silence``, ``music``, ``prompt:<path>``, ``people:<names>``, or the empty
    string before the call is up and after it has ended.
    """

    __slots__ = (
        "_sending_since",
        "_sent_seconds",
        "answered_at",
        "channel",
        "ended_at",
        "ended_how",
        "engine",
        "heard",
        "in_the_dialplan",
        "keys_pressed",
        "name",
        "on_change",
        "sends",
        "state",
        "vanished_at",
        "voice",
    )

    def __init__(self, engine: FakeAsterisk, name: str) -> None:
        self.engine = engine
        self.name = name
        self.channel: Channel | None = None
        self.state: State = "ringing"
        self.answered_at: float | None = None
        self.ended_at: float | None = None
        # self: hung up or declined; vanished; command: by the controller; dialplan; engine: it
        # stopped; unanswered: nobody picked up; refused: no controller was there to answer to;
        # peer: the other side of a call that the engine's own dialplan had joined.
        self.ended_how: str | None = None
        # As the engine noticed its end nobody commanded the channel, or only since an instant.
        self.in_the_dialplan = False
        self.vanished_at: float | None = None  # since when it sends nothing
        self.sends = True  # packets, whatever is in them
        self.voice = True  # somebody speaks into it
        self._sending_since = 0.0
        self._sent_seconds = 0.0  # until it last stopped sending
        self.keys_pressed: list[tuple[float, str]] = []
        self.heard: list[tuple[float, str]] = []
        self.on_change: Callable[[FarEnd], None] | None = None  # at each state and each sound

    @property
    def vanished(self) -> bool:
        """Whether it sends nothing any more."""
        return self.vanished_at is not None

    @property
    def hears(self) -> str:
        """What is heard now."""
        return self.heard[-1][1] if self.heard else ""

    def hear(self, sound: str) -> None:
        """Note what is heard from now on; for the engine."""
        if sound != self.hears:
            self.heard.append((self.engine.time(), sound))
            self._changed()

    def came_up(self) -> None:
        """The call was answered; for the engine."""
        self.state, self.answered_at = "up", self.engine.time()
        self._sending_since = self.answered_at

    def ended(self, how: str) -> None:
        """The call is over; for the engine."""
        if self.state == "ended":
            return
        self.state, self.ended_how, self.ended_at = "ended", how, self.engine.time()
        self.channel = None
        if self.hears:
            self.heard.append((self.ended_at, ""))
        self._changed()

    def press(self, key: str) -> None:
        """Press one key."""
        if self.channel is not None and not self.vanished:
            self.keys_pressed.append((self.engine.time(), key))
            self.engine.key_pressed(self.channel, key)

    def hang_up(self) -> None:
        """End the call, or decline one that rings; nothing when it is over."""
        if self.channel is not None and not self.vanished:
            self.engine.hung_up(self.channel)

    def vanish(self) -> None:
        """Stop sending anything, as a line that is cut; the engine finds out by itself."""
        if self.channel is not None and not self.vanished:
            self.vanished_at = self.engine.time()
            self.engine.sound_stopped(self.channel)

    def speak(self, voice: bool = True) -> None:
        """Speak from now on, or say nothing; the packets go on."""
        self.voice = voice
        if self.channel is not None:
            self.engine.voice_changed(self.channel)

    def send(self, sends: bool = True) -> None:
        """Send packets from now on, or none."""
        if sends != self.sends:
            self._sent_seconds, self._sending_since = self.sent_seconds(), self.engine.time()
            self.sends = sends
            if self.channel is not None and self.state == "up":
                self.engine.sending_changed(self.channel)

    def sent_seconds(self) -> float:
        """How many seconds of sound it has sent."""
        if self.answered_at is None or not self.sends:
            return self._sent_seconds
        until = self.engine.time() if self.vanished_at is None else self.vanished_at
        return self._sent_seconds + until - self._sending_since

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change(self)


class FakeCaller(FarEnd):
    """Somebody who has dialled our number."""

    __slots__ = ("channel_id", "number")

    def __init__(self, engine: FakeAsterisk, name: str, number: str | None) -> None:
        super().__init__(engine, name)
        self.number = number
        self.channel_id = ""  # the engine's name for this call, kept after its end


class FakePhoneCall(FarEnd):
    """One call at a desk phone."""

    __slots__ = ("channel_id", "phone", "shown")

    def __init__(self, phone: FakePhone, shown: str) -> None:
        super().__init__(phone.engine, phone.name)
        self.phone = phone
        self.shown = shown  # the caller's number that the phone shows
        self.channel_id = ""

    def answer(self) -> None:
        """Pick up; nothing when it no longer rings."""
        if self.channel is not None and self.state == "ringing" and not self.vanished:
            self.engine.answered(self.channel)

    def decline(self, status: int = 486) -> None:
        """Refuse a call that rings, by a SIP status."""
        if self.channel is not None and self.state == "ringing" and not self.vanished:
            self.engine.declined(self.channel, CAUSES.get(status, NORMAL), status)


class FakePhone:
    """A desk phone: known to the engine while ``registered``; ``on_ring`` gets each call."""

    __slots__ = (
        "absences",
        "calls",
        "engine",
        "name",
        "on_ring",
        "outside",
        "reachable",
        "refuses_with",
        "registered",
    )

    def __init__(
        self, engine: FakeAsterisk, name: str, registered: bool, outside: bool = False
    ) -> None:
        self.engine = engine
        self.name = name
        self.registered = registered  # what the engine believes
        self.absences: list[tuple[float, float]] = []  # since, until: it was not registered
        self.outside = outside  # reached over the trunk: it registers nowhere
        self.reachable = True  # whether an INVITE arrives
        self.refuses_with: int | None = None  # a SIP status, without ever ringing
        self.calls: list[FakePhoneCall] = []  # those not over
        self.on_ring: Callable[[FakePhoneCall], None] | None = None

    def lose_network(self) -> None:
        """Every call goes mute at once; the engine learns that the phone is away within 33 s."""
        self.reachable = False
        for call in list(self.calls):
            call.vanish()
        self.engine.later(self.engine.rng.uniform(3, 33), self._missed)

    def _missed(self) -> None:
        if not self.reachable and not self.outside:
            self.unregister()

    def register(self) -> None:
        """Be there (again)."""
        if self.absences and not self.registered:
            self.absences[-1] = self.absences[-1][0], self.engine.time()
        self.reachable = self.registered = True

    def unregister(self) -> None:
        """Sign off."""
        if self.registered:
            self.absences.append((self.engine.time(), float("inf")))
        self.registered = False

    def was_away(self, since: float, until: float) -> bool:
        """Whether it was not registered at some moment of that time."""
        return any(from_ <= until and to >= since for from_, to in self.absences)
