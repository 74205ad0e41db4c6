"""What the line says about itself: one event a line, as JSON, without personal data.

Events are named ``noun.past_participle``; what they hold comes from ``extra``. As a
last guard, anything that looks like a telephone number is masked before it is written.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from datetime import UTC, datetime

from cti.config import Settings

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# French and international numbers, with or without separators; ids are hexadecimal words.
_NUMBER = re.compile(r"(?<![0-9a-fA-F-])\+?\d(?:[ .\-]?\d){7,14}(?![0-9a-fA-F-])")


class EventFormatter(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The event; a traceback is told by its places and its type, never by its text."""
        event: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": masked(record.getMessage()),
        }
        for key, value in vars(record).items():
            if key not in _STANDARD:
                event[key] = masked(value) if isinstance(value, str) else value
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            event["error"] = type(error).__name__
            event["where"] = [
                f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
                for frame in traceback.extract_tb(error.__traceback__)
            ]
            if isinstance(error, BaseExceptionGroup):
                event["errors"] = [
                    [type(e).__name__]
                    + [
                        f"{f.filename.rpartition('/')[2]}:{f.lineno}"
                        for f in traceback.extract_tb(e.__traceback__)
                    ]
                    for e in error.exceptions
                ]
        return json.dumps(event, ensure_ascii=False, default=lambda o: type(o).__name__)


def masked(text: str) -> str:
    """``text`` without anything that looks like a telephone number."""
    return _NUMBER.sub("•••", text)


def log_events(settings: Settings) -> None:
    """Send events from INFO on to standard error; in the demo to ``fil.log``, for a calm screen."""
    handler: logging.Handler = logging.StreamHandler()
    if settings.demo:
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = logging.FileHandler(settings.data / "fil.log")
    handler.setFormatter(EventFormatter())
    for chatty in ("alembic", "aiosqlite", "panoramisk"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
