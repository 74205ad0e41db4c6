"""A throw-away PostgreSQL for tests: its own folder, its own free port, gone at the end."""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg

START_SECONDS_MAX = 20.0
STOP_SECONDS_MAX = 10.0


class Postgres:
    """One private server on 127.0.0.1. ``start`` returns when it takes connections."""

    def __init__(self) -> None:
        self._programmes = _programmes()
        self._password = secrets.token_hex(16)
        self._folder = Path(tempfile.mkdtemp(prefix="fil-postgres-"))
        self._port = _free_port()
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make the folder, start the server. Raises RuntimeError with what it said if it cannot."""
        password_file = self._folder / "password"
        password_file.write_text(self._password)
        as_whom = _unprivileged()
        if as_whom:
            for path in (self._folder, password_file):
                shutil.chown(path, as_whom["user"], as_whom["group"])
        data = self._folder / "data"
        made = subprocess.run(
            [self._programmes / "initdb", "-D", data, "-U", "fil", "--no-sync", "--no-instructions",
             "-E", "UTF8", "--locale=C", "-A", "scram-sha-256", f"--pwfile={password_file}"],
            capture_output=True, cwd=self._folder, check=False, **as_whom,
        )  # fmt: skip
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr.decode()}")
        self.serve()

    def pause(self) -> None:
        """Stop the server and keep its data."""
        assert self._server is not None
        self._server.send_signal(signal.SIGINT)  # disconnect everyone, stop cleanly
        try:
            self._server.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    def serve(self) -> None:
        """Start the server on its data; returns when it takes connections."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",
            "fsync": "off",  # nothing here outlives the tests
            "shared_buffers": "16MB",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [self._programmes / "postgres", "-D", self._folder / "data", *options],
                stdout=log, stderr=log, cwd=self._folder, **_unprivileged(),
            )  # fmt: skip
        self._wait_until_it_answers()

    def new_database(self) -> str:
        """Create an empty database and return its address."""
        name = f"fil_{secrets.token_hex(8)}"
        asyncio.run(self._run_sql(f"CREATE DATABASE {name}"))
        return f"postgresql://fil:{self._password}@127.0.0.1:{self._port}/{name}"

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        if self._server is not None:
            self.pause()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait_until_it_answers(self) -> None:
        assert self._server is not None
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                return asyncio.run(self._run_sql("SELECT 1"))
            except (OSError, asyncpg.PostgresError, TimeoutError):
                if self._server.poll() is not None or time.monotonic() > deadline:
                    said = (self._folder / "log").read_text(errors="replace")
                    raise RuntimeError(f"PostgreSQL did not start: {said}") from None
                time.sleep(0.05)

    async def _run_sql(self, sql: str) -> None:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=self._port, user="fil", password=self._password,
            database="postgres", timeout=5,
        )  # fmt: skip
        try:
            await connection.execute(sql)
        finally:
            await connection.close()


def _programmes() -> Path:
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3])
    )
    if not found:
        raise RuntimeError("PostgreSQL is not installed. Run: apt-get install postgresql")
    return found[-1].parent


def _unprivileged() -> dict[str, Any]:
    """Who the server runs as: PostgreSQL refuses root, so root lends it another account."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam("postgres")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
