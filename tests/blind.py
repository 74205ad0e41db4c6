"""Somebody who cannot see the page: presses keys, and knows what its accessibility tree says.

What they press and hear is a transcript. FIL_RENEW=1 writes the transcripts kept beside the tests
anew; else what is said must be what was kept.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path
from typing import Any

from playwright.async_api import CDPSession, Page

TRANSCRIPTS = Path(__file__).parent / "transcripts"
TABS_MAX = 90  # a page where one thing is further away is not to be used like that
HEARD_AT_ONCE = {"status", "alert"}  # parts that are read out when they change
KEYS = {
    "Tab": "Tab",
    "Enter": "Entrée",
    "Space": "Espace",
    "Shift+Tab": "Maj Tab",
    "ArrowRight": "→",
}


class Blind:
    """One person, one page."""

    def __init__(self, name: str, page: Page, tree: CDPSession, transcript: list[str]) -> None:
        self.name, self._page, self._tree, self._transcript = name, page, tree, transcript

    @classmethod
    async def before(cls, name: str, page: Page, transcript: list[str]) -> Blind:
        tree = await page.context.new_cdp_session(page)
        await tree.send("Accessibility.enable")
        return cls(name, page, tree, transcript)

    def _note(self, what: str) -> None:
        self._transcript.append(f"{self.name} · {what}")

    async def _nodes(self) -> list[dict[str, Any]]:
        nodes: list[dict[str, Any]] = (await self._tree.send("Accessibility.getFullAXTree"))[
            "nodes"
        ]
        return nodes

    async def focused(self) -> tuple[str, str]:
        """The role and the name of what has the keyboard."""
        found = ("page", "")
        for node in await self._nodes():
            has = any(
                p["name"] == "focused" and p["value"].get("value")
                for p in node.get("properties", [])
            )
            if has and not node.get("ignored") and node["role"]["value"] != "RootWebArea":
                found = node["role"]["value"], node.get("name", {}).get("value", "")
        return found

    async def _said(self) -> list[str]:
        """What the parts that are read out when they change say now."""
        nodes = {node["nodeId"]: node for node in await self._nodes()}

        def text(node: dict[str, Any]) -> str:
            if node["role"]["value"] in ("StaticText", "text"):
                return str(node.get("name", {}).get("value", ""))
            return " ".join(text(nodes[id_]) for id_ in node.get("childIds", []) if id_ in nodes)

        live = [
            node
            for node in nodes.values()
            if not node.get("ignored") and node["role"]["value"] in HEARD_AT_ONCE
        ]
        return [" ".join(text(node).split()) for node in live]

    async def hears(self, words: str, seconds_max: float = 20) -> None:
        """Wait until this is read out."""
        until = time.monotonic() + seconds_max
        while time.monotonic() < until:
            for said in await self._said():
                if words in said:
                    self._note(f"entend : {_timeless(said)}")
                    return
            await asyncio.sleep(0.1)
        raise AssertionError(f"“{words}” is not read out; now: {await self._said()}")

    async def reads(self, words: str) -> None:
        """Find this in what can be read, as a screen reader goes through the page."""
        names = [
            str(node.get("name", {}).get("value", ""))
            for node in await self._nodes()
            if not node.get("ignored")
        ]
        found = next((name for name in names if words in name), None)
        assert found is not None, f"“{words}” is nowhere: {[n for n in names if n]}"
        self._note(f"lit : {_timeless(found)}")

    async def goes_to(self, role: str, name: str, *, back: bool = False) -> None:
        """Press Tab until this has the keyboard."""
        key = "Shift+Tab" if back else "Tab"
        for _ in range(TABS_MAX):
            if await self._is_at(role, name):
                break
            await self._page.keyboard.press(key)
        at = await self.focused()
        assert await self._is_at(role, name), f"{name} is not reached with {key}; at {at}"
        self._note(f"{KEYS[key]} → {at[0]} « {at[1]} »")

    async def is_at(self, role: str, name: str) -> None:
        """Nothing pressed: the keyboard is here by itself."""
        assert await self._is_at(role, name), f"not at {name} but at {await self.focused()}"
        self._note(f"est à {role} « {name} »")

    async def _is_at(self, role: str, name: str) -> bool:
        at = await self.focused()
        return at[0] == role and name in at[1]

    async def presses(self, key: str) -> None:
        await self._page.keyboard.press(key)
        self._note(KEYS.get(key, key))

    async def types(self, words: str) -> None:
        await self._page.keyboard.type(words)
        self._note("écrit")


def _timeless(said: str) -> str:
    return re.sub(r"(?<![F\d])\d+", "N", said)  # times and counts; not the name of a key


def kept(name: str, transcript: list[str]) -> None:
    """Hold a transcript against the one beside the tests."""
    path = TRANSCRIPTS / f"{name}.txt"
    text = "\n".join(transcript) + "\n"
    if os.environ.get("FIL_RENEW"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), "what is said has changed: FIL_RENEW=1"
