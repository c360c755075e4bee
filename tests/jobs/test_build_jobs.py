"""Jobs that write: ingest and indexing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import masksearch_ray as ms
from tests.collection.ingest.test_ingest import mask_of, write_masks
from tests.jobs.test_jobs import Status, status

__all__ = ["status"]


def test_masks_are_ingested_and_indexed(
    status: Status, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, url = write_masks(tmp_path / "in", 12), str(tmp_path / "maps")
    lines = ["file,label,x0,y0,x1,y1", *(f"{n:03}.npy,{n % 3},1,1,5,5" for n in range(12))]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    asked = (
        *("--collection", url, "--source", source, "--metadata", str(tmp_path / "rows.csv")),
        *("--box", "object_box=x0,y0,x1,y1", "--set", "model_id=2", "--domain", "0,1"),
    )
    assert status("ingest", *asked) == 0
    out, log = capsys.readouterr()
    assert out == ""
    # Among the lines of the log, which tells of what Ray says too.
    assert any(line.startswith("12 masks added in ") for line in log.splitlines())
    assert log.endswith(" of 1 node\n")
    with ms.open(url) as collection:
        found = collection.sql("SELECT label, model_id FROM masks ORDER BY image_id").table
        np.testing.assert_array_equal(collection.masks([7])[0], mask_of(7))
    assert found.to_pydict() == {"label": [n % 3 for n in range(12)], "model_id": [2] * 12}
    assert status("ingest", *asked) == 0
    assert "nothing to add, 12 masks were there already" in capsys.readouterr().err

    assert status("build_index", "--collection", url, "--roi", "2,2,7,7", "--bins", "256") == 0
    assert "built for 1 of 1 segment" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"--source": "/nowhere/masks"}, "/nowhere/masks: nothing there"),
        ({"--domain": "1"}, "--domain"),
        ({"--box": "b"}, "NAME=FROM wanted"),
    ],
)
def test_what_cannot_be_taken(
    status: Status,
    tmp_path: Path,
    change: dict[str, str],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = {"--collection": str(tmp_path / "maps"), "--source": str(tmp_path)} | change
    assert status("ingest", *(part for pair in asked.items() for part in pair)) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "maps").exists()


def test_a_bad_file_fails_the_job_and_adds_nothing(
    status: Status, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, url = write_masks(tmp_path / "in", 5), str(tmp_path / "maps")
    (tmp_path / "in" / "003.npy").write_bytes(b"no mask")
    assert status("ingest", "--collection", url, "--source", source) == 2
    assert "in/003.npy: not a .npy file\n" in capsys.readouterr().err
    assert len(ms.open(url)) == 0
