"""The command ``fil`` with shorter limits: ``python -m tests.hurried serve``.

A phone that hangs up so soon was lost, not hung up: that is ten seconds, waited for in full in
tests/engine/test_leaving.py; a table of a hundred talks cannot. Nor can it wait for fifteen until
the one who let it ring is asked again.
"""

from __future__ import annotations

import sys

from cti.__main__ import main
from cti.calls import talking, waiting

SHORT_TALK_SECONDS = 4.0
ASKED_AGAIN_SECONDS = 1.0

if __name__ == "__main__":
    talking.SHORT_TALK_SECONDS = SHORT_TALK_SECONDS
    waiting.ASKED_AGAIN_SECONDS = ASKED_AGAIN_SECONDS
    sys.exit(main(sys.argv[1:]))
