"""The demonstration as a command."""

from __future__ import annotations

import importlib.machinery
import sys
from pathlib import Path

import pytest

from masksearch_ray.cli import main


def test_without_scikit_learn_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    found = importlib.machinery.PathFinder.find_spec

    def hidden(name: str, *rest: object) -> object:
        return None if name == "sklearn" else found(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(importlib.machinery.PathFinder, "find_spec", hidden)
    assert main(["demo", "--runtime", "local", "--out", str(tmp_path / "out")]) == 2
    assert "pip install 'masksearch-ray[demo]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_it_prints_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--runtime", "local", "--out", str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = [line for line in lines if line.startswith("Found:")]
    assert len(found) == 1 and "class 3 by the top left corner" in found[0]
    assert f"Picture:    {tmp_path / 'out' / 'found.png'}" in lines
    assert (tmp_path / "out" / "found.png").is_file()
