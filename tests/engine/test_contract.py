"""What our design takes for granted about the engine, checked on the engine itself.

Each test is one fact. When a new Asterisk changes one, it is red here, by its name,
before a caller finds out.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
import pytest_asyncio

from cti.asterisk import ari_models as events
from cti.asterisk.ari import Ari, EngineInfo, Gone, LegGone, Mailbox, PhoneUnreachable
from cti.asterisk.generate_ari import main as generate_ari
from cti.asterisk.wire import HttpWire
from cti.calls.call import LOST_CAUSES, LOST_STATUSES, USER_BUSY
from cti.rehearsal.phone import Phone, PhoneCall
from tests.line import NUMBER, Line

APP = "contract"
IMAGE = "boutdufil/asterisk:22"
DESCRIPTION = "/usr/share/asterisk/rest-api"
LONG = "/sounds/fr/personne-disponible"  # more than ten seconds
SHORT = "/sounds/fr/un-appel-arrive"
SOON_SECONDS = 0.5  # what does not wait for a playback takes milliseconds
A = TypeVar("A", bound=events.Event)


@dataclass
class Leg:
    """A channel of the engine in our hands, and the phone at its other end."""

    id: str
    mailbox: Mailbox
    call: PhoneCall
    ari: Ari
    seen: list[events.Event] = field(default_factory=list)

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

    async def play(self, media: str) -> str:
        """Start a playback; returns its id once it plays."""
        id_ = uuid.uuid4().hex
        await self.ari.channels.playWithId(
            channelId=self.id, playbackId=id_, media=f"sound:{media}"
        )
        await self.sees(events.PlaybackStarted)
        return id_


@pytest_asyncio.fixture(loop_scope="session")
async def ari(line: Line) -> AsyncIterator[Ari]:
    """A second application of the shared line's engine, beside the controller's."""
    connected = asyncio.Event()

    async def on_connected(engine: EngineInfo) -> None:
        connected.set()

    wire = HttpWire(line.settings.ari_url, "fil", line.settings.secret("ari"))
    async with Ari(wire, app=APP) as client:
        running = asyncio.create_task(client.run(on_connected))
        try:
            async with asyncio.timeout(5):
                await connected.wait()
            yield client
        finally:
            running.cancel()
            await asyncio.wait({running})


@pytest_asyncio.fixture(loop_scope="session")
async def phone(line: Line) -> AsyncIterator[Phone]:
    """A desk phone that answers at once."""
    async with Phone(
        "rosa", secret="demo-rosa", server=line.server, answering="auto", tone_hz=800
    ) as handset:
        await handset.register()
        yield handset


@asynccontextmanager
async def a_leg(ari: Ari, phone: Phone) -> AsyncIterator[Leg]:
    """A channel of ours to the phone, answered."""
    id_ = new_id()
    with ari.open_mailbox(id_) as mailbox:
        await originate(ari, id_, phone.user)
        async with asyncio.timeout(3):
            call = await phone.incoming.get()
        leg = Leg(id_, mailbox, call, ari)
        await leg.sees(events.StasisStart)
        try:
            yield leg
        finally:
            with suppress(LegGone):
                await ari.channels.hangup(channelId=id_)
            await call.ended(2)


@asynccontextmanager
async def a_bridge(ari: Ari, type_: str) -> AsyncIterator[str]:
    bridge = await ari.bridges.createWithId(bridgeId=new_id(), type=type_)
    try:
        yield bridge.id
    finally:
        await ari.bridges.destroy(bridgeId=bridge.id)


def new_id() -> str:
    return f"{APP}-{uuid.uuid4().hex}"


async def originate(ari: Ari, id_: str, phone: str) -> events.Channel:
    return await ari.channels.originateWithId(
        channelId=id_, endpoint=f"PJSIP/{phone}", app=APP, formats="alaw"
    )


async def raw(line: Line, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    """What the engine itself answers, without our door: (status, JSON)."""

    def ask() -> tuple[int, Any]:
        request = urllib.request.Request(
            f"{line.settings.ari_url}/ari/{path}", json.dumps(body).encode(), method=method
        )
        secret = base64.b64encode(f"fil:{line.settings.secret('ari')}".encode()).decode()
        request.add_header("Authorization", f"Basic {secret}")
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=5) as reply:
                return reply.status, json.loads(reply.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"null")

    return await asyncio.to_thread(ask)


# -- words ------------------------------------------------------------------------------


async def test_our_models_are_those_of_the_engine_in_the_image(tmp_path: Path) -> None:
    described = await asyncio.to_thread(
        subprocess.run,
        ["docker", "run", "--rm", "--entrypoint", "tar", IMAGE, "-C", DESCRIPTION, "-c", "."],
        check=True, capture_output=True,
    )  # fmt: skip
    subprocess.run(["tar", "-C", str(tmp_path), "-x"], input=described.stdout, check=True)
    assert generate_ari([str(tmp_path), "--check"]) == 0


# -- ids are ours -------------------------------------------------------------------------


async def test_the_same_leg_asked_for_twice_is_refused_and_rings_once(
    line: Line, ari: Ari, phone: Phone
) -> None:
    async with a_leg(ari, phone) as leg:
        again = {"endpoint": f"PJSIP/{phone.user}", "app": APP}
        status, _ = await raw(line, "POST", f"channels/{leg.id}", again)
        assert status == 409
        assert (await originate(ari, leg.id, phone.user)).id == leg.id  # done twice, it is done
        await asyncio.sleep(SOON_SECONDS)
        assert phone.calls == [leg.call]


async def test_an_offline_phone_is_a_500_of_its_own_kind(line: Line, ari: Ari) -> None:
    body = {"endpoint": "PJSIP/louis", "app": APP}
    assert await raw(line, "POST", f"channels/{new_id()}", body) == (
        500,
        {"error": "Allocation failed"},
    )
    with pytest.raises(PhoneUnreachable):
        await originate(ari, new_id(), "louis")


async def test_a_playback_asked_for_twice_is_heard_twice(ari: Ari, phone: Phone) -> None:
    async with a_leg(ari, phone) as leg:
        same = uuid.uuid4().hex
        for _ in range(2):
            await ari.channels.playWithId(channelId=leg.id, playbackId=same, media=f"sound:{SHORT}")
        began = time.monotonic()
        for _ in range(2):
            finished = await leg.sees(events.PlaybackFinished, 5)
            assert finished.playback.id == same
            assert finished.playback.state == "done"
        assert time.monotonic() - began > 1.5  # one after the other


async def test_a_missing_sound_finishes_at_once_as_failed(ari: Ari, phone: Phone) -> None:
    async with a_leg(ari, phone) as leg:
        await ari.channels.playWithId(
            channelId=leg.id, playbackId=new_id(), media="sound:/sounds/fr/nobody-built-this"
        )
        assert (await leg.sees(events.PlaybackFinished)).playback.state == "failed"


# -- what blocks, and what does not -----------------------------------------------------------


async def test_a_variable_waits_for_the_end_of_a_playback_and_stopping_it_frees_it(
    ari: Ari, phone: Phone
) -> None:
    async with a_leg(ari, phone) as leg:
        playing = await leg.play(LONG)
        setting = asyncio.create_task(
            ari.channels.setChannelVar(channelId=leg.id, variable="FIL_CALLER", value="")
        )
        await still_waiting(setting)
        await ari.playbacks.stop(playbackId=playing)
        async with asyncio.timeout(SOON_SECONDS):
            await setting
        assert (await leg.sees(events.PlaybackFinished)).playback.state == "done"


async def test_joining_a_bridge_waits_for_the_end_of_a_playback_and_stopping_it_frees_it(
    ari: Ari, phone: Phone
) -> None:
    async with a_bridge(ari, "mixing") as bridge, a_leg(ari, phone) as leg:
        playing = await leg.play(LONG)
        joining = asyncio.create_task(ari.bridges.addChannel(bridgeId=bridge, channel=leg.id))
        await still_waiting(joining)
        await ari.playbacks.stop(playbackId=playing)
        async with asyncio.timeout(SOON_SECONDS):
            await joining
        assert (await ari.bridges.get(bridgeId=bridge)).channels == (leg.id,)


async def test_hanging_up_never_waits_for_a_playback(ari: Ari, phone: Phone) -> None:
    async with a_leg(ari, phone) as leg:
        await leg.play(LONG)
        blocked = asyncio.create_task(
            ari.channels.setChannelVar(channelId=leg.id, variable="FIL_CALLER", value="")
        )
        await still_waiting(blocked)
        async with asyncio.timeout(SOON_SECONDS):
            await ari.channels.hangup(channelId=leg.id)
            await leg.call.ended(SOON_SECONDS)
        await asyncio.wait({blocked}, timeout=SOON_SECONDS)
        assert blocked.done()  # what waited is let go, whatever it is told
        blocked.exception()


async def still_waiting(task: asyncio.Task[None]) -> None:
    done, _ = await asyncio.wait({task}, timeout=SOON_SECONDS)
    assert not done


# -- music --------------------------------------------------------------------------------


async def test_music_in_a_waiting_bridge_belongs_to_each_member_and_survives_an_empty_bridge(
    ari: Ari, phone: Phone
) -> None:
    async with a_bridge(ari, "holding") as bridge:
        for _ in range(2):  # the second one finds a bridge that has been empty
            async with a_leg(ari, phone) as leg:
                await hold(ari, bridge, leg)
                await leg.call.hears_sound(1.5)
                entered_at = time.monotonic()
                await asyncio.sleep(1)
                assert leg.call.silences(entered_at, longer_than_s=0.5) == []
            assert (await ari.bridges.get(bridgeId=bridge)).channels == ()


async def test_music_comes_back_by_itself_after_a_prompt(ari: Ari, phone: Phone) -> None:
    async with a_bridge(ari, "holding") as bridge, a_leg(ari, phone) as leg:
        await hold(ari, bridge, leg)
        await leg.play(SHORT)
        await leg.sees(events.PlaybackFinished, 4)
        finished_at = time.monotonic()
        await leg.call.hears_sound(1.5, since=finished_at)
        await asyncio.sleep(1)
        assert leg.call.gaps(finished_at, longer_than_s=0.3) == []


async def hold(ari: Ari, bridge: str, leg: Leg) -> None:
    await ari.bridges.addChannel(bridgeId=bridge, channel=leg.id, role="holding_participant")


# -- the end --------------------------------------------------------------------------------


async def test_whatever_is_asked_of_a_channel_that_has_ended_says_so(
    ari: Ari, phone: Phone
) -> None:
    async with a_bridge(ari, "mixing") as bridge:
        async with a_leg(ari, phone) as leg:
            await leg.call.hang_up()
            await leg.sees(events.ChannelDestroyed)
        for command in (
            lambda: ari.channels.get(channelId=leg.id),
            lambda: ari.channels.hangup(channelId=leg.id),
            lambda: ari.channels.setChannelVar(channelId=leg.id, variable="X", value="1"),
            lambda: ari.channels.playWithId(
                channelId=leg.id, playbackId=new_id(), media=f"sound:{SHORT}"
            ),
            lambda: ari.bridges.addChannel(bridgeId=bridge, channel=leg.id),
        ):
            with pytest.raises(LegGone):
                await command()


async def test_stopping_a_playback_that_has_ended_is_no_news_about_the_leg(
    ari: Ari, phone: Phone
) -> None:
    async with a_leg(ari, phone) as leg:
        playing = await leg.play(SHORT)
        await leg.sees(events.PlaybackFinished, 4)
        with pytest.raises(Gone) as refused:
            await ari.playbacks.stop(playbackId=playing)
        assert not isinstance(refused.value, LegGone)


async def test_a_phone_that_hangs_up_ends_with_no_cause_of_a_loss(ari: Ari, phone: Phone) -> None:
    async with a_leg(ari, phone) as leg:
        await leg.call.hang_up()
        end = await leg.sees(events.ChannelDestroyed)
        assert end.cause not in LOST_CAUSES
        assert end.tech_cause not in LOST_STATUSES
        assert any(isinstance(event, events.ChannelHangupRequest) for event in leg.seen)


async def test_a_busy_phone_ends_as_busy_and_never_comes_into_our_hands(
    ari: Ari, phone: Phone
) -> None:
    phone.answering = "busy"
    id_ = new_id()
    with ari.open_mailbox(id_) as mailbox:
        await originate(ari, id_, phone.user)
        call = await asyncio.wait_for(phone.incoming.get(), 3)
        leg = Leg(id_, mailbox, call, ari)
        assert (await leg.sees(events.ChannelDestroyed)).cause == USER_BUSY
        assert not any(isinstance(event, events.StasisStart) for event in leg.seen)


# -- doors ----------------------------------------------------------------------------------


async def test_every_door_of_the_engine_is_on_loopback(line: Line) -> None:
    async with line.caller() as telephone:
        call = await telephone.call(NUMBER)
        await call.answered(2)
        listening, udp = await asyncio.to_thread(sockets, line)
        await call.hang_up()
    settings = line.settings
    assert set(listening) == {("127.0.0.1", settings.ari_port), ("127.0.0.1", settings.ami_port)}
    own = {port for host, port in udp if host == "127.0.0.1"}
    rtp = range(settings.rtp_port_first, settings.rtp_port_last + 1)
    assert settings.sip_port in own
    assert len(own) > 1  # the caller's sound
    assert all(port in rtp for port in own - {settings.sip_port})
    # PJSIP's resolver asks name servers from two ports of the kernel's choice, one for each
    # family, and takes answers from those servers alone. It has no setting for its address.
    elsewhere = sorted(host for host, port in udp if host != "127.0.0.1")
    assert elsewhere in ([], ["0.0.0.0"], ["0.0.0.0", "::"])
    assert all(port not in rtp for host, port in udp if host != "127.0.0.1")


def sockets(line: Line) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """The engine's own open doors, as the kernel lists them: (TCP listening, UDP)."""
    state = line.settings.data / "engine/state"
    container = subprocess.run(
        ["docker", "ps", "-q", "--filter", f"volume={state}"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    said = subprocess.run(
        ["docker", "exec", container, "sh", "-c",
         "ls -l /proc/1/fd; cd /proc/net; grep -H : tcp tcp6 udp udp6"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    inodes = {part.split("]")[0] for part in said.split("socket:[")[1:]}
    listening, udp = [], []
    for row in said.splitlines():
        family, _, rest = row.partition(":")
        words = rest.split()
        if family not in ("tcp", "tcp6", "udp", "udp6") or len(words) < 10:
            continue
        if words[9] in inodes:
            address, state_of = words[1], words[3]
            host, port = address.split(":")
            door = (dotted(host), int(port, 16))
            if family.startswith("udp"):
                udp.append(door)
            elif state_of == "0A":
                listening.append(door)
    return listening, udp


def dotted(host: str) -> str:
    """The kernel's hexadecimal address, as people write it."""
    if set(host) == {"0"}:
        return "0.0.0.0" if len(host) == 8 else "::"
    if len(host) == 8:
        return ".".join(str(part) for part in reversed(bytes.fromhex(host)))
    return host
