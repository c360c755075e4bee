"""Every command on a real collection."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

import masksearch_ray as ms
import masksearch_ray.cli.build
from masksearch_ray.cli import main
from masksearch_ray.model.progress import ProgressLines, ProgressStep
from masksearch_ray.render import read_image
from tests.cli.conftest import COUNT, SIDE, Run

TOP = (
    "SELECT mask_id, label, CP(mask, object_box, (:t, 1.0)) AS n FROM masks ORDER BY n DESC LIMIT 3"
)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def stored(source: Path) -> list[np.ndarray]:
    return [np.load(file) for file in sorted((source / "masks").iterdir())]


# ------------------------------------------------------------------------------------------ ingest


@pytest.mark.smoke
def test_ingest_twice_adds_once(run: Run, source: Path, tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    arguments = ["ingest", maps, source / "masks", "-m", source / "rows.csv", "--set", "split=val"]
    first = run(*arguments)
    assert first.status == 0
    assert first.out.startswith(f"{COUNT} masks added in ")
    assert "version 2" in first.out
    assert "of the pixels (CHI" in first.out
    assert "nothing to add, 12 masks were there already" in run(*arguments).out
    counted = run("sql", maps, "SELECT COUNT(*) AS n FROM masks WHERE split = 'val'", "-f", "csv")
    assert rows(counted.out) == [{"n": str(COUNT)}]


def test_after_an_ingest_that_fails_all_may_be_settled_otherwise(run: Run, tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    wide = tmp_path / "wide.npy"
    np.save(wide, np.full((2, 8, 8), 5.0, np.float32))
    answer = run("ingest", maps, wide)
    assert answer.status == 2
    assert "wide.npy#0" in answer.err
    assert run("ingest", maps, wide, "--domain", "0,10").status == 0
    answer = run("ingest", maps, wide, "--domain", "0,9")
    assert answer.status == 2
    assert "has 0,10, which was settled" in answer.err
    assert run("ingest", maps, wide, "--domain", "0,10", "--nan", "reject").status == 0


def meanwhile(monkeypatch: pytest.MonkeyPatch, *arguments: object, status: int) -> None:
    """Run another command while the next ingest is under way."""

    class Other(ProgressLines):
        def __call__(self, step: ProgressStep) -> None:
            monkeypatch.undo()
            assert main([str(argument) for argument in arguments]) == status

    monkeypatch.setattr(masksearch_ray.cli.build, "progress", Other)


def test_two_first_ingests_of_which_one_fails(
    run: Run, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = tmp_path / "maps"
    wide = tmp_path / "wide.npy"
    np.save(wide, np.full((2, 8, 8), 5.0, np.float32))

    meanwhile(monkeypatch, "ingest", maps, wide, status=2)
    assert run("ingest", maps, source / "masks").status == 0
    collection = ms.open(maps)
    assert len(collection) == COUNT
    for mask, original in zip(collection.masks(range(COUNT)), stored(source), strict=True):
        assert np.array_equal(mask, original)


def test_no_mask_comes_into_a_collection_begun_anew_with_other_settings(
    run: Run, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = tmp_path / "maps"
    wide = tmp_path / "wide.npy"
    np.save(wide, np.full((2, 8, 8), 5.0, np.float32))

    meanwhile(monkeypatch, "ingest", maps, wide, "--domain", "0,10", status=0)
    answer = run("ingest", maps, source / "masks")
    assert answer.status == 1
    assert "begun anew meanwhile" in answer.err
    assert len(ms.open(maps)) == 2
    # What the failed run has finished was made for values 0 to 1: it is made again.
    assert run("ingest", maps, source / "masks").status == 0
    text = "SELECT SUM(CP(mask, full_image, (5.0, 10.0))) AS n FROM masks WHERE mask_id > 1"
    expected = sum(np.count_nonzero(mask >= 128) for mask in stored(source))
    assert ms.open(maps).sql(text).table["n"].to_pylist() == [expected]


def test_failing_ingest_leaves_a_collection_as_it_was(run: Run, maps: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "bad.npy", np.full((4, 4), np.nan, np.float32))
    before = run("info", maps, "--json").out
    answer = run("ingest", maps, tmp_path / "bad.npy")
    assert answer.status == 2
    assert "bad.npy: pixel (x=0, y=0) is nan" in answer.err
    assert run("info", maps, "--json").out == before


def test_interrupted_ingest_continues(
    run: Run, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CtrlC(ProgressLines):
        def __call__(self, step: ProgressStep) -> None:
            raise KeyboardInterrupt

    arguments = ["ingest", tmp_path / "maps", source / "masks"]
    with monkeypatch.context() as patch:
        patch.setattr(masksearch_ray.cli.build, "progress", CtrlC)
        answer = run(*arguments)
    assert answer.status == 130
    assert answer.err == (
        "interrupted: run the same command again to continue; nothing is added twice\n"
    )
    assert run(*arguments).out.startswith(f"{COUNT} masks added")


def test_boxes_in_three_forms(run: Run, source: Path, tmp_path: Path) -> None:
    (tmp_path / "coco.json").write_text(
        json.dumps(
            {
                "images": [
                    {"id": i, "file_name": f"im{i:02d}.jpg", "height": SIDE, "width": SIDE}
                    for i in range(COUNT)
                ],
                "annotations": [{"image_id": 0, "bbox": [1.5, 2, 3, 4]}],
            }
        )
    )
    answer = run(
        *("ingest", tmp_path / "maps", source / "masks", "-m", source / "rows.csv"),
        *("--box", "corners=x0,y0,x1,y1", "--box", f"objects=coco:{tmp_path / 'coco.json'}"),
    )
    assert answer.status == 0
    text = "SELECT corners, objects FROM masks ORDER BY mask_id LIMIT 2"
    first, second = json.loads(run("sql", tmp_path / "maps", text, "-f", "json").out)
    assert first["objects"] == [[1, 2, 5, 6]]
    assert second["objects"] in ([], None)
    expected = (source / "rows.csv").read_text().splitlines()[1].split(",")[3:]
    assert first["corners"] == [int(edge) for edge in expected]


def test_register_then_query(run: Run, source: Path, tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    answer = run("register", maps, source / "masks", "-m", source / "rows.csv")
    assert answer.status == 0
    assert answer.out == f"registered {COUNT} masks: version 2\n"
    counted = run("sql", maps, "SELECT CP(mask, full_image, (0.5, 1.0)) AS n FROM masks", "-fcsv")
    assert [int(row["n"]) for row in rows(counted.out)] == [
        np.count_nonzero(mask >= 128) for mask in stored(source)
    ]
    assert f"{COUNT} masks in place" in run("info", maps).out


# ------------------------------------------------------------------------------------- sql, explain


@pytest.mark.smoke
def test_sql_equals_numpy(run: Run, made: Path, source: Path) -> None:
    answer = run("sql", made, TOP, "-p", "t=0.6", "--format", "csv", "--stats")
    boxes = [list(map(int, line.split(",")[3:])) for line in source_rows(source)]
    counts = [
        int(np.count_nonzero(mask[y0:y1, x0:x1] >= 153))
        for mask, (x0, y0, x1, y1) in zip(stored(source), boxes, strict=True)
    ]
    best = sorted(range(COUNT), key=lambda i: (-counts[i], i))[:3]
    assert [(int(row["mask_id"]), int(row["n"])) for row in rows(answer.out)] == [
        (i, counts[i]) for i in best
    ]
    assert f"{COUNT} of {COUNT} rows selected" in answer.err
    assert " read; " in answer.err


def source_rows(source: Path) -> list[str]:
    return (source / "rows.csv").read_text().splitlines()[1:]


def test_without_the_index_the_answer_is_the_same(run: Run, made: Path) -> None:
    asked = ["sql", made, TOP, "-p", "t=0.37"]
    assert run(*asked).out == run(*asked, "--no-index").out


@pytest.mark.parametrize("roi", ["3,4,20,30", "object_box", "outside(box(3, 4, 20, 30))"])
def test_roi_in_any_form(run: Run, made: Path, roi: str) -> None:
    meant = "box(3, 4, 20, 30)" if "," in roi and "(" not in roi else roi
    with_option = run("sql", made, "SELECT SUM(area(roi)) AS a FROM masks", "--roi", roi)
    written = run("sql", made, f"SELECT SUM(area({meant})) AS a FROM masks")
    assert with_option.status == 0
    assert with_option.out == written.out


def test_query_from_a_file_and_from_standard_input(
    run: Run, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "query.sql"
    file.write_text("SELECT COUNT(*)\nFROM masks")
    expected = run("sql", made, "SELECT COUNT(*) FROM masks").out
    assert run("sql", made, f"@{file}").out == expected
    monkeypatch.setattr("sys.stdin", io.StringIO(file.read_text()))
    assert run("sql", made, "-").out == expected
    file.write_bytes(b"\xff\xfe")
    assert run("sql", made, f"@{file}").err == f"error: {file}: not UTF-8 text\n"


def test_parameters_keep_their_types(run: Run, made: Path) -> None:
    text = "SELECT COUNT(*) AS n FROM masks WHERE label = :l AND model_id = :m"
    found = run("sql", made, text, "-p", "l=cat", "-p", "m=1", "-f", "csv")
    assert int(rows(found.out)[0]["n"]) == sum(i % 3 > 0 and i % 2 == 0 for i in range(COUNT))
    answer = run("sql", made, text, "-p", "l=cat", "-p", "m='1'")
    assert answer.status == 2
    assert "a string does not go with an int" in answer.err


def test_a_query_may_take_too_long(run: Run, made: Path) -> None:
    answer = run("sql", made, TOP, "-p", "t=0.5", "--timeout", "0")
    assert answer.status == 1
    assert answer.err.count("\n") == 1


def test_explain_and_analyze(run: Run, made: Path) -> None:
    text = "SELECT mask_id FROM masks WHERE CP(mask, box(3, 4, 20, 30), (0.33, 1.0)) > 9"
    assert "CP(mask, box(3, 4, 20, 30)" in run("explain", made, text).out
    analyzed = run("explain", made, text, "--analyze").out
    assert "verified" in analyzed
    assert run("explain", made, f"EXPLAIN ANALYZE {text}", "--analyze").status == 0


# -------------------------------------------------------------------------------------------- get


@pytest.mark.smoke
def test_get_masks_and_pictures(run: Run, made: Path, source: Path, tmp_path: Path) -> None:
    answer = run("get", made, 0, 3, "--out", tmp_path / "got")
    assert answer.status == 0
    assert "2 masks written" in answer.err
    assert "1 over their images" in answer.err
    names = sorted(file.name for file in (tmp_path / "got").iterdir())
    assert names == ["0.npy", "0.png", "3.npy", "3.png"]
    for i in (0, 3):
        assert np.array_equal(np.load(tmp_path / "got" / f"{i}.npy"), stored(source)[i])
        assert read_image(tmp_path / "got" / f"{i}.png").shape == (256, 256, 3)


def test_get_what_a_query_finds(run: Run, made: Path, tmp_path: Path) -> None:
    query = "SELECT mask_id, label FROM masks WHERE label = :l"
    answer = run("get", made, "--sql", query, "-p", "l=dog", "-o", tmp_path, "-f", "npy")
    assert answer.status == 0
    found = sorted(int(file.stem) for file in tmp_path.iterdir())
    assert found == [i for i in range(COUNT) if i % 3 == 0]
    answer = run("get", made, "--sql", "SELECT label FROM masks", "-o", tmp_path)
    assert answer.status == 2
    assert "no column mask_id" in answer.err


def test_overlay_changes_the_picture_and_may_be_insisted_on(
    run: Run, made: Path, tmp_path: Path
) -> None:
    pictures = []
    for option in ("--overlay", "--no-overlay"):
        out = tmp_path / option
        assert run("get", made, 2, option, "-f", "png", "--size", 64, "-o", out).status == 0
        pictures.append(read_image(out / "2.png"))
    assert pictures[0].shape == (64, 64, 3)
    over, alone = pictures
    assert not np.array_equal(over, alone)
    answer = run("get", made, 3, "--overlay", "-o", tmp_path)
    assert answer.status == 2
    assert "mask 3: no image_path" in answer.err


def test_get_no_such_mask(run: Run, made: Path, tmp_path: Path) -> None:
    answer = run("get", made, 999, "-o", tmp_path / "none")
    assert answer.status == 2
    assert "999" in answer.err
    assert not list(tmp_path.iterdir())


def test_get_replaces_nothing_unasked(
    run: Run, made: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("get", made, 3).status == 0
    mine = tmp_path / "found" / "3.npy"
    mine.write_bytes(b"mine")
    before = sorted(tmp_path.rglob("*"))
    answer = run("get", made, 1, 3)
    assert answer.status == 2
    assert answer.err.startswith(f"error: {Path('found', '3.npy')} is there already")
    assert answer.err.count("\n") == 1
    # Not even the masks whose names are free.
    assert sorted(tmp_path.rglob("*")) == before
    assert mine.read_bytes() == b"mine"
    assert run("get", made, 1, 3, "--overwrite").status == 0
    assert np.array_equal(np.load(mine), stored(source)[3])


def test_get_into_what_is_no_folder(run: Run, made: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = run("get", made, 1, "-o", tmp_path / "file")
    assert answer.status == 1
    assert answer.err.count("\n") == 1


# ------------------------------------------------------------------------------------------- info


@pytest.mark.smoke
def test_info(run: Run, made: Path) -> None:
    told = run("info", made).out
    for part in (f"{SIDE} x {SIDE} uint8: 12 masks", "object_box", "0 to 1", "index in all"):
        assert part in told
    facts = json.loads(run("info", made, "--json", "--values").out)
    assert facts["masks"] == COUNT
    assert facts["columns"]["object_box"] == "box"
    assert facts["index"]["histograms"] == ["full_image", '"object_box"']
    assert sum(facts["values"]["pixels"]) == COUNT * SIDE * SIDE
    assert "0.95 to 1" in run("info", made, "--values").out


def test_what_queries_add_to_a_read_only_collection_is_kept(
    run: Run, source: Path, tmp_path: Path
) -> None:
    maps, cache = tmp_path / "maps", tmp_path / "cache"
    assert run("register", maps, source / "masks").status == 0
    parts = maps / "indexes"
    parts.touch()  # a file where a folder would have to be
    text = "SELECT COUNT(*) AS n FROM masks WHERE CP(mask, full_image, (0.5, 1.0)) > 9"
    first = run("sql", maps, text, "--cache", cache)
    assert first.status == 0
    assert any(file.is_file() for file in cache.rglob("*"))
    assert run("sql", maps, text, "--cache", cache).out == first.out


# -------------------------------------------------------------- delete, index, compact, vacuum


def test_delete_keeps_the_version_before(run: Run, maps: Path) -> None:
    assert run("delete", maps, "label = 'dog'", "--dry-run").out == "would delete 4 of 12 masks\n"
    answer = run("delete", maps, "label = :l", "-p", "l=dog")
    assert answer.out == "deleted 4 masks, 8 left: version 3\n"
    count = "SELECT COUNT(*) AS n FROM masks"
    assert rows(run("sql", maps, count, "-f", "csv").out) == [{"n": "8"}]
    assert rows(run("sql", maps, count, "-f", "csv", "--version", 2).out) == [{"n": "12"}]
    assert run("delete", maps, "CP(mask, full_image, (0.5, 1.0)) > 3").status == 2


def test_index_decides_what_had_to_be_read(run: Run, maps: Path) -> None:
    text = "SELECT COUNT(*) AS n FROM masks WHERE CP(mask, box(3, 5, 20, 20), (0.333, 1.0)) > 9"
    before = run("sql", maps, text, "--stats")
    assert "built for 1 of 1 segment" in run("index", maps, "--roi", "3,5,20,20", "--bins", 256).out
    after = run("sql", maps, text, "--stats")
    assert after.out == before.out
    assert "12 decided by the index (100.0 %), 0 verified" in after.err
    assert "box(3, 5, 20, 20)" in run("info", maps).out


def test_index_with_bins_at_quantiles(run: Run, maps: Path) -> None:
    text = "SELECT mask_id FROM masks WHERE CP(mask, full_image, (0.333, 1.0)) > 40"
    before = run("sql", maps, text).out
    assert "built for 1 of 1 segment" in run("index", maps, "--bins", "quantiles").out
    assert run("sql", maps, text).out == before
    refused = run("index", maps, "--bins", "many")
    assert refused.status == 2
    assert "--bins 'many': a number of bins or 'quantiles' wanted" in refused.err


def test_compact_and_vacuum(run: Run, maps: Path) -> None:
    run("delete", maps, "label = 'dog'")
    assert "merged 1 segment with 8 masks into 1" in run("compact", maps).out
    assert run("compact", maps).out == "nothing to merge\n"
    answer = run("vacuum", maps, "--keep-versions", 1, "--older-than", "0s")
    assert answer.out.startswith("removed 3 versions and ")
    assert run("sql", maps, "SELECT COUNT(*) FROM masks", "--version", 2).status == 2
    assert run("vacuum", maps, "--older-than", "soon").status == 2
