"""What an agent's own telephone takes for granted of the trunk; put to both, as ``facts``."""

from __future__ import annotations

import asyncio

from cti.asterisk import ari_models as events
from cti.asterisk.ari import Mailbox
from tests.contract.facts import NO_ANSWER, NO_ANSWER_STATUS, Fact, Leg, new_id, originate
from tests.contract.worlds import World, until

OUTSIDE = "0639980123"
AT_TRUNK = f"{OUTSIDE}@trunk"
TRUNK_FACTS: list[Fact] = []


def fact(story: Fact) -> Fact:
    """Have a story put to both engines."""
    TRUNK_FACTS.append(story)
    return story


@fact
async def a_telephone_outside_is_ours_once_picked_up_and_its_keys_are_told(world: World) -> None:
    async with world.listening() as ari, world.outside(OUTSIDE, "ring") as phone:
        id_ = new_id()
        with ari.open_mailbox(id_) as mailbox:
            await originate(ari, id_, AT_TRUNK)
            await until(lambda: phone.rung, 2, "it rings")
            leg = Leg(id_, mailbox, phone.rung[-1], ari)
            while (await leg.sees(events.Dial)).dialstatus != "RINGING":
                pass
            await leg.party.answer()
            entered = await leg.sees(events.StasisStart)
            assert entered.channel.name.startswith("PJSIP/trunk-")
            await leg.party.press("2")
            assert (await leg.sees(events.ChannelDtmfReceived)).digit == "2"
            await ari.channels.hangup(channelId=id_, reason_code="16")
            await until(lambda: leg.party.over, 2, "hung up")


async def ended(mailbox: Mailbox) -> tuple[events.ChannelDestroyed, list[events.Event]]:
    """How a channel ended, and what was told of it before."""
    seen: list[events.Event] = []
    async with asyncio.timeout(4):
        while True:
            event = await mailbox.get()
            if isinstance(event, events.ChannelDestroyed):
                return event, seen
            seen.append(event)


def refused_with(status: int, cause: int) -> Fact:
    async def story(world: World) -> None:
        async with world.listening() as ari, world.outside(OUTSIDE, status):
            id_ = new_id()
            with ari.open_mailbox(id_) as mailbox:
                await originate(ari, id_, AT_TRUNK)
                end, seen = await ended(mailbox)
                assert (end.cause, end.tech_cause) == (cause, status)
                assert not any(isinstance(event, events.StasisStart) for event in seen)

    story.__name__ = f"what_the_operator_refuses_with_is_told_{status}"
    return story


for status, cause in ((486, 17), (603, 21), (404, 1), (503, 34)):
    fact(refused_with(status, cause))


@fact
async def a_trunk_that_says_nothing_is_told_as_no_ring_and_ends_as_unanswered(world: World) -> None:
    async with world.listening() as ari, world.outside(OUTSIDE, "ignore"):
        id_ = new_id()
        with ari.open_mailbox(id_) as mailbox:
            await originate(ari, id_, AT_TRUNK, timeout=2)
            end, seen = await ended(mailbox)
            assert (end.cause, end.tech_cause) == (NO_ANSWER, NO_ANSWER_STATUS)
            said = [event.dialstatus for event in seen if isinstance(event, events.Dial)]
            assert not {"RINGING", "PROGRESS"} & set(said)
