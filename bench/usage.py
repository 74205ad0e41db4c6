"""What processes cost, read from /proc: seconds of processor, and memory."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.line import Line

TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += tree(int(child))
    return found


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far, in its own code and in the kernel's."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int) -> float:
    """Memory that a process has now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def machine_seconds() -> float:
    """Processor time of the whole machine so far, all cores."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _waiting, irq, softirq, steal = map(int, fields[:8])
    return (user + nice + system + irq + softirq + steal) / TICKS


def engine_pids(line: Line) -> list[int]:
    """The processes of the line's engine, in its container."""
    project = "fil-" + hashlib.sha256(str(line.settings.data).encode()).hexdigest()[:8]
    of_ours = f"label=com.docker.compose.project={project}"
    container = _said("docker", "ps", "-q", "--filter", of_ours)
    return tree(int(_said("docker", "inspect", "-f", "{{.State.Pid}}", container)))


def _said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@dataclass(frozen=True)
class Usage:
    """What each part has cost so far: seconds; and its memory now: megabytes."""

    at: float
    controller: float
    engine: float
    harness: float
    machine: float
    controller_mb: float
    engine_mb: float

    def since(self, before: Usage) -> dict[str, float]:
        """Processor seconds of each part since then, and the seconds that went by."""
        parts = ("at", "controller", "engine", "harness", "machine")
        return {part: getattr(self, part) - getattr(before, part) for part in parts}


class Meter:
    """Reads what the line, the engine and we ourselves cost."""

    def __init__(self, line: Line) -> None:
        self._harness = [os.getpid()]
        self._controller = line.controller_pid()
        self._engine = engine_pids(line)

    def add(self, pid: int) -> None:
        """One more process of the harness."""
        self._harness.append(pid)

    def read(self) -> Usage:
        """All of it, now."""
        return Usage(
            time.monotonic(),
            cpu_seconds(self._controller),
            sum(map(cpu_seconds, self._engine)),
            sum(map(cpu_seconds, self._harness)),
            machine_seconds(),
            memory_mb(self._controller),
            sum(map(memory_mb, self._engine)),
        )
