"""Nothing that a storage, a cache or a file holds is ever run: no unpickling, no evaluation."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
UNPICKLERS = {
    *("pickle", "_pickle", "cPickle", "cloudpickle", "dill", "marshal", "shelve", "joblib"),
    *("jsonpickle", "dbm", "diskcache"),
}
CALLS = {"eval", "exec", "compile", "read_pickle", "unsafe_load", "Unpickler", "load_module"}
# What loads arrays may unpickle, unless it is told not to.
ARRAYS = {"np", "numpy", "torch"}
# Messages between simulated shards, made and read in one process; and between processes of one
# Ray cluster, which Ray itself unpickles whatever they are.
EXCUSED = {"masksearch_ray/bench/simulate_pool.py", "masksearch_ray/runtime/ray/errand.py"}


def findings(text: str) -> Iterator[str]:
    """What in a module could run what it reads."""
    for node in ast.walk(ast.parse(text)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        yield from (f"import {name}" for name in names if name.split(".")[0] in UNPICKLERS)
        if isinstance(node, ast.Call):
            yield from _call(node)


def _call(node: ast.Call) -> Iterator[str]:
    name = node.func
    if isinstance(name, ast.Name) and name.id in CALLS:
        yield name.id
    if not isinstance(name, ast.Attribute):
        return
    owner = name.value.id if isinstance(name.value, ast.Name) else ""
    told = _says(node, "allow_pickle", False) or _says(node, "weights_only", True)
    if owner in ARRAYS and name.attr == "load" and not told:
        yield f"{owner}.{name.attr}"
    if name.attr in CALLS and owner != "re":
        yield f"{owner}.{name.attr}"
    if _says(node, "allow_pickle", True) or _says(node, "weights_only", False):
        yield f"{owner}.{name.attr} with leave to unpickle"


def _says(node: ast.Call, keyword: str, value: bool) -> bool:
    return any(
        k.arg == keyword and isinstance(k.value, ast.Constant) and k.value.value is value
        for k in node.keywords
    )


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "def f():\n    from cloudpickle import loads",
        "np.load(file)",
        "np.load(file, allow_pickle=True)",
        "np.lib.format.read_array(file, allow_pickle=True)",
        "torch.load(file)",
        "pd.read_pickle(file)",
        "eval(text)",
    ],
)
def test_what_runs_what_it_reads_is_found(text: str) -> None:
    assert list(findings(text))


@pytest.mark.parametrize(
    "text", ["np.load(f, allow_pickle=False)", "re.compile(x)", "json.load(f)"]
)
def test_what_only_reads_is_not(text: str) -> None:
    assert not list(findings(text))


@pytest.mark.smoke
def test_nothing_runs_what_it_reads() -> None:
    modules = [path for room in ("masksearch_ray", "jobs") for path in (ROOT / room).rglob("*.py")]
    assert len(modules) > 100
    found = {
        path.relative_to(ROOT).as_posix(): list(findings(path.read_text(encoding="utf-8")))
        for path in modules
    }
    assert {path: lines for path, lines in found.items() if lines and path not in EXCUSED} == {}
