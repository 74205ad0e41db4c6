"""Which browser is a phone, and since when it no longer is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from cti.calls import browsers as browsers_module
from cti.calls.browsers import Browsers
from cti.people.agents import Agent, Engagement, Role

GONE_SECONDS = 0.05


class Accounts:
    """The engine's accounts, by name."""

    def __init__(self, *_: object) -> None:
        self.kept: set[str] = set()

    async def put(self, account: str, _secret: str) -> None:
        self.kept.add(account)

    async def remove(self, account: str) -> None:
        self.kept.discard(account)


@asynccontextmanager
async def passage(_: str) -> AsyncIterator[None]:
    yield


@pytest.fixture
def browsers(monkeypatch: pytest.MonkeyPatch) -> Browsers:
    monkeypatch.setattr(browsers_module, "GONE_SECONDS_MAX", GONE_SECONDS)
    monkeypatch.setattr(browsers_module, "Accounts", Accounts)
    monkeypatch.setattr(browsers_module, "passage", passage)
    monkeypatch.setattr(browsers_module, "turn_servers", lambda *_: [])
    house: Any = SimpleNamespace(
        exchange=SimpleNamespace(ari=None),
        settings=SimpleNamespace(ari_url=""),
        team=SimpleNamespace(phone_is=lambda *_: None),
        calls={},
        spawn=asyncio.ensure_future,
        clock=lambda: None,
    )
    return Browsers(house)


@pytest.fixture
def rosa() -> Agent:
    return Agent("rosa", "Rosa", frozenset({Role.REGULATOR}), "rosa")


async def test_a_page_closed_without_a_word_is_no_phone_any_more(
    browsers: Browsers, rosa: Agent
) -> None:
    await browsers.open(rosa)
    async with browsers.connect(rosa):
        await asyncio.sleep(2 * GONE_SECONDS)
        assert rosa.account == "rosa-web"
    assert rosa.account == "rosa-web"  # it may be loaded again
    await asyncio.sleep(3 * GONE_SECONDS)
    assert rosa.account == "rosa"
    assert browsers._accounts.kept == set()


async def test_a_page_that_comes_back_in_time_stays_the_phone(
    browsers: Browsers, rosa: Agent
) -> None:
    await browsers.open(rosa)
    async with browsers.connect(rosa):
        pass
    async with browsers.connect(rosa):
        await asyncio.sleep(3 * GONE_SECONDS)
        assert rosa.account == "rosa-web"


async def test_a_talk_whose_socket_is_cut_keeps_its_account(
    browsers: Browsers, rosa: Agent
) -> None:
    await browsers.open(rosa)
    rosa.engagement = Engagement("c1", {"id": "c1"}, state="connected")
    async with browsers.connect(rosa):
        pass
    await asyncio.sleep(3 * GONE_SECONDS)
    assert rosa.account == "rosa-web"
    rosa.engagement = None
    await asyncio.sleep(3 * GONE_SECONDS)
    assert rosa.account == "rosa"
