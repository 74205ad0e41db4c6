"""Refuses to make a wheel without the agents' page: running the line needs no Node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class DeskBuilt(BuildHookInterface):  # type: ignore[type-arg,misc]
    """Looks for the page before a wheel is made; a checkout in use builds it by itself."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raise with what to do when the page is missing."""
        del build_data  # nothing to change in it
        if version != "editable" and not Path(self.root, "cti/desk/built/desk.js").exists():
            raise SystemExit("The agents' page is not built. Run: make desk")
