"""All that a line has written, to look for what must not be there."""

from __future__ import annotations

import subprocess

from tests.line import Line


def written(line: Line) -> dict[str, bytes]:
    """Every file of the line but its sounds, by its path; their names; what the engine has said."""
    data = line.settings.data
    places = {
        str(path): path.read_bytes()
        for path in data.rglob("*")
        if path.is_file() and not path.is_relative_to(line.sounds)
    }
    places |= {f"the name of {path}": str(path).encode() for path in data.rglob("*")}
    places["the engine's messages"] = line.engine("logs").encode()
    container = subprocess.run(
        ["docker", "ps", "-q", "--filter", f"volume={line.sounds}"],
        check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    assert len(container) == 1
    output = subprocess.run(["docker", "logs", *container], check=True, capture_output=True)
    places["the container's output"] = output.stdout + output.stderr
    return places
