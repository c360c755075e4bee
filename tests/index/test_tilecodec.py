"""Tiles as bytes, and back to the last bit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from masksearch_ray.index.tilecodec import crc32c, decode_tiles, encode_tile
from masksearch_ray.kernels.predict import predict
from masksearch_ray.model.values import DTYPES


@given(st.data(), st.sampled_from(DTYPES))
def test_tiles_come_back(data: st.DataObject, dtype: str) -> None:
    shapes = data.draw(st.lists(st.tuples(*[st.integers(1, 9)] * 2), min_size=1, max_size=3))
    size = np.dtype(dtype).itemsize
    tiles = []
    for height, width in shapes:
        if dtype == "bool":
            tiles.append(data.draw(hnp.arrays(np.bool_, (height, width))))
        else:
            # Every bit pattern: quiet and signalling NaN, both zeros, subnormal numbers.
            length = height * width * size
            raw = data.draw(st.binary(min_size=length, max_size=length))
            tiles.append(np.frombuffer(raw, dtype).reshape(height, width))
    decoded = decode_tiles([encode_tile(tile) for tile in tiles], shapes, dtype, 9)
    assert decoded.dtype == dtype and decoded.shape == (len(tiles), 9, 9)
    for tile, (height, width), found in zip(tiles, shapes, decoded, strict=True):
        assert found[:height, :width].tobytes() == tile.tobytes()
        assert not found[height:].any() and not found[:, width:].any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_smooth_tiles_become_small(dtype: str) -> None:
    y, x = np.mgrid[:64, :64]
    smooth = 0.5 + 0.4 * np.sin(x / 20) * np.cos(y / 15)
    scale = {"uint8": 255, "uint16": 65535}.get(dtype, 1)
    tile = smooth > 0.5 if dtype == "bool" else (smooth * scale).astype(dtype)
    assert len(encode_tile(tile)) < 0.9 * len(encode_tile(np.random.default_rng(0).permuted(tile)))


def sealed(content: bytes) -> bytes:
    """A tile that holds some content."""
    frame = zstandard.ZstdCompressor(level=3).compress(content)
    return frame + crc32c(frame).to_bytes(4, "little")


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 16), (5, 9), (1, 3), (64, 64)])
def test_packed_tiles_lie_beside_others_and_those_of_older_collections(
    height: int, width: int
) -> None:
    shape, rng = (height, width), np.random.default_rng(height)
    # Without a step, small steps, some and many larger ones.
    smooth = [np.zeros(shape), np.add.outer(np.arange(height), np.arange(width)) // 3]
    few = np.where(rng.random(shape) < 0.1, 200, smooth[1])
    tiles = [tile.astype(np.uint8) for tile in (*smooth, few, rng.integers(0, 256, shape))]
    older = [sealed(predict(tile, np.array([[0, 0, width, height]])).tobytes()) for tile in tiles]
    frames = [*map(encode_tile, tiles), *older]
    side = max(shape)
    decoded = decode_tiles(frames, [shape] * len(frames), "uint8", side)
    for found, tile in zip(decoded, tiles * 2, strict=True):
        assert (found[:height, :width] == tile).all()


@pytest.mark.parametrize("width", [8, 9])
def test_a_packed_tile_says_how_many_others_it_has(width: int) -> None:
    quads = bytearray(2 * width)
    quads[3] = 0b10  # the fourth of the first row
    expected = np.zeros((8, width), np.uint8)
    expected[:, 3:] = 77
    shapes = [(8, width)]
    found = decode_tiles([sealed(bytes(quads) + b"M")], shapes, "uint8", width)
    assert (found[0, :8] == expected).all()
    quads[3] = 0b10 << 6
    for content in (quads, quads + b"MM", quads[:-1], bytes(8 * width + 1)):
        with pytest.raises(ValueError, match="a compressed frame"):
            decode_tiles([sealed(bytes(content))], shapes, "uint8", width)
    # One of a row that the tile does not have.
    quads = bytearray(2 * width)
    quads[width] = 0b10 << 6
    with pytest.raises(ValueError, match="a compressed frame"):
        decode_tiles([sealed(bytes(quads) + b"M")], [(7, width)], "uint8", width)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_wider_pixels_are_never_packed(dtype: str) -> None:
    with pytest.raises(ValueError, match="a compressed frame of 16 bytes"):
        decode_tiles([sealed(bytes(16))], [(8, 8)], dtype, 8)


def test_a_view_of_a_mask_can_be_encoded() -> None:
    mask = np.random.default_rng(3).integers(0, 256, (20, 30), np.uint8)
    tile = mask[3:12:2, 25:10:-3]
    assert (decode_tiles([encode_tile(tile)], [(5, 5)], "uint8", 5)[0] == tile).all()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_flipped_byte_is_noticed(dtype: str) -> None:
    tile = np.random.default_rng(1).random((8, 8)).astype(dtype)
    frame = encode_tile(tile)
    for place in range(len(frame)):
        damaged = bytearray(frame)
        damaged[place] ^= 0x41
        with pytest.raises(ValueError, match="checksum"):
            decode_tiles([bytes(damaged)], [(8, 8)], dtype, 8)
    for length in range(len(frame)):
        with pytest.raises(ValueError, match="checksum"):
            decode_tiles([frame[:length]], [(8, 8)], dtype, 8)


def test_a_tile_of_another_size_is_refused() -> None:
    frame = encode_tile(np.zeros((8, 8), np.uint8))
    for shape in ((8, 7), (8, 9)):
        with pytest.raises(ValueError, match="frame"):
            decode_tiles([frame], [shape], "uint8", 9)


@pytest.mark.parametrize(("dtype", "side"), [("uint8", 16), ("uint8", 13), ("float16", 8)])
def test_many_tiles_come_back_in_order(dtype: str, side: int) -> None:
    rng = np.random.default_rng(4)
    tiles = rng.integers(0, 256, (300, side, side)).astype(dtype)
    shapes = [(int(h), int(w)) for h, w in rng.integers(1, side + 1, (300, 2))]
    frames = [encode_tile(tile[:h, :w]) for tile, (h, w) in zip(tiles, shapes, strict=True)]
    for found, tile, (h, w) in zip(
        decode_tiles(frames, shapes, dtype, side), tiles, shapes, strict=True
    ):
        assert (found[:h, :w] == tile[:h, :w]).all()
        assert not found[h:].any() and not found[:, w:].any()


@pytest.mark.parametrize("place", [0, 150, 299])
def test_one_bad_tile_among_many_is_noticed(place: int) -> None:
    tiles = np.random.default_rng(5).integers(0, 256, (300, 8, 8), np.uint8)
    frames, shapes = [encode_tile(tile) for tile in tiles], [(8, 8)] * 300
    other = encode_tile(np.zeros((8, 7), np.uint8))
    no_frame = b"no frame"
    for wrong, text in (
        (frames[place][:-1], "the checksum of a tile is wrong"),
        (other, "a compressed frame of 14 bytes holds no tile of 8 x 8"),
        (encode_tile(np.zeros((9, 8), np.uint8)), "a compressed frame"),
        (no_frame + crc32c(no_frame).to_bytes(4, "little"), "a compressed frame cannot be read"),
    ):
        with pytest.raises(ValueError, match=text):
            decode_tiles([*frames[:place], wrong, *frames[place + 1 :]], shapes, "uint8", 8)


@pytest.mark.parametrize("cores", [1, 2])
def test_only_as_many_threads_decode_as_arrow_may_use(
    cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []

    def threads(process: int) -> ThreadPoolExecutor:
        used.append(process)
        return ThreadPoolExecutor(cores)

    monkeypatch.setattr(pa, "cpu_count", lambda: cores)
    monkeypatch.setattr("masksearch_ray.index.tilecodec._threads", threads)
    tile = np.arange(64, dtype=np.uint8).reshape(8, 8)
    decoded = decode_tiles([encode_tile(tile)] * 300, [(8, 8)] * 300, "uint8", 8)
    assert (decoded == tile).all()
    assert len(used) == cores - 1


def test_threads_do_not_disturb_each_other() -> None:
    rng = np.random.default_rng(2)
    tiles = rng.integers(0, 256, (64, 32, 32), np.uint8)

    def there_and_back(tile: np.ndarray) -> bool:
        return all(
            (decode_tiles([encode_tile(tile)], [(32, 32)], "uint8", 32)[0] == tile).all()
            for _ in range(20)
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(there_and_back, tiles))
