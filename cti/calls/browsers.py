"""Browsers as phones: each agent's account in the engine, and a page that leaves in a talk.

The account is made when a page opens its phone and taken away when its session ends. The engine
holds it in memory: after its restart we make it again, after ours we find it there.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from cti import clock
from cti.asterisk.ari import AriError
from cti.asterisk.browser import (
    Accounts,
    Passage,
    account_of,
    may_pass,
    passage,
    phone_of,
    tells_arrival,
)
from cti.asterisk.legs import ChannelLeg
from cti.calls.house import House
from cti.config import Settings
from cti.people.agents import Agent

log = logging.getLogger("fil.calls")

SECRET_BYTES = 24
RETURNED_SECONDS_MAX = 5.0  # a page that was loaded again in a talk
RETURNED_LOOK_SECONDS = 0.2
GONE_SECONDS_MAX = (
    60.0  # a page without its socket: a cut, a sleep, our restart; or closed for good
)
REMOVED_AGAIN_SECONDS = 5.0
TURN_LASTS = timedelta(hours=12)  # longer than any shift: it is asked for once
TURN_NAME_CHARS = 16


class Browsers:
    """The browsers that are phones now."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._accounts = Accounts(house.exchange.ari, house.settings)
        self._secrets: dict[str, str] = {}  # by agent: of the accounts made in this life
        self._here: dict[str, int] = {}  # by agent: how many sockets are open

    async def open(self, agent: Agent) -> dict[str, Any]:
        """Make the account of an agent's browser; returns what its page must know.

        A page that opens its phone has no call yet: a talk on the page before it is taken over.
        Raises ConnectionError when the engine does not answer.
        """
        account, secret = account_of(agent.phone), secrets.token_urlsafe(SECRET_BYTES)
        known_before = agent.browser is not None
        try:
            await self._accounts.put(account, secret)
        except AriError as error:
            log.warning("browser.not_opened", extra={"status": str(error)})
            raise ConnectionError("the engine has not made the account") from None
        self._secrets[agent.id], agent.browser = secret, account
        if known_before:
            for leg in self._legs(agent):
                self._house.spawn(self._end_of_page(leg, account))
        ice_servers = turn_servers(self._house.settings, agent, self._house.clock())
        return {"account": account, "secret": secret, "ice_servers": ice_servers}

    async def close(self, agent: Agent) -> None:
        """Take the account away: their other telephone, if they have one, rings again."""
        account, agent.browser = agent.browser, None
        self._secrets.pop(agent.id, None)
        if agent.rung_outside:
            self._house.team.phone_is(agent, False)
        if account is not None:
            self._house.spawn(self._remove(agent, account))

    async def check(self, agent: Agent) -> str | None:
        """Have the page hear itself come back from the engine. Returns an error code or None."""
        if agent.engagement is not None:
            return "in_call"
        try:
            await self._house.exchange.echo(agent.browser or "")
        except AriError:
            return "phone_not_there"
        return None

    def may_pass(self, agent: Agent, message: str) -> bool:
        """Whether an agent's page may say this to the engine."""
        return may_pass(message, account_of(agent.phone))

    def passed(self, agent: Agent, message: str) -> None:
        """The engine has said this to an agent's page."""
        if tells_arrival(message):
            self._house.team.phone_is(agent, False)

    @asynccontextmanager
    async def connect(self, agent: Agent) -> AsyncIterator[Passage]:
        """A way to the engine for an agent's page. Raises ConnectionError, then and later."""
        async with passage(self._house.settings.ari_url) as way:
            self._here[agent.id] = self._here.get(agent.id, 0) + 1
            try:
                yield way
            finally:
                self._here[agent.id] -= 1
                if not self._here[agent.id]:
                    self._house.spawn(self._leave_if_nobody_comes(agent))

    async def recover(self) -> None:
        """Bring the engine's accounts and ours together, at each connection. Never raises."""
        try:
            known = await self._accounts.known()
            for agent in list(self._house.team.agents.values()):
                account, secret = account_of(agent.phone), self._secrets.get(agent.id)
                if secret is not None and account not in known:
                    await self._accounts.put(account, secret)  # the engine has restarted
                elif secret is None and account in known:
                    agent.browser = account  # we have
                    self._house.spawn(self._leave_if_nobody_comes(agent))
            ours = {agent.phone for agent in self._house.team.agents.values()}
            for account in known:
                if phone_of(account) not in ours:
                    await self._accounts.remove(account)
        except AriError as error:
            log.warning("browsers.not_recovered", extra={"status": str(error)})

    async def _leave_if_nobody_comes(self, agent: Agent) -> None:
        """Take back the account of a page closed without a word, or no other phone would ring.

        Not during a talk, whose sound may go on. A page that wakes later asks for another.
        """
        await asyncio.sleep(GONE_SECONDS_MAX)
        if agent.browser is None or self._here.get(agent.id):
            return
        if agent.engagement is not None:
            self._house.spawn(self._leave_if_nobody_comes(agent))
        else:
            await self.close(agent)

    async def _remove(self, agent: Agent, account: str) -> None:
        while agent.browser is None:
            try:
                await self._accounts.remove(account)
                return
            except AriError:  # gone with an engine that restarts, or asked again
                await asyncio.sleep(REMOVED_AGAIN_SECONDS)

    def _legs(self, agent: Agent) -> list[ChannelLeg]:
        calls = self._house.calls.values()
        talks = [talk for call in calls for talk in (*call.offers, *call.talks)]
        return [talk.leg for talk in talks if talk.agent is agent]

    async def _end_of_page(self, leg: ChannelLeg, account: str) -> None:
        """End a leg that rang or talked on a page that is no more."""
        try:
            channel = await self._house.exchange.ari.channels.get(channelId=leg.id)
        except AriError:
            return
        if channel.name.startswith(f"PJSIP/{account}-"):
            log.info("browser.loaded_again", extra={"leg": leg.id})
            await self._house.exchange.drop(leg)


async def returned(agent: Agent, house: House) -> None:
    """Wait until the browser of an agent is there again, its screen too: for a moment at most."""
    until = clock.monotonic() + RETURNED_SECONDS_MAX
    while agent.browser is not None and clock.monotonic() < until:
        if agent.outbox.screens and await house.exchange.is_registered(agent.browser):
            return
        await asyncio.sleep(RETURNED_LOOK_SECONDS)


def turn_servers(settings: Settings, agent: Agent, now: datetime) -> list[dict[str, str]]:
    """The relays of sound for an agent's browser behind a strict network, as WebRTC writes them.

    Passwords as coturn checks them with ``use-auth-secret``: a name that says until when, signed.
    The name travels in clear: it tells the relay one agent from another, and nobody who it is.
    """
    if not settings.turn_url:
        return []
    key = settings.secret("turn").encode()
    who = hmac.digest(key, f"agent {agent.id}".encode(), "sha256").hex()[:TURN_NAME_CHARS]
    name = f"{int((now + TURN_LASTS).timestamp())}:{who}"
    password = base64.b64encode(hmac.digest(key, name.encode(), "sha1")).decode()
    url = settings.turn_url
    ways = [url] if "?" in url else [url, f"{url}?transport=tcp"]  # where no UDP gets out
    return [{"urls": url, "username": name, "credential": password} for url in ways]
