"""Judges who waits, as regulators see it: all of them, nobody else, nothing personal."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cti.simulation.actors import Board
from cti.simulation.verdicts import Violation

if TYPE_CHECKING:
    from cti.simulation.checker import Checker

TRUE_AFTER_SECONDS = 3.0  # a caller may have to be put into their line first
STEADY_SECONDS = 8.0
NUMBERS = re.compile(r"\b(0639|0199)[0-9]{6}\b")


class Boards:
    """What the screens of one world that is over were told of who waits."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._of: dict[str, list[Board]] = defaultdict(list)
        for board in checker.world.boards:
            self._of[board.agent].append(board)
        self._ats = {agent: [board.at for board in boards] for agent, boards in self._of.items()}

    def check(self) -> Iterator[Violation]:
        """Every list that was not as it should have been."""
        yield from self._personal()
        for wait in self._checker.turns.all_waits:
            at = wait.from_ + TRUE_AFTER_SECONDS
            for agent, board in self._shown(wait.from_, at) if wait.until > at else ():
                if wait.call not in {card["id"] for card in board.cards}:
                    yield Violation("board", at, f"{agent} does not see {wait.call}, who waits")
        for call in self._checker.calls.values():
            over = [at for at, op, _ in call.entries if op in ("leg.answered", "call.closed")]
            for since in over:
                at = since + TRUE_AFTER_SECONDS
                again = any(since <= moment <= at for moment in self._enters(call.id))
                for agent, board in () if again else self._shown(since, at):
                    if call.id in {card["id"] for card in board.cards}:
                        yield Violation("board", at, f"{agent} sees {call.id}, who waits no more")

    def _enters(self, call_id: str) -> list[float]:
        return [
            at
            for at, op, data in self._checker.calls[call_id].entries
            if op == "call.stage" and data["set"].get("line")
        ]

    def _shown(self, since: float, at: float) -> Iterator[tuple[str, Board]]:
        """What each regulator saw at a moment, whose screen was open all along."""
        checker = self._checker
        if not checker.steady(since - STEADY_SECONDS, at) or at > checker.world.ended_at:
            return
        for agent, boards in self._of.items():
            open_ = all(state.screen for state in checker.turns.people.around(agent, since, at))
            number = bisect_right(self._ats[agent], at)
            if open_ and number:
                yield agent, boards[number - 1]

    def _personal(self) -> Iterator[Violation]:
        for boards in self._of.values():  # once for each agent
            for board in boards:
                if NUMBERS.search(str(board.cards)) or board.count < len(board.cards):
                    yield Violation("board", board.at, f"{board.agent} is told {board.cards}")
                    break
