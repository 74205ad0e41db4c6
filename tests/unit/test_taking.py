"""What regulators see of who waits, and what they may do: looked at without a call's life."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cti.calls import cards, offering
from cti.calls.cards import WAITING_SHOWN_MAX, keep_telling, shown_to
from cti.calls.deciding import is_free_to_take, is_rung_for, may_take
from cti.calls.house import House
from cti.calls.state import Call
from cti.calls.waiting import Ask
from cti.people.agents import Agent, Message, Presence, Role
from cti.web.frames import WaitingChanged

CAME_AT = datetime(2026, 3, 3, 10, tzinfo=UTC)


def agent(id_: str, *roles: Role, **more: Any) -> Agent:
    return Agent(id_, id_, frozenset(roles), id_, presence=Presence.READY, **more)


ROSA = agent("rosa", Role.REGULATOR)
SAM, LEA = agent("sam", Role.SUPERVISOR), agent("lea", Role.LISTENER)


def a_house(*calls: Call, team: tuple[Agent, ...] = (ROSA,)) -> House:
    in_step = asyncio.Event()
    in_step.set()
    house = SimpleNamespace(
        calls={call.id: call for call in calls},
        exchange=SimpleNamespace(ari=SimpleNamespace(in_step=in_step)),
        team=SimpleNamespace(agents={one.id: one for one in team}),
        waiting_moved=asyncio.Event(),
    )
    return cast(House, house)


def a_call(
    number: int = 0, *, language: str = "fr", told: dict[str, str] | None = None, **more: Any
) -> Call:
    """Somebody who waits, number ``number``."""
    in_app, gone = asyncio.Event(), asyncio.Event()
    in_app.set()
    caller = SimpleNamespace(
        id=f"channel-{number}", in_app=in_app, gone=gone, language=language, told=told or {}
    )
    step = SimpleNamespace(line="regulators", skills={"violences": 2})
    flow = SimpleNamespace(
        flow=SimpleNamespace(
            steps={}, line=lambda _: step, shown=lambda name, value: f"{name} {value}"
        )
    )
    call = Call(f"{number:032x}", cast(Any, caller), flow=cast(Any, flow))
    call.waits_in, call.waiting_since_at = "regulators", CAME_AT + timedelta(seconds=number)
    call.ask = Ask(call.id, "regulators", language, call.waiting_since_at)
    call.ask.gender = (told or {}).get("gender")
    for name, value in more.items():
        setattr(call, name, value)
    return call


# -- who may be taken


async def test_whom_a_regulator_may_take() -> None:
    call = a_call()
    house = a_house(call)
    assert may_take(ROSA, call, house) is None
    assert may_take(SAM, call, house) == may_take(LEA, call, house) == "not_your_role"


@pytest.mark.parametrize("danger", [0, 2, 3])
async def test_a_language_and_a_gender_hold_by_hand_but_for_danger(danger: int) -> None:
    for call in (
        a_call(language="en", danger=danger),
        a_call(told={"gender": "femme"}, danger=danger),
    ):
        refused = None if danger == 3 else "does_not_suit_you"
        assert may_take(ROSA, call, a_house(call)) == refused
        both = agent("nora", Role.REGULATOR, languages=frozenset({"en", "fr"}), gender="femme")
        assert may_take(both, call, a_house(call)) is None


async def test_who_rings_elsewhere_was_taken_or_is_not_ours_is_not_to_be_taken() -> None:
    call = a_call()
    house = a_house(call)
    talk = SimpleNamespace(leg=SimpleNamespace(in_app=asyncio.Event()), agent=LEA)
    assert call.ask is not None
    call.offers.append(cast(Any, talk))
    assert may_take(ROSA, call, house) == "rings_already"
    call.danger = 3
    assert may_take(ROSA, call, house) is None
    call.ask.by_hand = LEA
    assert may_take(ROSA, call, house) == "taken_already"
    call.ask.by_hand = None
    talk.leg.in_app.set()  # somebody has picked up
    assert may_take(ROSA, call, house) == "no_longer_waiting"
    call.offers.clear()
    call.ask.over = True
    assert may_take(ROSA, call, house) == "not_reachable"
    call.ask.over = False
    call.caller.in_app.clear()
    assert may_take(ROSA, call, house) == "not_reachable"
    call.caller.in_app.set()
    house.exchange.ari.in_step.clear()
    assert may_take(ROSA, call, house) == "not_reachable"
    call.caller.gone.set()
    assert may_take(ROSA, call, house) == "no_longer_waiting"


async def test_who_is_about_to_be_offered_rings_already() -> None:
    call = a_call()
    assert call.ask is not None
    assert not is_rung_for(call)
    call.ask.found.set_result([LEA])
    assert is_rung_for(call)
    assert may_take(ROSA, call, a_house(call)) == "rings_already"


@pytest.mark.parametrize(
    ("presence", "code"),
    [
        (Presence.READY, None),
        (Presence.RESERVED, "you_have_a_call"),
        (Presence.TALKING, "you_have_a_call"),
        (Presence.NOT_READY, None),  # in a break: they choose by hand
        (Presence.WRAP_UP, "you_are_not_ready"),
        (Presence.LOGGED_OUT, "you_are_not_ready"),
    ],
)
def test_who_can_take_somebody(presence: Presence, code: str | None) -> None:
    one = agent("nora", Role.REGULATOR)
    one.presence = presence
    assert is_free_to_take(one) == code
    one.phone_away = True
    assert is_free_to_take(one) is not None


async def test_who_was_found_as_another_took_the_caller_is_given_back() -> None:
    """The line had reserved somebody, and nobody had heard of it yet."""
    call, given_back = a_call(danger=3), []

    async def take(ask: Ask) -> list[Agent]:
        ask.take_by_hand(ROSA)
        return [LEA]

    house = a_house(call)
    house.lines = cast(Any, SimpleNamespace(take=take))
    house.team.withdraw = cast(Any, given_back.append)
    assert call.ask is not None
    assert await offering._look_for(call, house, call.ask) == []
    assert given_back == [LEA]
    assert call.ask.by_hand is ROSA


async def test_nobody_is_kept_for_a_caller_whom_an_on_call_phone_may_have() -> None:
    call, given_back = a_call(), []
    call.caller.in_app.clear()
    call.caller.in_our_hands = asyncio.Event().wait
    house = a_house(call)
    house.team.withdraw = cast(Any, given_back.append)
    nora = agent("nora", Role.REGULATOR)
    nora.presence, nora.call_id = Presence.RESERVED, call.id
    assert call.ask is not None
    call.ask.take_by_hand(nora)
    step: Any = SimpleNamespace(ring_after_seconds=0.0, line="regulators")
    offering_around = asyncio.ensure_future(offering._offer_around(call, house, step, call.ask))
    await asyncio.sleep(0.01)
    assert given_back == [nora]
    assert [(m.type, m.data["reason"]) for m in nora.outbox.since(0) or []] == [
        ("call.not_taken", "left_line")
    ]
    assert not offering_around.done()
    offering_around.cancel()


# -- what is shown


async def test_regulators_and_supervisors_see_who_waits_the_oldest_first() -> None:
    house = a_house(a_call(2), a_call(1), a_call(3, waits_in=None))
    assert shown_to(LEA, house) == {}
    for watching, may in ((ROSA, True), (SAM, False)):
        shown = shown_to(watching, house)
        WaitingChanged.model_validate(shown)
        assert [card["id"][-1] for card in shown["waiting"]] == ["1", "2"]
        assert {card["may_take"] for card in shown["waiting"]} == {may}
        assert shown["waiting_count"] == 2


async def test_of_too_many_the_oldest_are_shown_and_nobody_in_danger_is_left_out() -> None:
    many = WAITING_SHOWN_MAX + 20
    house = a_house(*(a_call(n, danger=2 * (n == many - 1)) for n in range(many)))
    shown = shown_to(ROSA, house)
    numbers = [int(card["id"], 16) for card in shown["waiting"]]
    assert numbers == [*range(WAITING_SHOWN_MAX - 1), many - 1]
    assert shown["waiting_count"] == many


async def test_a_card_says_what_is_known_in_the_words_of_the_flow() -> None:
    told = {"gender": "femme", "parole": "muet"}
    call = a_call(
        told=told, danger=2, path=["regulators"], handover="Bas.", oriented_as=Role.REGULATOR
    )
    call.caller_ref = "pseudonym"
    (card,) = shown_to(ROSA, a_house(call))["waiting"]
    assert card["told"] == {"gender": "gender femme", "parole": "parole muet"}
    assert (card["gender"], card["need"], card["path"]) == ("femme", ["violences"], ["regulators"])
    assert (card["danger"], card["danger_level"]) == (False, 2)
    assert (card["oriented"], card["handover"], card["returned"]) == ("regulator", True, False)
    assert card["waiting_since"] == "2026-03-03T10:00:00+00:00"
    assert "pseudonym" not in str(card)
    assert "Bas." not in str(card)


@pytest.mark.parametrize("how", ["returned", "answered"])
async def test_who_had_somebody_is_known_to_have(how: str) -> None:
    (card,) = shown_to(ROSA, a_house(a_call(**{how: True})))["waiting"]
    assert card["returned"]


async def test_whom_the_engine_cares_for_is_elsewhere() -> None:
    call = a_call()
    call.caller.in_app.clear()
    (card,) = shown_to(ROSA, a_house(call))["waiting"]
    assert (card["state"], card["may_take"]) == ("elsewhere", False)


# -- when it is told


class Watched:
    """A house whose regulator's screen is open, for as long as this lasts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *calls: Call) -> None:
        monkeypatch.setattr(cards, "TOLD_EVERY_SECONDS", 0.05)
        monkeypatch.setattr(cards, "LOOKED_EVERY_SECONDS", 0.1)
        self.one = agent("rosa", Role.REGULATOR)
        self.house = a_house(*calls, team=(self.one, LEA))
        self.told: list[Message] = []
        self.leave = self.one.outbox.open_screen(self.told.append)

    async def __aenter__(self) -> Watched:
        self.telling = asyncio.ensure_future(keep_telling(self.house))
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.telling.cancel()
        await asyncio.wait({self.telling})

    async def moved(self, seconds: float = 0.0) -> None:
        self.house.waiting_moved.set()
        for _ in range(8):
            await asyncio.sleep(0)
        await asyncio.sleep(seconds)

    def counts(self) -> list[int]:
        return [message.data["waiting_count"] for message in self.told]


async def test_a_first_caller_is_told_at_once_and_the_next_within_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = a_call(1), a_call(2)
    async with Watched(monkeypatch) as watched:
        watched.house.calls[first.id] = first
        await watched.moved()
        assert watched.counts() == [1]
        watched.house.calls[second.id] = second
        for _ in range(5):
            await watched.moved()
        assert watched.counts() == [1]
        await asyncio.sleep(0.06)
        assert watched.counts() == [1, 2]


async def test_more_danger_is_told_at_once_and_less_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    call = a_call(1)
    async with Watched(monkeypatch, call) as watched:
        await watched.moved()
        for level, times in ((1, 2), (3, 3), (0, 3)):
            call.danger = level
            await watched.moved()
            assert len(watched.told) == times
        await asyncio.sleep(0.06)
        assert watched.told[-1].data["waiting"][0]["danger_level"] == 0


async def test_what_nobody_tells_is_noticed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    call = a_call(1)
    async with Watched(monkeypatch, call) as watched:
        await watched.moved()
        call.caller.in_app.clear()
        await asyncio.sleep(0.25)
        assert [m.data["waiting"][0]["state"] for m in watched.told] == ["waiting", "elsewhere"]


async def test_of_lists_the_last_is_kept_and_none_is_made_where_nobody_watches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Watched(monkeypatch, a_call(1)) as watched:
        await watched.moved()
        assert watched.one.outbox.last_seq == 1
        assert [one.type for one in watched.one.outbox.since(0) or []] == ["waiting.changed"]
        watched.leave()
        monkeypatch.setattr(cards, "_card", lambda _: pytest.fail("nobody watches"))
        await watched.moved(0.15)
        assert len(watched.told) == 1
        assert not watched.telling.done()


async def test_a_list_that_cannot_be_made_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Watched(monkeypatch, a_call(1)) as watched:
        card = cards._card
        monkeypatch.setattr(cards, "_card", lambda _: 1 / 0)
        await watched.moved()
        monkeypatch.setattr(cards, "_card", card)
        await watched.moved(0.06)
        assert watched.counts()[-1:] == [1]
