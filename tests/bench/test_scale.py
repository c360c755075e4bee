"""The document on scale is written by a command; here on tiny inputs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from masksearch_ray.bench.documents import filled
from masksearch_ray.bench.scale import ScaleOptions, ScaleReport, run_scale, write_docs
from masksearch_ray.bench.simulate import SimulateOptions
from masksearch_ray.errors import InputError

DOCS = Path(__file__).parent.parent.parent / "docs"
TINY = ScaleOptions(
    masks=24, side=32, manifests=(1, 3), simulation=SimulateOptions(shards=(1, 3), fans=(1, 2))
)


@pytest.fixture(scope="module")
def report() -> ScaleReport:
    return run_scale(TINY)


def test_constants_are_measured(report: ScaleReport) -> None:
    known = report.known
    assert min(known.pixels, known.index, known.metadata, known.memory) > 0
    assert min(known.ingest, known.entry, known.entry_open, known.shard) > 0
    assert known.cold_requests > 0
    assert 0 <= known.verified <= 1
    assert [m.segments for m in report.manifests] == [1, 3]
    assert [c.masks for c in report.costs] == [10**6, 10**7, 10**8, 10**9, 10**10]


def test_every_table_of_the_document_is_filled_in(report: ScaleReport, tmp_path: Path) -> None:
    text = (DOCS / "scale.md").read_text(encoding="utf-8")
    (tmp_path / "scale.md").write_text(text, encoding="utf-8")
    write_docs(report, tmp_path)
    written = (tmp_path / "scale.md").read_text(encoding="utf-8")
    assert (tmp_path / "images" / "scale.png").read_bytes().startswith(b"\x89PNG")
    between = re.compile(r"<!-- (\w+) -->\n(.*?)<!-- /\1 -->", re.DOTALL)
    shown = {name: table.splitlines() for name, table in between.findall(written)}
    # Of the same form as those that are there, and nothing else has changed.
    kept = {name: table.splitlines() for name, table in between.findall(text)}
    assert shown.keys() == kept.keys()
    for name, lines in shown.items():
        assert len({line.count("|") for line in lines}) == 1
        assert lines[0].count("|") == kept[name][0].count("|")
    assert between.sub("", written) == between.sub("", text)


def test_a_document_without_places_is_refused(report: ScaleReport, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        write_docs(report, tmp_path)
    with pytest.raises(InputError, match="no place"):
        filled("nothing", {"costs": "table"})
