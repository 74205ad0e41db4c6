"""A leg follows its channel whatever the engine says of it: late, twice, out of order, or never."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cti.asterisk import legs as legs_module
from cti.asterisk.ari import Ari, ids_in, read_event
from cti.asterisk.caller import CallerLeg
from cti.asterisk.exchange import Exchange
from cti.asterisk.legs import KEYS_KEPT_MAX, ChannelLeg
from cti.asterisk.own_phone import OwnPhoneLeg
from cti.asterisk.wire import Socket
from cti.config import Settings

DATA = Path(__file__).with_name("data")
TRACES = {path.stem: json.loads(path.read_text()) for path in sorted(DATA.glob("trace-*.json"))}
ENDS = ("ChannelHangupRequest", "ChannelDestroyed")


class SilentWire:
    """An engine that obeys every command, and of which nothing is ever heard again."""

    def __init__(self) -> None:
        self.put_to: list[tuple[str, str]] = []

    @asynccontextmanager
    async def listen(self, app: str) -> AsyncIterator[Socket]:
        raise AssertionError("nobody listens here")
        yield

    async def put(self, method: str, path: str, values: Any) -> tuple[int, Any]:
        self.put_to.append((method, path))
        return 204, None

    async def close(self) -> None:
        return


def a_leg(ari: Ari, channel_id: str) -> ChannelLeg:
    return CallerLeg(ari, channel_id, "", lambda _language, _prompt: 0.0, "fr")


async def settled() -> None:
    for _ in range(8):
        await asyncio.sleep(0)


# -- a lease on its way


async def test_a_lease_we_stopped_waiting_for_may_still_be_given_and_is_expected() -> None:
    class NeverAnswers(SilentWire):
        async def put(self, method: str, path: str, values: Any) -> tuple[int, Any]:
            await asyncio.sleep(60)
            raise AssertionError("nobody waits so long")

    leg = CallerLeg(Ari(NeverAnswers()), "c1", "", lambda _language, _prompt: 0.0, "fr")
    covering = asyncio.ensure_future(leg.lease(20))
    await settled()
    assert not leg.astray.is_set()
    covering.cancel()
    await asyncio.wait({covering})
    assert leg.astray.is_set()
    assert leg.unsettled_until > 0


# -- where a caller is


@pytest.mark.parametrize(
    "told", [("ChannelEnteredBridge", "ChannelLeftBridge"), ("StasisEnd", "StasisStart")]
)
async def test_who_is_pulled_out_the_moment_they_came_is_not_believed_to_be_there(
    tmp_path: Path, told: tuple[str, str]
) -> None:
    ari = Ari(SilentWire())
    caller = CallerLeg(ari, "c1", "", lambda _language, _prompt: 0.0, "fr")
    caller.found_in(None)
    holding = asyncio.create_task(Exchange(ari, Settings(data=tmp_path)).hold(caller, "regulators"))
    following = asyncio.create_task(caller.listen())
    await settled()
    for type_ in told:
        event = {"type": type_, "channel": {"id": "c1"}, "bridge": {"id": "line-regulators"}}
        ari._take(ids_in(event), read_event(event))
    async with asyncio.timeout(0.5):
        await holding
    assert caller.bridge_known
    assert caller.bridge is None
    assert caller.astray.is_set()
    following.cancel()


async def test_a_prompt_waits_for_music_that_was_lost_so_that_it_is_there_at_its_end() -> None:
    wire = SilentWire()
    caller = CallerLeg(Ari(wire), "c1", "", lambda _language, _prompt: 0.0, "fr")
    caller.in_app.set()
    caller.astray.set()
    playing = asyncio.create_task(caller.play("patience"))
    await asyncio.sleep(0.1)
    assert not any("/play/" in path for _, path in wire.put_to)
    caller.astray.clear()
    await asyncio.sleep(0.1)
    assert any("/play/" in path for _, path in wire.put_to)
    playing.cancel()


# -- row 24


async def test_fault_24_a_prompt_whose_end_is_never_told_is_left_in_time_and_stopped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(legs_module, "PLAYBACK_SPARE_SECONDS", 0.05)
    wire = SilentWire()
    leg = a_leg(Ari(wire), "c1")
    with caplog.at_level(logging.WARNING):
        async with asyncio.timeout(2):
            await leg.play_file("/sounds/fr/accueil", 0.05)
    assert "prompt.overdue" in caplog.text
    assert ("DELETE", "/playbacks/prompt-c1-0") in wire.put_to
    assert not leg.gone.is_set()


async def test_fault_24_stopping_a_prompt_whose_end_is_never_told_takes_a_second_at_most() -> None:
    leg = a_leg(Ari(SilentWire()), "c1")
    playing = asyncio.create_task(leg.play_file("/sounds/fr/accueil", 60))
    await settled()
    assert leg.playing
    async with asyncio.timeout(1):
        await leg.stop_playing(seconds_max=0.05)
    playing.cancel()


# -- row 29


def channels_in(trace: list[dict[str, Any]]) -> list[str]:
    return sorted({event["channel"]["id"] for event in trace if "channel" in event})


def test_fault_29_the_traces_are_of_whole_calls_and_name_nobody() -> None:
    assert len(TRACES) >= 3
    for trace in TRACES.values():
        types = {event["type"] for event in trace}
        assert {"StasisStart", "PlaybackFinished", "StasisEnd"} <= types
        assert types & set(ENDS)
        assert not any(
            event["channel"]["caller"]["number"] for event in trace if "channel" in event
        )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_fault_29_events_twice_late_out_of_order_unknown_or_lost_never_break_a_leg(
    data: st.DataObject,
) -> None:
    trace = TRACES[data.draw(st.sampled_from(sorted(TRACES)))]
    unknown = {"type": "ChannelSomethingNew", "channel": {"id": channels_in(trace)[0]}}
    # Chosen one by one: about a third is lost, as much comes twice, and nothing is in order.
    chosen = st.lists(
        st.sampled_from([*trace, unknown]), min_size=len(trace), max_size=2 * len(trace)
    )
    told = data.draw(st.one_of(chosen, st.permutations(trace), st.just(trace)))
    asyncio.run(follow(trace, told))


async def test_fault_29_a_storm_of_keys_fills_nothing() -> None:
    ari = Ari(SilentWire())
    leg = a_leg(ari, "c1")
    following = asyncio.create_task(leg.listen())
    for _ in range(3 * KEYS_KEPT_MAX):
        event = {"type": "ChannelDtmfReceived", "digit": "5", "channel": {"id": "c1"}}
        ari._take(ids_in(event), read_event(event))
        await settled()
    assert not following.done()
    assert leg.keys.qsize() == KEYS_KEPT_MAX
    following.cancel()


async def follow(trace: list[dict[str, Any]], told: list[dict[str, Any]]) -> None:
    """Tell legs these events, and the same once more: they take what they can of it."""
    orphans: list[object] = []
    ari = Ari(SilentWire(), on_orphan=orphans.append)
    legs = {channel: a_leg(ari, channel) for channel in channels_in(trace)}
    tasks = [asyncio.create_task(leg.listen()) for leg in legs.values()]

    async def tell() -> dict[str, tuple[object, ...]]:
        for event in told:
            ari._take(ids_in(event), read_event(event))
            await settled()  # each alone, as a mailbox holds no more than a call's events
        return {id_: (leg.gone.is_set(), leg.gone_at) for id_, leg in legs.items()}

    once = await tell()
    twice = await tell()
    for id_, leg in legs.items():
        ends = [e for e in told if e["type"] in ENDS and e["channel"]["id"] == id_]
        assert leg.gone.is_set() == bool(ends)
        if ends:  # gone is gone, and at the first word of it
            assert leg.gone_at == read_event(ends[0]).timestamp
        assert once[id_] == twice[id_]
        assert leg.keys.qsize() <= KEYS_KEPT_MAX
    for task in tasks:
        assert not task.done() or task.exception() is None
        task.cancel()
    await asyncio.wait(tasks)
    for leg in legs.values():
        leg.close()
    assert not ari._mailboxes


async def test_a_machine_that_hangs_up_says_nothing_of_the_trunk() -> None:
    leg = OwnPhoneLeg(Ari(SilentWire()), "c1")
    leg.comes_in()
    leg.tech_cause = 200  # of its own answer
    assert not leg.in_app.is_set()
    assert leg.refusal() == "missed"
    leg.close()
