"""What our design takes for granted about the engine and our dialplan, one fact a function.

Each is put to the engine itself and to its stand-in. When a new Asterisk changes one, it
is red here, by its name, before a caller finds out; and the stand-in cannot lie.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import pytest

from cti.asterisk import ari_models as events
from cti.asterisk.ari import (
    Ari,
    AriConflict,
    AriError,
    EngineAway,
    Gone,
    LegGone,
    Mailbox,
    PhoneUnreachable,
    failure,
)
from cti.asterisk.exchange import VOICE, VOICE_MODULE
from cti.asterisk.wire import WireLost
from cti.calls.offering import USER_BUSY
from cti.calls.talking import LOST_CAUSES
from tests.contract.worlds import Handset, Party, World, until

APP = "fil"
VOICE_BEGINS, VOICE_ENDS = "ChannelTalkingStarted", "ChannelTalkingFinished"
LONG = "/sounds/fr/personne-disponible"  # more than ten seconds
SHORT = "/sounds/fr/un-appel-arrive"  # about one
PAUSE_SECONDS_MAX = 1.5  # between one person or sound and the next, while the machine is busy
SOON_SECONDS = 0.5  # what does not wait for a playback takes milliseconds
RESTARTS_MAX = 5
NOBODY = {"message": "Channel not found"}
NOT_OURS = {"message": "Channel not in Stasis application"}
NO_CAUSE, NORMAL, NO_ANSWER, NO_SOUND, NO_ANSWER_STATUS = 0, 16, 19, 44, 480
A = TypeVar("A", bound=events.Event)
Fact = Callable[[World], Coroutine[Any, Any, None]]
FACTS: list[Fact] = []


def fact(story: Fact) -> Fact:
    """Have a story put to both engines."""
    FACTS.append(story)
    return story


class Leg:
    """A channel in our hands, the telephone at its other end, and what we were told of it."""

    def __init__(self, id_: str, mailbox: Mailbox, party: Party, ari: Ari) -> None:
        self.id, self.mailbox, self.party, self.ari = id_, mailbox, party, ari
        self.name = ""
        self.seen: list[events.Event] = []

    async def sees(self, kind: type[A], seconds_max: float = 3) -> A:
        """The next event of a kind about this channel."""
        try:
            async with asyncio.timeout(seconds_max):
                while True:
                    event = await self.mailbox.get()
                    self.seen.append(event)
                    if isinstance(event, kind):
                        return event
        except TimeoutError:
            types = [event.type for event in self.seen]
            raise AssertionError(f"no {kind.__name__} in {seconds_max} s; saw {types}") from None

    async def told(self, seconds: float = SOON_SECONDS) -> list[str]:
        """The types of what is told of this channel within a while, all noise left out."""
        types: list[str] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    event = await self.mailbox.get()
                    self.seen.append(event)
                    types.append(event.type)
        noise = ("ChannelVarset", "ChannelDialplan", "ChannelConnectedLine")
        return [type_ for type_ in types if type_ not in noise]

    async def play(self, media: str) -> str:
        """Start a playback; returns its id once it plays."""
        id_ = await self.ask_for(media)
        await self.sees(events.PlaybackStarted)
        return id_

    async def ask_for(self, media: str) -> str:
        id_ = uuid.uuid4().hex
        media = media if ":" in media else f"sound:{media}"
        await self.ari.channels.playWithId(channelId=self.id, playbackId=id_, media=media)
        return id_

    async def set(self, variable: str, value: str) -> None:
        await self.ari.channels.setChannelVar(channelId=self.id, variable=variable, value=value)


def new_id() -> str:
    return f"contract-{uuid.uuid4().hex}"


@asynccontextmanager
async def a_leg(ari: Ari, phone: Handset, **more: Any) -> AsyncIterator[Leg]:
    """A channel of ours to a phone that answers at once."""
    id_, before = new_id(), len(phone.rung)
    with ari.open_mailbox(id_) as mailbox:
        await originate(ari, id_, phone.name, **more)
        await until(lambda: len(phone.rung) > before, 3, "it rings")
        leg = Leg(id_, mailbox, phone.rung[-1], ari)
        leg.name = (await leg.sees(events.StasisStart)).channel.name
        try:
            yield leg
        finally:
            with suppress(AriError):
                await ari.channels.hangup(channelId=id_)
            await until(lambda: leg.party.over, 2, "the leg is over")


async def originate(ari: Ari, id_: str, phone: str, **more: Any) -> events.Channel:
    return await ari.channels.originateWithId(
        channelId=id_, endpoint=f"PJSIP/{phone}", app=APP, appArgs="agent", formats="alaw", **more
    )


@asynccontextmanager
async def a_caller(world: World, ari: Ari) -> AsyncIterator[Leg]:
    """Somebody who has called and whom we have claimed."""
    offers = offered(ari)
    async with world.caller() as party:
        offer = await asyncio.wait_for(offers.get(), 2)
        with ari.open_mailbox(offer.channel.id) as mailbox:
            leg = Leg(offer.channel.id, mailbox, party, ari)
            leg.name = offer.channel.name
            await claim(ari, leg)
            try:
                yield leg
            finally:
                await party.hang_up()
                await until(lambda: party.over, 2, "the caller is gone")


def offered(ari: Ari) -> asyncio.Queue[events.CallBroadcast]:
    """The calls offered from now on."""
    queue: asyncio.Queue[events.CallBroadcast] = asyncio.Queue()

    def hear(event: events.Event) -> None:
        if isinstance(event, events.CallBroadcast):
            queue.put_nowait(event)

    ari.on_orphan = hear
    return queue


async def claim(ari: Ari, leg: Leg) -> events.StasisStart:
    await ari.events.claimChannel(channelId=leg.id, application=APP)
    return await leg.sees(events.StasisStart)


@asynccontextmanager
async def a_bridge(ari: Ari, type_: str) -> AsyncIterator[str]:
    bridge = await ari.bridges.createWithId(bridgeId=new_id(), type=type_)
    try:
        yield bridge.id
    finally:
        with suppress(AriError):
            await ari.bridges.destroy(bridgeId=bridge.id)


async def hold(ari: Ari, bridge: str, leg: Leg) -> None:
    await ari.bridges.addChannel(bridgeId=bridge, channel=leg.id, role="holding_participant")


async def join(ari: Ari, bridge: str, caller: Leg, agent: Leg) -> None:
    await ari.channels.stopMoh(channelId=caller.id)  # the dialplan's, which would cover the talk
    await ari.bridges.addChannel(bridgeId=bridge, channel=[caller.id, agent.id])


async def mostly_hears_only(leg: Leg, whom: str) -> bool:
    """Whether it comes to hear one other and nobody else, but for a late packet now and then."""
    heard: deque[bool] = deque(maxlen=8)
    for _ in range(40):  # a busy machine needs a moment
        await asyncio.sleep(0.25)
        heard.append(leg.party.hears_only(whom))
        if sum(heard) >= 6:
            return True
    return False


async def still_waiting(task: asyncio.Future[Any]) -> None:
    done, _ = await asyncio.wait({task}, timeout=SOON_SECONDS)
    assert not done


# -- ids are ours -------------------------------------------------------------------------


@fact
async def the_same_leg_asked_for_twice_is_refused_and_rings_once(world: World) -> None:
    async with world.listening() as ari, world.phone("rosa", "auto") as phone:
        async with a_leg(ari, phone) as leg:
            again = {"endpoint": f"PJSIP/{phone.name}", "app": APP}
            assert await world.put("POST", f"/channels/{leg.id}", **again) == (
                409,
                {"message": "Channel with given unique ID already exists"},
            )
            # Done twice, it is done.
            assert (await originate(ari, leg.id, phone.name)).id == leg.id
            await asyncio.sleep(SOON_SECONDS)
            assert phone.rung == [leg.party]


@fact
async def an_offline_phone_is_a_500_of_its_own_kind(world: World) -> None:
    body = {"endpoint": "PJSIP/louis", "app": APP}
    async with world.listening() as ari:
        assert await world.put("POST", f"/channels/{new_id()}", **body) == (
            500,
            {"error": "Allocation failed"},
        )
        with pytest.raises(PhoneUnreachable):
            await originate(ari, new_id(), "louis")


@fact
async def after_a_409_a_connection_repeats_it_for_an_offline_phone(world: World) -> None:
    async with world.listening() as ari, world.phone("rosa", "auto") as phone:
        async with a_leg(ari, phone) as leg:
            wire = world.wire()
            offline, again = ({"endpoint": f"PJSIP/{p}", "app": APP} for p in ("louis", "rosa"))
            refused = await wire.put("POST", f"/channels/{leg.id}", again)
            assert refused[0] == 409
            assert await wire.put("POST", f"/channels/{new_id()}", offline) == refused
            await wire.close()
            status, _ = await world.put("POST", f"/channels/{new_id()}", **offline)
            assert status == 500


@fact
async def a_bridge_asked_for_twice_is_refused_whatever_its_type(world: World) -> None:
    async with world.listening() as ari, a_bridge(ari, "holding") as bridge:
        refusal = (409, {"message": f"Bridge with id '{bridge}' already exists"})
        assert await world.put("POST", f"/bridges/{bridge}", type="holding") == refusal
        assert await world.put("POST", f"/bridges/{bridge}", type="mixing") == refusal
        again = await ari.bridges.createWithId(bridgeId=bridge, type="holding")
        assert again.bridge_type == "holding"  # done twice, it is done


@fact
async def a_playback_asked_for_twice_is_heard_twice(world: World) -> None:
    async with world.listening() as ari, world.phone("rosa", "auto") as phone:
        async with a_leg(ari, phone) as leg:
            same = uuid.uuid4().hex
            for _ in range(2):
                await ari.channels.playWithId(
                    channelId=leg.id, playbackId=same, media=f"sound:{SHORT}"
                )
            began = world.now()
            for _ in range(2):
                finished = await leg.sees(events.PlaybackFinished, 5)
                assert finished.playback.id == same
                assert finished.playback.state == "done"
            assert world.now() - began > 1.5  # one after the other


@fact
async def a_missing_sound_finishes_at_once_as_failed(world: World) -> None:
    async with world.listening() as ari, world.phone("rosa", "auto") as phone:
        async with a_leg(ari, phone) as leg:
            await leg.ask_for("/sounds/fr/nobody-built-this")
            assert (await leg.sees(events.PlaybackFinished)).playback.state == "failed"


@fact
async def an_unknown_kind_of_media_never_finishes_and_blocks_nothing(world: World) -> None:
    async with world.listening() as ari, world.phone("rosa", "auto") as phone:
        async with a_leg(ari, phone) as leg:
            playback = await leg.play("tape:hello")
            await asyncio.wait_for(leg.set("X", "1"), SOON_SECONDS)
            assert await leg.told(1.5) == []
            assert await world.put("DELETE", f"/playbacks/{playback}") == (
                404,
                {"message": "Playback not found"},
            )


# -- what blocks, and what does not -----------------------------------------------------------


@fact
async def a_variable_waits_for_the_end_of_a_playback_and_stopping_it_frees_it(
    world: World,
) -> None:
    async with world.listening() as ari, world.phone("rosa", "auto") as phone:
        async with a_leg(ari, phone) as leg:
            playing = await leg.play(LONG)
            setting = asyncio.ensure_future(leg.set("FIL_CALLER", ""))
            await still_waiting(setting)
            await ari.playbacks.stop(playbackId=playing)
            await asyncio.wait_for(setting, SOON_SECONDS)
            assert (await leg.sees(events.PlaybackFinished)).playback.state == "done"


@fact
async def joining_leaving_and_answering_wait_for_the_end_of_a_playback(world: World) -> None:
    async with (
        world.listening() as ari,
        a_bridge(ari, "mixing") as bridge,
        world.phone("rosa", "auto") as phone,
        a_leg(ari, phone) as leg,
    ):
        for work, members in (
            (lambda: ari.bridges.addChannel(bridgeId=bridge, channel=leg.id), (leg.id,)),
            (lambda: ari.channels.answer(channelId=leg.id), (leg.id,)),
            (lambda: ari.bridges.removeChannel(bridgeId=bridge, channel=leg.id), ()),
        ):
            playing = await leg.play(LONG)
            working = asyncio.ensure_future(work())
            await still_waiting(working)
            await ari.playbacks.stop(playbackId=playing)
            await asyncio.wait_for(working, SOON_SECONDS)
            assert (await ari.bridges.get(bridgeId=bridge)).channels == members


@fact
async def hanging_up_never_waits_and_what_waited_is_done_before_the_end(world: World) -> None:
    async with world.listening() as ari, world.phone("rosa", "auto") as phone:
        async with a_leg(ari, phone) as leg:
            await leg.play(LONG)
            await leg.ask_for(LONG)
            blocked = asyncio.ensure_future(leg.set("FIL_CALLER", ""))
            await still_waiting(blocked)
            await asyncio.wait_for(ari.channels.hangup(channelId=leg.id), SOON_SECONDS)
            await until(lambda: leg.party.over, SOON_SECONDS, "over")
            await asyncio.wait_for(blocked, SOON_SECONDS)  # told that it was done
            assert await leg.told() == [
                "ChannelHangupRequest",
                "PlaybackFinished",
                "PlaybackStarted",
                "PlaybackFinished",
                "StasisEnd",
                "ChannelDestroyed",
            ]
            ended = [e for e in leg.seen if isinstance(e, events.PlaybackFinished)]
            assert [e.playback.state for e in ended] == ["failed", "failed"]


@fact
async def a_playback_that_waits_its_turn_can_be_stopped_and_is_never_heard(world: World) -> None:
    async with world.listening() as ari, world.phone("rosa", "auto") as phone:
        async with a_leg(ari, phone) as leg:
            await leg.play(SHORT)
            waiting = await leg.ask_for(LONG)
            await ari.playbacks.stop(playbackId=waiting)
            assert await leg.told(2) == ["PlaybackFinished", "PlaybackFinished"]
            last = leg.seen[-1]
            assert isinstance(last, events.PlaybackFinished)
            assert (last.playback.id, last.playback.state) == (waiting, "done")


@fact
async def going_on_in_the_dialplan_is_promised_at_once_and_done_after_what_plays(
    world: World,
) -> None:
    async with world.listening() as ari, a_caller(world, ari) as caller:
        await caller.play(SHORT)
        began = world.now()
        await ari.channels.continueInDialplan(
            channelId=caller.id, context="alone", extension="s", priority=1
        )
        assert world.now() - began < SOON_SECONDS
        await caller.ask_for(SHORT)  # still accepted, still heard
        await caller.sees(events.StasisEnd)
        assert world.now() - began > 1.5


# -- music --------------------------------------------------------------------------------


@fact
async def music_in_a_waiting_bridge_belongs_to_each_member_and_survives_an_empty_bridge(
    world: World,
) -> None:
    async with (
        world.listening() as ari,
        a_bridge(ari, "holding") as bridge,
        world.phone("rosa", "auto") as phone,
    ):
        for _ in range(2):  # the second one finds a bridge that has been empty
            async with a_leg(ari, phone) as leg:
                await hold(ari, bridge, leg)
                await leg.party.hears_sound(1.5)
                entered_at = world.now()
                await asyncio.sleep(1)
                assert leg.party.silences(entered_at, longer_than_s=0.5) == []
            assert (await ari.bridges.get(bridgeId=bridge)).channels == ()


@fact
async def a_member_put_into_a_waiting_bridge_again_or_another_hears_nothing_until_it_was_out(
    world: World,
) -> None:
    async with (
        world.listening() as ari,
        a_bridge(ari, "holding") as bridge,
        a_bridge(ari, "holding") as other,
        world.phone("rosa", "auto") as phone,
        a_leg(ari, phone) as leg,
    ):
        for second in (bridge, other):
            await hold(ari, bridge, leg)
            await leg.party.hears_sound(1.5)
            await leg.sees(events.ChannelEnteredBridge)
            await hold(ari, second, leg)
            silent_since = world.now()
            await leg.sees(events.ChannelEnteredBridge)  # told again: who listens can mend it
            await leg.play(SHORT)
            await leg.sees(events.PlaybackFinished)
            await asyncio.sleep(1.5)
            assert leg.party.silences(silent_since + 1, longer_than_s=1.0) != []
            await ari.bridges.removeChannel(bridgeId=second, channel=leg.id)
            await hold(ari, bridge, leg)
            await leg.party.hears_sound(1.5)
            await ari.bridges.removeChannel(bridgeId=bridge, channel=leg.id)


@fact
async def music_asked_for_is_heard_in_whatever_waiting_bridge_and_after_a_prompt(
    world: World,
) -> None:
    async with (
        world.listening() as ari,
        a_bridge(ari, "holding") as bridge,
        world.phone("rosa", "auto") as phone,
        a_leg(ari, phone) as leg,
    ):
        for lost in (False, True):
            await hold(ari, bridge, leg)  # a second time: its music is lost
            for _ in range(2):  # asked for twice, it does no harm
                await ari.channels.startMoh(channelId=leg.id, mohClass="fil")
                await leg.party.hears_sound(1.5)
            asked_at = world.now()
            await leg.play(SHORT)
            await leg.sees(events.PlaybackFinished)
            await asyncio.sleep(1.5)
            assert leg.party.silences(asked_at, longer_than_s=0.6) == [], lost


@fact
async def music_asked_for_in_a_waiting_bridge_goes_on_in_a_talk_if_it_had_been_lost(
    world: World,
) -> None:
    async with (
        world.listening() as ari,
        a_bridge(ari, "holding") as bridge,
        a_bridge(ari, "mixing") as talk,
        world.phone("rosa", "auto") as phone,
        a_leg(ari, phone) as leg,
    ):
        for times, goes_on in ((1, False), (2, True)):
            for _ in range(times):
                await hold(ari, bridge, leg)
            await ari.channels.startMoh(channelId=leg.id, mohClass="fil")
            await leg.party.hears_sound(1.5)
            await ari.bridges.addChannel(bridgeId=talk, channel=leg.id)
            moved_at = world.now()
            await asyncio.sleep(1.5)
            assert (leg.party.silences(moved_at, longer_than_s=0.8) == []) == goes_on
            await ari.channels.stopMoh(channelId=leg.id)
            stopped_at = world.now()
            await asyncio.sleep(1.5)
            assert leg.party.silences(stopped_at, longer_than_s=0.8) != []


@fact
async def an_end_of_music_ends_that_of_a_waiting_bridge_until_music_is_asked_for(
    world: World,
) -> None:
    async with (
        world.listening() as ari,
        a_bridge(ari, "holding") as bridge,
        world.phone("rosa", "auto") as phone,
        a_leg(ari, phone) as leg,
    ):
        await hold(ari, bridge, leg)
        await leg.party.hears_sound(1.5)
        await ari.channels.stopMoh(channelId=leg.id)
        stopped_at = world.now()
        await asyncio.sleep(1.5)
        assert leg.party.silences(stopped_at, longer_than_s=0.8) != []
        await ari.channels.startMoh(channelId=leg.id, mohClass="fil")
        await leg.party.hears_sound(1.5)


@fact
async def without_its_role_a_member_of_a_waiting_bridge_hears_nothing(world: World) -> None:
    async with (
        world.listening() as ari,
        a_bridge(ari, "holding") as bridge,
        world.phone("rosa", "auto") as phone,
        a_leg(ari, phone) as leg,
    ):
        await ari.bridges.addChannel(bridgeId=bridge, channel=leg.id)
        entered_at = world.now()
        await asyncio.sleep(1.5)
        assert leg.party.silences(entered_at, longer_than_s=1.2) != []


@fact
async def music_comes_back_by_itself_after_a_prompt(world: World) -> None:
    async with (
        world.listening() as ari,
        a_bridge(ari, "holding") as bridge,
        world.phone("rosa", "auto") as phone,
        a_leg(ari, phone) as leg,
    ):
        await hold(ari, bridge, leg)
        await leg.play(SHORT)
        await leg.sees(events.PlaybackFinished, 4)
        finished_at = world.now()
        await asyncio.sleep(1.5)
        assert leg.party.silences(finished_at + 0.1, longer_than_s=0.5) == []


@fact
async def a_claimed_caller_hears_the_dialplans_music_until_a_sound_or_a_waiting_bridge_ends_it(
    world: World,
) -> None:
    async with (
        world.listening() as ari,
        a_bridge(ari, "holding") as line,
        a_bridge(ari, "mixing") as bridge,
        world.phone("rosa", "auto") as phone,
        a_leg(ari, phone) as leg,
    ):
        async with a_caller(world, ari) as caller:
            await caller.party.hears_sound(0.5)
            # A talk does not end it: it covers the other's voice.
            await ari.bridges.addChannel(bridgeId=bridge, channel=[caller.id, leg.id])
            await leg.party.hears("caller")
            covered = []
            for _ in range(6):  # music, too, has quiet moments
                await asyncio.sleep(0.5)
                covered.append(not caller.party.hears_only("rosa"))
            assert any(covered[1:])
            await ari.channels.stopMoh(channelId=caller.id)
            await asyncio.sleep(1)
            assert await mostly_hears_only(caller, "rosa")
        async with a_caller(world, ari) as caller:
            await hold(ari, line, caller)
            await ari.bridges.addChannel(bridgeId=bridge, channel=[caller.id, leg.id])
            await asyncio.sleep(1)
            assert await mostly_hears_only(caller, "rosa")
        async with a_caller(world, ari) as caller:
            await caller.play(SHORT)
            await caller.sees(events.PlaybackFinished)
            silent_since = world.now()
            await asyncio.sleep(1.5)
            assert caller.party.silences(silent_since, longer_than_s=1.0) != []


@fact
async def two_in_a_bridge_hear_each_other_and_a_key_is_told(world: World) -> None:
    async with (
        world.listening() as ari,
        a_bridge(ari, "mixing,dtmf_events") as bridge,
        world.phone("rosa", "auto") as phone,
        a_caller(world, ari) as caller,
        a_leg(ari, phone) as leg,
    ):
        await join(ari, bridge, caller, leg)
        await caller.party.hears("rosa")
        await leg.party.hears("caller")
        await caller.party.press("5")
        assert (await caller.sees(events.ChannelDtmfReceived)).digit == "5"
        # The end of the bridge lets both go, and ends neither.
        await ari.bridges.destroy(bridgeId=bridge)
        await caller.sees(events.ChannelLeftBridge)
        assert caller.party.up
        assert leg.party.up


@fact
async def an_agent_muted_inwards_is_heard_by_nobody_in_whatever_bridge_and_hears_everybody(
    world: World,
) -> None:
    async with (
        world.listening() as ari,
        a_bridge(ari, "mixing,dtmf_events") as bridge,
        a_bridge(ari, "mixing,dtmf_events") as other,
        world.phone("rosa", "auto") as phone,
        a_caller(world, ari) as caller,
        a_leg(ari, phone) as leg,
    ):
        await join(ari, bridge, caller, leg)
        await caller.party.hears("rosa")
        for _ in range(2):  # asked for twice, it is ended once
            await ari.channels.mute(channelId=leg.id, direction="in")
        muted_at = world.now()
        await asyncio.sleep(2.5)
        assert caller.party.silences(muted_at, longer_than_s=1.5)
        await leg.party.hears("caller", 1)
        moved_at = world.now()
        await join(ari, other, caller, leg)
        await asyncio.sleep(2.5)
        assert caller.party.silences(moved_at, longer_than_s=1.5)
        await leg.party.hears("caller", 1)
        for _ in range(2):
            await ari.channels.unmute(channelId=leg.id, direction="in")
        await caller.party.hears("rosa")
        await ari.channels.hangup(channelId=leg.id)
        await leg.sees(events.ChannelDestroyed)
        with pytest.raises(Gone):
            await ari.channels.mute(channelId=leg.id, direction="in")


@fact
async def a_caller_on_hold_is_brought_back_by_the_end_of_the_agent_who_owns_them(
    world: World,
) -> None:
    async with (
        world.listening() as ari,
        a_bridge(ari, "holding") as waiting,
        a_bridge(ari, "mixing,dtmf_events") as aside,
        a_talk(world, ari) as (caller, agent, _),
    ):
        await agent.set("FIL_CALLER", caller.name)
        held_at = world.now()
        await ari.bridges.addChannel(
            bridgeId=waiting, channel=[caller.id], role="holding_participant"
        )
        await ari.bridges.addChannel(bridgeId=aside, channel=[agent.id])
        await asyncio.sleep(2)
        await caller.party.hears_sound()
        assert not caller.party.hears_only("rosa")
        assert not caller.party.silences(held_at, longer_than_s=PAUSE_SECONDS_MAX)
        offers = offered(ari)
        await agent.party.hang_up()
        offer = await asyncio.wait_for(offers.get(), SOON_SECONDS)
        assert offer.channel.id == caller.id
        assert (await claim(ari, caller)).args == ("peer-gone",)


# -- the end --------------------------------------------------------------------------------


@fact
async def whatever_is_asked_of_a_channel_that_has_ended_says_so(world: World) -> None:
    async with (
        world.listening() as ari,
        a_bridge(ari, "mixing") as bridge,
        world.phone("rosa", "auto") as phone,
    ):
        async with a_leg(ari, phone) as leg:
            await leg.party.hang_up()
            await leg.sees(events.ChannelDestroyed)
        id_ = leg.id
        for method, path, values in (
            ("GET", f"/channels/{id_}", {}),
            ("DELETE", f"/channels/{id_}", {}),
            ("POST", f"/channels/{id_}/variable", {"variable": "X", "value": "1"}),
            ("POST", f"/channels/{id_}/play/{new_id()}", {"media": f"sound:{SHORT}"}),
            ("POST", f"/channels/{id_}/continue", {"context": "alone"}),
            ("GET", f"/channels/{id_}/rtp_statistics", {}),
        ):
            assert await world.put(method, path, **values) == (404, NOBODY)
        assert await world.put("POST", f"/bridges/{bridge}/addChannel", channel=id_) == (
            400,
            NOBODY,
        )
        with pytest.raises(LegGone):
            await ari.bridges.addChannel(bridgeId=bridge, channel=id_)
        assert await world.put("POST", "/bridges/none/addChannel", channel=id_) == (
            404,
            {"message": "Bridge not found"},
        )


@fact
async def stopping_a_playback_that_has_ended_is_no_news_about_the_leg(world: World) -> None:
    async with world.listening() as ari, world.phone("rosa", "auto") as phone:
        async with a_leg(ari, phone) as leg:
            playing = await leg.play(SHORT)
            await leg.sees(events.PlaybackFinished, 4)
            await asyncio.sleep(0.2)  # it is told to have ended a moment before it is gone
            with pytest.raises(Gone) as refused:
                await ari.playbacks.stop(playbackId=playing)
            assert not isinstance(refused.value, LegGone)


@fact
async def a_phone_that_hangs_up_ends_with_no_cause_of_a_loss(world: World) -> None:
    async with world.listening() as ari, world.phone("rosa", "auto") as phone:
        async with a_leg(ari, phone) as leg:
            await leg.party.hang_up()
            assert await leg.told() == ["ChannelHangupRequest", "StasisEnd", "ChannelDestroyed"]
            end = leg.seen[-1]
            assert isinstance(end, events.ChannelDestroyed)
            assert (end.cause, end.tech_cause) == (NO_CAUSE, None)
    async with world.listening() as ari, a_talk(world, ari) as (_, leg, _):
        await leg.party.hang_up()
        end = await leg.sees(events.ChannelDestroyed)
        assert (end.cause, end.tech_cause) == (NORMAL, None)
    assert not {NO_CAUSE, NORMAL} & LOST_CAUSES


@fact
async def a_phone_that_goes_mute_is_ended_after_fifteen_seconds_as_a_loss(world: World) -> None:
    async with world.listening() as ari, world.phone("rosa", "auto") as phone:
        async with a_leg(ari, phone) as leg:
            await leg.told()
            before = (await ari.channels.rtpstatistics(channelId=leg.id)).rxcount
            assert before > 0
            leg.party.vanish()
            began = world.now()
            await asyncio.sleep(1)
            heard = (await ari.channels.rtpstatistics(channelId=leg.id)).rxcount
            await asyncio.sleep(1)
            assert (await ari.channels.rtpstatistics(channelId=leg.id)).rxcount == heard
            request = await leg.sees(events.ChannelHangupRequest, 16)
            assert 13 < world.now() - began < 17
            end = await leg.sees(events.ChannelDestroyed)
            assert (request.cause, end.cause) == (1, NO_SOUND)
            assert end.cause in LOST_CAUSES


@fact
async def a_busy_phone_ends_as_busy_and_never_comes_into_our_hands(world: World) -> None:
    async with world.listening() as ari, world.phone("rosa", "busy"):
        id_ = new_id()
        with ari.open_mailbox(id_) as mailbox:
            await originate(ari, id_, "rosa")
            leg = Leg(id_, mailbox, None, ari)
            end = await leg.sees(events.ChannelDestroyed)
            assert (end.cause, end.tech_cause) == (USER_BUSY, 486)
            assert not any(isinstance(event, events.StasisStart) for event in leg.seen)


@fact
async def a_phone_that_nobody_picks_up_ends_at_its_limit_as_unanswered(world: World) -> None:
    async with world.listening() as ari, world.phone("rosa", "ring") as phone:
        id_ = new_id()
        with ari.open_mailbox(id_) as mailbox:
            began = world.now()
            await originate(ari, id_, "rosa", timeout=2)
            leg = Leg(id_, mailbox, None, ari)
            end = await leg.sees(events.ChannelDestroyed, 4)
            assert 1.5 < world.now() - began < 3
            assert (end.cause, end.tech_cause) == (NO_ANSWER, NO_ANSWER_STATUS)
            assert phone.rung[-1].over
            told = {event.type for event in leg.seen}
            assert not told & {"StasisStart", "StasisEnd", "ChannelHangupRequest"}


@fact
async def a_ring_that_we_end_stops_at_once(world: World) -> None:
    async with world.listening() as ari, world.phone("rosa", "ring") as phone:
        id_ = new_id()
        with ari.open_mailbox(id_) as mailbox:
            await originate(ari, id_, "rosa", timeout=20)
            await until(lambda: phone.rung, 2, "it rings")
            leg = Leg(id_, mailbox, phone.rung[-1], ari)
            await ari.channels.hangup(channelId=id_, reason_code="16")
            await until(lambda: leg.party.over, SOON_SECONDS, "it rings no more")
            assert (await leg.sees(events.ChannelDestroyed)).cause == NORMAL
            assert not any(isinstance(event, events.StasisEnd) for event in leg.seen)


@fact
async def a_caller_who_leaves_is_told_of_without_a_channel_destroyed(world: World) -> None:
    async with world.listening() as ari, a_bridge(ari, "holding") as bridge:
        async with a_caller(world, ari) as caller:
            await hold(ari, bridge, caller)
            await caller.play(LONG)
            await caller.party.hang_up()
            assert await caller.told(1) == [
                "ChannelHangupRequest",
                "PlaybackFinished",
                "ChannelLeftBridge",
                "StasisEnd",
            ]


@fact
async def a_caller_whom_we_hang_up_is_told_of_likewise(world: World) -> None:
    async with world.listening() as ari, a_caller(world, ari) as caller:
        await ari.channels.hangup(channelId=caller.id, reason_code="16")
        assert await caller.told(1) == ["ChannelHangupRequest", "StasisEnd"]
        assert caller.party.over


# -- a call on offer ----------------------------------------------------------------------


@fact
async def a_call_is_offered_with_our_variables_and_belongs_to_who_claims_it_first(
    world: World,
) -> None:
    async with world.listening() as ari:
        offers = offered(ari)
        async with world.caller() as party:
            offer = await asyncio.wait_for(offers.get(), 2)
            id_ = offer.channel.id
            variables = offer.channel.channelvars or {}
            assert (variables["FIL_DIALLED"], variables["FIL_GREETED"]) == ("0800190000", "")
            assert offer.channel.caller.number == "0199000042"
            # Until it is ours, it obeys nobody.
            for path, values in (
                (f"/channels/{id_}/play/x", {"media": f"sound:{SHORT}"}),
                (f"/channels/{id_}/variable", {"variable": "X", "value": "1"}),
                (f"/channels/{id_}/continue", {"context": "alone"}),
            ):
                assert await world.put("POST", path, **values) == (409, NOT_OURS)
            async with a_bridge(ari, "holding") as bridge:
                refused = await world.put("POST", f"/bridges/{bridge}/addChannel", channel=id_)
                assert refused == (422, NOT_OURS)
            with ari.open_mailbox(id_) as mailbox:
                leg = Leg(id_, mailbox, party, ari)
                assert (await claim(ari, leg)).args == ("first",)
                again = {"channelId": id_, "application": APP}
                status, said = await world.put("POST", "/events/claim", **again)
                assert status == 409
                assert said["message"].startswith("Channel has already been claimed")
                with pytest.raises(AriConflict):
                    await ari.events.claimChannel(channelId=id_, application=APP)
                await party.hang_up()
                await leg.sees(events.StasisEnd)


@fact
async def an_offer_lasts_half_a_second(world: World) -> None:
    async with world.listening() as ari:
        offers = offered(ari)
        async with world.caller():
            offer = await asyncio.wait_for(offers.get(), 2)
            await asyncio.sleep(0.7)
            late = {"channelId": offer.channel.id, "application": APP}
            assert await world.put("POST", "/events/claim", **late) == (
                404,
                {"message": "Channel not found or not in broadcast state"},
            )


@fact
async def a_claim_for_an_application_that_has_gone_leaves_the_caller_to_the_dialplan(
    world: World,
) -> None:
    async with world.listening("other"), world.listening() as ari:
        offers = offered(ari)
        async with world.caller() as party:
            offer = await asyncio.wait_for(offers.get(), 2)
            nobody = {"channelId": offer.channel.id, "application": "nobody"}
            status, _ = await world.put("POST", "/events/claim", **nobody)
            assert status in CLAIMED_FOR_NOBODY
            began = world.now()
            await party.hears_sound(2)
            await asyncio.sleep(9)
            assert party.was_told("fr/secours-accueil", began)


CLAIMED_FOR_NOBODY = (204, 404, 409)


# -- our dialplan ---------------------------------------------------------------------------


@fact
async def with_nobody_connected_a_caller_is_welcomed_within_a_second_then_hears_music(
    world: World,
) -> None:
    async with world.caller() as party:
        began = world.now()
        await asyncio.sleep(11)
        assert party.was_told("fr/secours-accueil", began)
        # The broadcasts that nobody answers are the only silences.
        assert party.silences(began, longer_than_s=PAUSE_SECONDS_MAX) == []
        async with world.listening() as ari:
            offer = await asyncio.wait_for(offered(ari).get(), 6)
            with ari.open_mailbox(offer.channel.id) as mailbox:
                caller = Leg(offer.channel.id, mailbox, party, ari)
                entered = await claim(ari, caller)
                assert entered.args == ("again",)
                assert (entered.channel.channelvars or {})["FIL_GREETED"] == "1"


@fact
async def a_lease_that_ends_takes_the_caller_back_and_offers_them_again(world: World) -> None:
    async with (
        world.listening() as ari,
        a_bridge(ari, "holding") as bridge,
        a_caller(world, ari) as caller,
    ):
        offers = offered(ari)
        for playing in (False, True):
            await hold(ari, bridge, caller)
            await caller.set("TIMEOUT(absolute)", "1")
            if playing:
                await caller.play(LONG)
            began = world.now()
            await caller.sees(events.StasisEnd)
            assert 0.5 < world.now() - began < 1.5
            assert (await ari.bridges.get(bridgeId=bridge)).channels == ()
            ended_at = world.now()
            offer = await asyncio.wait_for(offers.get(), 10)
            assert offer.channel.id == caller.id
            # Claimed first: an offer stands for half a second, and judging sound takes longer.
            assert (await claim(ari, caller)).args == ("again",)
            assert caller.party.was_told("fr/secours-patience", ended_at)
        # Without a lease nobody takes them back.
        await caller.set("TIMEOUT(absolute)", "1")
        await caller.set("TIMEOUT(absolute)", "0")
        assert await caller.told(1.5) == []


@fact
async def a_lease_that_ends_takes_the_caller_out_of_a_talk(world: World) -> None:
    async with (
        world.listening() as ari,
        a_bridge(ari, "mixing,dtmf_events") as bridge,
        world.phone("rosa", "auto") as phone,
        a_caller(world, ari) as caller,
        a_leg(ari, phone) as leg,
    ):
        await join(ari, bridge, caller, leg)
        await caller.party.hears("rosa")
        await caller.set("TIMEOUT(absolute)", "1")
        await caller.sees(events.StasisEnd)
        assert (await ari.bridges.get(bridgeId=bridge)).channels == (leg.id,)
        assert leg.party.up


HANDLER = {"CHANNEL(hangup_handler_push)": "agent-gone,s,1"}


@asynccontextmanager
async def a_talk(world: World, ari: Ari) -> AsyncIterator[tuple[Leg, Leg, str]]:
    """A caller and an agent whose leg runs the engine's handler when it ends."""
    async with (
        a_bridge(ari, "mixing,dtmf_events") as bridge,
        world.phone("rosa", "auto") as phone,
        a_caller(world, ari) as caller,
        a_leg(ari, phone, variables=HANDLER) as agent,
    ):
        await caller.set("TIMEOUT(absolute)", "0")
        await join(ari, bridge, caller, agent)
        await caller.party.hears("rosa")
        yield caller, agent, bridge


@fact
async def the_engine_says_whether_it_can_tell_of_voices(world: World) -> None:
    async with world.listening() as ari:
        found = await ari.asterisk.getModule(moduleName=VOICE_MODULE)
        assert found.status == "Running"
        with pytest.raises(Gone):
            await ari.asterisk.getModule(moduleName="func_nothing.so")


async def packets(ari: Ari, leg: Leg) -> int:
    return (await ari.channels.rtpstatistics(channelId=leg.id)).rxcount


@fact
async def a_voice_is_told_of_once_it_is_asked_for_and_so_is_its_end(world: World) -> None:
    async with world.listening() as ari, a_talk(world, ari) as legs:
        for leg in legs[:2]:
            assert VOICE_BEGINS not in await leg.told(1)
            await leg.set("TALK_DETECT(set)", VOICE)
            await leg.sees(events.ChannelTalkingStarted, 1)
            await leg.set("TALK_DETECT(set)", VOICE)  # by another controller
            assert VOICE_BEGINS not in await leg.told(1)
            await leg.set("TALK_DETECT(remove)", "")
            assert await leg.told(1) == []
            await leg.set("TALK_DETECT(remove)", "")  # no harm in it
            await leg.set("TALK_DETECT(set)", VOICE)
            await leg.sees(events.ChannelTalkingStarted, 1)
            leg.party.speak(False)
            await leg.sees(events.ChannelTalkingFinished, 3)
            leg.party.speak()
            await leg.sees(events.ChannelTalkingStarted, 1)


@fact
async def of_packets_that_no_longer_come_nothing_is_told_but_they_are_counted(world: World) -> None:
    async with world.listening() as ari, a_talk(world, ari) as legs:
        for leg in legs[:2]:
            await leg.set("TALK_DETECT(set)", VOICE)
            await leg.sees(events.ChannelTalkingStarted, 1)
            leg.party.send(False)
            await asyncio.sleep(0.2)
            heard = await packets(ari, leg)
            assert heard > 0
            assert VOICE_ENDS not in await leg.told(3)
            assert await packets(ari, leg) == heard
            leg.party.send()
            await asyncio.sleep(1)
            assert await packets(ari, leg) > heard + 25


@fact
async def packets_of_silence_are_counted_and_are_no_voice(world: World) -> None:
    async with world.listening() as ari, a_talk(world, ari) as legs:
        for leg in legs[:2]:
            leg.party.speak(False)
            await asyncio.sleep(0.2)
            heard = await packets(ari, leg)
            await leg.set("TALK_DETECT(set)", VOICE)
            assert VOICE_BEGINS not in await leg.told(2)
            assert await packets(ari, leg) > heard + 50
            leg.party.speak()
            await leg.sees(events.ChannelTalkingStarted, 1)


@fact
async def the_end_of_the_agent_who_owns_the_caller_brings_the_caller_back(world: World) -> None:
    async with world.listening() as ari, a_talk(world, ari) as (caller, agent, _):
        await agent.set("FIL_CALLER", caller.name)
        await caller.told(0.1)
        offers = offered(ari)
        await agent.party.hang_up()
        offer = await asyncio.wait_for(offers.get(), SOON_SECONDS)
        assert offer.channel.id == caller.id
        assert (await claim(ari, caller)).args == ("peer-gone",)
        order = [e.type for e in caller.seen if e.type in ("StasisEnd", "StasisStart")]
        assert order[-2:] == ["StasisEnd", "StasisStart"]  # gone from us, and back: no hang-up
        await agent.sees(events.ChannelDestroyed)


@fact
async def the_end_of_an_agent_who_owns_nobody_moves_nobody(world: World) -> None:
    async with world.listening() as ari, a_talk(world, ari) as (caller, agent, bridge):
        await agent.set("FIL_CALLER", caller.name)
        await agent.set("FIL_CALLER", "")
        await agent.party.hang_up()
        await agent.sees(events.ChannelDestroyed)
        await asyncio.sleep(SOON_SECONDS)
        assert (await ari.bridges.get(bridgeId=bridge)).channels == (caller.id,)


@fact
async def an_agent_who_leaves_while_nobody_is_connected_strands_no_caller(world: World) -> None:
    async with world.phone("rosa", "auto") as phone, world.caller() as party:
        async with world.listening() as ari:
            offer = await asyncio.wait_for(offered(ari).get(), 20)
            id_ = new_id()
            with ari.open_mailbox(offer.channel.id, id_) as mailbox:
                caller = Leg(offer.channel.id, mailbox, party, ari)
                await claim(ari, caller)
                await originate(ari, id_, "rosa", variables=HANDLER)
                agent = Leg(id_, mailbox, party, ari)
                await agent.sees(events.StasisStart)
            await agent.set("FIL_CALLER", offer.channel.name)
            bridge = await ari.bridges.createWithId(bridgeId=new_id(), type="mixing")
            await join(ari, bridge.id, caller, agent)
            await party.hears("rosa")
        await phone.rung[0].hang_up()
        left_at = world.now()
        await asyncio.sleep(9)
        assert party.was_told("fr/secours-patience", left_at)
        assert party.silences(left_at, longer_than_s=PAUSE_SECONDS_MAX) == []
        assert (await world.put("DELETE", f"/bridges/{bridge.id}"))[0] == 204


@fact
async def a_caller_whom_we_give_back_is_not_welcomed_again(world: World) -> None:
    async with world.listening() as ari, a_caller(world, ari) as caller:
        offers = offered(ari)
        await caller.set("FIL_GREETED", "1")
        began = world.now()
        await ari.channels.continueInDialplan(
            channelId=caller.id, context="alone", extension="s", priority=1
        )
        await asyncio.wait_for(offers.get(), 10)
        assert caller.party.was_told("fr/secours-patience", began)


@fact
async def a_caller_who_leaves_the_dialplan_is_told_of_to_nobody(world: World) -> None:
    async with world.listening() as ari, a_caller(world, ari) as caller:
        await caller.set("TIMEOUT(absolute)", "1")
        await caller.sees(events.StasisEnd)
        await asyncio.sleep(SOON_SECONDS)
        await caller.party.hang_up()
        assert await caller.told(1) == []
        with pytest.raises(LegGone):
            await ari.channels.get(channelId=caller.id)


# -- nobody comes ------------------------------------------------------------------------------


@asynccontextmanager
async def on_call(world: World, phones: str) -> AsyncIterator[None]:
    async def tell(value: str) -> None:
        path = "/asterisk/variable"
        assert (await world.put("POST", path, variable="FIL_ON_CALL", value=value))[0] == 204

    await tell(phones)
    try:
        yield
    finally:
        await tell("")


@fact
async def an_on_call_phone_rings_from_fifteen_seconds_and_takes_the_call_with_1(
    world: World,
) -> None:
    async with (
        on_call(world, "louis&remy&rosa"),  # louis is not there
        world.phone("rosa", "ring") as rosa,
        world.phone("remy", "ring") as remy,
        world.caller() as party,
    ):
        began = world.now()
        await until(lambda: rosa.rung and remy.rung, 30, "both ring")
        assert 14 < world.now() - began < 26
        await rosa.rung[0].answer()
        await rosa.rung[0].hears_sound()
        await asyncio.sleep(1)
        assert not remy.rung[0].over
        await rosa.rung[0].press("1")
        await party.hears("rosa", 3)
        await rosa.rung[0].hears("caller")
        await until(lambda: remy.rung[0].over, 1, "the other phone rings no more")
        assert party.silences(began, longer_than_s=PAUSE_SECONDS_MAX) == []
        left_at = world.now()
        await rosa.rung[0].hang_up()
        await until(lambda: party.over, 7, "over after a goodbye")
        assert party.was_told("fr/au-revoir", left_at)


@fact
async def a_voicemail_takes_no_call_and_after_a_minute_the_numbers_are_said(
    world: World,
) -> None:
    async with (
        on_call(world, "rosa"),
        world.phone("rosa", "auto") as rosa,
        world.caller() as party,
    ):
        began = world.now()
        await until(lambda: rosa.rung, 30, "it rings")
        rang_at = world.now()
        await until(lambda: rosa.rung[0].over, 25, "a phone that presses nothing is let go")
        # Asked twice, four seconds each time; the ring itself is limited too.
        assert 15 < world.now() - rang_at < 21
        rosa.answering = "busy"
        await until(lambda: party.over, 80, "over after the numbers")
        minute = world.now() - began
        assert 73 < minute < 100
        assert party.was_told("fr/secours-numeros", world.now() - 16)
        assert party.silences(began, longer_than_s=PAUSE_SECONDS_MAX) == []


@fact
async def a_caller_who_hangs_up_stops_the_on_call_phones(world: World) -> None:
    async with on_call(world, "rosa"), world.phone("rosa", "ring") as rosa:
        async with world.caller() as party:
            await until(lambda: rosa.rung, 30, "it rings")
            await party.hang_up()
            await until(lambda: rosa.rung[0].over, 1, "it rings no more")


# -- coming and going --------------------------------------------------------------------------


@fact
async def nothing_is_replayed_to_a_controller_that_comes_back_but_its_calls_are_still_its_own(
    world: World,
) -> None:
    async with world.phone("rosa", "auto") as phone, world.caller() as party:
        async with world.listening() as ari:
            offers = offered(ari)
            offer = await asyncio.wait_for(offers.get(), 10)
            with ari.open_mailbox(offer.channel.id) as mailbox:
                caller = Leg(offer.channel.id, mailbox, party, ari)
                await claim(ari, caller)
            id_ = new_id()
            await originate(ari, id_, "rosa")
            await until(lambda: phone.rung and phone.rung[0].up, 3, "it is answered")
        await party.press("1")
        await phone.rung[0].hang_up()
        await asyncio.sleep(SOON_SECONDS)
        async with world.listening() as ari:
            with ari.open_mailbox(caller.id, id_) as mailbox:
                caller = Leg(caller.id, mailbox, party, ari)
                assert await caller.told() == []
                await party.press("2")
                assert (await caller.sees(events.ChannelDtmfReceived)).digit == "2"
                (ours,) = [a for a in await ari.applications.list() if a.name == APP]
                assert caller.id in ours.channel_ids
                await caller.play(SHORT)


@fact
async def an_agent_who_answers_while_nobody_is_connected_is_hung_up_on(world: World) -> None:
    async with world.phone("rosa", "ring") as phone:
        id_ = new_id()
        async with world.listening() as ari:
            await originate(ari, id_, "rosa", timeout=20)
            await until(lambda: phone.rung, 2, "it rings")
        await asyncio.sleep(SOON_SECONDS)
        assert not phone.rung[0].over
        await phone.rung[0].answer()
        await until(lambda: phone.rung[0].over, 1, "a BYE")


@fact
async def a_second_controller_takes_the_application_and_the_first_is_told_and_goes_deaf(
    world: World,
) -> None:
    async with world.wire().listen(APP) as first:
        async with world.wire().listen(APP) as second:
            assert (await asyncio.wait_for(first.receive(), 2)).count("ApplicationReplaced") == 1
            async with world.caller():
                assert "CallBroadcast" in await asyncio.wait_for(second.receive(), 2)
                with pytest.raises(TimeoutError):  # open, and deaf
                    await asyncio.wait_for(first.receive(), SOON_SECONDS)


@fact
async def an_engine_that_starts_again_says_so_and_until_then_speaks_of_no_call(
    world: World,
) -> None:
    async with world.listening() as ari:
        before = (await ari.asterisk.getInfo()).status
    # Its web server speaks before its telephone does; what it says is about no channel. That may
    # last less than it takes to ask, on a busy machine: it is started until it was heard.
    starting: list[tuple[int, Any]] = []
    for _ in range(RESTARTS_MAX):
        async with world.caller():
            starting += await what_it_says_as_it_starts(world)
        if starting:
            break
    assert starting
    for status, answer in starting:
        assert status in (404, 503)
        assert isinstance(failure("channels.get", status, answer), EngineAway)
    async with world.listening() as ari:
        after = (await ari.asterisk.getInfo()).status
        assert before is not None
        assert after is not None
        assert after.startup_time > before.startup_time
        assert await ari.channels.list() == ()
        assert await ari.bridges.list() == ()


async def what_it_says_as_it_starts(world: World) -> list[tuple[int, Any]]:
    """What a restarted engine says of no channel before it says that there is none."""
    said: list[tuple[int, Any] | None] = []
    restarting = asyncio.ensure_future(world.restart())
    began = world.now()
    while not restarting.done() or said[-1:] != [(404, NOBODY)]:
        assert world.now() - began < 30
        said.append(await what_it_says(world))
        await asyncio.sleep(0.01)
    await restarting
    return [one for one in said if one not in (None, (404, NOBODY))]


async def what_it_says(world: World) -> tuple[int, Any] | None:
    """What the engine says of a channel that does not exist; None: there is no engine."""
    try:
        async with asyncio.timeout(1):
            return await world.put("GET", "/channels/none")
    except (WireLost, TimeoutError):
        return None
