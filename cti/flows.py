"""The flows that callers hear now, followed as admins publish new versions.

A call keeps the version it came in by. What cannot be loaded changes nothing: the line goes
on with what it has, and says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from ivr.reading import FlowError
from ivr.relays import Relay, load_relays
from ivr.situation import Situation, load_situation
from ivr.versions import FlowVersion, Versions, VersionsError
from ivr.walk import Surroundings

log = logging.getLogger("fil.flows")

LOOKED_EVERY_SECONDS = 1.0
T = TypeVar("T")
VERSIONS_KEPT_MAX = 64  # of earlier ones that calls in progress still walk


class Flows:
    """What may be heard: a version for each number, the situation, the relays."""

    def __init__(
        self, default: str, served: Mapping[str, FlowVersion], versions: Versions | None = None
    ) -> None:
        self._default = default
        self._versions = versions  # where earlier ones are found again
        self.served = dict(served)  # flow's name -> the version that new callers hear
        self.situation = Situation()
        self.relays: Mapping[str, Relay] = {}
        self.wrong: dict[str, str] = {}  # what could not be loaded -> why, for admins
        self._known = {version.ref: version for version in self.served.values()}

    def for_number(self, dialled: str) -> FlowVersion:
        """What who dialled this number hears: the flow that names it, else the line's own."""
        for version in self.served.values():
            if dialled and dialled in version.flow.numbers:
                return version
        return self.served[self._default]

    def of(self, ref: str | None, dialled: str) -> FlowVersion:
        """The version a call came in by; the one of new callers when it has gone."""
        if ref is not None and ref not in self._known and self._versions is not None:
            try:
                self.remember(self._versions.of_ref(ref))
            except VersionsError as error:
                self.note(ref, str(error))
        return self._known.get(ref or "") or self.for_number(dialled)

    def remember(self, version: FlowVersion) -> None:
        """Keep a version for the calls that walk it."""
        self._known[version.ref] = version
        while len(self._known) > VERSIONS_KEPT_MAX:
            served = {version.ref for version in self.served.values()}
            del self._known[next(ref for ref in self._known if ref not in served)]

    def note(self, name: str, why: str) -> None:
        """Something could not be loaded: for admins."""
        if self.wrong.get(name) != why:
            log.error("flow.refused", extra={"flow": name})  # the why may quote names and numbers
        self.wrong[name] = why

    def surroundings(self, clock: Callable[[], datetime]) -> Surroundings:
        """What a flow asks about the world."""
        return Surroundings(clock, lambda: self.situation, lambda: self.relays)


class FlowFiles:
    """The files behind the flows of one data directory."""

    def __init__(self, data: Path, default: str) -> None:
        self._data = data
        self._default = default
        self._versions = Versions(data / "flows")
        self._seen: dict[Path, int] = {}

    def load(self) -> Flows:
        """Read everything for the first time. Raises VersionsError when the line has no flow."""
        version, wrong = self._versions.load_best(self._default)
        flows = Flows(self._default, {self._default: version}, self._versions)
        if wrong is not None:
            flows.note(self._default, wrong)
        self.refresh(flows)
        return flows

    async def follow(self, flows: Flows) -> None:
        """Keep ``flows`` true to the files, for ever."""
        while True:
            await asyncio.sleep(LOOKED_EVERY_SECONDS)
            await asyncio.to_thread(self.refresh, flows)

    def refresh(self, flows: Flows) -> None:
        """Read again what has changed since the last time."""
        if self._changed(self._data / "situation.yaml"):
            flows.situation = self._read(flows, "situation.yaml", load_situation, flows.situation)
        if self._changed(self._data / "relays.yaml"):
            flows.relays = self._read(flows, "relays.yaml", load_relays, flows.relays)
        for name in self._versions.names():
            if self._changed(self._data / "flows/published" / name / "current"):
                self._refresh_flow(flows, name)

    def _refresh_flow(self, flows: Flows, name: str) -> None:
        try:
            version = self._versions.load(name)
        except Exception as error:  # noqa: BLE001 -- whatever is in a file, callers hear the one before
            flows.note(name, _why(error))
            return
        flows.wrong.pop(name, None)
        if flows.served.get(name) != version:
            flows.served[name] = version
            flows.remember(version)
            log.info("flow.published", extra={"flow": version.ref})

    def _read(self, flows: Flows, name: str, load: Callable[[Path], T], before: T) -> T:
        try:
            found = load(self._data / name)
        except Exception as error:  # noqa: BLE001 -- whatever is in a file, callers hear the one before
            flows.note(name, _why(error))
            return before
        flows.wrong.pop(name, None)
        return found

    def _changed(self, path: Path) -> bool:
        try:
            stamp = path.stat().st_mtime_ns
        except OSError:
            stamp = 0
        changed = self._seen.get(path, 0) != stamp
        self._seen[path] = stamp
        return changed


def _why(error: Exception) -> str:
    """What admins are told; of an error that nobody foresaw, its kind."""
    foreseen = isinstance(error, FlowError | VersionsError | OSError)
    return str(error) if foreseen else f"illisible ({type(error).__name__})"
