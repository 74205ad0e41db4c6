"""A scripted telephone: it dials, rings, answers, speaks and hangs up as a person's phone does.

One ``Phone`` is one SIP account (or none) on one UDP port; each ``PhoneCall`` has its
own Call-ID and its own RTP socket. A phone judges the line from outside: a request
that names a call it does not have gets 481 and changes nothing, and every RTP packet
is kept. All instants are monotonic seconds (``time.monotonic``); of what came from the
other side, they are when the kernel received it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import math
import re
import secrets
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, Self
from urllib.parse import quote

from cti.rehearsal.sound import (
    FRAME_SAMPLES,
    FRAME_SECONDS,
    PAYLOAD_TYPES,
    RATE,
    Codec,
    Packet,
    Received,
    Samples,
    dominant_hz,
    encode,
    rms_dbfs,
    tone,
    tone_level,
)

Address = tuple[str, int]
Answering = Literal["ring", "auto", "busy", "ignore"] | Callable[["PhoneCall"], Awaitable[None]]
State = Literal["calling", "ringing", "up", "ended"]

T1_SECONDS = 0.5  # first wait before repeating a message (RFC 3261)
T2_SECONDS = 4.0  # longest wait between two repeats, but for INVITE
GIVE_UP_SECONDS = 32.0  # 64 x T1: the other side is not there
CLOSE_SECONDS_MAX = 2.0
REGISTER_SECONDS_MAX = 10.0
REGISTER_AGAIN_SECONDS = 5.0
TONE_SECONDS = 10  # a looped tone joins seamlessly when its frequency is a multiple of 0.1 Hz
LATE_SECONDS_MAX = 0.1  # a sender further behind than this starts afresh, without a burst
KEY_PAUSE_FRAMES = 4
KEYS = "0123456789*#ABCD"
EVENT_PAYLOAD_TYPE = 101
HEARING_SECONDS = 0.2  # the window in which a tone is looked for
TONE_DBFS_MIN = -35.0
TONE_BELOW_WHOLE_DB_MAX = 9.0  # two or three tones at once each count as heard
SOUND_DBFS_MIN = -50.0
PACKETS_READ_AT_ONCE_MAX = 64
ARRIVAL_AGE_SECONDS_MAX = 5.0
SO_TIMESTAMPNS = 35  # Linux: the kernel says when each packet came
SILENT_BYTE: dict[Codec, bytes] = {"alaw": b"\xd5", "ulaw": b"\xff"}


class CallEnded(Exception):
    """The call ended before what was awaited could happen."""


class RegistrationRefused(Exception):
    """The server refused the account; ``status`` is the SIP code."""

    def __init__(self, status: int) -> None:
        super().__init__(
            f"The server refused to register this phone ({status}). "
            "Check that the account exists and that its secret is the right one."
        )
        self.status = status


# --- SIP messages ----------------------------------------------------------------------

_COMPACT = {"i": "call-id", "f": "from", "t": "to", "v": "via", "m": "contact", "c": "content-type"}


class Headers:
    """The headers of one message, in order; names match whatever their case."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    def __getitem__(self, name: str) -> str:
        found = self.all(name)
        if not found:
            raise KeyError(name)
        return found[0]

    def __contains__(self, name: object) -> bool:
        return any(n.lower() == str(name).lower() for n, _ in self._pairs)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._pairs)

    def get(self, name: str, default: str = "") -> str:
        """The first value of this header, or ``default``."""
        return next(iter(self.all(name)), default)

    def all(self, name: str) -> list[str]:
        """Every value of this header, in order."""
        return [value for n, value in self._pairs if n.lower() == name.lower()]


class _Message(NamedTuple):
    method: str  # of a response: that of its CSeq
    status: int  # 0 for a request
    headers: Headers
    body: str
    arrival: float  # monotonic seconds

    @property
    def call_id(self) -> str:
        return self.headers.get("call-id")

    @property
    def cseq(self) -> int:
        number = self.headers.get("cseq").split()[:1]
        return int(number[0]) if number and number[0].isdigit() else 0

    @property
    def branch(self) -> str:
        found = re.search(r";\s*branch=([^;,\s]+)", self.headers.get("via"))
        return found[1] if found else ""


def _parse(data: bytes, arrival: float) -> _Message | None:
    """Read one SIP message; None when it is not one."""
    head, _, body = data.decode("utf-8", "surrogateescape").partition("\r\n\r\n")
    first, *lines = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
    pairs = []
    for line in lines:
        name, _, value = line.partition(":")
        pairs.append((_COMPACT.get(name.strip().lower(), name.strip()), value.strip()))
    headers = Headers(pairs)
    words = first.split(" ")
    if len(words) >= 2 and words[0] == "SIP/2.0" and words[1].isdigit():
        method = headers.get("cseq").rpartition(" ")[2]
        return _Message(method, int(words[1]), headers, body, arrival)
    if len(words) == 3 and words[2] == "SIP/2.0":
        return _Message(words[0], 0, headers, body, arrival)
    return None


def _write(first: str, pairs: list[tuple[str, str]], body: str = "") -> bytes:
    """The bytes of one SIP message. Values go as they are: a rehearsal may be rude."""
    if body:
        pairs = [*pairs, ("Content-Type", "application/sdp")]
    content = body.encode()
    pairs = [*pairs, ("Content-Length", str(len(content)))]
    head = "".join(f"{name}: {value}\r\n" for name, value in pairs)
    return f"{first}\r\n{head}\r\n".encode("utf-8", "surrogateescape") + content


def _tag(identity: str) -> str:
    """The tag of a From or To; a display name cannot fake one, as it comes before the '>'."""
    found = re.search(r";\s*tag=([^;\s]+)", identity.rpartition(">")[2])
    return found[1] if found else ""


def _uri(contact: str) -> str:
    found = re.search(r"<([^<>]+)>[^<>]*$", contact)
    return found[1] if found else contact.partition(";")[0]


_REASONS = {100: "Trying", 180: "Ringing", 200: "OK", 486: "Busy Here", 487: "Request Terminated"}


def _reply(request: _Message, status: int, to: str, contact: str, body: str = "") -> bytes:
    kept = {"via", "from", "call-id", "cseq", "record-route"}
    pairs = [(name, value) for name, value in request.headers if name.lower() in kept]
    pairs += [("To", to), ("Contact", f"<{contact}>"), ("Allow", _ALLOW)]
    return _write(f"SIP/2.0 {status} {_REASONS.get(status, 'Refused')}", pairs, body)


_ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS"


def digest(
    challenge: str, method: str, uri: str, user: str, secret: str, cnonce: str | None = None
) -> str:
    """The Authorization value that answers this challenge (MD5; qop ``auth`` or none)."""
    given = {
        name.lower(): quoted or bare
        for name, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', challenge)
    }
    realm, nonce = given.get("realm", ""), given.get("nonce", "")

    def md5(text: str) -> str:
        return hashlib.md5(
            text.encode("utf-8", "surrogateescape"), usedforsecurity=False
        ).hexdigest()

    who, what = md5(f"{user}:{realm}:{secret}"), md5(f"{method}:{uri}")
    answer = f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}"'
    if "auth" in given.get("qop", "").replace(" ", "").split(","):
        cnonce = cnonce or secrets.token_hex(8)
        proof = md5(f"{who}:{nonce}:00000001:{cnonce}:auth:{what}")
        answer += f', qop=auth, nc=00000001, cnonce="{cnonce}"'
    else:
        proof = md5(f"{who}:{nonce}:{what}")
    if "opaque" in given:
        answer += f', opaque="{given["opaque"]}"'
    return f'{answer}, response="{proof}", algorithm=MD5'


def _authorization(
    reply: _Message, method: str, uri: str, user: str, secret: str | None
) -> tuple[str, str] | None:
    """The header that answers a 401 or 407; None without a secret or an MD5 challenge."""
    asked, answer = "WWW-Authenticate", "Authorization"
    if reply.status == 407:
        asked, answer = "Proxy-Authenticate", "Proxy-Authorization"
    for challenge in reply.headers.all(asked):
        algorithm = re.search(r"algorithm=\"?([\w-]+)", challenge, re.IGNORECASE)
        if secret is not None and (algorithm is None or algorithm[1].upper() == "MD5"):
            return answer, digest(challenge, method, uri, user, secret)
    return None


class _Offer(NamedTuple):
    """What a session description says of the other side's ears."""

    address: Address
    codecs: list[Codec]  # as the other side prefers them
    event_payload_type: int | None


def _read_sdp(body: str) -> _Offer | None:
    host = re.search(r"^c=IN IP4 (\S+)", body, re.MULTILINE)
    media = re.search(r"^m=audio (\d+) \S+ ([\d ]+)", body, re.MULTILINE)
    if host is None or media is None:
        return None
    numbers = {number: codec for codec, number in PAYLOAD_TYPES.items()}
    codecs = [numbers[int(n)] for n in media[2].split() if int(n) in numbers]
    event = re.search(r"^a=rtpmap:(\d+) telephone-event/8000", body, re.MULTILINE | re.IGNORECASE)
    return _Offer((host[1], int(media[1])), codecs, int(event[1]) if event else None)


class _Repeat:
    """One message, sent again at growing intervals until ``stop``: UDP loses messages."""

    def __init__(
        self, send: Callable[[], None], gave_up: Callable[[], None], interval_max: float
    ) -> None:
        self._send, self._gave_up, self._interval_max = send, gave_up, interval_max
        self._loop = asyncio.get_running_loop()
        self._interval = T1_SECONDS
        self._until = self._loop.time() + GIVE_UP_SECONDS
        send()
        self._timer = self._loop.call_later(self._interval, self._again)

    def stop(self) -> None:
        self._timer.cancel()

    def _again(self) -> None:
        if self._loop.time() + self._interval > self._until:
            self._gave_up()
            return
        self._send()
        self._interval = min(self._interval * 2, self._interval_max)
        self._timer = self._loop.call_later(self._interval, self._again)


class _Transaction(NamedTuple):
    repeat: _Repeat
    on_reply: Callable[[_Message | None], None]  # None: nobody ever answered


# --- sockets -----------------------------------------------------------------------------


def _open(host: str, readable: Callable[[], None]) -> socket.socket:
    """A UDP socket on a free port; ``readable`` is called when something came."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setblocking(False)
    if sys.platform == "linux":
        opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    opened.bind((host, 0))
    asyncio.get_running_loop().add_reader(opened.fileno(), readable)
    return opened


def _shut(opened: socket.socket) -> None:
    if opened.fileno() >= 0:
        asyncio.get_running_loop().remove_reader(opened.fileno())
        opened.close()


def _read(opened: socket.socket) -> Iterator[tuple[bytes, Address, float]]:
    """What has come: (bytes, from where, monotonic arrival)."""
    for _ in range(PACKETS_READ_AT_ONCE_MAX):
        try:
            data, extra, _, source = opened.recvmsg(65535, 64)
        except OSError:  # nothing more for now, or closed by what was read
            return
        yield data, (source[0], source[1]), _arrival(extra)


def _arrival(extra: list[tuple[int, int, bytes]]) -> float:
    """When the kernel received the packet: our own delay in reading it is nobody's gap."""
    now = time.monotonic()
    for level, kind, value in extra:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(value) == 16:
            seconds, nanoseconds = struct.unpack("qq", value)
            age = time.clock_gettime(time.CLOCK_REALTIME) - (seconds + nanoseconds / 1e9)
            if 0 <= age <= ARRIVAL_AGE_SECONDS_MAX:
                return now - float(age)
    return now


# --- the sound of one call ---------------------------------------------------------------


class _Key(NamedTuple):
    event: int
    samples: int  # how long it has been held
    last: bool


class _Sound:
    """One call's RTP: a packet every 20 ms one way, every packet kept the other way."""

    def __init__(self, host: str, voice: Callable[[Codec], list[bytes]], loops: bool) -> None:
        self._voice, self._loops = voice, loops
        self._at = 0
        self.remote: Address | None = None
        self.codec: Codec = "alaw"
        self.event_payload_type: int | None = None
        self.muted = False
        self.saying: deque[bytes] = deque()
        self.keys: deque[_Key | None] = deque()  # None: a frame of voice between two keys
        self.received = Received()
        self.digits: list[str] = []
        self._last_key: tuple[int, int] | None = None
        self._early: list[tuple[int, Packet]] = []
        self._seq = secrets.randbelow(1 << 15)
        self._timestamp = secrets.randbelow(1 << 31)
        self._source = secrets.randbits(32)
        self._socket = self._open(host)
        self.port: int = self._socket.getsockname()[1]

    def _open(self, host: str) -> socket.socket:
        """The socket of this call's sound; phones in great number share theirs."""
        return _open(host, self._readable)

    def close(self) -> None:
        _shut(self._socket)

    def meet(self, offer: _Offer, codec: Codec) -> None:
        """The other side said where it listens: from now on only its packets are ours."""
        self.remote, self.codec = offer.address, codec
        self.event_payload_type = offer.event_payload_type
        for port, packet in self._early:
            self._take(packet, port)
        self._early.clear()

    def skip(self, seconds: float) -> None:
        """Let the sender's clock run without sending, as it does on a phone that is silent."""
        self._timestamp = (self._timestamp + round(seconds * RATE)) & 0xFFFFFFFF

    def tick(self) -> None:
        """Send what is due in this 20 ms: a key being held, else voice."""
        if self.remote is None:
            return
        key = self.keys.popleft() if self.keys else None
        if key is None:
            payload_type = PAYLOAD_TYPES[self.codec]
            self._send(self.remote, payload_type, self._payload(), self._timestamp)
        else:
            began = self._timestamp - (key.samples - FRAME_SAMPLES) & 0xFFFFFFFF
            event = struct.pack(">BBH", key.event, (0x80 if key.last else 0) | 10, key.samples)
            payload_type = self.event_payload_type or EVENT_PAYLOAD_TYPE
            # The end of a key is said three times, so that one lost packet does not hold it.
            for _ in range(3 if key.last else 1):
                self._send(self.remote, payload_type, event, began, key.samples == FRAME_SAMPLES)
        self.skip(FRAME_SECONDS)

    def _payload(self) -> bytes:
        silence = SILENT_BYTE[self.codec] * FRAME_SAMPLES
        if self.saying:
            said = self.saying.popleft()
            return silence if self.muted else said
        voice = self._voice(self.codec)
        if self._at >= len(voice) and self._loops:
            self._at = 0
        if self.muted or self._at >= len(voice):
            return silence
        self._at += 1
        return voice[self._at - 1]

    def _send(
        self, to: Address, payload_type: int, payload: bytes, at: int, marker: bool = False
    ) -> None:
        self._seq = (self._seq + 1) & 0xFFFF
        second = payload_type | (0x80 if marker else 0)
        header = struct.pack(">BBHII", 0x80, second, self._seq, at, self._source)
        with contextlib.suppress(OSError):  # a full buffer or a closed port: a lost packet
            self._socket.sendto(header + payload, to)

    def _readable(self) -> None:
        for data, source, arrival in _read(self._socket):
            self.hear(data, source[1], arrival)

    def hear(self, data: bytes, port: int, arrival: float) -> None:
        """One packet came from this port."""
        if len(data) < 12 or data[0] >> 6 != 2:
            return
        _, second, seq, timestamp, ssrc = struct.unpack_from(">BBHII", data)
        start = 12 + 4 * (data[0] & 0xF)
        packet = Packet(arrival, seq, timestamp, ssrc, second & 0x7F, data[start:])
        if self.remote is None:
            self._early = [*self._early[-PACKETS_READ_AT_ONCE_MAX:], (port, packet)]
        else:
            self._take(packet, port)

    def _take(self, packet: Packet, port: int) -> None:
        # An earlier call on the same UDP port may still be sending: that sound is not ours.
        if self.remote is None or port != self.remote[1]:
            return
        self.received.add(packet)
        events = {EVENT_PAYLOAD_TYPE, self.event_payload_type}
        if packet.payload_type not in events or len(packet.payload) < 4:
            return
        key = (packet.payload[0], packet.timestamp)
        if key != self._last_key and key[0] < len(KEYS):
            self.digits.append(KEYS[key[0]])
        self._last_key = key


# --- one call ------------------------------------------------------------------------------


class PhoneCall:
    """One call of a scripted phone, as that phone lived it."""

    def __init__(self, phone: Phone, direction: Literal["in", "out"], call_id: str) -> None:
        self.direction = direction
        self.call_id = call_id
        self.headers = Headers([])  # of the INVITE, received or sent
        self.state: State = "calling"
        self.invited_at = time.monotonic()
        self.ringing_at: float | None = None
        self.answered_at: float | None = None
        self.ended_at: float | None = None
        self.ended_by: Literal["us", "them"] | None = None
        self.end_status: int | str | None = None  # SIP code, "BYE", "CANCEL" or "vanished"
        self._phone = phone
        self._sound = phone._make_sound()
        self._sending = phone._early_rtp
        self._stopped_at: float | None = None
        self._rang, self._was_answered, self._over = (asyncio.Event() for _ in range(3))
        self._own_tag = secrets.token_hex(8)
        self._session = secrets.randbelow(1 << 31)
        self._local = self._remote = ""  # our From or To, and theirs, with their tags
        self._target = ""  # the URI in-dialog requests go to
        self._peer: Address = phone.server
        self._cseq = 0
        self._vanished = False
        self._invite: _Message | None = None  # the INVITE we answer
        self._last_reply: bytes | None = None  # our last answer to it
        self._reply_repeat: _Repeat | None = None
        self._invite_uri = ""
        self._extra: list[tuple[str, str]] = []
        self._branch = ""
        self._challenged = False
        self._heard_back = False  # before a first answer, a CANCEL must wait
        self._acks: dict[str, bytes] = {}
        self._timer: asyncio.TimerHandle | None = None

    # what happened

    @property
    def first_rtp_at(self) -> float | None:
        """When the first RTP packet of the other side arrived."""
        return self._sound.received.first_at

    @property
    def digits(self) -> list[str]:
        """The keys the other side pressed, in order (RFC 4733)."""
        return self._sound.digits

    async def ringing(self, seconds_max: float) -> float:
        """Wait until it rings there (180 or 183) or is answered. Returns that instant.

        TimeoutError when it does not in time, CallEnded when the call ends first.
        """
        await self._wait(self._rang, seconds_max, "rang")
        return self.ringing_at or self.answered_at or time.monotonic()

    async def answered(self, seconds_max: float) -> float:
        """Wait until the call is answered. Returns that instant.

        TimeoutError when it is not in time, CallEnded when the call ends first.
        """
        await self._wait(self._was_answered, seconds_max, "was answered")
        return self.answered_at or time.monotonic()

    async def ended(self, seconds_max: float) -> float:
        """Wait until the call is over. Returns that instant; TimeoutError when it lasts."""
        await self._wait(self._over, seconds_max, "ended")
        return self.ended_at or time.monotonic()

    async def _wait(self, event: asyncio.Event, seconds_max: float, what: str) -> None:
        waits = [asyncio.ensure_future(e.wait()) for e in (event, self._over)]
        try:
            await asyncio.wait(waits, timeout=seconds_max, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if event.is_set():
            return
        if self._over.is_set():
            raise CallEnded(f"The call ended ({self.end_status}) before it {what}.")
        raise TimeoutError(
            f"The call never {what} within {seconds_max:g} s; it is still “{self.state}”."
        )

    # what the person does

    async def answer(self) -> None:
        """Pick up an incoming call. CallEnded when it is over."""
        if self.state == "ended":
            raise CallEnded(f"The call ended ({self.end_status}) before it could be answered.")
        self._pick_up()

    async def decline(self, status: int = 486) -> None:
        """Refuse an incoming call that rings; nothing when it is over."""
        if self.state == "ringing" and self.direction == "in":
            self._reply_final(status)
            self._end("us", status)

    async def hang_up(self) -> None:
        """End the call at once: BYE, CANCEL, or busy when it rings here; nothing when over.

        Returns when the message is sent; the phone repeats it until it is confirmed.
        """
        if self.state == "up":
            self._end("us", "BYE")
            self._send_bye()
        elif self.state != "ended" and self.direction == "in":
            await self.decline()
        elif self.state != "ended":
            self._end("us", "CANCEL")
            if self._heard_back:
                self._send_cancel()

    def vanish(self) -> None:
        """Become a dead line: no more RTP, no answer to any SIP message, for ever."""
        self._vanished = True
        self._phone._finish((self._branch, "INVITE"))
        self._end("us", "vanished")

    async def press(self, digits: str, ms: int = 120) -> None:
        """Press keys (RFC 4733). Returns when the last one is released.

        ValueError for what is not a key; RuntimeError when the other side takes no keys.
        """
        if any(digit not in KEYS for digit in digits):
            raise ValueError(f"Only these keys can be pressed: {KEYS}.")
        if self._sound.event_payload_type is None:
            raise RuntimeError("The other side takes no telephone-event: it cannot hear a key.")
        frames = max(1, math.ceil(ms / 1000 / FRAME_SECONDS))
        for digit in digits:
            event = KEYS.index(digit)
            self._sound.keys.extend(
                _Key(event, held * FRAME_SAMPLES, held == frames) for held in range(1, frames + 1)
            )
            self._sound.keys.extend([None] * KEY_PAUSE_FRAMES)
        await self._sent(self._sound.keys)

    async def say(self, samples: Samples) -> None:
        """Say this instead of the phone's usual voice. Returns when it is said."""
        self._sound.saying.extend(_frames(samples, self._sound.codec))
        await self._sent(self._sound.saying)

    async def _sent(self, queue: deque[Any]) -> None:
        while queue:
            if self.state == "ended":
                raise CallEnded(f"The call ended ({self.end_status}) before all was sent.")
            if not self._sending:
                raise RuntimeError("This call sends no RTP: start_rtp() comes first.")
            await asyncio.sleep(FRAME_SECONDS / 2)

    def mute(self) -> None:
        """Send silence in place of voice (packets go on)."""
        self._sound.muted = True

    def unmute(self) -> None:
        """Send the voice again."""
        self._sound.muted = False

    def stop_rtp(self) -> None:
        """Send no packet at all until ``start_rtp``."""
        self._sending, self._stopped_at = False, time.monotonic()
        self._phone._sounding.discard(self._sound)

    def start_rtp(self) -> None:
        """Send packets, now or as soon as the other side says where it listens."""
        if self._stopped_at is not None:
            self._sound.skip(time.monotonic() - self._stopped_at)
        self._sending, self._stopped_at = True, None
        self._speak()

    # what the person hears

    def heard(self, since: float, until: float | None = None) -> Samples:
        """The sound received between two instants, zeros where no packet came.

        ``until`` is now, or the end of the call, when not given.
        """
        return self._sound.received.heard(since, self._until(until))

    def gaps(
        self, since: float, until: float | None = None, longer_than_s: float = 0.06
    ) -> list[tuple[float, float]]:
        """The stretches longer than this without any packet: (start, seconds)."""
        return self._sound.received.gaps(since, self._until(until), longer_than_s)

    def silences(
        self,
        since: float,
        until: float | None = None,
        floor_dbfs: float = SOUND_DBFS_MIN,
        longer_than_s: float = 0.5,
    ) -> list[tuple[float, float]]:
        """The stretches longer than this with no packet or no energy: (start, seconds)."""
        received = self._sound.received
        return received.silences(since, self._until(until), floor_dbfs, longer_than_s)

    async def hears(self, hz: float, seconds_max: float) -> float:
        """Wait until this tone is heard (another may be, too). Returns that instant.

        TimeoutError, saying what was heard instead, when it is not in time.
        """

        def tone_now() -> float | None:
            now = time.monotonic()
            window = self.heard(now - HEARING_SECONDS, now)
            level = tone_level(window, hz)
            clear = level - rms_dbfs(window) > -TONE_BELOW_WHOLE_DB_MAX
            return now if level > TONE_DBFS_MIN and clear else None

        return await self._hear(tone_now, seconds_max, f"{hz:g} Hz")

    async def hears_sound(self, seconds_max: float, since: float | None = None) -> float:
        """Wait until anything is heard from now (or ``since``) on. Returns when it began.

        TimeoutError when nothing is heard in time.
        """
        start = time.monotonic() if since is None else since

        def sound_now() -> float | None:
            return self._sound.received.first_sound(start, self._until(None), SOUND_DBFS_MIN)

        return await self._hear(sound_now, seconds_max, "A sound")

    async def _hear(
        self, found: Callable[[], float | None], seconds_max: float, what: str
    ) -> float:
        until = time.monotonic() + seconds_max
        while (at := found()) is None:
            now = time.monotonic()
            if now >= until or self.state == "ended":
                last = self.heard(now - HEARING_SECONDS, now)
                raise TimeoutError(
                    f"{what} was not heard within {seconds_max:g} s; at the end the call is "
                    f"“{self.state}” and hears {dominant_hz(last):.0f} Hz at "
                    f"{rms_dbfs(last):.0f} dBFS."
                )
            await asyncio.sleep(2 * FRAME_SECONDS)
        return at

    def _until(self, until: float | None) -> float:
        return until if until is not None else self.ended_at or time.monotonic()

    # how it calls

    def _dial(self, number: str, headers: Mapping[str, str]) -> None:
        phone = self._phone
        self._local = f"{phone._identity()};tag={self._own_tag}"
        self._invite_uri = self._target = f"sip:{number}@{phone.server[0]}:{phone.server[1]}"
        self._remote = f"<{self._invite_uri}>"
        if phone._privacy:
            # As an operator does: hidden from the person called, known to the network.
            asserted = f"<sip:{phone._from_user}@{phone.server[0]}>"
            self._extra = [("Privacy", "id"), ("P-Asserted-Identity", asserted)]
        self._extra += headers.items()
        self._send_invite([])

    def _send_invite(self, authorization: list[tuple[str, str]]) -> None:
        self._branch, self._heard_back = _new_branch(), False
        self._cseq += 1
        pairs = self._pairs("INVITE", self._cseq, self._branch)
        pairs += [("Contact", f"<{self._phone.contact}>"), ("Allow", _ALLOW)]
        pairs += [*self._extra, *authorization]
        self.headers = Headers(pairs)
        data = _write(f"INVITE {self._invite_uri} SIP/2.0", pairs, self._sdp(None))
        self._phone._transact(
            (self._branch, "INVITE"), data, self._peer, self._on_invite_reply, math.inf
        )

    def _on_invite_reply(self, reply: _Message | None) -> None:
        if reply is None:
            self._end("them", 408)
        elif reply.status < 200:
            self._on_provisional(reply)
        elif reply.status < 300:
            self._on_accepted(reply)
        else:
            self._on_refused(reply)

    def _on_provisional(self, reply: _Message) -> None:
        first, self._heard_back = not self._heard_back, True
        if self.state == "ended":
            if first:
                self._send_cancel()
            return
        if reply.status > 100:
            if self.ringing_at is None:
                self.ringing_at, self.state = reply.arrival, "ringing"
                self._rang.set()
            self._listen(reply.body)

    def _on_accepted(self, reply: _Message) -> None:
        self._remote = reply.headers.get("to")
        self._target = _uri(reply.headers.get("contact")) or self._target
        pairs = self._pairs("ACK", self._cseq, _new_branch())
        ack = _write(f"ACK {self._target} SIP/2.0", pairs)
        self._acks[self._branch] = ack
        self._phone._send(ack, self._peer)
        if self.state == "ended":  # they answered while our CANCEL was on its way
            self._send_bye()
            return
        self._listen(reply.body)
        self._came_up(reply.arrival)

    def _on_refused(self, reply: _Message) -> None:
        pairs = self._pairs("ACK", self._cseq, self._branch, to=reply.headers.get("to"))
        ack = _write(f"ACK {self._invite_uri} SIP/2.0", pairs)
        self._acks[self._branch] = ack
        self._phone._send(ack, self._peer)
        if self.state != "ended" and reply.status in (401, 407) and not self._challenged:
            self._challenged = True
            answer = self._phone._answer_challenge(reply, "INVITE", self._invite_uri)
            if answer is not None:
                self._send_invite([answer])
                return
        self._end("them", reply.status, reply.arrival)

    def _send_cancel(self) -> None:
        pairs = self._pairs("CANCEL", self._cseq, self._branch)
        data = _write(f"CANCEL {self._invite_uri} SIP/2.0", pairs)
        self._phone._transact((self._branch, "CANCEL"), data, self._peer, _nothing)

    def _send_bye(self) -> None:
        self._cseq += 1
        branch = _new_branch()
        data = _write(f"BYE {self._target} SIP/2.0", self._pairs("BYE", self._cseq, branch))
        self._phone._transact((branch, "BYE"), data, self._peer, _nothing)

    def _pairs(
        self, method: str, cseq: int, branch: str, to: str | None = None
    ) -> list[tuple[str, str]]:
        return [
            ("Via", self._phone._via(branch)),
            ("Max-Forwards", "70"),
            ("From", self._local),
            ("To", to or self._remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{cseq} {method}"),
        ]

    # how it is called

    def _on_new_invite(self, invite: _Message, source: Address) -> None:
        self._invite, self._peer, self.invited_at = invite, source, invite.arrival
        self.headers = invite.headers
        self._local = f"{invite.headers['to']};tag={self._own_tag}"
        self._remote = invite.headers.get("from")
        self._target = _uri(invite.headers.get("contact"))
        self.state = "ringing"
        answering = self._phone.answering
        if answering == "ignore":
            self.vanish()
        elif invite.body and not self._can_hear(invite.body):
            self._reply_final(488)
            self._end("us", 488)
        elif answering == "busy":
            self._reply_final(486)
            self._end("us", 486)
        else:
            self.ringing_at = time.monotonic()
            self._rang.set()
            self._last_reply = self._reply_now(180)
            if answering == "auto":
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(self._phone.auto_answer_after, self._pick_up)
            elif callable(answering):
                self._phone._run(answering(self))

    def _pick_up(self) -> None:
        if self.state == "ringing" and self.direction == "in" and self._invite is not None:
            self._reply_final(200, self._sdp(_read_sdp(self._invite.body)))
            self._listen(self._invite.body)
            self._came_up(time.monotonic())

    def _on_request(self, request: _Message, source: Address) -> None:
        """A request inside this call (the phone has checked whose it is)."""
        self._peer = source
        if request.method == "ACK":
            if self._reply_repeat is not None:
                self._reply_repeat.stop()
            if self.state == "up":
                self._listen(request.body)
        elif request.method == "INVITE":
            self._on_invite_again(request)
        elif request.method == "BYE":
            self._phone._send(_reply(request, 200, self._local, self._phone.contact), source)
            self._end("them", "BYE", request.arrival)
        elif request.method == "CANCEL":
            self._phone._send(_reply(request, 200, self._local, self._phone.contact), source)
            if self.state == "ringing":
                self._reply_final(487)
                self._end("them", "CANCEL", request.arrival)
        else:
            status = 200 if request.method == "OPTIONS" else 405
            self._phone._send(_reply(request, status, self._local, self._phone.contact), source)

    def _on_invite_again(self, request: _Message) -> None:
        if self._invite is not None and request.cseq == self._invite.cseq:
            if self._last_reply is not None:
                self._phone._send(self._last_reply, self._peer)
            return
        self._invite = request
        if self.state != "up" or (request.body and not self._can_hear(request.body)):
            self._reply_final(488 if self.state == "up" else 481)
            return
        self._reply_final(200, self._sdp(_read_sdp(request.body)))
        self._listen(request.body)

    def _reply_now(self, status: int, body: str = "") -> bytes:
        assert self._invite is not None
        data = _reply(self._invite, status, self._local, self._phone.contact, body)
        self._phone._send(data, self._peer)
        return data

    def _reply_final(self, status: int, body: str = "") -> None:
        """Answer the INVITE, and again until the ACK comes; without one the call is lost."""
        if self._reply_repeat is not None:
            self._reply_repeat.stop()
        if self._invite is None:
            return
        data = _reply(self._invite, status, self._local, self._phone.contact, body)
        self._last_reply = data

        def gave_up() -> None:
            if self.state == "up":
                self._end("them", 408)
                self._send_bye()

        self._reply_repeat = _Repeat(
            lambda: self._phone._send(data, self._peer), gave_up, T2_SECONDS
        )

    # both ways

    def _can_hear(self, body: str) -> bool:
        offer = _read_sdp(body)
        return offer is not None and self._choose(offer) is not None

    def _choose(self, offer: _Offer) -> Codec | None:
        return next((c for c in offer.codecs if c in self._phone.codecs), None)

    def _sdp(self, offer: _Offer | None) -> str:
        """Our session: every codec we speak, or the one we chose from their offer."""
        codecs: list[Codec] = list(self._phone.codecs)
        event: int | None = EVENT_PAYLOAD_TYPE
        if offer is not None:
            codecs = [c for c in [self._choose(offer)] if c is not None]
            event = offer.event_payload_type
        numbers = [PAYLOAD_TYPES[c] for c in codecs] + ([event] if event is not None else [])
        names = [f"{PAYLOAD_TYPES[c]} {_SDP_NAMES[c]}/{RATE}" for c in codecs]
        lines = ["v=0", f"o=- {self._session} 1 IN IP4 {self._phone.host}", "s=-"]
        lines += [f"c=IN IP4 {self._phone.host}", "t=0 0"]
        lines += [f"m=audio {self._sound.port} RTP/AVP {' '.join(map(str, numbers))}"]
        lines += [f"a=rtpmap:{name}" for name in names]
        if event is not None:
            lines += [f"a=rtpmap:{event} telephone-event/{RATE}", f"a=fmtp:{event} 0-16"]
        return "\r\n".join([*lines, "a=ptime:20", "a=sendrecv", ""])

    def _listen(self, body: str) -> None:
        offer = _read_sdp(body)
        codec = self._choose(offer) if offer is not None else None
        if offer is not None and codec is not None:
            self._sound.meet(offer, codec)
            self._speak()

    def _speak(self) -> None:
        if self._sending and self.state != "ended" and self._sound.remote is not None:
            self._phone._start_sounding(self._sound)

    def _came_up(self, at: float) -> None:
        self.state, self.answered_at = "up", at
        self._rang.set()
        self._was_answered.set()

    def _end(self, by: Literal["us", "them"], status: int | str, at: float | None = None) -> None:
        """The call is over, once and for all. What is still to be said on the wire goes on."""
        if self.state == "ended":
            return
        self.state, self.ended_at = "ended", at or time.monotonic()
        self.ended_by, self.end_status = by, status
        if self._timer is not None:
            self._timer.cancel()
        if self._reply_repeat is not None and (status == "BYE" or self._vanished):
            self._reply_repeat.stop()
        self._phone._sounding.discard(self._sound)
        if not self._vanished:  # a closed port would tell the engine what a dead line does not
            self._sound.close()
        self._over.set()
        self._phone._forget_later(self)


_SDP_NAMES: dict[Codec, str] = {"alaw": "PCMA", "ulaw": "PCMU"}


def _nothing(reply: _Message | None) -> None:
    """The reply to a BYE or CANCEL changes nothing: the call is over already."""


def _new_branch() -> str:
    return f"z9hG4bK{secrets.token_hex(12)}"


def _frames(samples: Samples, codec: Codec) -> list[bytes]:
    """The samples as coded 20 ms packets, the last one filled with silence."""
    coded = encode(samples, codec)
    cut = [coded[at : at + FRAME_SAMPLES] for at in range(0, len(coded), FRAME_SAMPLES)]
    return [frame.ljust(FRAME_SAMPLES, SILENT_BYTE[codec]) for frame in cut]


# --- the phone -------------------------------------------------------------------------------


class Phone:
    """One scripted telephone. ``start`` it, ``close`` it; or use it with ``async with``.

    ``tone_hz`` or ``voice`` is what it says for as long as a call lasts (silence when
    neither); ``voice_loops`` False says it once. ``early_rtp`` False sends no packet
    until ``start_rtp``. ``from_user`` and ``display_name`` go on the wire as they are.
    ``privacy`` withholds the number as an operator does. ``answering`` may change at any
    time; as a function it is run for each call that rings here. Every call received,
    answered or not, is put in ``incoming``.
    """

    def __init__(
        self,
        user: str,
        *,
        secret: str | None = None,
        server: Address = ("127.0.0.1", 5060),
        host: str = "127.0.0.1",
        codecs: tuple[Codec, ...] = ("alaw",),
        tone_hz: float | None = None,
        voice: Samples | None = None,
        voice_loops: bool = True,
        early_rtp: bool = True,
        display_name: str | None = None,
        from_user: str | None = None,
        privacy: bool = False,
        answering: Answering = "ring",
        auto_answer_after: float = 0.0,
    ) -> None:
        self.user, self.server, self.host, self.codecs = user, server, host, codecs
        self.answering: Answering = answering
        self.auto_answer_after = auto_answer_after  # seconds
        self.incoming: asyncio.Queue[PhoneCall] = asyncio.Queue()
        self.registered = False
        self.port = 0  # of its SIP socket, once started
        self._secret = secret
        self._voice = tone(tone_hz, TONE_SECONDS) if tone_hz is not None else voice
        self._voice_loops = voice_loops
        self._early_rtp = early_rtp
        self._display_name = display_name
        self._from_user = user if from_user is None else from_user
        self._privacy = privacy
        self._coded: dict[Codec, list[bytes]] = {}
        self._calls: dict[str, PhoneCall] = {}
        self._transactions: dict[tuple[str, str], _Transaction] = {}
        self._sounding: set[_Sound] = set()
        self._sender: asyncio.Task[None] | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._scripts: set[asyncio.Task[None]] = set()
        self._socket: socket.socket | None = None
        self._register_id = secrets.token_hex(16)
        self._register_cseq = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def address(self) -> Address:
        """Where this phone can be called directly, once started."""
        return (self.host, self.port)

    @property
    def contact(self) -> str:
        """The SIP address of this phone, as it gives it to others."""
        return f"sip:{quote(self.user)}@{self.host}:{self.port}"

    @property
    def calls(self) -> list[PhoneCall]:
        """The calls under way and those ended less than 32 s ago, oldest first."""
        return list(self._calls.values())

    async def start(self) -> None:
        """Open the phone's port; from then on it can be called, and answers OPTIONS."""
        self._socket = _open(self.host, self._readable)
        self.port = self._socket.getsockname()[1]

    async def close(self) -> None:
        """Hang up what is open, unregister, close every socket; within about 2 s.

        An error raised by an ``answering`` function is raised again here.
        """
        if self._socket is None:
            return
        for call in self.calls:
            await call.hang_up()
        if self.registered:
            with contextlib.suppress(TimeoutError, RegistrationRefused):
                async with asyncio.timeout(CLOSE_SECONDS_MAX):
                    await self.unregister()
        until = time.monotonic() + CLOSE_SECONDS_MAX
        while self._transactions and time.monotonic() < until:  # noqa: ASYNC110 - once, bounded
            await asyncio.sleep(FRAME_SECONDS / 4)
        self._stop_everything()
        done = await asyncio.gather(*self._scripts, return_exceptions=True)
        for failure in done:
            if isinstance(failure, Exception):
                raise failure

    def _stop_everything(self) -> None:
        for transaction in self._transactions.values():
            transaction.repeat.stop()
        self._transactions.clear()
        for call in self._calls.values():
            if call._reply_repeat is not None:
                call._reply_repeat.stop()
            call._sound.close()
        for task in (self._sender, self._renewal, *self._scripts):
            if task is not None:
                task.cancel()
        if self._socket is not None:
            _shut(self._socket)
            self._socket = None

    async def call(self, number: str, *, headers: Mapping[str, str] | None = None) -> PhoneCall:
        """Dial this number. Returns at once, with the INVITE sent."""
        call = PhoneCall(self, "out", f"{secrets.token_hex(16)}@{self.host}")
        self._calls[call.call_id] = call
        call._dial(number, headers or {})
        return call

    # registering

    async def register(self, expires: int = 300) -> None:
        """Tell the server where this phone is, and again every half ``expires`` seconds.

        Returns when the server has accepted. TimeoutError when it does not answer
        within 10 s, RegistrationRefused when it refuses the account.
        """
        await self._register(expires)
        self.registered = True
        if self._renewal is not None:
            self._renewal.cancel()
        self._renewal = asyncio.create_task(self._stay_registered(expires))

    async def unregister(self) -> None:
        """Tell the server that this phone is gone. Errors as for ``register``."""
        if self._renewal is not None:
            self._renewal.cancel()
        self.registered = False
        await self._register(0)

    async def _stay_registered(self, expires: int) -> None:
        wait = expires / 2
        while True:
            await asyncio.sleep(wait)
            try:
                await self._register(expires)
            except (TimeoutError, RegistrationRefused):
                self.registered, wait = False, REGISTER_AGAIN_SECONDS
            else:
                self.registered, wait = True, expires / 2

    async def _register(self, expires: int) -> None:
        uri = f"sip:{self.server[0]}:{self.server[1]}"
        own = f"<sip:{quote(self.user)}@{self.server[0]}>"
        authorization: list[tuple[str, str]] = []
        for last in (False, True):
            self._register_cseq += 1
            branch = _new_branch()
            pairs = [("Via", self._via(branch)), ("Max-Forwards", "70")]
            pairs += [("From", f"{own};tag={secrets.token_hex(8)}"), ("To", own)]
            pairs += [("Call-ID", self._register_id), ("CSeq", f"{self._register_cseq} REGISTER")]
            pairs += [("Contact", f"<{self.contact}>"), ("Expires", str(expires)), *authorization]
            reply = await self._ask("REGISTER", branch, _write(f"REGISTER {uri} SIP/2.0", pairs))
            if reply.status < 300:
                return
            answer = None
            if reply.status in (401, 407) and not last:
                answer = self._answer_challenge(reply, "REGISTER", uri)
            if answer is None:
                raise RegistrationRefused(reply.status)
            authorization = [answer]

    async def _ask(self, method: str, branch: str, data: bytes) -> _Message:
        """Send a request outside any call and wait for its final answer."""
        answer: asyncio.Future[_Message] = asyncio.get_running_loop().create_future()

        def on_reply(reply: _Message | None) -> None:
            if reply is not None and reply.status >= 200 and not answer.done():
                answer.set_result(reply)

        key = (branch, method)
        self._transact(key, data, self.server, on_reply)
        try:
            async with asyncio.timeout(REGISTER_SECONDS_MAX):
                return await answer
        except TimeoutError:
            raise TimeoutError(
                f"The telephone server at {self.server[0]}:{self.server[1]} did not answer "
                f"{method} within {REGISTER_SECONDS_MAX:g} s. Check that it is running."
            ) from None
        finally:
            self._finish(key)

    def _answer_challenge(self, reply: _Message, method: str, uri: str) -> tuple[str, str] | None:
        return _authorization(reply, method, uri, self.user, self._secret)

    # messages

    def _via(self, branch: str) -> str:
        return f"SIP/2.0/UDP {self.host}:{self.port};rport;branch={branch}"

    def _identity(self) -> str:
        if self._privacy:
            return '"Anonymous" <sip:anonymous@anonymous.invalid>'
        uri = f"<sip:{self._from_user}@{self.server[0]}>"
        if self._display_name is None:
            return uri
        name = self._display_name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{name}" {uri}'

    def _send(self, data: bytes, to: Address) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # UDP: as good as lost, and sent again
                self._socket.sendto(data, to)

    def _transact(
        self,
        key: tuple[str, str],
        data: bytes,
        to: Address,
        on_reply: Callable[[_Message | None], None],
        interval_max: float = T2_SECONDS,
    ) -> None:
        """Send a request until it is answered; ``on_reply`` gets each answer, None if none came."""

        def gave_up() -> None:
            self._finish(key)
            on_reply(None)

        repeat = _Repeat(lambda: self._send(data, to), gave_up, interval_max)
        self._transactions[key] = _Transaction(repeat, on_reply)

    def _finish(self, key: tuple[str, str]) -> None:
        transaction = self._transactions.pop(key, None)
        if transaction is not None:
            transaction.repeat.stop()

    def _readable(self) -> None:
        if self._socket is not None:
            for data, source, arrival in _read(self._socket):
                message = _parse(data, arrival)
                if message is not None:
                    self._on_message(message, source)

    def _on_message(self, message: _Message, source: Address) -> None:
        call = self._calls.get(message.call_id)
        if call is not None and call._vanished:
            return
        if message.status:
            self._on_reply(message, call)
        else:
            self._on_request(message, call, source)

    def _on_reply(self, reply: _Message, call: PhoneCall | None) -> None:
        key = (reply.branch, reply.method)
        transaction = self._transactions.get(key)
        if transaction is None:
            # Our ACK was lost: their answer comes again, and so does the ACK.
            if call is not None and reply.status >= 200 and reply.branch in call._acks:
                self._send(call._acks[reply.branch], call._peer)
            return
        if reply.status >= 200:
            self._finish(key)
        elif reply.method == "INVITE":
            transaction.repeat.stop()
        transaction.on_reply(reply)

    def _on_request(self, request: _Message, call: PhoneCall | None, source: Address) -> None:
        to = request.headers.get("to")
        if call is not None and _tag(to) in ("", call._own_tag):
            starts = request.method in ("INVITE", "CANCEL", "ACK")
            theirs = _tag(request.headers.get("from")) == _tag(call._remote)
            if theirs and (_tag(to) or starts):
                call._on_request(request, source)
                return
        elif call is None and not _tag(to) and request.method == "INVITE":
            call = PhoneCall(self, "in", request.call_id)
            self._calls[call.call_id] = call
            call._on_new_invite(request, source)
            self.incoming.put_nowait(call)
            return
        if request.method == "ACK":
            return
        known = request.method == "OPTIONS" and not _tag(to)
        own = to if _tag(to) else f"{to};tag={secrets.token_hex(8)}"
        self._send(_reply(request, 200 if known else 481, own, self.contact), source)

    def _forget_later(self, call: PhoneCall) -> None:
        """An ended call is known for as long as the other side may repeat itself."""
        if not call._vanished:
            loop = asyncio.get_running_loop()
            loop.call_later(GIVE_UP_SECONDS, self._calls.pop, call.call_id, None)

    def _run(self, script: Awaitable[None]) -> None:
        async def run() -> None:
            await script

        self._scripts.add(asyncio.create_task(run()))

    # sound

    def _make_sound(self) -> _Sound:
        return _Sound(self.host, self._packets, self._voice_loops)

    def _packets(self, codec: Codec) -> list[bytes]:
        """The phone's voice, coded once for all its calls."""
        if codec not in self._coded:
            self._coded[codec] = [] if self._voice is None else _frames(self._voice, codec)
        return self._coded[codec]

    def _start_sounding(self, sound: _Sound) -> None:
        self._sounding.add(sound)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_sound())

    async def _send_sound(self) -> None:
        """Every 20 ms, one packet for each call; late ticks are caught up, never shifted."""
        due = time.monotonic()
        while self._sounding:
            for sound in tuple(self._sounding):
                sound.tick()
            due += FRAME_SECONDS
            now = time.monotonic()
            if now - due > LATE_SECONDS_MAX:
                due = now
            await asyncio.sleep(max(0.0, due - now))
