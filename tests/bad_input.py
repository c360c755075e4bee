"""A small collection, and the promise that whatever is refused leaves it as it was."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import masksearch_ray as ms
from masksearch_ray.cli import main

ASKED = (
    "SELECT mask_id, a, label, object_box, CP(mask, object_box, (0.33, 0.81)) AS n, "
    "CP(mask, full_image, (0.2, 1.0)) AS m FROM masks"
)
GOOD = np.random.default_rng(7).random((6, 20, 24), dtype=np.float32)


def make(path: Path) -> None:
    """Make a collection of two segments, of which one has a deleted row."""
    col = ms.create(path, cell=8)
    boxes: list[Any] = [(1, 2, 9, 9), None, (0, 0, 40, 30)]
    for half in (0, 3):
        rows = {"a": [1, 2, 3], "label": ["x", "y'; --", "\x1b[31m"], "object_box": boxes}
        col.append(GOOD[half : half + 3], rows)
    col.delete("mask_id = 1")


def state(path: Path) -> Any:
    """Version, answers, and all objects but the journals of ingests that did not come to an end."""
    col = ms.open(path)
    files = {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and "ingests" not in file.parts
    }
    return col.version, len(col), col.sql(ASKED).table.to_pylist(), files


def takes_more(col: ms.Collection) -> None:
    """Append one more mask and find it."""
    rows = len(col)
    col.append(GOOD[:1], {"a": [9]})
    found = col.sql("SELECT MAX(mask_id) AS last FROM masks WHERE a = 9").table.to_pylist()
    assert len(col) == rows + 1
    assert np.array_equal(col.masks([found[0]["last"]])[0], GOOD[0])


@cache
def first_state(path: Path) -> Any:
    """State of a collection when it was first asked for."""
    return state(path)


@contextmanager
def refused(path: Path, kind: type[ms.MaskSearchError], *words: str) -> Iterator[None]:
    """Expect one clear error, of this kind and with these words, and nothing changed."""
    before = first_state(path)
    with pytest.raises(ms.MaskSearchError) as caught:
        yield
    assert type(caught.value) is kind, repr(caught.value)
    text = str(caught.value)
    assert all(word in text for word in words), text
    assert len(text) < 2_000
    assert "\n" not in text or kind is ms.QueryError
    assert state(path) == before


class Refusals:
    """Commands that end with one line on standard error."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self._capsys = capsys

    def __call__(self, status: int, words: tuple[str, ...], *arguments: object) -> None:
        """Run a command and expect this status, these words, and nothing changed."""
        before = first_state(self.path)
        text = self.end(status, *arguments)
        assert all(word in text for word in words), text
        assert state(self.path) == before

    def end(self, status: int, *arguments: object) -> str:
        """Run a command and return its line, for SQL with the lines that point at the word."""
        self._capsys.readouterr()
        ended = main([str(argument) for argument in arguments])
        out, err = self._capsys.readouterr()
        assert ended == status, err
        assert out == ""
        assert err.startswith("error: ")
        assert err.count("\n") == (3 if "(line " in err and "^" in err else 1), err
        assert err.replace("\n", "").isprintable()
        assert len(err) < 2_000
        return err


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection; tests only read it."""
    path = tmp_path_factory.mktemp("bad-input") / "maps"
    make(path)
    return path


@pytest.fixture
def maps(made: Path, tmp_path: Path) -> Path:
    """A copy of the collection that a test may spoil."""
    return Path(shutil.copytree(made, tmp_path / "maps"))


@pytest.fixture
def refuses(made: Path, capsys: pytest.CaptureFixture[str]) -> Refusals:
    """Run commands on the collection that are to be refused."""
    return Refusals(made, capsys)
