"""The judge of the soak can tell good from bad: one small piece of evidence per invariant."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cti.rehearsal.sound import RATE, Samples, encode
from tests.soak import checker, report
from tests.soak.checker import Case
from tests.soak.evidence import Evidence, Fault, Frame, Run, Sample, SeenCall, read

EPOCH = 1_800_000_000.0  # the hour of the day at monotonic 0
PLAN = {
    "seed": 1,
    "minutes": 1,
    "controller": "ours",
    "screens": True,
    "callers": [{"id": "anna", "number": "0639980101"}, {"id": "bo", "number": "0639980102"}],
    "agents": [{"id": "rosa"}, {"id": "lea"}],
}
CONTROL_GAP_MS = 30


def stamp(at: float) -> str:
    return datetime.fromtimestamp(EPOCH + at, UTC).isoformat()


def hears(call: SeenCall, since: float, until: float, what: str, gap_ms: float = 25) -> None:
    """This call hears something from one instant to another: a kind, or whose tones."""
    kinds = ("music", "voice", "silence")
    tones = () if what in kinds else tuple(what.split("+"))
    at = since
    while at < until - 0.1:
        call.samples.append(Sample(at, -20, tones, what if what in kinds else "tone", gap_ms))
        at += 0.2
    if what == "silence":
        call.silences.append((since, until))


def a_call(who: str, since: float, until: float, by: str = "us", side: str = "caller") -> SeenCall:
    call = SeenCall(f"{who}-{since}", who, side, since, "patient", since, until, by, "BYE")
    call.goodbye = by == "them" and side == "caller"
    return call


def a_record(id_: str, call: SeenCall, agent: str | None, **other: Any) -> dict[str, Any]:
    """The true record of a call; with an agent, they talked from 10 s after its start on."""
    assert call.ended_at is not None
    legs = []
    if agent is not None:
        rung, answered = stamp(call.began_at + 5), stamp(call.began_at + 9)
        legs = [{"agent_id": agent, "rung_at": rung, "answered_at": answered}]
    return {
        "id": id_,
        "caller": call.who,
        "language": "fr",
        "started_at": stamp(call.began_at + 0.01),
        "answered_at": legs[0]["answered_at"] if legs else None,
        "ended_at": stamp(call.ended_at + 0.02),
        "outcome": "talked" if agent else "abandoned",
        "ended_by": "caller" if call.ended_by == "us" else "agent",
        "legs": legs,
    } | other


def frame(at: float, agent: str, type_: str, seq: int, **data: Any) -> Frame:
    return Frame(at, agent, type_, data, seq)


def offered(at: float, agent: str, call: str, seq: int) -> Frame:
    return frame(at, agent, "call.offered", seq, offer=f"{call}-{agent}-{seq}", call={"id": call})


def presence(at: float, agent: str, what: str, seq: int) -> Frame:
    return frame(at, agent, "presence.changed", seq, presence=what)


class Story:
    """Two good calls: anna talks with rosa and hangs up; bo waits, and hangs up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.anna, self.bo = a_call("anna", 10, 40), a_call("bo", 12, 30)
        hears(self.anna, 10, 20, "voice")
        hears(self.anna, 20, 40, "rosa")
        hears(self.bo, 12, 30, "music")
        self.rosa = a_call("rosa", 15, 40, "them", "agent")
        self.rosa.answered_at = 19.0
        hears(self.rosa, 20, 40, "anna")
        control = a_call("control-0", 1, 100, side="control")
        hears(control, 1, 100, "control-1", CONTROL_GAP_MS)
        run = Run(PLAN | {}, began_at=0.0, ended_at=100.0, _clocks=[(0.0, EPOCH)])
        run.calls = {call.id: call for call in (self.anna, self.bo, self.rosa, control)}
        run.records = [a_record("a" * 32, self.anna, "rosa"), a_record("b" * 32, self.bo, None)]
        run.frames = [
            presence(1, "rosa", "READY", 1),
            offered(14.5, "rosa", "a" * 32, 2),
            presence(14.5, "rosa", "RESERVED", 3),
            frame(19.5, "rosa", "call.connected", 4, call={"id": "a" * 32}),
            presence(19.5, "rosa", "TALKING", 5),
            frame(40.1, "rosa", "call.ended", 6, call={"id": "a" * 32}),
            presence(40.1, "rosa", "READY", 7),
        ]
        run.acks = [(14.51, "rosa", 2), (19.51, "rosa", 5), (40.11, "rosa", 7)]
        run.quiet = {
            "channels": 0, "bridges": 0, "open": 0, "seconds": 1, "memory_kb": 1024,
            "presences": {"rosa": "READY"},
        }  # fmt: skip
        self.run = run

    def add(self, call: SeenCall, record: dict[str, Any] | None = None) -> SeenCall:
        self.run.calls[call.id] = call
        if record is not None:
            self.run.records.append(record)
        return call

    def fault(self, kind: str, start: float, end: float) -> None:
        self.run.faults.append(Fault(kind, start, end))

    def broken(self) -> dict[str, list[str]]:
        verdicts = checker.judge(Case(self.run, self.folder))
        return {verdict.name: verdict.breaches for verdict in verdicts if not verdict.held}


@pytest.fixture
def story(tmp_path: Path) -> Story:
    (tmp_path / "controller.log").write_text('{"event": "call.opened"}\n')
    return Story(tmp_path)


def test_a_run_without_fault_holds_every_invariant(story: Story) -> None:
    assert story.broken() == {}
    assert Case(story.run).fates == {story.anna.id: "talked", story.bo.id: "left"}


# -- I1: never alone


@pytest.mark.parametrize(
    ("fault", "seconds", "held"),
    [
        (None, 2.9, True),
        (None, 3.2, False),
        ("kill controller", 2.9, True),
        ("kill controller", 3.2, False),
        ("stop both", 4.9, True),
        ("stop both", 5.2, False),
        ("stall", 4.9, True),
        ("restart engine", 12.0, True),
    ],
)
def test_silence_has_a_limit_which_depends_on_what_was_broken(
    story: Story, fault: str | None, seconds: float, held: bool
) -> None:
    call = story.add(a_call("anna", 50, 80))
    story.run.records.append(a_record("c" * 32, call, None))
    hears(call, 50, 60, "music")
    hears(call, 60, 60 + seconds, "silence")
    hears(call, 60 + seconds, 80, "music")
    if fault:
        story.fault(fault, 59, 61)
    assert ("I1" not in story.broken()) is held


def test_a_call_that_the_line_drops_is_lost_but_one_with_a_goodbye_is_not(story: Story) -> None:
    call = story.add(a_call("anna", 50, 60, "them"))
    story.run.records.append(a_record("c" * 32, call, None, outcome="no_staff"))
    hears(call, 50, 60, "voice")
    assert story.broken() == {}
    call.goodbye = False
    assert "lost, ended by the line" in story.broken()["I1"][0]


def test_a_caller_left_in_silence_until_they_hang_up_is_lost(story: Story) -> None:
    call = story.add(a_call("anna", 50, 70))
    story.run.records.append(a_record("c" * 32, call, None))
    hears(call, 50, 60, "music")
    hears(call, 60, 70, "silence")
    assert any("left in silence" in breach for breach in story.broken()["I1"])


def test_a_call_that_nobody_answers_is_lost_unless_the_engine_was_down(story: Story) -> None:
    call = story.add(a_call("anna", 50, 60))
    call.answered_at = None
    assert "never answered" in story.broken()["I1"][0]
    story.fault("restart engine", 49, 61)
    assert story.broken() == {}


def test_a_talk_that_the_line_cuts_is_lost_but_not_one_whose_agent_hung_up(story: Story) -> None:
    story.anna.ended_by, story.anna.goodbye = "them", False
    story.run.records[0]["ended_by"] = "agent"
    assert "I1" in story.broken()
    story.rosa.ended_by = "us"
    assert story.broken() == {}


def test_a_gap_in_a_talk_may_be_a_little_longer_than_the_control_pairs(story: Story) -> None:
    place = 80
    story.anna.samples[place] = story.anna.samples[place]._replace(gap_ms=CONTROL_GAP_MS + 60)
    assert story.broken() == {}
    story.anna.samples[place] = story.anna.samples[place]._replace(gap_ms=CONTROL_GAP_MS + 61)
    assert "without a packet in a talk" in story.broken()["I1"][0]


def test_the_network_of_an_agent_may_be_lost_for_as_long_as_the_engine_needs(story: Story) -> None:
    story.anna.samples = [s for s in story.anna.samples if s.at < 25]
    hears(story.anna, 25, 40, "silence")
    assert "I1" in story.broken()
    lea = a_call("lea", 15, 40, "them", "agent")
    lea.vanished_at = lea.ended_at = 25.0  # another network at the same instant explains nothing
    story.run.calls = {lea.id: lea} | story.run.calls
    assert "I1" in story.broken()
    story.rosa.vanished_at = story.rosa.ended_at = 25.0
    assert "I1" not in story.broken()


# -- I2: one to one


def test_a_caller_who_hears_two_agents_is_seen(story: Story) -> None:
    story.anna.samples = [s for s in story.anna.samples if s.at < 30]
    hears(story.anna, 30, 30.2, "rosa+lea")  # a fifth of a second: one comes as the other goes
    hears(story.anna, 30.2, 40, "rosa")
    assert story.broken() == {}
    hears(story.anna, 40, 40.4, "rosa+lea")
    assert "heard rosa and lea" in story.broken()["I2"][0]


def test_three_who_talk_because_the_first_asked_for_it_are_no_breach(story: Story) -> None:
    story.anna.samples = [s for s in story.anna.samples if s.at < 30]
    hears(story.anna, 30, 40, "rosa+lea")
    assert "heard rosa and lea" in story.broken()["I2"][0]
    story.run.stays.append((29.0, "rosa"))
    assert story.broken() == {}
    story.run.stays[0] = (35.0, "rosa")  # they came before that
    assert "heard rosa and lea" in story.broken()["I2"][0]
    story.run.stays[0] = (29.0, "lea")  # of another call of hers, or none
    assert "heard rosa and lea" in story.broken()["I2"][0]


def test_an_agent_who_hears_two_callers_is_seen(story: Story) -> None:
    hears(story.rosa, 40, 41, "anna+bo")
    assert "heard anna and bo" in story.broken()["I2"][0]


def test_an_agent_offered_a_second_call_is_seen(story: Story) -> None:
    story.run.frames.append(offered(16, "rosa", "b" * 32, 8))
    story.run.acks.append((16.01, "rosa", 8))
    assert story.broken()["I2"] == ["rosa was offered a second call at 16.0 s"]


# -- I3: records


def record_is(**other: Any) -> Callable[[Story], None]:
    def change(story: Story) -> None:
        story.run.records[0] |= other

    return change


def without_record(story: Story) -> None:
    del story.run.records[1]


def with_two_records(story: Story) -> None:
    story.run.records.append(a_record("c" * 32, story.bo, None))


def with_a_strange_record(story: Story) -> None:
    story.run.records.append(a_record("c" * 32, a_call("bo", 70, 80), None))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_record, "no record"),
        (with_two_records, "2 records"),
        (with_a_strange_record, "no call that was made"),
        (record_is(ended_at=None), "never closed"),
        (record_is(ended_at=stamp(41.5)), "off the phone's clock"),
        (record_is(outcome="abandoned"), "outcome abandoned, but heard rosa"),
        (record_is(ended_by="line"), "ended_by line"),
        (record_is(answered_at=stamp(5)), "not in order"),
    ],
)
def test_a_record_that_is_not_true_is_seen(
    story: Story, change: Callable[[Story], None], said: str
) -> None:
    change(story)
    assert said in story.broken()["I3"][0]


def test_a_call_that_the_dialplan_alone_served_needs_no_record(story: Story) -> None:
    without_record(story)
    story.fault("kill both", 11, 31)
    assert story.broken() == {}


def test_an_end_while_the_controller_was_dead_may_be_written_later_but_not_earlier(
    story: Story,
) -> None:
    story.fault("kill controller", 39.5, 43)
    story.run.records[0] |= {"ended_at": stamp(43.2), "ended_by": "unknown"}
    assert story.broken() == {}
    story.run.records[0]["ended_at"] = stamp(30)
    assert "before the call" in story.broken()["I3"][0]


def test_a_call_that_ended_with_the_engine_may_be_believed_in_for_longer_by_its_phone(
    story: Story,
) -> None:
    call = story.add(a_call("bo", 50, 72))
    hears(call, 50, 60, "music")
    hears(call, 60, 72, "silence")
    story.run.records.append(a_record("c" * 32, call, None, outcome="engine_restart"))
    story.fault("restart engine", 60, 64)
    story.run.records[-1]["ended_at"] = stamp(61)
    assert story.broken() == {}
    story.run.records[-1]["ended_at"] = stamp(55)
    assert "before the engine did" in story.broken()["I3"][0]


# -- I4: offers


def test_an_offer_that_is_neither_acked_nor_withdrawn_is_seen(story: Story) -> None:
    story.run.frames.append(offered(50, "lea", "b" * 32, 1))
    assert "neither acked nor withdrawn" in story.broken()["I4"][0]
    story.run.frames.append(
        frame(50.5, "lea", "call.withdrawn", 2, call={"id": "b" * 32}, reason="screen_lost")
    )
    assert "I4" not in story.broken()


def test_one_call_offered_to_two_agents_is_seen(story: Story) -> None:
    story.run.frames.append(offered(16, "lea", "a" * 32, 1))
    story.run.acks.append((16.01, "lea", 1))
    assert "was offered to rosa and lea" in story.broken()["I4"][0]


def test_a_phone_that_rings_without_a_pop_is_seen_unless_the_controller_was_away(
    story: Story,
) -> None:
    story.add(a_call("lea", 50, 55, "them", "agent")).answered_at = None
    assert "lea's phone rang at 50.0 s without a pop" in story.broken()["I4"][0]
    story.fault("kill both", 40, 45)
    assert story.broken() == {}


# -- I5: order


def test_a_caller_who_is_overtaken_is_seen(story: Story) -> None:
    late = story.add(a_call("anna", 50, 90))
    story.run.records.append(a_record("c" * 32, late, "rosa", outcome="abandoned"))
    early = story.add(a_call("bo", 45, 90))
    story.run.records.append(a_record("d" * 32, early, None))
    assert "anna was rung for at 55.0 s before bo" in story.broken()["I5"][0]
    story.run.records[-1]["language"] = "en"  # nobody who speaks it was free
    assert "I5" not in story.broken()


def test_those_taken_back_after_a_crash_go_first(story: Story) -> None:
    taken_back = story.add(a_call("anna", 50, 90))
    story.run.records.append(a_record("c" * 32, taken_back, "rosa", outcome="abandoned"))
    story.run.log = [{"event": "house.recovered", "at": stamp(53)}]
    early = story.add(a_call("bo", 45, 90))
    story.run.records.append(a_record("d" * 32, early, None))
    assert "I5" in story.broken()  # both were taken back: the order among them stands
    early.began_at = 10
    story.run.log = [{"event": "house.recovered", "at": stamp(49)}]
    story.run.records[-1]["started_at"] = stamp(45)
    story.run.log[0]["at"] = stamp(47)  # bo alone was taken back
    assert "I5" not in story.broken()


# -- I6: nothing left


@pytest.mark.parametrize("what", ["channels", "bridges", "open"])
def test_what_is_left_at_the_end_is_seen(story: Story, what: str) -> None:
    story.run.quiet[what] = 1
    assert story.broken()["I6"] == [f"1 {what} left"]


def test_an_agent_left_busy_is_seen_and_so_is_an_end_that_nobody_saw(story: Story) -> None:
    story.run.quiet["presences"] = {"lea": "TALKING"}
    assert story.broken()["I6"] == ["lea is still TALKING"]
    story.run.quiet = {}
    assert story.broken()["I6"] == ["the end of the run was not seen"]


# -- I7: presence


def test_a_screen_that_says_talking_after_the_phone_is_down_is_seen(story: Story) -> None:
    story.run.frames[-1] = replace_at(story.run.frames[-1], 43.0)
    assert "screen said TALKING" in story.broken()["I7"][0]
    story.fault("stop both", 40, 43)
    assert "I7" not in story.broken()


def test_a_screen_that_says_ready_while_the_phone_talks_is_seen(story: Story) -> None:
    story.run.frames.insert(5, presence(30, "rosa", "READY", 5))
    assert "screen said READY" in story.broken()["I7"][0]


def test_a_screen_and_a_record_that_differ_at_the_end_are_seen(story: Story) -> None:
    story.run.quiet["presences"] = {"rosa": "WRAP_UP"}
    assert story.broken()["I7"] == ["rosa: screen READY, record WRAP_UP at the end"]


def replace_at(frame_: Frame, at: float) -> Frame:
    return frame_._replace(at=at)


# -- I8: numbers


@pytest.mark.parametrize("spelled", ["+33639980101", "06 39 98 01 02", "0639980101@127.0.0.1"])
def test_a_callers_number_in_a_log_is_seen(story: Story, spelled: str) -> None:
    (story.folder / "engine.log").write_text(f"call from {spelled}\n")
    assert story.broken()["I8"] == ["a caller's number stands in engine.log"]


def test_a_record_of_nobody_known_is_seen(story: Story) -> None:
    story.run.records[1]["caller"] = None
    assert "records of no known caller" in story.broken()["I8"][0]


# -- I9: announcements


def test_a_caller_who_is_told_nothing_for_a_minute_is_seen(story: Story) -> None:
    call = story.add(a_call("bo", 31, 99))
    story.run.records.append(a_record("c" * 32, call, None))
    hears(call, 31, 90, "music")
    assert "I9" not in story.broken()
    hears(call, 90, 99, "music")
    assert "over 60 s without a word" in story.broken()["I9"][0]


# -- I10: the dead


def test_a_call_offered_after_its_end_is_seen(story: Story) -> None:
    story.run.frames.append(offered(33, "lea", "b" * 32, 1))
    story.run.acks.append((33.01, "lea", 1))
    assert "offered 3.0 s after its end" in story.broken()["I10"][0]


# -- the evidence itself


def test_evidence_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    evidence = Evidence(tmp_path)
    evidence.clock()
    evidence.write("call", 10.0, call="x@y", who="anna", side="caller", plan="patient")
    evidence.write("answered", 10.5, call="x@y")
    evidence.write(
        "heard", 10.5, call="x@y", s=[[-20, [], "voice", 30], [-15, ["rosa"], "tone", 25]]
    )
    evidence.write("silence", 11.0, call="x@y", to=12.0)
    evidence.write("fault", 11.0, kind="stall", what="start", id=1)
    evidence.write("fault", 13.0, kind="stall", what="end", id=1)
    evidence.write("fault", 14.0, kind="cut", what="start", id=2)
    evidence.write("ended", 20.0, call="x@y", by="us", status="BYE")
    run = read(tmp_path)
    call = run.calls["x@y"]
    assert (call.who, call.answered_at, call.until, call.ended_by) == ("anna", 10.5, 20.0, "us")
    assert call.samples[1] == Sample(10.7, -15, ("rosa",), "tone", 25)
    assert call.silences == [(11.0, 12.0)]
    assert run.faults == [Fault("stall", 11.0, 13.0), Fault("cut", 14.0, run.ended_at)]


def spoken(seconds: float, seed: int) -> Samples:
    """Something as loud and as uneven as a voice."""
    noise = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE))
    swell = 0.2 + np.abs(np.sin(np.arange(len(noise)) / RATE * 9))
    return (noise * swell).astype(np.float32)


def test_a_goodbye_is_recognised_by_its_last_words_alone() -> None:
    closing, other = spoken(4, 1), spoken(4, 2)

    def ends_with(*parts: Samples, last_seconds: float = 4.0) -> bool:
        heard = checker.decode(encode(np.concatenate(parts)))
        return checker._ends_with(heard, closing, last_seconds)

    pause = np.zeros(RATE // 2, np.float32)
    assert ends_with(other, closing)
    assert ends_with(other, closing, pause)
    assert not ends_with(other)
    assert not ends_with(closing, other, other)
    assert ends_with(closing, other, other, last_seconds=12.0)  # who should have hung up, hung
    assert not ends_with(other, closing[: RATE * 2])  # cut in the middle of it


def test_the_report_tells_what_broke_and_draws_every_caller(story: Story) -> None:
    story.anna.goodbye, story.anna.ended_by = False, "them"
    story.fault("kill controller", 60, 62)
    case = Case(story.run, story.folder)
    verdicts = checker.judge(case)
    numbers = report.figures(case, verdicts)
    page = report._page(case, verdicts, numbers)
    picture = report.timeline(case)
    assert numbers["lost"] == 1
    assert numbers["faults_by_kind"] == {"kill controller": 1}
    assert "it did not hold" in page
    assert "2 calls, 2 answered, 1 lost" in page
    assert all(name in picture for name in ("anna", "bo", "kill controller"))
    assert replace(verdicts[0]).name == "I1"
