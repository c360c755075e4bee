"""What the documents say is so: examples run, queries parse, rooms exist."""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import masksearch_ray as ms
from masksearch_ray.cli import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
OBSERVABILITY = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def fenced(text: str, language: str) -> list[str]:
    """Blocks of code of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.smoke
@pytest.mark.parametrize(
    "example",
    [code for text in (README, GUIDE, OBSERVABILITY) for code in fenced(text, "python")],
    ids=lambda code: code[:30],
)
def test_python_examples_run(example: str, folder: Path) -> None:
    exec(compile(example, "example", "exec"), {})


def test_the_readme_example_is_ten_lines() -> None:
    (example,) = fenced(README, "python")
    assert len([line for line in example.splitlines() if line]) <= 10


@pytest.mark.smoke
def test_the_two_commands_of_the_readme(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "masks").mkdir()
    lines = ["file,label,prediction,x0,y0,x1,y1"]
    for i in range(4):
        np.save(folder / "masks" / f"{i}.npy", np.full((16, 16), i / 3, np.float32))
        lines.append(f"{i}.npy,cat,{'cat' if i else 'dog'},4,4,12,12")
    (folder / "rows.csv").write_text("\n".join(lines))
    commands = fenced(README, "sh")[0].splitlines()
    assert len(commands) == 2
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "masksearch"
        assert main(arguments) == 0
    header, _, *rows = capsys.readouterr().out.splitlines()[2:]
    assert header.split() == ["mask_id", "stray"]
    assert [row.split() for row in rows] == [["3", "192"], ["1", "0"], ["2", "0"]]


@pytest.fixture(scope="module")
def catalogued() -> ms.Collection:
    """An empty collection with the columns that the documents name."""
    collection = ms.create("memory://documents")
    columns = {name: pa.array([1]) for name in ("model_id", "image_id", "mask_type")}
    words = {name: pa.array(["cat"]) for name in ("label", "prediction")}
    collection.append(
        np.zeros((1, 8, 8), np.uint8), {**columns, **words, "object_box": [[1, 1, 5, 5]]}
    )
    return collection


def queries() -> list[str]:
    """Queries of the guide, one by one."""
    return [
        query.strip()
        for block in fenced(GUIDE, "sql")
        for query in block.split(";")
        if query.strip()
    ]


@pytest.mark.parametrize("query", queries(), ids=lambda query: query[:40])
def test_queries_of_the_guide_are_answered(query: str, catalogued: ms.Collection) -> None:
    assert catalogued.sql(query).table.num_columns >= 1


def test_the_error_that_the_guide_shows(catalogued: ms.Collection) -> None:
    (shown,) = fenced(GUIDE, "text")
    with pytest.raises(ms.QueryError) as error:
        catalogued.sql(shown.splitlines()[1].strip())
    assert f"error: {error.value}\n" == shown


@pytest.mark.smoke
@pytest.mark.parametrize(
    "document",
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")],
    ids=lambda document: document.relative_to(ROOT).as_posix(),
)
def test_links_and_pictures_are_there(document: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", document.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text)
    sources = re.findall(r"""<(?:img|source)[^>]* (?:src|srcset)=["']([^"']+)""", text)
    for target in [*links, *sources]:
        if "://" not in target:
            assert (document.parent / target).exists(), target


@pytest.mark.smoke
def test_the_architecture_shows_the_rooms_that_exist() -> None:
    package = ROOT / "masksearch_ray"
    rooms = {path.parent.name for path in package.glob("*/__init__.py")} | {"errors"}
    shown = set(re.findall(r"<b>(\w+)</b>", ARCHITECTURE))
    assert shown == rooms
    assert len(ARCHITECTURE.splitlines()) <= 60


@pytest.mark.smoke
def test_observability_names_every_field_of_a_record_and_every_metric() -> None:
    record, metrics = re.findall(r"(?:^\|.*\n)+", OBSERVABILITY, re.MULTILINE)[::2]
    told = [n for line in record.splitlines() for n in re.findall(r"`(\w+)`", line.split("|")[1])]
    assert sorted(told) == sorted(field.name for field in dataclasses.fields(ms.QueryRecord))
    code = (ROOT / "masksearch_ray" / "runtime" / "ray" / "metrics.py").read_text(encoding="utf-8")
    shown = re.findall(r"`(masksearch_\w+)`", metrics)
    assert sorted(shown) == sorted(re.findall(r'"(masksearch_\w+)"', code))
