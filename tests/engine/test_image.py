"""The image of the engine itself: its words are those of our models, its doors on loopback.

What it does with calls is in ``tests/contract``.
"""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

from cti.asterisk.generate_ari import main as generate_ari
from tests.line import NUMBER, Line

IMAGE = "boutdufil/asterisk:22"
DESCRIPTION = "/usr/share/asterisk/rest-api"


# -- words ------------------------------------------------------------------------------


async def test_our_models_are_those_of_the_engine_in_the_image(tmp_path: Path) -> None:
    described = await asyncio.to_thread(
        subprocess.run,
        ["docker", "run", "--rm", "--entrypoint", "tar", IMAGE, "-C", DESCRIPTION, "-c", "."],
        check=True, capture_output=True,
    )  # fmt: skip
    subprocess.run(["tar", "-C", str(tmp_path), "-x"], input=described.stdout, check=True)
    assert generate_ari([str(tmp_path), "--check"]) == 0


async def test_the_engine_has_every_module_that_we_ask_for(line: Line) -> None:
    said = await asyncio.to_thread(line.engine, "logs")
    assert "Asterisk" in said
    assert "Error loading module" not in said


# -- doors ----------------------------------------------------------------------------------


async def test_every_door_of_the_engine_is_on_loopback(line: Line) -> None:
    async with line.caller() as telephone:
        call = await telephone.call(NUMBER)
        await call.answered(2)
        listening, udp = await asyncio.to_thread(sockets, line)
        await call.hang_up()
    settings = line.settings
    assert set(listening) == {("127.0.0.1", settings.ari_port), ("127.0.0.1", settings.ami_port)}
    own = {port for host, port in udp if host == "127.0.0.1"}
    rtp = range(settings.rtp_port_first, settings.rtp_port_last + 1)
    assert settings.sip_port in own
    assert len(own) > 1  # the caller's sound
    assert all(port in rtp for port in own - {settings.sip_port})
    # PJSIP's resolver asks name servers from two ports of the kernel's choice, one for each
    # family, and takes answers from those servers alone. It has no setting for its address.
    elsewhere = sorted(host for host, port in udp if host != "127.0.0.1")
    assert elsewhere in ([], ["0.0.0.0"], ["0.0.0.0", "::"])
    assert all(port not in rtp for host, port in udp if host != "127.0.0.1")


def sockets(line: Line) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """The engine's own open doors, as the kernel lists them: (TCP listening, UDP)."""
    state = line.settings.data / "engine/state"
    container = subprocess.run(
        ["docker", "ps", "-q", "--filter", f"volume={state}"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    said = subprocess.run(
        ["docker", "exec", container, "sh", "-c",
         "ls -l /proc/1/fd; cd /proc/net; grep -H : tcp tcp6 udp udp6"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    inodes = {part.split("]")[0] for part in said.split("socket:[")[1:]}
    listening, udp = [], []
    for row in said.splitlines():
        family, _, rest = row.partition(":")
        words = rest.split()
        if family not in ("tcp", "tcp6", "udp", "udp6") or len(words) < 10:
            continue
        if words[9] in inodes:
            address, state_of = words[1], words[3]
            host, port = address.split(":")
            door = (dotted(host), int(port, 16))
            if family.startswith("udp"):
                udp.append(door)
            elif state_of == "0A":
                listening.append(door)
    return listening, udp


def dotted(host: str) -> str:
    """The kernel's hexadecimal address, as people write it."""
    if set(host) == {"0"}:
        return "0.0.0.0" if len(host) == 8 else "::"
    if len(host) == 8:
        return ".".join(str(part) for part in reversed(bytes.fromhex(host)))
    return host
