"""Whether both sides of a talk are heard; what the agent is told when one is not.

Two signs, of each leg: packets that no longer come, counted every three seconds; and a
voice, of which the engine tells by itself. Silence alone is no fault once somebody has been
heard: people listen, and weep. It costs one small question a leg and delays no decision.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from cti import clock
from cti.asterisk.ari import AriError
from cti.asterisk.exchange import talk_bridge
from cti.asterisk.legs import ChannelLeg
from cti.calls.house import House
from cti.calls.state import Call, Talk
from cti.tasks import Group

TICK_SECONDS = 1.0
TICKS_A_LOOK = 3  # from one count of the packets to the next
AGENT_SECONDS_MAX = 6.0  # who takes a call says hello by then
CALLER_SECONDS_MAX = 8.0  # a caller may need longer
LISTENS_SECONDS_MAX = 60.0  # an agent who has been heard says at least a word in that time
MUTE_LOOKS_OUTSIDE = 5  # operators send nothing while some telephones are silent
WORDS = Path(__file__).with_name("hearing.yaml")
Cause = Literal["no_packets", "silence", "long_silence"]


@dataclass(eq=False)
class Ear:
    """What is known of the sound of one leg of a talk."""

    leg: ChannelLeg
    taken_back: bool  # a process before us may have asked the engine to listen
    may_pause: bool = False  # sends nothing while it is silent, perhaps
    expected_since: float = field(default_factory=clock.monotonic)  # monotonic seconds
    packets: int | None = None  # at the last look
    missing: bool = False  # none had come since the look before
    mute_looks: int = 0  # in a row
    tells_voice: bool | None = None  # None: the engine was not asked yet

    def expect_anew(self) -> None:
        """Nobody could or should have been heard until now."""
        self.expected_since = clock.monotonic()

    async def look(self, call: Call, house: House) -> None:
        """Count the packets; have the engine listen for a voice unless it does."""
        try:
            packets = await house.exchange.packets_heard(self.leg)
            self.missing = packets == self.packets
            self.packets = packets
        except AriError:
            self.packets, self.missing = None, False  # not known: nobody is told anything
        self.mute_looks = self.mute_looks + 1 if self.missing else 0
        # It would wait, and have others wait, for the end of what plays.
        if self.tells_voice is None and not self.leg.playing and in_talk(call):
            with contextlib.suppress(AriError):  # at the next look
                self.tells_voice = await house.exchange.listen_for_voice(self.leg, self.taken_back)

    def unheard(self, seconds_max: float, listens_seconds_max: float) -> Cause | None:
        """Why this side cannot be heard, as far as it can be told."""
        if self.missing and not self.may_pause:
            return "no_packets"
        if not self.tells_voice or self.leg.speaking:
            return None
        now, voice_at = clock.monotonic(), self.leg.voice_at
        if voice_at is None:
            return "silence" if now - self.expected_since >= seconds_max else None
        since = max(voice_at, self.expected_since)
        return "long_silence" if now - since >= listens_seconds_max else None


def in_talk(call: Call) -> bool:
    """Whether the caller is in their talk, where nothing plays."""
    return call.caller.bridge == call.caller.place == talk_bridge(call.id)


def watch(call: Call, house: House, talk: Talk) -> None:
    """Look at the sound of a talk until it is over, unless somebody does."""
    if talk.watch is None or talk.watch.done():
        talk.watch = house.spawn(_watch(call, house, talk))


async def _watch(call: Call, house: House, talk: Talk) -> None:
    agent = Ear(talk.leg, talk.taken_back, may_pause=talk.leg.over_trunk)
    caller = Ear(call.caller, talk.taken_back)
    told: tuple[str, Cause] | None = None
    doubted = False
    for tick in itertools.count():
        if doubted or tick % TICKS_A_LOOK == 0:
            async with Group() as looks:
                looks.create_task(agent.look(call, house))
                if talk is call.talk:  # of three, one asks about the caller
                    looks.create_task(caller.look(call, house))
        if talk not in call.talks or talk.leg.gone.is_set():
            return
        gone = await _seems_gone(house, talk, agent)
        sure = (doubted or talk.leg.over_trunk) and talk in call.talks
        if gone and sure and await house.exchange.drop(talk.leg):
            return
        doubted = gone
        found = _problem(call, talk, agent, caller)
        if found != told:
            told = found
            _tell(call, talk, found)
        await asyncio.sleep(TICK_SECONDS)


async def _seems_gone(house: House, talk: Talk, agent: Ear) -> bool:
    """Whether the agent's phone sends nothing and is nowhere.

    A phone that only changes its address, or is known under none for a moment, still sends
    sound; ``rtp_timeout`` in the engine is the slower second line. A phone outside registers
    nowhere: it is gone when it has been mute for several looks.
    """
    if talk.leg.over_trunk:
        return agent.mute_looks >= MUTE_LOOKS_OUTSIDE
    return agent.missing and not await house.exchange.is_registered(talk.agent.account)


def _problem(call: Call, talk: Talk, agent: Ear, caller: Ear) -> tuple[str, Cause] | None:
    """What is wrong with the sound: the agent's own first, which the agent can mend."""
    if call.aside:
        caller.expect_anew()
    if call.aside or talk.muted_until is not None:
        agent.expect_anew()
    elif cause := agent.unheard(AGENT_SECONDS_MAX, LISTENS_SECONDS_MAX):
        return "no_voice", cause
    if talk is call.talk and not call.aside:
        cause = caller.unheard(CALLER_SECONDS_MAX, float("inf"))
        if cause:
            return "caller_silent", cause
    return None


def _tell(call: Call, talk: Talk, found: tuple[str, Cause] | None) -> None:
    if talk not in call.talks:
        return
    said: dict[str, Any] = {"problem": None, "advice": None, "advice_en": None, "say": []}
    if found is not None:
        problem, cause = found
        advice = _words()[problem][cause]
        said |= {"problem": problem, "advice": advice["fr"], "advice_en": advice["en"]}
    if said["problem"] == "caller_silent":
        sentences = _words()["say"]
        said["say"] = sentences.get(call.caller.language, sentences["fr"])
    engagement = talk.agent.engagement
    if engagement is not None:  # a screen that comes back is shown it too
        engagement.view["sound"] = said if found is not None else None
    talk.agent.outbox.push("call.sound", {"call": {"id": call.id}, **said})


@cache
def _words() -> dict[str, Any]:
    words: dict[str, Any] = yaml.safe_load(WORDS.read_text(encoding="utf-8"))
    return words


def show_key(call: Call, key: str) -> None:
    """The caller pressed a key: who cannot speak may tap, and the agents see it."""
    if call.talk is None:
        return
    call.keys.append(key)
    for talk in (call.talk, call.staying):
        if talk is not None and talk.agent.engagement is not None:
            view = talk.agent.engagement.view
            view["keys"] = list(call.keys)
            talk.agent.outbox.push("call.updated", {"call": view})
