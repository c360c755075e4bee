"""A folder of masks and a collection made of it, by the commands themselves."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from masksearch_ray.bench import make_workload
from masksearch_ray.cli import main
from masksearch_ray.render import write_png

COUNT = 12
SIDE = 32


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


Run = Callable[..., Answer]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process."""

    def call(*arguments: object) -> Answer:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Answer(status, out, err)

    return call


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``masks/``, ``photos/`` (of every second mask) and ``rows.csv``."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "masks").mkdir()
    (folder / "photos").mkdir()
    workload = make_workload(COUNT, SIDE, seed=1)
    lines = ["file,label,model_id,x0,y0,x1,y1"]
    for i, (mask, box) in enumerate(zip(workload.masks, workload.boxes, strict=True)):
        np.save(folder / "masks" / f"im{i:02d}.npy", mask)
        if i % 2 == 0:
            photo = np.full((40, 48, 3), 20 * i, np.uint8)
            write_png(folder / "photos" / f"im{i:02d}.png", photo)
        lines.append(f"im{i:02d},{'cat' if i % 3 else 'dog'},{i % 2 + 1},{','.join(map(str, box))}")
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def made(source: Path) -> Path:
    """The collection; tests only read it."""
    arguments = ["ingest", source / "maps", source / "masks", "--metadata", source / "rows.csv"]
    arguments += ["--images", source / "photos", "--box", "object_box=x0,y0,x1,y1"]
    assert main([str(argument) for argument in arguments]) == 0
    return source / "maps"


@pytest.fixture
def maps(made: Path, tmp_path: Path) -> Path:
    """A copy of the collection that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "maps"))
