"""Our contexts of ``dialplan/extensions.conf``, line by line, as the stand-in engine runs them.

Each is a course: it yields the seconds it waits for, or None to wait until resumed.
A redirect, a lease that ends and a hang-up close it wherever it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cti.simulation.fake_channel import Channel, Course

if TYPE_CHECKING:
    from collections.abc import Generator

    from cti.simulation.fake import FakeAsterisk

LEASE_SECONDS = 30
BROADCAST_SECONDS = 0.5
ON_CALL_RING_SECONDS = 20
OVERFLOW_RING_SECONDS = 40
MUSIC_SECONDS = 4
KEY_SECONDS = 4
KEY_TRIES = 2
PATIENCE, WELCOME = "/sounds/fr/secours-patience", "/sounds/fr/secours-accueil"
NUMBERS, GOODBYE = "/sounds/fr/secours-numeros", "/sounds/fr/au-revoir"
ACCEPT = "/sounds/fr/secours-accepter"


def from_trunk(engine: FakeAsterisk, ch: Channel, dialled: str) -> Course:
    """A caller arrives: answered at once, offered to the controller."""
    ch.variables["FIL_DIALLED"] = dialled
    ch.variables["FIL_SINCE"] = str(engine.epoch())
    yield from line(engine, ch)


def line(engine: FakeAsterisk, ch: Channel) -> Course:
    """``[line] s``."""
    yield from _offer(engine, ch, "line", "first")
    yield from alone(engine, ch)


def rescue(engine: FakeAsterisk, ch: Channel) -> Course:
    """``[rescue] s``: the agent who had the caller is gone."""
    ch.variables["FIL_GREETED"] = "1"
    ch.variables["FIL_ALONE_UNTIL"] = ""
    yield from _offer(engine, ch, "rescue", "peer-gone")
    yield from alone(engine, ch)


def relay(engine: FakeAsterisk, ch: Channel) -> Course:
    """``[relay] s``: a partner line is rung; then the caller is offered again."""
    v = ch.variables
    engine.set_deadline(ch, 0)
    v["FIL_GREETED"], v["FIL_RELAYED"] = "1", ""
    number = v.get("FIL_RELAY", "")
    answer = "CHANUNAVAIL"
    if number in engine.phones:
        talked = yield from _dial(engine, ch, [number], OVERFLOW_RING_SECONDS)
        answer = "ANSWER" if talked else "NOANSWER"
    v["FIL_RELAYED"], v["FIL_RELAY"] = answer, ""
    yield from _offer(engine, ch, "relay", "relayed")
    v["FIL_ALONE_UNTIL"] = ""
    yield from alone(engine, ch)


def lease_over(engine: FakeAsterisk, ch: Channel) -> Course:
    """``T`` of each context: the controller that had the caller did not renew the lease."""
    engine.set_deadline(ch, 0)
    ch.variables["FIL_GREETED"] = "1"
    yield from alone(engine, ch)


def alone(engine: FakeAsterisk, ch: Channel) -> Course:
    """``[alone] s``: no controller took the call."""
    v = ch.variables
    if engine.epoch() - int(v.get("FIL_ALONE_UNTIL") or "0") > 60:
        v["FIL_ALONE_SINCE"] = str(engine.epoch())
    word_at = 20
    yield from _say(engine, ch, PATIENCE if v.get("FIL_GREETED") == "1" else WELCOME, "alone")
    v["FIL_GREETED"] = "1"
    while True:
        v["FIL_ALONE_UNTIL"] = str(engine.epoch())
        yield from _offer(engine, ch, "alone", "again")
        seconds = engine.epoch() - int(v["FIL_ALONE_SINCE"])
        if seconds >= 60:
            break
        if seconds >= word_at:
            word_at = seconds + 20
            yield from _say(engine, ch, PATIENCE, "alone")
            continue
        phones = engine.phones_on_call() if seconds >= 15 else []
        if phones:
            if (yield from _dial(engine, ch, phones, ON_CALL_RING_SECONDS)):
                yield from _say(engine, ch, GOODBYE, "alone")
                return
            continue
        _hears(engine, ch, "music", ("alone", "s", 15, "MusicOnHold", "fil,4"))
        yield MUSIC_SECONDS
    if engine.overflow_phone is not None:
        phones = [engine.overflow_phone.name]
        if (yield from _dial(engine, ch, phones, OVERFLOW_RING_SECONDS)):
            yield from _say(engine, ch, GOODBYE, "alone")
            return
    yield from _say(engine, ch, NUMBERS, "alone")


def _offer(
    engine: FakeAsterisk, ch: Channel, context: str, word: str
) -> Generator[float | None, str | None, None]:
    """The lease, ``StasisBroadcast(500,^fil$,<word>)``, the end of the lease."""
    engine.set_deadline(ch, LEASE_SECONDS)
    _hears(engine, ch, "silence", (context, "s", 2, "StasisBroadcast", f"500,^fil$,{word}"))
    engine.broadcast(ch, word)
    app = yield BROADCAST_SECONDS
    ch.offered = None
    if app is not None:
        yield engine.moment()  # the channel comes a moment after the claim's 204
        if engine.enter(ch, app, [word]):
            yield None
    engine.set_deadline(ch, 0)


def _say(engine: FakeAsterisk, ch: Channel, path: str, context: str) -> Course:
    """``Playback``."""
    seconds = engine.prompt_seconds(path)
    if seconds is not None:
        _hears(engine, ch, f"prompt:{path}", (context, "s", 3, "Playback", path))
        yield seconds
    _hears(engine, ch, "silence", (context, "s", 4, "", ""))


def _hears(
    engine: FakeAsterisk, ch: Channel, sound: str, dialplan: tuple[str, str, int, str, str]
) -> None:
    ch.said, ch.dialplan = sound, dialplan
    engine.tell(ch)


def _dial(
    engine: FakeAsterisk, ch: Channel, phones: list[str], seconds: float
) -> Generator[float | None, Channel | None, bool]:
    """``Dial(…,m(fil))``: music while phones ring; True when one was talked with."""
    _hears(engine, ch, "music", ("alone", "s", 30, "Dial", ""))
    ch.dialled = legs = [engine.dial_phone(ch, name) for name in phones]
    try:
        taker = yield seconds
        if taker is None:
            return False
        for leg in list(legs):
            if leg is not taker:
                engine.end(leg, "unanswered", 16)
        ch.together, taker.together = taker, ch
        engine.tell(ch)
        engine.tell(taker)
        yield None  # until the one who took the call hangs up
        return True
    finally:
        ch.dialled = ch.together = None
        for leg in legs:
            engine.end(leg, "unanswered" if leg.together is None else "peer", 16)


def taking(engine: FakeAsterisk, leg: Channel) -> Course:
    """An overflow line that answers takes the caller at once."""
    engine.taken(leg)
    yield None


def on_call_accept(engine: FakeAsterisk, leg: Channel) -> Course:
    """``[on-call-accept] s``: a phone that answers must press 1, or it takes nobody's call."""
    for _ in range(KEY_TRIES):
        key: str | None = None
        seconds = engine.prompt_seconds(ACCEPT)
        if seconds is not None:
            leg.said = f"prompt:{ACCEPT}"
            engine.tell(leg)
            key = yield seconds
        leg.said = "silence"
        engine.tell(leg)
        if key is None:
            key = yield KEY_SECONDS
        if key == "1":
            engine.taken(leg)
            yield None
        if key is not None:
            return
