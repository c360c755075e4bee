"""Images by the paths of a collection: where they are looked for, and where they may lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from masksearch_ray.errors import DataError, NotFoundError
from masksearch_ray.render import png_bytes, write_png
from masksearch_ray.session.images import Images
from masksearch_ray.storage import open_storage


def grey(value: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    return np.full((2, 3, 3), value, np.uint8)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Two folders of images, and one beside them."""
    made = tuple(tmp_path / name for name in ("one", "two two", "beside"))
    for value, folder in enumerate(made, 1):
        (folder / "deep").mkdir(parents=True)
        write_png(folder / "a.png", grey(value))
        write_png(folder / "deep" / f"{value}.png", grey(10 * value))
    one, two, beside = made
    (one / "inside.png").symlink_to(one / "deep" / "1.png")
    (one / "outside.png").symlink_to(beside / "a.png")
    (one / "way out").symlink_to(beside, target_is_directory=True)
    return one, two, beside


def value(images: Images, path: str | Path) -> int:
    return int(images.read(str(path))[0, 0, 0])


@pytest.mark.parametrize("confined", [False, True])
def test_where_relative_paths_begin(folders: tuple[Path, Path, Path], confined: bool) -> None:
    one, two, _ = folders
    images = Images([one, two], {}, confined=confined)
    assert value(images, "a.png") == 1
    assert value(images, "deep/2.png") == 20
    assert value(images, "inside.png") == 10
    assert value(Images([two, one], {}, confined=confined), "a.png") == 2


def test_the_working_folder_is_where_they_begin_otherwise(
    folders: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, _ = folders
    monkeypatch.chdir(two)
    assert value(Images([], {}, confined=True), "a.png") == 2
    assert value(Images([], {}, confined=True), one / "a.png") == 1
    # A folder that is given as a relative path is one as well.
    monkeypatch.chdir(one.parent)
    assert value(Images([Path("one")], {}, confined=True), one / "a.png") == 1


@pytest.mark.parametrize("confined", [False, True])
def test_absolute_paths_and_urls_below_a_folder(
    folders: tuple[Path, Path, Path], confined: bool
) -> None:
    one, two, _ = folders
    images = Images([one, two], {}, confined=confined)
    assert value(images, two / "deep" / "2.png") == 20
    assert value(images, f"file://{one}/deep/1.png") == 10


ELSEWHERE: dict[str, Callable[[Path, Path], str]] = {
    "absolute": lambda one, beside: str(beside / "a.png"),
    "relative": lambda one, beside: "../beside/a.png",
    "absolute with dots": lambda one, beside: f"{one}/../beside/a.png",
    "symbolic link": lambda one, beside: "outside.png",
    "link of a folder": lambda one, beside: "way out/deep/3.png",
    "absolute link": lambda one, beside: str(one / "outside.png"),
    "file url": lambda one, beside: f"file://{beside}/a.png",
    "file url with dots": lambda one, beside: f"file://{one}/../beside/a.png",
    "file url with escapes": lambda one, beside: f"file://{one}/%2e%2e/beside/a.png",
    "name that begins alike": lambda one, beside: f"{one}-more/a.png",
    "other url": lambda one, beside: "memory://images-of-tests/a.png",
}


@pytest.mark.smoke
@pytest.mark.parametrize("kind", ELSEWHERE)
def test_nothing_elsewhere_is_read_where_folders_confine(
    folders: tuple[Path, Path, Path], kind: str
) -> None:
    one, two, beside = folders
    (one.parent / "one-more").mkdir()
    write_png(one.parent / "one-more" / "a.png", grey(4))
    open_storage("memory://images-of-tests").put("a.png", png_bytes(grey(3)))
    path = ELSEWHERE[kind](one, beside)
    with pytest.raises(DataError, match="not below a folder of images"):
        Images([one, two], {}, confined=True).read(path)
    if "escapes" not in kind:
        assert value(Images([one, two], {}), path) in (3, 4, 30)


def test_images_that_are_not_there(folders: tuple[Path, Path, Path]) -> None:
    one, two, _ = folders
    (one / "round.png").symlink_to(one / "round.png")
    for confined in (False, True):
        with pytest.raises(DataError, match=r"one/none.png: no image there"):
            Images([one, two], {}, confined=confined).read("none.png")
        for odd in ("n" * 5000, "a\0b", "round.png"):
            with pytest.raises(DataError):
                Images([one, two], {}, confined=confined).read(odd)
    with pytest.raises(NotFoundError):
        Images([], {}).read("memory://images-of-tests/none.png")
