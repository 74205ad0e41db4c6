"""What is written in the desk's TypeScript: each literal, and whether both languages say it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_NAME = re.compile(r"[\w$]+")


@dataclass(frozen=True)
class Literal:
    """A piece of text in the code; of a template, what stands between its values."""

    text: str
    said: bool  # it stands within say(…)


def literals(code: str) -> Iterator[Literal]:
    """Each literal of a file, comments left aside. No regular expression in it may hold a quote."""
    yield from _Reader(code).read_code(said=False)


class _Reader:
    def __init__(self, code: str) -> None:
        self._code = code
        self._at = 0

    def read_code(self, said: bool, until: str = "") -> Iterator[Literal]:
        """Read on, up to the bracket that ends this piece of code."""
        while self._at < len(self._code):
            rest = self._code[self._at :]
            if until and rest[0] == until:
                self._at += 1
                return
            if rest.startswith("//"):
                self._at += (rest + "\n").index("\n")
            elif rest[0] in "\"'":
                yield Literal(self._string(rest[0]), said)
            elif rest[0] == "`":
                yield from self._template(said)
            elif name := _NAME.match(rest):
                self._at += name.end()
                if name[0] == "say" and self._code.startswith("(", self._at):
                    self._at += 1
                    yield from self.read_code(said=True, until=")")
            else:
                self._at += 1
                if rest[0] in "({":
                    yield from self.read_code(said, until=")" if rest[0] == "(" else "}")

    def _string(self, quote: str) -> str:
        end = self._at + 1
        while self._code[end] != quote:
            end += 2 if self._code[end] == "\\" else 1
        text, self._at = self._code[self._at + 1 : end], end + 1
        return text

    def _template(self, said: bool) -> Iterator[Literal]:
        self._at += 1
        text = ""
        while self._code[self._at] != "`":
            if self._code.startswith("${", self._at):
                self._at += 2
                yield from self.read_code(said, until="}")
            else:
                text += self._code[self._at]
                self._at += 1
        self._at += 1
        yield Literal(text, said)
