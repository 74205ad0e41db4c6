"""An operator whose words are late says them again: that is still one caller."""

from __future__ import annotations

import asyncio

from cti.rehearsal.phone import Phone, PhoneCall, _write
from tests.line import NUMBER, Line


def say_again(telephone: Phone, call: PhoneCall) -> None:
    """Send the INVITE of this call once more, as it was."""
    again = _write(f"INVITE {call._invite_uri} SIP/2.0", list(call.headers), call._sdp(None))
    telephone._send(again, telephone.server)


async def test_an_invite_that_comes_again_at_any_moment_is_one_caller(line: Line) -> None:
    async with line.caller(hz=440) as telephone:
        call = await telephone.call(NUMBER)
        say_again(telephone, call)
        seen: list[object] = []
        for wait in (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 1.0):
            await asyncio.sleep(wait)
            say_again(telephone, call)
            await asyncio.sleep(0.1)
            seen.append((wait, call.state, line.channels()))
        print(*seen, sep="\n")
        await asyncio.sleep(1)
        print(line.channels(), line.ari("channels"))
        assert len(line.channels()) == 1
