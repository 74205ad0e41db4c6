"""The same flow for an Asterisk that is not ours: ``AGI(agi://127.0.0.1:4573/welcome)``.

Off by default (``FIL_AGI_PORT``). For a site with an older Asterisk, or FreePBX, that keeps its
own queues: we speak the flow, and leave in channel variables where it led (``FIL_RESULT`` is
``line``, ``relay``, ``end`` or ``failed``; ``FIL_LINE``, ``FIL_RELAY``, ``FIL_STEP``,
``FIL_LANGUAGE``, ``FIL_DANGER``, ``FIL_FLOW``). Other paths: ``/no-staff/regulators``,
``/long/listeners``, ``/full/regulators``: what the flow has for who waits there, in the version
and the language that those variables name.

Ours, and not panoramisk's FastAGI: that one turns for ever, and freezes its whole process, when
somebody connects and closes without a word, as every port scan does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable, Sequence
from datetime import datetime

from cti.flows import Flows
from ivr.leg import (
    ALL_KEYS,
    DANGER_ALONE_SECONDS,
    DangerPressed,
    Ended,
    HungUp,
    Outcome,
    ToLine,
    ToRelay,
)
from ivr.steps import Language, LineStep, ways
from ivr.versions import FlowVersion
from ivr.walk import Where, walk

log = logging.getLogger("fil.agi")

CALLS_MAX = 200  # at once; more are refused, and the site's own dialplan goes on
HEADER_LINES_MAX = 100
LINE_BYTES_MAX = 4096
HEADER_SECONDS_MAX = 5.0
COMMAND_SECONDS_MAX = 10.0  # beyond what the command itself lasts
Seconds = Callable[[str, str], float | None]

_ANSWER = re.compile(r"200 result=(?P<result>-?\d+)(?: \((?P<said>[^)]*)\))?")
_REF = re.compile(r"[\w-]{1,40}@\d{1,6}")
_PARTS = {"no-staff": "no_staff", "long": "long", "full": "full"}


class AgiLeg:
    """One caller's telephone, over FastAGI (``ivr.leg.Leg``)."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        seconds: Seconds,
        sounds: str,
        language: str,
    ) -> None:
        self.language = language
        self.told: dict[str, str] = {}
        self.danger_key: str | None = None
        self.in_danger = False
        self._reader = reader
        self._writer = writer
        self._seconds = seconds
        self._sounds = sounds

    # -- the protocol ----------------------------------------------------------

    async def command(self, text: str, seconds_max: float = 0.0) -> int:
        """Give one command that lasts so long at most; returns its result. Raises HungUp."""
        return int((await self._command(text, seconds_max))["result"])

    async def _command(self, text: str, seconds_max: float = 0.0) -> re.Match[str]:
        try:
            self._writer.write(f"{text}\n".encode())
            async with asyncio.timeout(seconds_max + COMMAND_SECONDS_MAX):
                await self._writer.drain()
                answer = await self._answer()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
            raise HungUp from None
        found = _ANSWER.match(answer)
        if found is None or found["said"] == "hangup":
            raise HungUp
        return found

    async def _answer(self) -> str:
        """The answer to a command; word of a hang-up may come before it."""
        while True:
            line = await read_line(self._reader)
            if line == "HANGUP":
                continue  # the command says so too
            if line.startswith("520-"):
                while not (await read_line(self._reader)).startswith("520 "):
                    pass
            return line

    async def _digit(self, seconds_max: float) -> str | None:
        pressed = await self.command(f"WAIT FOR DIGIT {round(seconds_max * 1000)}", seconds_max)
        return self._key(pressed)

    def _key(self, result: int) -> str | None:
        if result < 0:
            raise HungUp
        return chr(result) if result else None

    # -- what a flow asks ------------------------------------------------------

    async def _say(self, prompt: str, stopped_by: str) -> str | None:
        """Play a prompt; returns the key that stopped it. One that does not exist is left out."""
        seconds = self._seconds(self.language, prompt)
        if seconds is None:
            log.error("prompt.missing", extra={"prompt": prompt, "language": self.language})
            return None
        path = f"{self._sounds}/{self.language}/{prompt}"
        return self._key(await self.command(f'STREAM FILE {path} "{stopped_by}"', seconds))

    def _look_for_danger(self, key: str | None) -> str | None:
        if key is not None and key == self.danger_key:
            raise DangerPressed
        return key

    async def play(self, prompt: str, whole: bool = False) -> None:
        """Play a prompt (``ivr.leg.Leg.play``); no agent can answer meanwhile."""
        del whole
        self._look_for_danger(await self._say(prompt, self.danger_key or ""))

    async def ask(
        self, prompt: str, keys: str, seconds_max: float, whole: bool = False
    ) -> str | None:
        """Play a prompt and wait for one of ``keys`` (``ivr.leg.Leg.ask``)."""
        danger = self.danger_key or ""
        key = self._look_for_danger(await self._say(prompt, danger if whole else keys + danger))
        clock = asyncio.get_running_loop().time
        until = clock() + seconds_max
        while key is None or key not in keys:
            left = until - clock()
            key = self._look_for_danger(await self._digit(left)) if left > 0 else None
            if key is None:
                return None
        return key

    async def gather(self, prompt: str, keys_max: int, seconds_max: float) -> str:
        """Play a prompt and return the keys pressed (``ivr.leg.Leg.gather``)."""
        pressed = ""
        key = await self._say(prompt, ALL_KEYS) or await self._digit(seconds_max)
        while key is not None and key != "#":
            pressed += key
            if len(pressed) == keys_max:
                break
            alone = pressed == self.danger_key
            key = await self._digit(DANGER_ALONE_SECONDS if alone else seconds_max)
        if self.danger_key is not None and pressed == self.danger_key:
            raise DangerPressed
        return pressed

    async def rest(self, seconds: float) -> None:
        """Leave the caller with music (``ivr.leg.Leg.rest``)."""
        clock = asyncio.get_running_loop().time
        until = clock() + seconds
        await self.command("SET MUSIC ON")
        while (left := until - clock()) > 0:
            if self._look_for_danger(await self._digit(left)) is None:
                break
        await self.command("SET MUSIC OFF")

    async def set_language(self, language: Language) -> None:
        """Have later prompts heard in another language (``ivr.leg.Leg.set_language``)."""
        self.language = language

    async def tell(self, name: str, value: str) -> None:
        """Note something the caller told: a channel variable for the site's own screens."""
        self.told[name] = value
        await self.set(f"FIL_TOLD_{re.sub(r'[^A-Za-z0-9_]', '_', name).upper()}", value)

    async def tell_danger(self) -> None:
        """The caller is in danger now (``ivr.leg.Leg.tell_danger``)."""
        self.in_danger = True
        await self.set("FIL_DANGER", "1")

    async def remember(self, languages: Sequence[str]) -> None:
        """Go on in the language, and in the danger, in which an earlier request left the caller."""
        spoken = await self.get("FIL_LANGUAGE")
        self.language = spoken if spoken in languages else languages[0]
        self.in_danger = await self.get("FIL_DANGER") == "1"

    async def get(self, variable: str) -> str:
        """A variable of the channel, as an earlier request of ours left it; empty without one."""
        return (await self._command(f"GET VARIABLE {variable}"))["said"] or ""

    async def set(self, variable: str, value: str) -> None:
        """Set a variable of the channel. The value is a word of the flow's or digits."""
        await self.command(f'SET VARIABLE {variable} "{value}"')


async def read_line(reader: asyncio.StreamReader) -> str:
    """The next line. Raises IncompleteReadError at the end, ValueError for one too long."""
    line = await reader.readuntil(b"\n") if not reader.at_eof() else b""
    if not line:
        raise asyncio.IncompleteReadError(b"", None)
    return line.decode("utf-8", "replace").rstrip("\r\n")


class AgiServer:
    """Speaks flows to the callers of another Asterisk."""

    def __init__(
        self, flows: Flows, seconds: Seconds, sounds: str, clock: Callable[[], datetime]
    ) -> None:
        self._flows = flows
        self._seconds = seconds
        self._sounds = sounds
        self._clock = clock
        self._calls = 0

    async def serve(self, address: str, port: int) -> None:
        """Serve for ever. Raises OSError when the port cannot be had."""
        server = await asyncio.start_server(self._call, address, port, limit=LINE_BYTES_MAX)
        async with server:
            await server.serve_forever()

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: one call, or somebody who only knocks."""
        self._calls += 1
        try:
            if self._calls <= CALLS_MAX:
                await self._live(reader, writer)
        except HungUp:
            pass
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            log.info("agi.no_call")
        except Exception:
            log.exception("agi.failed")  # the site's dialplan goes on: FIL_RESULT is not set
        finally:
            self._calls -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _live(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script, dialled = await _header(reader)
        leg = AgiLeg(reader, writer, self._seconds, self._sounds, "")
        before = await leg.get("FIL_FLOW")
        version = self._flows.of(before if _REF.fullmatch(before) else None, dialled)
        await leg.remember(version.flow.languages)
        root = _root(version, script)
        if root is None:
            log.warning("agi.unknown_path")
            await leg.set("FIL_RESULT", "failed")
            return
        start, where = root
        around = self._flows.surroundings(self._clock)
        await leg.command("ANSWER")
        await leg.set("FIL_FLOW", version.ref)
        await _tell(leg, await walk(version.flow, start, leg, around, where))


async def _header(reader: asyncio.StreamReader) -> tuple[str, str]:
    """What Asterisk says of the call, as far as we need it: the path asked for, the number dialled.

    Who calls is not kept, nor even looked at.
    """
    said: dict[str, str] = {}
    async with asyncio.timeout(HEADER_SECONDS_MAX):
        for _ in range(HEADER_LINES_MAX):
            line = await read_line(reader)
            if not line:
                break
            name, _, value = line.partition(": ")
            if name in ("agi_network_script", "agi_extension"):
                said[name] = value
    dialled = "".join(key for key in said.get("agi_extension", "") if key in "+0123456789")
    return said.get("agi_network_script", ""), dialled


def _root(version: FlowVersion, script: str) -> tuple[str, Where] | None:
    """Where to begin for a path; None for one that means nothing here."""
    flow = version.flow
    if script in ("", "welcome"):
        return flow.start, Where.APART
    part, _, line = script.partition("/")
    for step in flow.steps.values():
        if part in _PARTS and isinstance(step, LineStep) and step.line == line and not step.skills:
            for way in ways(step):
                if way.how == _PARTS[part]:
                    return way.target, Where.NOBODY if part == "no-staff" else Where.APART
    return None


async def _tell(leg: AgiLeg, came_out: Outcome) -> None:
    """Leave in channel variables where the flow led."""
    await leg.set("FIL_LANGUAGE", leg.language)
    match came_out:
        case ToLine(name=name, step=step):
            await leg.set("FIL_LINE", step.line)
            await leg.set("FIL_STEP", name)
            await leg.set("FIL_RESULT", "line")
        case ToRelay(name=name, step=relay):
            await leg.set("FIL_RELAY", relay.relay)
            await leg.set("FIL_STEP", name)
            await leg.set("FIL_RESULT", "relay")
        case Ended():
            await leg.set("FIL_RESULT", "end")
