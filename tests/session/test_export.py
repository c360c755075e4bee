from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import masksearch_ray as ms
from masksearch_ray.session.export import ParquetTarget
from masksearch_ray.storage import open_storage


@pytest.fixture(scope="module")
def answer() -> ms.Result:
    collection = ms.create("memory://exported")
    collection.append(np.zeros((3, 8, 8), np.uint8), {"label": ["a", None, "c"]})
    return collection.sql("SELECT mask_id, label FROM masks")


def test_an_answer_reads_back_the_same(answer: ms.Result, tmp_path: Path) -> None:
    file = tmp_path / "new folder" / "answer.parquet"
    for _ in range(2):  # what is there is replaced
        answer.to_parquet(str(file))
        assert pq.read_table(file).equals(answer.table)


def test_a_relative_name_lies_in_the_working_folder(
    answer: ms.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer.to_parquet("answer.parquet")
    assert pq.read_table(tmp_path / "answer.parquet").num_rows == 3


def test_an_answer_goes_to_storage(answer: ms.Result) -> None:
    answer.to_parquet("memory://answers/of/today.parquet")
    written = open_storage("memory://answers/of").get("today.parquet")
    assert written[:4] == b"PAR1"


@pytest.mark.parametrize(
    "url", ["answer.csv", "s3://bucket/.parquet", "", "x/", "ftp://host/a.parquet"]
)
def test_a_senseless_url_is_refused_before_the_query(url: str) -> None:
    with pytest.raises(ms.InputError):
        ParquetTarget(url)
