"""Masks in folders and files of .npy, .npz, .png and .tif."""

from __future__ import annotations

import io
import itertools
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from masksearch_ray.collection.sources import open_source
from masksearch_ray.collection.sources.types import BATCH_BYTES, Source
from masksearch_ray.errors import DataError
from masksearch_ray.storage import MemoryStorage, Storage, open_storage

_numbers = itertools.count()
RNG = np.random.default_rng(7)


@pytest.fixture(params=["folder", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty place for files."""
    if request.param == "folder":
        return str(tmp_path / "maps")
    return f"memory://files-{next(_numbers)}/maps"


def npy(array: np.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz(**arrays: np.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def picture(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def gray(array: np.ndarray[Any, Any], kind: str = "PNG", **options: Any) -> bytes:
    return picture(Image.fromarray(array), kind, **options)


def fill(url: str, files: Mapping[str, bytes]) -> Storage:
    storage = open_storage(url)
    for key, data in files.items():
        storage.put(key, data)
    return storage


def read(source: Source, done: Container[str] = ()) -> dict[str, np.ndarray[Any, Any]]:
    found: dict[str, np.ndarray[Any, Any]] = {}
    for batch in source.batches(done):
        assert len(batch.keys) == len(batch.masks)
        found.update(zip(batch.keys, batch.masks, strict=True))
    return found


def refused(url: str, files: Mapping[str, bytes]) -> str:
    fill(url, files)
    with pytest.raises(DataError) as caught:
        read(open_source(url))
    return str(caught.value)


U8 = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
U16 = RNG.integers(0, 65536, (4, 6), dtype=np.uint16)
F32 = RNG.random((3, 8), dtype=np.float32)
BITS = RNG.random((6, 5)) < 0.5
STACK = RNG.random((3, 4, 5)).astype(np.float16)

FILES = {
    "b.npy": (npy(U8), {"b.npy": U8}),
    "stack.npy": (npy(STACK), {f"stack.npy#{i}": mask for i, mask in enumerate(STACK)}),
    "columns.npy": (npy(np.asfortranarray(F32)), {"columns.npy": F32}),
    "scattered.npy": (
        npy(np.asfortranarray(STACK)),
        {f"scattered.npy#{i}": mask for i, mask in enumerate(STACK)},
    ),
    "big-endian.npy": (npy(U16.astype(">u2")), {"big-endian.npy": U16}),
    "deep/two.npz": (npz(one=U8, two=BITS), {"deep/two.npz#one": U8, "deep/two.npz#two": BITS}),
    "8.png": (gray(U8), {"8.png": U8}),
    "16.PNG": (gray(U16), {"16.PNG": U16}),
    "1.png": (gray(BITS), {"1.png": BITS}),
    "f.tif": (gray(F32, "TIFF"), {"f.tif": F32}),
    "8.tiff": (gray(U8, "TIFF", compression="tiff_lzw"), {"8.tiff": U8}),
    "16.tif": (gray(U16, "TIFF"), {"16.tif": U16}),
    "1.tif": (gray(BITS, "TIFF"), {"1.tif": BITS}),
    "pages.tif": (
        picture(
            Image.fromarray(U8),
            "TIFF",
            save_all=True,
            append_images=[Image.fromarray(U8[::-1].copy())],
        ),
        {"pages.tif#0": U8, "pages.tif#1": U8[::-1]},
    ),
}


@pytest.mark.smoke
@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file(root: str, name: str) -> None:
    data, masks = FILES[name]
    fill(root, {name: data})
    found = read(open_source(root))
    assert list(found) == list(masks)
    for key, mask in masks.items():
        assert found[key].dtype == mask.dtype
        assert found[key].dtype.isnative
        np.testing.assert_array_equal(found[key], mask)


def test_a_folder_is_read_in_the_order_of_its_paths_and_skips_what_is_done(root: str) -> None:
    fill(
        root, {name: data for name, (data, _) in FILES.items()} | {"notes.txt": b"", ".b.npy": b""}
    )
    source = open_source(root)
    assert source.files == sorted(FILES)
    found = read(source)
    paths = [key.partition("#")[0] for key in found]
    assert paths == sorted(paths)
    assert len(found) == sum(len(masks) for _, masks in FILES.values())
    done = {"b.npy", "stack.npy#1", "deep/two.npz#one", "pages.tif#0", "scattered.npy#2"}
    assert list(read(source, done)) == [key for key in found if key not in done]


def test_four_bit_pixels_keep_their_place_in_the_domain(root: str) -> None:
    array = np.arange(16, dtype=np.uint8).reshape(2, 8)
    image = Image.fromarray(array * 17)
    fill(root, {"4.png": picture(image, "PNG", bits=4)})
    np.testing.assert_array_equal(read(open_source(root))["4.png"], array * 17)


def test_one_file(root: str) -> None:
    fill(root, {"a.npy": npy(U8), "a.npy.npy": npy(U8), "b.npy": npy(U8)})
    assert list(read(open_source(f"{root}/a.npy"))) == ["a.npy"]


def test_a_prefix_in_an_object_store_and_a_slip_in_a_folder(tmp_path: Path) -> None:
    url = f"memory://prefix-{next(_numbers)}/maps"
    fill(url, {"run1-a.npy": npy(U8), "run1-b.npy": npy(U8), "run2-a.npy": npy(U8)})
    assert list(read(open_source(f"{url}/run1"))) == ["run1-a.npy", "run1-b.npy"]
    fill(str(tmp_path), {"run1-a.npy": npy(U8)})
    with pytest.raises(DataError, match="nothing there"):
        open_source(str(tmp_path / "run1"))


def test_a_bare_bucket_is_a_source() -> None:
    url = f"memory://bucket-{next(_numbers)}"
    fill(url, {"a.npy": npy(U8)})
    assert list(read(open_source(url))) == ["a.npy"]


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({"a.npy": npy(U8), "b.npy": npy(U16)}, 2),
        ({"a.npy": npy(np.zeros((40, 30, 30), np.uint8))}, 40),
        ({"a.png": gray(U8), "b.npy": npy(U8)}, 2),
        ({"a.npz": npz(x=U8)}, None),
    ],
)
def test_expected_number(root: str, files: dict[str, bytes], count: int | None) -> None:
    fill(root, files)
    assert open_source(root).expected() == count


def test_a_large_stack_is_read_by_ranges_and_only_where_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = f"memory://stack-{next(_numbers)}"
    side = 1024
    stack = np.zeros((40, side, side), np.uint8)
    stack += np.arange(40, dtype=np.uint8)[:, None, None]
    assert stack.nbytes > 2 * BATCH_BYTES
    fill(url, {"s.npy": npy(stack)})
    ranges: list[int] = []
    inner = MemoryStorage.get_ranges

    def get_ranges(self: MemoryStorage, key: str, wanted: Any) -> Any:
        ranges.extend(stop - start for start, stop in wanted)
        return inner(self, key, wanted)

    monkeypatch.setattr(MemoryStorage, "get_ranges", get_ranges)
    monkeypatch.delattr(MemoryStorage, "get")
    found = read(open_source(url), {f"s.npy#{i}" for i in range(16)})
    assert max(ranges) <= BATCH_BYTES
    assert sum(ranges) < 25 * side * side
    assert [int(mask[0, 0]) for mask in found.values()] == list(range(16, 40))


def test_files_are_decoded_only_a_little_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"memory://lazy-{next(_numbers)}"
    fill(url, {f"{i:04}.npy": npy(np.zeros((4, 4), np.uint8)) for i in range(2000)})
    reads: list[str] = []
    inner = MemoryStorage.get

    def get(self: MemoryStorage, key: str) -> bytes:
        reads.append(key)
        return inner(self, key)

    monkeypatch.setattr(MemoryStorage, "get", get)
    batches: Iterator[Any] = iter(open_source(url).batches())
    next(batches)
    assert len(reads) < 400
    batches.close()  # type: ignore[attr-defined]
    before = len(reads)
    assert before < 400


ANIMATED = picture(
    Image.fromarray(U8), "PNG", save_all=True, append_images=[Image.fromarray(U8[::-1].copy())]
)

BAD = {
    "object.npy": (npy(np.array([[{}]], dtype=object)), "never unpickled"),
    "cut.npy": (npy(U8)[:-1], "truncated"),
    "head.npy": (npy(U8)[:40], "not a .npy file, or a damaged one"),
    "empty.npy": (b"", "not a .npy file"),
    "text.npy": (b"hello, this is no array at all", "not a .npy file"),
    "flat.npy": (npy(np.zeros(4)), r"shape (4,)"),
    "deep.npy": (npy(np.zeros((2, 2, 2, 2), np.uint8)), "(N, height, width) wanted"),
    "cut.npz": (npz(x=U8)[:-30], "not a .npz file"),
    "empty.npz": (b"", "not a .npz file"),
    "object.npz": (npz(x=np.array([[{}]], dtype=object)), "array 'x'"),
    "rgb.png": (picture(Image.new("RGB", (4, 4)), "PNG"), "a RGB picture"),
    "rgba.png": (picture(Image.new("RGBA", (4, 4)), "PNG"), "a RGBA picture"),
    "la.png": (picture(Image.new("LA", (4, 4)), "PNG"), "gray with transparency"),
    "palette.png": (picture(Image.new("P", (4, 4)), "PNG"), "a palette picture"),
    "animated.png": (ANIMATED, "animated"),
    "cut.png": (gray(RNG.integers(0, 256, (50, 50), dtype=np.uint8))[:1000], "truncated"),
    "head.png": (gray(U8)[:20], "truncated"),
    "jpeg.png": (gray(U8, "JPEG"), "not a .png file"),
    "rgb.tif": (picture(Image.new("RGB", (4, 4)), "TIFF"), "mode RGB, 8+8+8 bits"),
    "int.tif": (gray(np.zeros((4, 4), np.int32), "TIFF"), "mode I, 32 bits"),
    "cut.tif": (gray(RNG.random((50, 50), dtype=np.float32), "TIFF")[:3000], "truncated"),
    "text.tif": (b"no picture", "unreadable"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named(root: str, name: str) -> None:
    data, words = BAD[name]
    text = refused(root, {"a.npy": npy(U8), name: data})
    assert text.startswith(f"{open_storage(root).url}/{name}: ")
    assert words in text


def test_a_damaged_member_is_named(root: str) -> None:
    stored = io.BytesIO()
    np.savez(stored, one=U8, two=U8)
    data = bytearray(stored.getvalue())
    at = bytes(data).rindex(U8.tobytes())
    data[at] ^= 1
    text = refused(root, {"a.npz": bytes(data)})
    assert "a.npz: array 'two' is unreadable" in text


def test_a_header_that_claims_too_much_is_refused_without_reading_on(root: str) -> None:
    honest = npy(np.zeros((10, 10), np.uint8))
    lies = honest.replace(b"(10, 10), }     ", b"(10999999, 9), }")
    assert lies != honest
    assert "truncated" in refused(root, {"a.npy": lies})


def test_nothing_there(root: str) -> None:
    with pytest.raises(DataError, match="nothing there"):
        open_source(root)
    fill(root, {"notes.txt": b"x"})
    with pytest.raises(DataError, match="no masks there"):
        open_source(root)
