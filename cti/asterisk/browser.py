"""Browsers as SIP phones: their accounts in the engine, and what a page may say to it.

The accounts are made while the engine runs, in its memory alone: one per agent, named after
their phone, with a new secret each time. It forgets them when it restarts; whoever made them
makes them again.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import aiohttp

from cti.asterisk.ari import Ari, Gone
from cti.config import Settings

SUFFIX = "-web"  # no phone of phones.conf can have it: their names are letters and digits
QUALIFY_SECONDS = 10  # a browser asleep is noticed in this time
RTP_SECONDS_MAX = 15  # a browser that sends no sound any more ends its talk
CLASS = "res_pjsip"
OPENED_SECONDS_MAX = 3.0
SIP_BYTES_MAX = 64 * 1024
IN_A_CALL = frozenset({"INVITE", "ACK", "BYE", "UPDATE", "INFO"})
SHORT_NAMES = {"f": "from", "t": "to"}
ARRIVED = re.compile(r"^SIP/2\.0 200 .*^CSeq: *\d+ REGISTER *\r?$.*^Contact:", re.M | re.S | re.I)


def account_of(phone: str) -> str:
    """The account of the browser of whoever has this phone."""
    return phone + SUFFIX


def phone_of(account: str) -> str | None:
    """Whose browser it is, by their phone; None: it is no browser's account."""
    phone, suffix, rest = account.rpartition(SUFFIX)
    return phone if suffix and not rest else None


class Accounts:
    """The accounts of browsers, as the engine holds them."""

    def __init__(self, ari: Ari, settings: Settings) -> None:
        self._ari = ari
        self._media_address = settings.media_address

    async def put(self, account: str, secret: str) -> None:
        """Make an account, or give it another secret. Raises AriError."""
        auth = {"auth_type": "digest", "username": account, "password": secret}
        aor = {
            "max_contacts": "1",
            "remove_existing": "yes",
            "remove_unavailable": "yes",
            "qualify_frequency": str(QUALIFY_SECONDS),
            "qualify_timeout": "2.0",
        }
        endpoint = {
            "context": "from-phone",
            "transport": "transport-ws",
            "webrtc": "yes",
            "dtls_auto_generate_cert": "yes",
            "disallow": "all",
            "allow": "opus,alaw",
            "identify_by": "auth_username,username",
            "auth": account,
            "aors": account,
            "direct_media": "no",
            "allow_transfer": "no",
            "rewrite_contact": "yes",
            "force_rport": "yes",
            "rtp_symmetric": "yes",
            "send_pai": "no",
            "send_rpid": "no",
            "dtmf_mode": "rfc4733",
            "media_address": self._media_address,
            "bind_rtp_to_media_address": "yes",
            "rtp_timeout": str(RTP_SECONDS_MAX),
            "rtp_timeout_hold": "60",
        }
        for kind, fields in (("auth", auth), ("aor", aor), ("endpoint", endpoint)):
            given = [{"attribute": name, "value": value} for name, value in fields.items()]
            await self._ari.asterisk.updateObject(
                configClass=CLASS, objectType=kind, id=account, fields=given
            )

    async def remove(self, account: str) -> None:
        """Take an account away: nothing registers or rings under it any more. Raises AriError."""
        for kind in ("endpoint", "aor", "auth"):
            with contextlib.suppress(Gone):
                await self._ari.asterisk.deleteObject(
                    configClass=CLASS, objectType=kind, id=account
                )

    async def known(self) -> frozenset[str]:
        """The accounts that the engine has. Raises AriError."""
        endpoints = await self._ari.endpoints.listByTech(tech="PJSIP")
        return frozenset(one.resource for one in endpoints if phone_of(one.resource))


class Passage:
    """One page's way to the engine, as long as it is open."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        self._socket = socket

    async def receive(self) -> str:
        """The next message for the page. Raises ConnectionError."""
        message = await self._socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionError("closed")
        heard: str = message.data
        return heard

    async def send(self, message: str) -> None:
        """Pass on what the page says. Raises ConnectionError."""
        try:
            await self._socket.send_str(message)
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionError(type(error).__name__) from None


@contextlib.asynccontextmanager
async def passage(engine_url: str) -> AsyncIterator[Passage]:
    """Open a way to the engine (``http://127.0.0.1:8088``) for one page. Raises ConnectionError."""
    async with aiohttp.ClientSession() as session:
        try:
            async with asyncio.timeout(OPENED_SECONDS_MAX):
                opened = await session.ws_connect(
                    f"{engine_url}/ws",
                    protocols=("sip",),
                    timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                    max_msg_size=SIP_BYTES_MAX,
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ConnectionError(type(error).__name__) from None
        async with opened:
            yield Passage(opened)


def may_pass(message: str, account: str) -> bool:
    """Whether a page with this account may say this to the engine.

    The engine knows the trunk by its address, which is ours too: a page that gave itself out for
    anybody else, or began a call, would pass for the operator. It registers and answers, no more.
    """
    if not message.strip():
        return True  # a sign of life
    head = message.partition("\r\n\r\n")[0].split("\r\n")
    if head[0].startswith("SIP/2.0 "):
        return True  # an answer to what the engine asked
    headers: dict[str, list[str]] = {}
    for line in head[1:]:
        name, colon, value = line.partition(":")
        if not colon or line[0] in " \t":  # a header over two lines: ours are not
            return False
        name = name.strip().lower()
        headers.setdefault(SHORT_NAMES.get(name, name), []).append(value)
    if len(headers.get("from", ())) != 1 or len(headers.get("to", ())) != 1:
        return False
    method = head[0].partition(" ")[0]
    if method in IN_A_CALL:  # in a call that is none, the engine answers that it knows none
        return re.search(r">[^<>\"]*; *tag=[^<>\"]+$", headers["to"][0]) is not None
    named = re.findall(r"username *= *\"?([^\",]*)", " ".join(headers.get("authorization", ())))
    unquoted = re.sub(r'"[^"]*"', "", headers["from"][0]).strip()
    mine = re.match(rf"<sip:{re.escape(account)}@[^<>@]*>[^<>]*$", unquoted) is not None
    return method == "REGISTER" and mine and all(name == account for name in named)


def tells_arrival(message: str) -> bool:
    """Whether the engine tells a page, with this, that its phone is registered."""
    return ARRIVED.search(message) is not None
