"""``fil serve`` keeps one controller alive, and only one; a few lines of shell stand for it."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from cti import parent
from cti.parent import EXIT_REFUSED, EXIT_REPLACED, EXIT_TRY_AGAIN, AlreadyServed, Parent, hold

SAY = "printf %s '{0}' >/proc/self/fd/$2;"  # $2: the pipe it was given


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parent, "SILENCE_SECONDS_MAX", 0.2)
    monkeypatch.setattr(parent, "STOP_SECONDS_MAX", 0.2)
    monkeypatch.setattr(parent, "RESTART_SECONDS_MIN", 0.01)


class Lives:
    """A controller made of shell, one text for each of its lives; the last one is repeated."""

    def __init__(self, folder: Path, *texts: str) -> None:
        self._count = folder / "lives"
        self._count.write_text("")
        cases = "".join(f"{n}) {text};;" for n, text in enumerate(texts[:-1], 1))
        script = (
            f"echo >>{self._count}; case $(wc -l <{self._count}) in {cases} *) {texts[-1]};; esac"
        )
        self.command = ["sh", "-c", script, "sh"]

    def start(self, _: int, told: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*self.command, "--signs-of-life", str(told)], pass_fds=(told,))

    @property
    def count(self) -> int:
        return len(self._count.read_text())


def stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def fake_time(monkeypatch: pytest.MonkeyPatch, lasted: Callable[[int], float]) -> list[float]:
    """Pauses are noted, not made; each life lasts as long as it is told."""
    paused: list[float] = []
    moments = iter(m for life in range(99) for m in (100.0 * life, 100.0 * life + lasted(life)))
    clock = SimpleNamespace(monotonic=lambda: next(moments), sleep=paused.append)
    monkeypatch.setattr(parent, "time", clock)
    return paused


# -- only one


def test_a_second_one_is_refused_and_told_who_serves(tmp_path: Path) -> None:
    lock = hold(tmp_path)
    try:
        with pytest.raises(AlreadyServed, match=f"already served by process {os.getpid()}"):
            hold(tmp_path)
    finally:
        os.close(lock)
    os.close(hold(tmp_path))


def test_the_lock_is_made_private_and_its_folder_too(tmp_path: Path) -> None:
    os.close(hold(tmp_path / "data"))
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "data/fil.lock").stat().st_mode & 0o777 == 0o600


def test_the_lock_dies_with_its_holder_however_that_dies(tmp_path: Path) -> None:
    code = "import sys, pathlib; sys.path.insert(0, sys.argv[2]); import cti.parent as p;"
    code += "p.hold(pathlib.Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    root = str(Path(parent.__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(AlreadyServed, match=f"process {other.pid}"):
            hold(tmp_path)
        other.kill()
    os.close(hold(tmp_path))


# -- alive


def test_a_controller_that_dies_is_started_again(tmp_path: Path) -> None:
    lives = Lives(tmp_path, "exit 1", "kill -9 $$", SAY.format("R") + "exec sleep 60")
    assert Parent(lives.start, stop).run() == 0
    assert lives.count == 3


def test_a_controller_whose_heart_stops_is_killed_and_started_again(tmp_path: Path) -> None:
    hung = SAY.format("R.") + "trap '' TERM; exec sleep 60"
    refuses = SAY.format(".") + f"echo $$ >{tmp_path}/pid; exit {EXIT_REPLACED}"
    lives = Lives(tmp_path, hung, refuses)
    began = time.monotonic()
    assert Parent(lives.start).run() == EXIT_REPLACED
    assert 0.2 <= time.monotonic() - began < 2
    assert lives.count == 2


def test_a_controller_that_never_shows_life_is_killed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent, "START_SECONDS_MAX", 0.2)
    lives = Lives(tmp_path, "exec sleep 60", f"exit {EXIT_REFUSED}")
    assert Parent(lives.start).run() == EXIT_REFUSED
    assert lives.count == 2


def test_a_controller_that_cannot_be_started_just_now_is_started_later(tmp_path: Path) -> None:
    lives = Lives(tmp_path, f"exit {EXIT_REFUSED}")
    open_before = len(os.listdir("/proc/self/fd"))
    tries = []

    def start(heard: int, told: int) -> subprocess.Popen[bytes]:
        tries.append(told)
        if len(tries) < 3:
            raise OSError(errno.ENOMEM, "no memory to fork")
        return lives.start(heard, told)

    assert Parent(start).run() == EXIT_REFUSED
    assert len(tries) == 3
    assert len(os.listdir("/proc/self/fd")) == open_before


def test_a_controller_that_goes_on_beating_is_left_alone(tmp_path: Path) -> None:
    beats = (SAY.format(".") + "sleep 0.1;") * 5  # longer than the silence that kills
    lives = Lives(tmp_path, beats + f"exit {EXIT_REFUSED}")
    assert Parent(lives.start).run() == EXIT_REFUSED
    assert lives.count == 1


def test_a_controller_that_refuses_its_setup_is_not_started_again(tmp_path: Path) -> None:
    lives = Lives(tmp_path, f"exit {EXIT_REFUSED}")
    assert Parent(lives.start).run() == EXIT_REFUSED
    assert lives.count == 1


def test_a_line_that_has_served_is_tried_until_a_person_has_mended_it(tmp_path: Path) -> None:
    refused = f"exit {EXIT_REFUSED}"
    lives = Lives(tmp_path, SAY.format("R") + "exit 1", refused, refused, f"exit {EXIT_REPLACED}")
    assert Parent(lives.start).run() == EXIT_REPLACED
    assert lives.count == 4


def test_a_controller_that_another_one_replaced_is_not_started_again(tmp_path: Path) -> None:
    lives = Lives(tmp_path, SAY.format("R") + f"exit {EXIT_REPLACED}")
    assert Parent(lives.start).run() == EXIT_REPLACED
    assert lives.count == 1


def test_a_controller_that_must_wait_for_something_is_started_again(tmp_path: Path) -> None:
    lives = Lives(tmp_path, f"exit {EXIT_TRY_AGAIN}", f"exit {EXIT_REFUSED}")
    assert Parent(lives.start).run() == EXIT_REFUSED
    assert lives.count == 2


def test_pauses_between_lives_grow_to_five_seconds_and_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent, "RESTART_SECONDS_MIN", 0.2)
    paused = fake_time(monkeypatch, lambda life: 1.0)
    lives = Lives(tmp_path, *["exit 1"] * 8, f"exit {EXIT_REFUSED}")
    Parent(lives.start).run()
    assert paused == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5])


def test_a_steady_life_makes_the_next_pause_short_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent, "RESTART_SECONDS_MIN", 0.2)
    paused = fake_time(monkeypatch, lambda life: 60.0 if life == 3 else 1.0)
    lives = Lives(tmp_path, *["exit 1"] * 5, f"exit {EXIT_REFUSED}")
    Parent(lives.start).run()
    assert paused == pytest.approx([0.2, 0.4, 0.8, 0.2, 0.4])


def test_ready_is_said_once_whatever_the_number_of_lives(tmp_path: Path) -> None:
    said: list[str] = []
    life = SAY.format("R") + "exit 1"
    lives = Lives(tmp_path, life, life, SAY.format("R") + f"exit {EXIT_REPLACED}")
    Parent(lives.start, lambda: said.append("ready")).run()
    assert said == ["ready"]


# -- stopping


def test_stopping_lets_the_controller_end_by_itself(tmp_path: Path) -> None:
    kind = f"trap 'echo bye >{tmp_path}/bye; exit 0' TERM;"
    kind += SAY.format("R") + "while :; do sleep 0.02; done"
    lives = Lives(tmp_path, kind)
    assert Parent(lives.start, stop).run() == 0
    assert (tmp_path / "bye").read_text() == "bye\n"
    assert lives.count == 1


def test_stopping_kills_a_controller_that_does_not_listen(tmp_path: Path) -> None:
    deaf = f"trap '' TERM; echo $$ >{tmp_path}/pid;" + SAY.format("R")
    deaf += "while :; do " + SAY.format(".") + "sleep 0.05; done"  # its heart beats on
    lives = Lives(tmp_path, deaf)
    began = time.monotonic()
    assert Parent(lives.start, stop).run() == 0
    assert time.monotonic() - began < 2
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_a_stop_that_comes_while_a_controller_is_being_started_ends_it(tmp_path: Path) -> None:
    lives = Lives(tmp_path, "for i in $(seq 60); do " + SAY.format(".") + "sleep 0.05; done")

    def start(heard: int, told: int) -> subprocess.Popen[bytes]:
        child = lives.start(heard, told)
        stop()  # the signal is taken before anybody knows of the child
        return child

    began = time.monotonic()
    assert Parent(start).run() == 0
    assert time.monotonic() - began < 2
