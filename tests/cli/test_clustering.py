from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run


def test_compact_brings_images_together(run: Run, maps: Path) -> None:
    asked = ("sql", maps, "SELECT mask_id, CP(mask, full_image, (0.3, 0.7)) AS n FROM masks")
    run("delete", maps, "mask_id = 2")
    before = run(*asked).out
    assert "into 1: version" in run("compact", maps, "--cluster-by", "image_id").out
    assert sorted(run(*asked).out.splitlines()) == sorted(before.splitlines())
    assert run("compact", maps, "--cluster-by", "image_id").out == "nothing to merge\n"
    refused = run("compact", maps, "--cluster-by", "label")
    assert refused.status == 2
    assert "image_id" in refused.err
