"""Channels, bridges and playbacks of the stand-in engine: what each one is, and its JSON."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator
from datetime import datetime
from typing import Any

from cti.simulation.fake_people import FarEnd

Json = dict[str, Any]
Reply = Callable[[int, Any], None]  # (HTTP status, JSON); called once
# A dialplan's course: yields seconds to wait, or None to wait for ever; may be resumed sooner.
Course = Generator[float | None, Any, None]
SHOWN = ("FIL_SINCE", "FIL_DIALLED", "FIL_GREETED")  # channelvars= in ari.conf


def stamp(at: datetime) -> str:
    """A time as the engine writes it."""
    return f"{at.replace(tzinfo=None).isoformat(timespec='milliseconds')}+0000"


class Playback:
    """A sound asked for on a channel."""

    __slots__ = ("channel", "id", "media", "state", "stopped")

    def __init__(self, id_: str, media: str, channel: Channel) -> None:
        self.id, self.media, self.channel = id_, media, channel
        self.state = "queued"
        self.stopped = False  # before its turn came

    def json(self) -> Json:
        """As the engine describes it."""
        return {
            "id": self.id,
            "media_uri": self.media,
            "target_uri": f"channel:{self.channel.id}",
            "language": "fr",
            "state": self.state,
        }


class Bridge:
    """Where channels hear each other, or music."""

    __slots__ = ("created_at", "hears_keys", "id", "members", "name", "technology", "type")

    def __init__(self, id_: str, type_: str, name: str, created_at: str) -> None:
        self.id, self.name, self.created_at = id_, name, created_at
        self.type = "holding" if type_ == "holding" else "mixing"
        self.technology = "holding_bridge" if type_ == "holding" else "simple_bridge"
        self.hears_keys = "dtmf_events" in type_
        self.members: list[Channel] = []

    def json(self) -> Json:
        """As the engine describes it."""
        return {
            "id": self.id,
            "technology": self.technology,
            "bridge_type": self.type,
            "bridge_class": "stasis",
            "creator": "Stasis",
            "name": self.name,
            "channels": [member.id for member in self.members],
            "creationtime": self.created_at,
            "video_mode": "talker",
        }


class Channel:
    """One leg inside the engine: in the dialplan's course, or in an application's hands."""

    __slots__ = (
        "app",
        "apps",
        "bridge",
        "caller_id",
        "commands",
        "course",
        "created_at",
        "deadline",
        "deadline_at",
        "dialled",
        "dialplan",
        "ended",
        "entered_at",
        "far",
        "handler",
        "id",
        "interrupted",
        "leaving",
        "muted",
        "name",
        "number",
        "offered",
        "outgoing",
        "playing",
        "playing_ends",
        "role",
        "said",
        "serves",
        "silence_seconds",
        "state",
        "talking",
        "timer",
        "together",
        "variables",
        "voice_timer",
    )

    def __init__(
        self, id_: str, name: str, caller_id: tuple[str, str], far: FarEnd, created_at: str
    ) -> None:
        self.id, self.name, self.far, self.created_at = id_, name, far, created_at
        self.caller_id = caller_id  # (name, number)
        self.state = "Down"
        self.ended = False
        self.outgoing = False  # made by originate: its end is told, and its caller may be owned
        self.handler = False  # agent-gone runs at its end
        self.variables: dict[str, str] = {}
        self.dialplan: tuple[str, str, int, str, str] = ("from-trunk", "s", 1, "", "")
        self.course: Course | None = None
        self.timer: asyncio.TimerHandle | None = None  # wakes the course
        self.deadline: asyncio.TimerHandle | None = None  # TIMEOUT(absolute)
        self.deadline_at: float | None = None
        self.offered: str | None = None  # the word of a broadcast nobody has claimed yet
        self.app: str | None = None  # in whose hands it is
        self.entered_at = 0.0  # when it came there
        self.apps: dict[str, None] = {}  # who is told of it
        self.commands: deque[Callable[[], None]] = deque()  # each waits for the playback before
        self.playing: Playback | None = None
        self.playing_ends: asyncio.TimerHandle | None = None
        self.leaving: Callable[[], None] | None = None  # what follows the application
        self.interrupted = False  # what would play now fails at once
        self.bridge: Bridge | None = None
        self.role: str | None = None
        self.said = "silence"  # what the dialplan has it hear
        self.muted = False  # nobody hears its far end
        self.dialled: list[Channel] | None = None  # the legs of its Dial that are not over
        self.serves: Channel | None = None  # the caller whose Dial it is a leg of
        self.together: Channel | None = None  # whom that Dial has joined it with
        self.silence_seconds: float | None = None  # TALK_DETECT: no voice for so long is told
        self.talking = False  # as told
        self.voice_timer: asyncio.TimerHandle | None = None

    def json(self) -> Json:
        """As the engine describes it."""
        name, number = self.caller_id
        context, exten, priority, app_name, app_data = self.dialplan
        connected = {"name": name, "number": number} if self.outgoing else _NOBODY
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "protocol_id": f"{self.id}@127.0.0.1",
            "caller": {"name": name, "number": number},
            "connected": connected,
            "accountcode": "",
            "dialplan": {
                "context": context,
                "exten": exten,
                "priority": priority,
                "app_name": app_name,
                "app_data": app_data,
            },
            "creationtime": self.created_at,
            "language": "fr",
            "channelvars": {name: self.variables.get(name, "") for name in SHOWN},
        }

    def sound(self) -> str:
        """What the far end hears now."""
        if self.state != "Up":
            return ""
        if self.playing is not None:
            path = self.playing.media.removeprefix("sound:")
            return f"prompt:{path}"
        if self.app is None:
            return self.said if self.together is None else f"people:{self.together.far.name}"
        if self.bridge is None:
            return self.said
        if self.bridge.type == "holding":
            return "music" if self.role == "holding_participant" else self.said
        if self.said == "music":
            return "music"  # the dialplan's, which nothing ended: it covers every voice
        others = [
            m.far.name
            for m in self.bridge.members
            if m is not self and m.playing is None and not m.muted
        ]
        return "people:" + ",".join(others) if others else "silence"


_NOBODY = {"name": "", "number": ""}
