"""What the documents of clusters name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CLUSTER = ROOT / "docs" / "cluster.md"
DOCUMENTS = [CLUSTER, *sorted((ROOT / "deploy").rglob("README.md"))]
SCRIPTS = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "jobs").glob("*.py"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_files_are_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        assert "://" in target or (path.parent / target).exists(), target
    for heading in re.findall(r"\]\(#([\w-]+)\)", text):
        made = [
            re.sub(r"[^\w -]", "", h).lower().replace(" ", "-")
            for h in re.findall(r"^#+ (.*)$", text, re.M)
        ]
        assert heading in made, heading
    for named in re.findall(r"\b((?:deploy|jobs)/[\w./-]+\w)", text):
        assert (ROOT / named).exists(), named


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_jobs_are_called_with_options_that_they_have(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"python jobs/\w+\.py (.*)", text):
        for option in re.findall(r" (--[\w-]+)", f" {line}"):
            assert f'"{option}"' in SCRIPTS, option


def test_python_examples_run() -> None:
    for example in re.findall(r"^```python\n(.*?)^```$", CLUSTER.read_text(), re.DOTALL | re.M):
        exec(compile(example, "example", "exec"), {})


def test_costs_are_examples_and_say_so() -> None:
    for name in ("aws", "kubernetes"):
        text = (ROOT / "deploy" / name / "README.md").read_text(encoding="utf-8")
        costs = text.partition("## What it costs")[2]
        assert "made-up" in costs
        assert "your\nregion" in costs or "your region" in costs


def test_the_sums_of_the_example_are_right() -> None:
    text = (ROOT / "deploy" / "aws" / "README.md").read_text(encoding="utf-8")
    sums = re.findall(r": ([\d.,()×÷+ ]+) = (\d+(?:\.\d+)?)", text)
    assert len(sums) >= 4
    for formula, told in sums:
        value = eval(formula.replace("×", "*").replace("÷", "/").replace(",", ""))
        digits = len(told.partition(".")[2])
        assert round(value, digits) == pytest.approx(float(told)), formula
