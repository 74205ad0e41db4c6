"""What the project promises of itself, checked: layers, sizes, words, documentation."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from cti.config import Settings

ROOT = Path(__file__).parents[2]
ROOMS = ("cti", "ivr", "sounds", "bench")
GENERATED = ROOT / "cti/asterisk/ari_models.py"
FUNCTION_LINES_MAX = 70


def sources() -> list[Path]:
    found = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    assert len(found) > 40
    return [path for path in found if path != GENERATED]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_imports_point_one_way() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_no_function_is_longer_than_a_page() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sources()
        for node in functions(ast.parse(path.read_text()))
        if (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_every_file_says_its_purpose_in_its_first_line() -> None:
    mute = []
    for path in sources():
        doc = ast.get_docstring(ast.parse(path.read_text()))
        if not doc or not doc.splitlines()[0].rstrip().endswith((".", ":", "?")):
            mute.append(str(path.relative_to(ROOT)))
    assert mute == []


def test_no_finally_in_the_calls_touches_the_engine_or_the_records() -> None:
    touching = []
    legs = [ROOT / f"cti/asterisk/{name}.py" for name in ("caller", "legs")]
    for path in [*(ROOT / "cti/calls").glob("*.py"), *legs]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Try | ast.TryStar):
                for inner in (n for s in node.finalbody for n in ast.walk(s)):
                    if isinstance(inner, ast.Await) or (
                        isinstance(inner, ast.Attribute) and inner.attr in ("exchange", "records")
                    ):
                        touching.append(f"{path.name}:{inner.lineno}")
    assert touching == []


def test_nothing_is_raised_out_of_an_except_star() -> None:
    # Before Python 3.11.4 it comes out wrapped in a group, which nobody up there expects.
    raising = [
        f"{path.name}:{inner.lineno}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.TryStar)
        for handler in node.handlers
        for inner in ast.walk(handler)
        if isinstance(inner, ast.Raise)
    ]
    assert raising == []


@pytest.mark.parametrize("setting", [field.name for field in fields(Settings)])
def test_every_setting_is_in_the_readme(setting: str) -> None:
    assert f"FIL_{setting.upper()}" in (ROOT / "README.md").read_text()


def test_every_hop_of_the_path_of_a_call_exists() -> None:
    table = (ROOT / "ARCHITECTURE.md").read_text().split("## Rooms")[0]
    names = set(re.findall(r"`(?:[A-Za-z]+\.)?(_?[a-z_]+)\(\)", table))
    assert len(names) > 15
    defined = {node.name for path in sources() for node in functions(ast.parse(path.read_text()))}
    assert names - defined == set()


def test_the_project_speaks_of_itself_alone() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    forbidden = re.compile(
        r"https?://[a-z0-9.-]*(pypi|pythonhosted|npmjs|debian)\.|(?<![\w.])/(work|farm)/"
        r"|\b[Ii]ssue #?\d+\b"
    )
    said = [
        f"{name}: {found[0]}"
        for name in listed
        if name != "tests/unit/test_promises.py" and not name.endswith((".png", "LICENSE"))
        if (found := forbidden.search((ROOT / name).read_text(errors="replace")))
    ]
    assert said == []
