"""The people who answer: what their screens were told, what they may decide."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from cti.people.agents import (
    MESSAGES_KEPT_MAX,
    Agent,
    Decision,
    Decline,
    End,
    Engagement,
    Message,
    Orient,
    Outbox,
    Presence,
)
from tests.crew import agent

CALL = "c" * 32


# -- what screens are told


def test_every_open_screen_is_told_in_order_and_no_longer_once_closed() -> None:
    outbox = Outbox()
    one: list[Message] = []
    two: list[Message] = []
    outbox.open_screen(one.append)
    leave = outbox.open_screen(two.append)
    outbox.push("a", {})
    leave()
    outbox.push("b", {})
    assert [(m.seq, m.type) for m in one] == [(1, "a"), (2, "b")]
    assert [m.type for m in two] == ["a"]
    assert outbox.screens == 1


def test_a_screen_that_comes_back_gets_what_it_missed() -> None:
    outbox = Outbox()
    for number in range(5):
        outbox.push("n", {"number": number})
    assert [m.seq for m in outbox.since(3) or []] == [4, 5]
    assert outbox.since(5) == []


def test_a_screen_that_missed_too_much_or_dreams_of_the_future_gets_a_snapshot() -> None:
    outbox = Outbox()
    for _ in range(MESSAGES_KEPT_MAX + 2):
        outbox.push("n", {})
    assert outbox.since(2) is not None
    assert outbox.since(1) is None
    assert outbox.since(outbox.last_seq + 1) is None


def test_each_start_is_another_epoch() -> None:
    assert Outbox().epoch != Outbox().epoch


async def test_a_pop_is_displayed_once_a_screen_acks_it_or_a_later_one() -> None:
    outbox = Outbox()
    pop = outbox.push("call.offered", {})
    later = outbox.push("call.updated", {})
    waiting = asyncio.ensure_future(outbox.displayed(pop, 5))
    await asyncio.sleep(0)
    assert not waiting.done()
    outbox.ack(later.seq)
    assert await waiting


async def test_an_ack_that_came_before_anybody_waited_counts() -> None:
    outbox = Outbox()
    pop = outbox.push("call.offered", {})
    outbox.ack(pop.seq)
    assert await outbox.displayed(pop, 0)


async def test_an_ack_of_what_was_never_sent_acks_nothing_of_the_future() -> None:
    outbox = Outbox()
    outbox.ack(1_000_000)
    pop = outbox.push("call.offered", {})
    assert not await outbox.displayed(pop, 0.01)


async def test_a_pop_nobody_acks_was_not_displayed_and_an_old_ack_does_not_count() -> None:
    outbox = Outbox()
    old = outbox.push("presence.changed", {})
    pop = outbox.push("call.offered", {})
    outbox.ack(old.seq)
    assert not await outbox.displayed(pop, 0.01)


async def test_a_caller_who_leaves_while_the_pop_is_awaited_breaks_nothing() -> None:
    outbox = Outbox()
    pop = outbox.push("call.offered", {})
    waiting = asyncio.ensure_future(outbox.displayed(pop, 5))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    outbox.ack(pop.seq)
    assert await outbox.displayed(pop, 0)


# -- what they may decide


def engaged(state: str, **more: Any) -> Agent:
    one = agent("rosa")
    one.engagement = Engagement(CALL, {"id": CALL}, state=state, **more)
    return one


@pytest.mark.parametrize(
    ("state", "decision", "code"),
    [
        ("offered", Decline(), None),
        ("offered", End(), "not_connected"),
        ("offered", Orient(line="listeners"), "not_connected"),
        ("connected", Decline(), "already_connected"),
        ("connected", End(), None),
        ("connected", Orient(line="listeners"), None),
    ],
)
async def test_a_decision_fits_the_moment_or_names_why_not(
    state: str, decision: Decision, code: str | None
) -> None:
    one = engaged(state)
    assert one.decide(CALL, decision) == code
    assert one.engagement is not None
    assert one.engagement.decisions.qsize() == (code is None)


async def test_nobody_decides_about_a_call_they_do_not_have() -> None:
    assert agent("rosa").decide(CALL, End()) == "no_such_call"
    assert engaged("connected").decide("d" * 32, End()) == "no_such_call"


async def test_the_call_itself_may_refuse_a_decision() -> None:
    refuse: Callable[[Decision], str | None] = lambda _: "nobody_there"  # noqa: E731
    one = engaged("connected", check=refuse)
    assert one.decide(CALL, Orient(line="listeners")) == "nobody_there"
    assert one.engagement is not None
    assert one.engagement.decisions.empty()


def test_a_presence_view_tells_the_presence_its_reason_and_since_when() -> None:
    view = agent("rosa", presence=Presence.NOT_READY).presence_view()
    assert view["presence"] == "NOT_READY"
    assert view["reason"] is None
    assert view["since"].endswith("+00:00")
