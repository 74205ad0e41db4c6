"""The command ``fil`` at another time: ``python -m tests.shifted FILE serve``.

FILE holds how many seconds to add to the clock; it may change while the program runs.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cti import clock
from cti.__main__ import main

if __name__ == "__main__":
    offset = Path(sys.argv[1])
    shifted = lambda: datetime.now(UTC) + timedelta(seconds=float(offset.read_text()))  # noqa: E731
    with clock.replaced(shifted, time.monotonic):
        sys.exit(main(sys.argv[2:]))
