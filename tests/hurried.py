"""The command ``fil`` with a shorter limit: ``python -m tests.hurried serve``.

A phone that hangs up so soon was lost, not hung up: that is ten seconds, waited for in full in
tests/engine/test_leaving.py; a table of a hundred talks cannot.
"""

from __future__ import annotations

import sys

from cti.__main__ import main
from cti.calls import talking

SHORT_TALK_SECONDS = 4.0

if __name__ == "__main__":
    talking.SHORT_TALK_SECONDS = SHORT_TALK_SECONDS
    sys.exit(main(sys.argv[1:]))
