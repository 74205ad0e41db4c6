"""Our own relay of sound, for browsers behind strict networks: whom it serves, where it leads."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Route, expect

from cti.calls.browsers import TURN_LASTS, turn_servers
from cti.people.agents import Agent, Role
from tests.browser_phone import CALLER_HZ, ROSA_HZ, AtTheDesk, chromium_speaking
from tests.line import NUMBER, Line, a_line, free_ports
from tests.turn_client import TurnClient

ROSA = Agent("rosa", "Rosa", frozenset({Role.REGULATOR}), "rosa")
pytestmark = pytest.mark.timeout(240)

# A browser whose network lets nothing through but the relay, and its connections.
THROUGH_THE_RELAY_ALONE = """
  window.connections = [];
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(config) {
      super({...config, iceTransportPolicy: "relay"});
      window.connections.push(this);
    }
  };
"""
WAYS = """async () => {
  const stats = await window.connections.at(-1).getStats();
  const pairs = [...stats.values()].filter((one) => one.type === "candidate-pair" && one.nominated);
  return pairs.map((one) => stats.get(one.localCandidateId).candidateType);
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def relayed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Line]:
    """A line with a relay of its own; a demo, since all of it is on loopback."""
    (port,) = free_ports(1, first=23000)
    async with a_line(
        tmp_path_factory.mktemp("relayed"),
        FIL_DEMO="true",
        FIL_TURN_ADDRESS="127.0.0.1",
        FIL_TURN_URL=f"turn:127.0.0.1:{port}",
    ) as line:
        yield line


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with chromium_speaking(tmp_path_factory.mktemp("rosa"), ROSA_HZ) as one:
        yield one


def relay(line: Line) -> tuple[str, int]:
    return "127.0.0.1", int(line.settings.turn_url.rpartition(":")[2])


def lent(line: Line, signed_at: datetime) -> tuple[str, str]:
    """The name and the password that Rosa's browser was lent at that time."""
    server = turn_servers(line.settings, ROSA, signed_at)[0]
    return server["username"], server["credential"]


def said(line: Line) -> str:
    """All that the relay has written down since it was started."""
    container = subprocess.run(
        ["docker", "ps", "-q", "--filter", f"volume={line.settings.data / 'turn'}"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    return subprocess.run(
        ["docker", "logs", container],
        check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ).stdout  # fmt: skip


async def checks(agent: AtTheDesk, verdict: str, *told: str) -> None:
    """The agent has the check of the page run, to its verdict and what it says."""
    await expect(agent.page.get_by_text("Prêt dans ce navigateur")).to_be_visible()
    await agent.page.get_by_role("button", name="Vérifier mon casque").click()
    check = agent.page.locator("#check")
    await expect(check.locator(".verdict")).to_have_attribute(
        "data-verdict", verdict, timeout=35_000
    )
    for words in told:
        await expect(check).to_contain_text(words)
    await check.get_by_role("button", name="Fermer").click()


async def test_who_can_be_heard_through_the_relay_alone_hears_and_is_heard(
    relayed: Line, browser: Browser
) -> None:
    async with (
        AtTheDesk.at(relayed, browser, "rosa") as rosa,
        relayed.caller(hz=CALLER_HZ) as telephone,
    ):
        await rosa.page.add_init_script(THROUGH_THE_RELAY_ALONE)
        await rosa.page.reload()
        await rosa.answers_here()
        call = await telephone.call(NUMBER)
        await rosa.answers()
        await call.hears(ROSA_HZ, 8)
        await rosa.hears(CALLER_HZ)
        assert set(await rosa.page.evaluate(WAYS)) == {"relay"}
        await call.hang_up()
        await expect(rosa.page.locator("#call-title")).to_have_text("La personne a raccroché")
        await checks(rosa, "good", "Passage par le relais bien")
    trace = await asyncio.to_thread(said, relayed)
    assert lent(relayed, datetime.now(UTC))[0].partition(":")[2] not in trace
    assert "session" not in trace


async def test_the_check_says_when_the_relay_is_dead_or_refuses_and_what_to_do(
    relayed: Line, browser: Browser
) -> None:
    lends: dict[str, str] = {}

    async def lend_otherwise(route: Route) -> None:
        if route.request.method != "POST":
            await route.fallback()
            return
        answer = await route.fetch()
        account = await answer.json()
        account["ice_servers"] = [one | lends for one in account["ice_servers"][:1]]
        await route.fulfill(json=account)

    async with AtTheDesk.at(relayed, browser, "rosa") as rosa:
        await rosa.page.route("**/api/v1/phone", lend_otherwise)
        (nobody_there,) = free_ports(1, first=24000)
        lends["urls"] = f"turn:127.0.0.1:{nobody_there}"
        await rosa.answers_here()
        await checks(rosa, "weak", "Passage par le relais faible", "Ici, le son passe sans lui")
        lends["urls"], lends["credential"] = relayed.settings.turn_url, "wrong"
        await rosa.page.reload()
        await checks(rosa, "weak", "Passage par le relais faible", "refuse ce navigateur")


async def test_the_relay_serves_who_was_lent_a_password_and_reaches_the_engine_alone(
    relayed: Line,
) -> None:
    now = datetime.now(UTC)

    def asked() -> dict[str, Any]:
        name, password = lent(relayed, now)
        over, of_over = lent(relayed, now - TURN_LASTS - timedelta(seconds=5))
        at = relay(relayed)
        with TurnClient(at, over, of_over) as late, TurnClient(at, name, "wrong") as wrong:
            refused = [late.allocate(), wrong.allocate()]
        with TurnClient(at, name, password) as client:
            found = {"lent": client.allocate(), "refused": refused}
            peers = ["127.0.0.1", "127.0.0.2", "10.0.0.1", "192.168.1.1", "9.9.9.9", "224.0.0.1"]
            return found | {peer: client.permit(peer) for peer in peers}

    answers = await asyncio.to_thread(asked)
    assert answers.pop("lent") == answers.pop("127.0.0.1") == 200
    assert answers.pop("refused") == [401, 401]
    assert set(answers.values()) == {403}, answers
