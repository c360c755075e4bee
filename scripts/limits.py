"""Fail on modules of more than 400 lines and functions of more than 40.

A docstring does not count towards its function. A module or function of ``masksearch_ray/kernels``
may be longer where a comment in it states why: ``# limit: one pass over the tile``.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("masksearch_ray", "scripts", "tests", "jobs")
MODULE_LINES = 400
FUNCTION_LINES = 40
REASON = "# limit: "

Function = ast.FunctionDef | ast.AsyncFunctionDef


def function_lines(node: Function) -> int:
    """Count the lines of a function from its ``def`` on, without its docstring."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def excesses(name: str, text: str, *, excusable: bool) -> Iterator[str]:
    """Name every part of a module that is too long.

    Parameters
    ----------
    name : str
        Path to show.
    text : str
        The module's source.
    excusable : bool
        Whether a stated reason lifts the limits.
    """
    lines = text.splitlines()
    excused = excusable and any(line.startswith(REASON) for line in lines)
    if len(lines) > MODULE_LINES and not excused:
        yield f"{name}: {len(lines)} lines, {MODULE_LINES} are allowed"
    for node in ast.walk(ast.parse(text, name)):
        if not isinstance(node, Function) or function_lines(node) <= FUNCTION_LINES:
            continue
        body = lines[node.lineno - 1 : node.end_lineno]
        if excusable and any(REASON in line for line in body):
            continue
        yield (
            f"{name}:{node.lineno}: {node.name} has {function_lines(node)} lines, "
            f"{FUNCTION_LINES} are allowed"
        )


def main() -> int:
    """Check every module of the repository; the exit status says whether all are short enough."""
    found: list[str] = []
    for path in sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        excusable = name.startswith("masksearch_ray/kernels/")
        found += excesses(name, path.read_text(encoding="utf-8"), excusable=excusable)
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
