"""The scripted phones behave as phones do, and judge only the call they are in."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import cti.rehearsal.phone as phone_module
from cti.rehearsal.phone import CallEnded, Phone, PhoneCall, RegistrationRefused, digest
from cti.rehearsal.sound import Samples, correlation, dominant_hz, rms_dbfs, tone_level

CALLER, AGENT = "0639980001", "remy"


@asynccontextmanager
async def two_phones(
    caller: dict[str, Any] | None = None, agent: dict[str, Any] | None = None
) -> AsyncIterator[tuple[Phone, Phone]]:
    """A caller whose server is simply the agent's phone."""
    async with (
        Phone(AGENT, **(agent or {})) as called,
        Phone(CALLER, server=called.address, **(caller or {})) as calling,
    ):
        yield calling, called


async def connect(calling: Phone, called: Phone) -> tuple[PhoneCall, PhoneCall]:
    ours = await calling.call(AGENT)
    theirs = await called.incoming.get()
    await theirs.answer()
    await ours.answered(2)
    return ours, theirs


async def until(true: Callable[[], object], seconds_max: float = 2) -> None:
    async with asyncio.timeout(seconds_max):
        while not true():  # noqa: ASYNC110 - the condition has no event of its own
            await asyncio.sleep(0.005)


class Wire(asyncio.DatagramProtocol):
    """A hand-made SIP peer: reads what a phone sends, says only what it is told."""

    def __init__(self) -> None:
        self.messages: list[tuple[float, str]] = []
        self.on_message: Callable[[str], None] = lambda text: None
        self.peer = ("", 0)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.address: tuple[str, int] = transport.get_extra_info("sockname")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        text = data.decode("utf-8", "surrogateescape")
        self.messages.append((time.monotonic(), text))
        self.peer = addr
        self.on_message(text)

    def send(self, text: str, to: tuple[str, int] | None = None) -> None:
        self.transport.sendto(text.encode(), to or self.peer)

    def reply(self, request: str, status: str, *more: str, body: str = "") -> None:
        lines = re.findall(r"^(?:Via|From|To|Call-ID|CSeq): .*(?=\r)", request, re.MULTILINE)
        if status != "100 Trying":
            lines = [
                f"{x};tag=wire" if x.startswith("To:") and "tag" not in x else x for x in lines
            ]
        head = [f"SIP/2.0 {status}", *lines, *more, f"Content-Length: {len(body)}"]
        self.send("\r\n".join(head) + "\r\n\r\n" + body)

    def starting(self, what: str) -> list[str]:
        return [text for _, text in self.messages if text.startswith(what)]

    async def wait(self, what: str, count: int = 1, seconds_max: float = 2) -> str:
        await until(lambda: len(self.starting(what)) >= count, seconds_max)
        return self.starting(what)[count - 1]


@asynccontextmanager
async def wire() -> AsyncIterator[Wire]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Wire, local_addr=("127.0.0.1", 0))
    yield protocol
    transport.close()


def sdp(port: int, formats: str = "8 101") -> str:
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP {formats}\r\na=rtpmap:101 telephone-event/8000\r\n"
    )


def request(
    method: str,
    call_id: str,
    to_tag: str = "",
    cseq: int = 1,
    body: str = "",
    from_tag: str = "w",
) -> str:
    return (
        f"{method} sip:remy@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{method}"
        f"{cseq}\r\nf: <sip:wire@127.0.0.1>;tag={from_tag}\r\nTo: <sip:remy@127.0.0.1>{to_tag}\r\n"
        f"i: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:wire@127.0.0.1>\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )


# --- a call from its first ring to its end ---------------------------------------------------


async def test_a_call_rings_then_each_hears_the_other_and_only_the_other() -> None:
    async with two_phones({"tone_hz": 1000}, {"tone_hz": 440}) as (calling, called):
        ours = await calling.call(AGENT, headers={"X-Call-Id": "42"})
        await ours.ringing(2)
        theirs = await called.incoming.get()
        assert (ours.state, theirs.state) == ("ringing", "ringing")
        assert theirs.headers["x-call-id"] == "42"
        assert theirs.call_id == ours.call_id
        assert (ours.direction, theirs.direction) == ("out", "in")

        await theirs.answer()
        up_at = await ours.answered(2)
        await ours.hears(440, 2)
        await theirs.hears(1000, 2)

        for call, heard, not_heard in ((ours, 440, 1000), (theirs, 1000, 440)):
            sound = None
            while sound is None:
                sound = await heard_whole(call, time.monotonic() - 0.05, 0.2)
            assert tone_level(sound, heard) == pytest.approx(-12, abs=1.5)
            assert tone_level(sound, not_heard) < -40
        assert ours.invited_at <= (ours.ringing_at or 0) <= up_at <= (ours.first_rtp_at or 0)
        assert theirs.answered_at is not None


async def test_the_caller_hangs_up_and_both_know_who_did() -> None:
    async with two_phones() as (calling, called):
        ours, theirs = await connect(calling, called)
        await ours.hang_up()
        await theirs.ended(2)

        assert (ours.state, ours.ended_by, ours.end_status) == ("ended", "us", "BYE")
        assert (theirs.state, theirs.ended_by, theirs.end_status) == ("ended", "them", "BYE")
        assert (theirs.ended_at or 0) >= (ours.ended_at or 0)


async def test_the_agent_hangs_up_and_both_know_who_did() -> None:
    async with two_phones() as (calling, called):
        ours, theirs = await connect(calling, called)
        await theirs.hang_up()
        await ours.ended(2)

        assert (ours.ended_by, ours.end_status) == ("them", "BYE")
        assert (theirs.ended_by, theirs.end_status) == ("us", "BYE")


async def test_hanging_up_while_it_rings_stops_the_ringing() -> None:
    async with two_phones() as (calling, called):
        ours = await calling.call(AGENT)
        theirs = await called.incoming.get()
        await ours.ringing(2)
        await ours.hang_up()
        await theirs.ended(2)

        assert (ours.ended_by, ours.end_status) == ("us", "CANCEL")
        assert (theirs.ended_by, theirs.end_status) == ("them", "CANCEL")
        with pytest.raises(CallEnded):
            await theirs.answer()


async def test_hanging_up_before_any_answer_cancels_as_soon_as_one_comes() -> None:
    async with wire() as server, Phone(CALLER, server=server.address) as phone:
        call = await phone.call("0800190000")
        invite = await server.wait("INVITE")
        await call.hang_up()
        server.send(request("OPTIONS", "a"))  # its answer comes after whatever was sent before
        await server.wait("SIP/2.0 200")
        assert server.starting("CANCEL") == []
        server.reply(invite, "100 Trying")
        cancel = await server.wait("CANCEL")
        server.reply(cancel, "200 OK")
        server.reply(invite, "487 Request Terminated")
        await server.wait("ACK")

        assert re.findall("branch=(.*)\r", cancel) == re.findall("branch=(.*)\r", invite)
        assert (call.ended_by, call.end_status) == ("us", "CANCEL")


async def test_an_answer_that_crosses_the_cancel_is_hung_up() -> None:
    async with wire() as server, Phone(CALLER, server=server.address) as phone:
        call = await phone.call("0800190000")
        invite = await server.wait("INVITE")
        server.reply(invite, "180 Ringing")
        await call.ringing(2)
        await call.hang_up()
        server.reply(await server.wait("CANCEL"), "200 OK")
        server.reply(invite, "200 OK", "Contact: <sip:there@127.0.0.1>", body=sdp(9))
        await server.wait("ACK")
        bye = await server.wait("BYE")
        server.reply(bye, "200 OK")

        assert bye.startswith("BYE sip:there@127.0.0.1 ")
        assert ";tag=wire" in bye
        assert call.answered_at is None


async def test_a_busy_phone_says_so_at_once() -> None:
    async with two_phones(agent={"answering": "busy"}) as (calling, called):
        ours = await calling.call(AGENT)
        with pytest.raises(CallEnded, match="486"):
            await ours.answered(2)

        assert (ours.ended_by, ours.end_status) == ("them", 486)
        assert (await called.incoming.get()).end_status == 486


async def test_a_declined_call_carries_the_reason_given() -> None:
    async with two_phones() as (calling, called):
        ours = await calling.call(AGENT)
        theirs = await called.incoming.get()
        await theirs.decline(603)
        await ours.ended(2)

        assert (ours.ended_by, ours.end_status) == ("them", 603)
        assert (theirs.ended_by, theirs.end_status) == ("us", 603)


async def test_a_phone_that_answers_alone_does_it_after_the_time_given() -> None:
    agent = {"answering": "auto", "auto_answer_after": 0.15}
    async with two_phones(agent=agent) as (calling, _):
        ours = await calling.call(AGENT)
        rang_at = await ours.ringing(2)
        up_at = await ours.answered(2)

        assert 0.1 < up_at - rang_at < 1


async def test_a_phone_that_answers_alone_does_not_once_the_caller_is_gone() -> None:
    agent = {"answering": "auto", "auto_answer_after": 0.1}
    async with two_phones(agent=agent) as (calling, called):
        ours = await calling.call(AGENT)
        await ours.ringing(2)
        await ours.hang_up()
        theirs = await called.incoming.get()
        await theirs.ended(2)
        await asyncio.sleep(0.15)

        assert theirs.answered_at is None
        assert theirs.end_status == "CANCEL"


async def test_a_script_decides_call_by_call() -> None:
    async def second_only(call: PhoneCall) -> None:
        await (call.answer() if len(called.calls) == 2 else call.decline(480))

    async with two_phones(agent={"answering": second_only}) as (calling, called):
        first = await calling.call(AGENT)
        await first.ended(2)
        second = await calling.call(AGENT)
        await second.answered(2)

        assert first.end_status == 480


async def test_a_script_that_fails_is_not_hidden() -> None:
    async def broken(call: PhoneCall) -> None:
        raise ZeroDivisionError

    called = Phone(AGENT, answering=broken)
    await called.start()
    async with Phone(CALLER, server=called.address) as calling:
        await calling.call(AGENT)
        await called.incoming.get()
        with pytest.raises(ZeroDivisionError):
            await called.close()


async def test_a_phone_that_ignores_calls_says_nothing_at_all() -> None:
    async with two_phones(agent={"answering": "ignore"}) as (calling, called):
        ours = await calling.call(AGENT)
        assert (await called.incoming.get()).end_status == "vanished"
        with pytest.raises(TimeoutError, match=r"never rang within 0.2 s.*calling"):
            await ours.ringing(0.2)
        ours.vanish()


async def test_closing_a_phone_leaves_nobody_on_the_line() -> None:
    async with two_phones() as (calling, called):
        _, talking = await connect(calling, called)
        await calling.call(AGENT)
        ringing = await called.incoming.get()
        await calling.close()

        assert (talking.end_status, ringing.end_status) == ("BYE", "CANCEL")


# --- keys and sound -----------------------------------------------------------------------------


async def test_each_key_pressed_is_received_once_and_in_order() -> None:
    async with two_phones({"tone_hz": 1000}) as (calling, called):
        ours, theirs = await connect(calling, called)
        await ours.press("11*#D", ms=20)
        await until(lambda: len(theirs.digits) >= 5)

        assert theirs.digits == list("11*#D")
        assert ours.digits == []


async def test_a_key_is_held_for_the_time_given_with_one_timestamp_and_the_voice_pauses() -> None:
    async with two_phones({"tone_hz": 1000}) as (calling, called):
        ours, theirs = await connect(calling, called)
        await theirs.hears(1000, 2)
        await ours.press("5", ms=120)
        await theirs.hears(1000, 2)

        packets = theirs._sound.received.between(0, time.monotonic())
        keys = [p for p in packets if p.payload_type == 101]
        lengths = [int.from_bytes(p.payload[2:4], "big") for p in keys]
        assert lengths == [160, 320, 480, 640, 800, 960, 960, 960]
        assert [p.payload[1] >> 7 for p in keys] == [0, 0, 0, 0, 0, 1, 1, 1]
        assert len({p.timestamp for p in keys}) == 1
        seqs = [p.seq for p in packets]
        assert {(b - a) & 0xFFFF for a, b in pairwise(seqs)} == {1}
        after = next(p for p in packets if p.seq == (keys[-1].seq + 1) & 0xFFFF)
        assert after.timestamp - keys[0].timestamp == 960


async def test_a_key_that_cannot_be_pressed_or_heard_is_refused() -> None:
    async with wire() as server, Phone(CALLER, server=server.address) as phone:
        call = await phone.call("0800190000")
        body = sdp(9, "8").replace("a=rtpmap:101 telephone-event/8000\r\n", "")
        server.reply(await server.wait("INVITE"), "200 OK", body=body)
        await call.answered(2)

        with pytest.raises(ValueError, match="Only these keys"):
            await call.press("1x")
        with pytest.raises(RuntimeError, match="cannot hear a key"):
            await call.press("1")
        call.vanish()


async def heard_whole(call: PhoneCall, since: float, seconds: float) -> Samples | None:
    """What was heard for so long; None when this machine held the sender back meanwhile."""
    await until(lambda: time.monotonic() > since + seconds)
    held_back = call.gaps(since, since + seconds, longer_than_s=0.08)
    return None if held_back else call.heard(since, since + seconds)


async def test_what_is_said_is_what_is_heard() -> None:
    speech = np.random.default_rng(4).normal(0, 0.1, 2000).astype(np.float32)
    other = np.random.default_rng(5).normal(0, 0.1, 2000).astype(np.float32)
    async with two_phones({"voice": other}) as (calling, called):
        ours, theirs = await connect(calling, called)
        await theirs.hears_sound(2)
        sound = None
        while sound is None:
            start = time.monotonic()
            await ours.say(speech)
            sound = await heard_whole(theirs, start, 0.7)

        alike, lag = correlation(sound, speech)
        assert alike >= 0.95
        assert 0 <= lag < 0.1
        alike, lag = correlation(sound, other)
        assert alike >= 0.95
        assert lag >= 0.25


async def test_a_voice_that_does_not_loop_is_said_once() -> None:
    speech = np.random.default_rng(4).normal(0, 0.1, 1600).astype(np.float32)
    async with two_phones({"voice": speech, "voice_loops": False}) as (calling, called):
        _, theirs = await connect(calling, called)
        start = await theirs.hears_sound(2, since=theirs.answered_at)
        await until(lambda: theirs.silences(start, longer_than_s=0.3))

        assert rms_dbfs(theirs.heard(start, start + 0.2)) > -30
        assert theirs.gaps(start, longer_than_s=0.3) == []


async def test_both_codings_carry_the_tone() -> None:
    phones = {"codecs": ("ulaw",), "tone_hz": 700}, {"codecs": ("alaw", "ulaw"), "tone_hz": 500}
    async with two_phones(*phones) as (calling, called):
        ours, theirs = await connect(calling, called)
        await ours.hears(500, 2)
        await theirs.hears(700, 2)

        assert {p.payload_type for p in ours._sound.received.between(0, time.monotonic())} == {0}


async def test_phones_without_a_common_coding_do_not_connect() -> None:
    async with two_phones({"codecs": ("ulaw",)}, {"codecs": ("alaw",)}) as (calling, _):
        ours = await calling.call(AGENT)
        await ours.ended(2)

        assert ours.end_status == 488


async def test_a_sender_that_stops_is_a_gap_and_one_that_is_muted_is_only_silent() -> None:
    async with two_phones({"tone_hz": 1000}) as (calling, called):
        ours, theirs = await connect(calling, called)
        start = await theirs.hears(1000, 2)
        ours.stop_rtp()
        await asyncio.sleep(0.9)
        ours.start_rtp()
        middle = await theirs.hears(1000, 2)
        ours.mute()
        await asyncio.sleep(0.9)
        ours.unmute()
        end = await theirs.hears(1000, 2)

        [(at, seconds)] = theirs.gaps(start, middle, longer_than_s=0.6)
        assert start - 0.05 <= at <= start + 0.1
        assert 0.85 < seconds < 1.2
        assert theirs.gaps(middle, end, longer_than_s=0.6) == []
        [(at, seconds)] = theirs.silences(middle, end, longer_than_s=0.6)
        assert 0.7 < seconds < 1.2


async def test_a_slow_machine_does_not_slow_the_sound_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tick = phone_module._Sound.tick

    def slow_tick(sound: phone_module._Sound) -> None:
        time.sleep(0.006)
        tick(sound)

    async with two_phones() as (calling, called):
        _, theirs = await connect(calling, called)
        monkeypatch.setattr(phone_module._Sound, "tick", slow_tick)
        start = time.monotonic()
        await asyncio.sleep(0.5)

        # 25 are due; counting the 20 ms from the end of the work would send 15 to 19. The last
        # may come late, on a busy machine.
        assert 20 <= len(theirs._sound.received.between(start, start + 0.5)) <= 27


async def test_no_packet_is_sent_before_it_is_told_when_early_sound_is_off() -> None:
    async with two_phones({"tone_hz": 1000, "early_rtp": False}) as (calling, called):
        ours, theirs = await connect(calling, called)
        with pytest.raises(RuntimeError, match="start_rtp"):
            await ours.press("1")
        await asyncio.sleep(0.2)
        assert theirs.first_rtp_at is None
        ours.start_rtp()
        await theirs.hears(1000, 2)


async def test_what_was_heard_instead_is_told() -> None:
    async with two_phones(agent={"tone_hz": 440}) as (calling, called):
        ours, _ = await connect(calling, called)
        await ours.hears(440, 2)
        with pytest.raises(TimeoutError, match=r"1000 Hz was not heard .* hears 440 Hz at -1\d"):
            await ours.hears(1000, 0.1)


async def test_sound_of_an_earlier_call_on_the_same_port_is_not_ours() -> None:
    async with two_phones() as (calling, called):
        ours, theirs = await connect(calling, called)
        await until(lambda: theirs.first_rtp_at)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stray:
            packet = b"\x80\x08" + bytes(10) + bytes([0x00]) * 160  # loud
            for _ in range(20):
                stray.sendto(packet, ("127.0.0.1", theirs._sound.port))
        seen = len(theirs._sound.received.between(0, time.monotonic()))
        await until(lambda: len(theirs._sound.received.between(0, time.monotonic())) > seen + 3)

        assert rms_dbfs(theirs.heard(theirs.answered_at or 0)) < -60
        assert ours.state == "up"


def freeze() -> None:
    time.sleep(0.4)


async def test_our_own_slowness_is_not_taken_for_a_gap() -> None:
    async with wire() as server, Phone(CALLER, server=server.address) as phone:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
            media.bind(("127.0.0.1", 0))
            call = await phone.call("0800190000")
            body = sdp(media.getsockname()[1])
            server.reply(await server.wait("INVITE"), "200 OK", body=body)
            await call.answered(2)
            to = ("127.0.0.1", call._sound.port)

            def speak() -> None:
                for n in range(30):
                    head = b"\x80\x08" + n.to_bytes(2, "big") + (n * 160).to_bytes(4, "big")
                    media.sendto(head + bytes(4) + b"\xd5" * 160, to)
                    time.sleep(0.015)

            thread = threading.Thread(target=speak)
            thread.start()
            start = time.monotonic()
            freeze()
            await until(lambda: call.first_rtp_at)

            assert call.gaps(start, start + 0.35, longer_than_s=0.25) == []
            await asyncio.to_thread(thread.join)
        call.vanish()


# --- only our call counts ---------------------------------------------------------------------


async def test_a_goodbye_from_another_call_is_refused_and_not_counted() -> None:
    async with two_phones() as (calling, called), wire() as stranger:
        ours, theirs = await connect(calling, called)
        stranger.send(request("BYE", "another-call", ";tag=x"), called.address)
        await stranger.wait("SIP/2.0 481")
        their_tag, our_tag = theirs._local.rpartition("=")[2], theirs._remote.rpartition("=")[2]
        strange = request("BYE", theirs.call_id, ";tag=strange", from_tag=our_tag)
        stranger.send(strange, called.address)
        await stranger.wait("SIP/2.0 481", count=2)
        strange = request("BYE", theirs.call_id, f";tag={their_tag}", from_tag="strange")
        stranger.send(strange, called.address)
        await stranger.wait("SIP/2.0 481", count=3)
        stranger.send(request("CANCEL", "another-call"), called.address)
        await stranger.wait("SIP/2.0 481", count=4)

        assert (ours.state, theirs.state) == ("up", "up")
        assert len(called.calls) == 1
        assert called.incoming.empty()


async def test_what_is_not_sip_is_dropped_and_the_phone_lives() -> None:
    async with two_phones() as (calling, called), wire() as stranger:
        for rubbish in (
            "",
            "\x00\xff",
            "SIP/2.0",
            "INVITE\r\n\r\n",
            "SIP/2.0 200 OK\r\n\r\n",
            ":\r\n",
        ):
            stranger.send(rubbish, called.address)
        stranger.send("INVITE sip:x SIP/2.0\r\nCSeq: x\r\n\r\nv=0", called.address)
        ours = await calling.call(AGENT)

        await ours.ringing(2)


async def test_the_phone_answers_that_it_is_there() -> None:
    async with wire() as server, Phone(AGENT) as phone:
        server.send(request("OPTIONS", "a"), phone.address)
        await server.wait("SIP/2.0 200")
        server.send(request("NOTIFY", "b"), phone.address)
        await server.wait("SIP/2.0 481")


async def test_a_dead_line_says_nothing_more_and_answers_nothing() -> None:
    async with wire() as server, Phone(AGENT, tone_hz=440) as phone:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
            media.bind(("127.0.0.1", 0))
            media.settimeout(0.2)
            body = sdp(media.getsockname()[1])
            server.send(request("INVITE", "c", body=body), phone.address)
            call = await phone.incoming.get()
            await call.answer()
            answer = await server.wait("SIP/2.0 200")
            tag = (re.findall(r"To: .*(;tag=\w+)", answer) or [""])[0]
            server.send(request("ACK", "c", tag), phone.address)
            await asyncio.to_thread(media.recv, 2048)

            call.vanish()
            media.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while media.recv(2048):
                    pass
            server.messages.clear()
            server.send(request("BYE", "c", tag, cseq=2), phone.address)
            server.send(request("OPTIONS", "d"), phone.address)
            await server.wait("SIP/2.0 200")

            assert [t for _, t in server.messages if "2 BYE" in t] == []
            with pytest.raises(BlockingIOError):
                media.recv(2048)
            assert (call.state, call.end_status) == ("ended", "vanished")


# --- messages that get lost, and the engine's habits ------------------------------------------


async def test_a_lost_invite_is_sent_again_and_a_lost_ack_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(phone_module, "T1_SECONDS", 0.1)
    async with wire() as server, Phone(CALLER, server=server.address) as phone:
        call = await phone.call("0800190000")
        invite = await server.wait("INVITE", count=2)
        sent = [at for at, text in server.messages if text.startswith("INVITE")]
        assert set(server.starting("INVITE")) == {invite}
        assert 0.08 < sent[1] - sent[0] < 1.5
        for count in (1, 2):
            server.reply(invite, "200 OK", "Contact: <sip:there@127.0.0.1>", body=sdp(9))
            await server.wait("ACK", count=count)
        assert len(set(server.starting("ACK"))) == 1
        assert call.state == "up"

        await call.hang_up()
        bye = await server.wait("BYE", count=2)
        server.reply(bye, "200 OK")
        assert set(server.starting("BYE")) == {bye}


async def test_an_answer_is_repeated_until_it_is_acknowledged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(phone_module, "T1_SECONDS", 0.05)
    async with wire() as server, Phone(AGENT, answering="auto") as phone:
        server.send(request("INVITE", "c", body=sdp(9)), phone.address)
        answer = await server.wait("SIP/2.0 200", count=2)
        tag = (re.findall(r"To: .*(;tag=\w+)", answer) or [""])[0]
        server.send(request("INVITE", "c", body=sdp(9)), phone.address)
        await server.wait("SIP/2.0 200", count=3)
        assert phone.incoming.qsize() == 1

        server.send(request("ACK", "c", tag), phone.address)
        server.send(request("OPTIONS", "c", tag, cseq=2), phone.address)
        await until(lambda: [t for _, t in server.messages if "2 OPTIONS" in t])
        count = len(server.messages)
        await asyncio.sleep(0.3)  # the next repeat would have come after 0.2 s
        assert len(server.messages) == count
        phone.calls[0].vanish()


async def test_a_renegotiation_changes_where_we_speak_and_nothing_else() -> None:
    async with wire() as server, Phone(AGENT, answering="auto", tone_hz=440) as phone:
        server.send(request("INVITE", "c", body=sdp(9)), phone.address)
        first = await server.wait("SIP/2.0 200")
        tag = (re.findall(r"To: .*(;tag=\w+)", first) or [""])[0]
        server.send(request("ACK", "c", tag), phone.address)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
            media.bind(("127.0.0.1", 0))
            body = sdp(media.getsockname()[1])
            server.send(request("INVITE", "c", tag, cseq=2, body=body), phone.address)
            await until(lambda: [t for t in server.starting("SIP/2.0 200") if "2 INVITE" in t])
            server.send(request("ACK", "c", tag, cseq=2), phone.address)
            media.settimeout(2)
            await asyncio.to_thread(media.recv, 2048)

        again = next(t for t in server.starting("SIP/2.0 200") if "2 INVITE" in t)
        assert again.partition("\r\n\r\n")[2] == first.partition("\r\n\r\n")[2]
        assert phone.incoming.qsize() == 1
        assert phone.calls[0].state == "up"
        phone.calls[0].vanish()


async def test_a_server_that_is_overloaded_refuses_and_the_code_is_known() -> None:
    async with wire() as server, Phone(CALLER, server=server.address) as phone:
        server.on_message = lambda text: server.reply(text, "503 Service Unavailable")
        call = await phone.call("0800190000")
        await call.ended(2)
        await server.wait("ACK")

        assert (call.ended_by, call.end_status) == ("them", 503)


# --- who is calling ---------------------------------------------------------------------------


async def invite_of(server: Wire, **options: Any) -> str:
    async with Phone(CALLER, server=server.address, **options) as phone:
        call = await phone.call("0800190000")
        invite = await server.wait("INVITE")
        call.vanish()
        return invite


async def test_a_withheld_number_is_hidden_from_people_and_known_to_the_network() -> None:
    async with wire() as server:
        invite = await invite_of(server, privacy=True)

    assert 'From: "Anonymous" <sip:anonymous@anonymous.invalid>' in invite
    assert "\r\nPrivacy: id\r\n" in invite
    assert f"\r\nP-Asserted-Identity: <sip:{CALLER}@127.0.0.1>\r\n" in invite


async def test_an_odd_identity_goes_on_the_wire_as_it_is() -> None:
    async with wire() as server:
        invite = await invite_of(
            server, from_user="06%0d%0a1", display_name='a"b\\c' + "é" * 79 + ";tag=fake"
        )

    assert f'From: "a\\"b\\\\c{"é" * 79};tag=fake" <sip:06%0d%0a1@127.0.0.1>;tag=' in invite


async def test_a_name_that_looks_like_a_tag_does_not_confuse_two_calls() -> None:
    async with two_phones({"display_name": "x>;tag=fake"}) as (calling, called):
        ours, theirs = await connect(calling, called)
        await theirs.hang_up()
        await ours.ended(2)

        assert ours.end_status == "BYE"


# --- registering --------------------------------------------------------------------------------


class Registrar(Wire):
    """A server that accepts the secret ``sésame``, and nobody else."""

    def __init__(self) -> None:
        super().__init__()
        self.qop = ', qop="auth"'
        self.registered: list[str] = []  # the Expires of each one accepted
        self.on_message = self.judge

    def judge(self, text: str) -> None:
        method = text.partition(" ")[0]
        given = dict(re.findall(r'(\w+)="?([^",\r]+)"?', text.partition("Authorization: ")[2]))
        if method not in ("REGISTER", "INVITE"):
            return
        what = md5(f"{method}:{given.get('uri')}")
        middle = f"n0nce:{given['nc']}:{given['cnonce']}:auth" if "nc" in given else "n0nce"
        if given.get("response") == md5(f"{md5('remy:fil:sésame')}:{middle}:{what}"):
            self.registered += re.findall("Expires: (.*)\r", text)
            self.reply(text, "200 OK", body="" if method == "REGISTER" else sdp(9))
            return
        self.reply(
            text,
            "401 Unauthorized",
            'WWW-Authenticate: Digest realm="fil", nonce="n0nce", algorithm=SHA-256',
            f'WWW-Authenticate: Digest realm="fil", nonce="n0nce", algorithm=MD5{self.qop}',
        )


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@asynccontextmanager
async def registrar() -> AsyncIterator[Registrar]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(Registrar, ("127.0.0.1", 0))
    yield server
    transport.close()


def test_the_digest_is_the_one_of_the_standard() -> None:
    challenge = (
        'Digest realm="testrealm@host.com", qop="auth,auth-int", '
        'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    answer = digest(
        challenge, "GET", "/dir/index.html", "Mufasa", "Circle Of Life", cnonce="0a4f113b"
    )

    assert 'response="6629fae49393a05397450978507c4ef1"' in answer
    assert 'opaque="5ccc069c403ebaf9f0171e9517f40e41"' in answer


@pytest.mark.parametrize("qop", ["", ', qop="auth"', ', qop="auth,auth-int"'])
async def test_a_phone_registers_and_says_when_it_leaves(qop: str) -> None:
    async with registrar() as server:
        server.qop = qop
        async with Phone("remy", secret="sésame", server=server.address) as phone:
            await phone.register()
            assert phone.registered
        assert server.registered == ["300", "0"]


async def test_a_phone_stays_registered_without_being_asked() -> None:
    async with registrar() as server:
        async with Phone("remy", secret="sésame", server=server.address) as phone:
            await phone.register(expires=1)
            await until(lambda: len(server.registered) == 2)
        assert server.registered == ["1", "1", "0"]


async def test_a_server_that_is_not_there_is_told_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(phone_module, "REGISTER_SECONDS_MAX", 0.1)
    async with wire() as server, Phone("remy", server=server.address) as phone:
        with pytest.raises(TimeoutError, match=r"did not answer.*Check that it is running"):
            await phone.register()


@pytest.mark.parametrize("secret", ["faux", None])
async def test_a_wrong_secret_is_refused_with_a_sentence(secret: str | None) -> None:
    async with registrar() as server:
        async with Phone("remy", secret=secret, server=server.address) as phone:
            with pytest.raises(RegistrationRefused, match="secret is the right one") as refused:
                await phone.register()
            assert refused.value.status == 401
            assert not phone.registered
        assert server.registered == []


async def test_a_call_that_is_asked_for_its_secret_gives_it_and_goes_on() -> None:
    async with registrar() as server:
        async with Phone("remy", secret="sésame", server=server.address) as phone:
            call = await phone.call("0800190000")
            await call.answered(2)
            assert [re.findall("CSeq: (.*)\r", t)[0] for t in server.starting("ACK")] == [
                "1 ACK",
                "2 ACK",
            ]
            assert len({re.findall("Call-ID: (.*)\r", t)[0] for _, t in server.messages}) == 1
            call.vanish()
        async with Phone("remy", secret="faux", server=server.address) as phone:
            call = await phone.call("0800190000")
            await call.ended(2)
            assert call.end_status == 401


# --- cost -----------------------------------------------------------------------------------------


async def test_twenty_calls_with_sound_cost_less_than_four_tenths_of_a_core() -> None:
    agent = {"answering": "auto", "tone_hz": 440}
    async with two_phones({"tone_hz": 1000}, agent) as (calling, called):
        ours = [await calling.call(AGENT) for _ in range(10)]  # ten at each end: twenty
        await asyncio.gather(*(call.answered(2) for call in ours))
        await asyncio.gather(*(call.hears(440, 2) for call in ours))
        start, used = time.monotonic(), time.process_time()
        await asyncio.sleep(0.6)
        used = time.process_time() - used

        assert used / (time.monotonic() - start) < 0.4
        for call in ours + called.calls:
            packets = call._sound.received.between(start, start + 0.5)
            assert 15 <= len(packets) <= 30
        assert dominant_hz(ours[9].heard(start, start + 0.5)) == pytest.approx(440, abs=1)
