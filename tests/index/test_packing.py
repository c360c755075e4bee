"""Counts as bytes."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from masksearch_ray.index.packing import decode_counts, encode_counts
from masksearch_ray.kernels.packing import pack, unpack

Counts = npt.NDArray[np.unsignedinteger]


@st.composite
def counts(draw: st.DrawFn) -> Counts:
    """Counts of which many are zero, many full, the others small or of any size."""
    dtype = draw(st.sampled_from(["uint8", "uint16", "uint32"]))
    largest = int(np.iinfo(dtype).max)
    full = draw(st.integers(0, largest))
    low = draw(st.integers(0, full))
    high = draw(st.integers(low, full))
    one = st.one_of(st.just(0), st.just(full), st.integers(low, high))
    return draw(arrays.arrays(dtype, st.integers(0, 300), elements=one))


def unpacked(data: bytes, like: Counts) -> Counts:
    found = np.empty_like(like)
    unpack(data, found)
    return found


@given(counts())
@example(np.zeros(0, np.uint8))
@example(np.array([2**32 - 1, 0, 2**32 - 1, 1], np.uint32))
@example(np.array([2**32 - 1, 2**32 - 2, *[1] * 200], np.uint32))
@example(np.array([0] * 5000 + [7], np.uint16))
@example(np.array([7] * 5000 + [0, 3], np.uint16))
def test_counts_come_back(given_counts: Counts) -> None:
    assert (unpacked(pack(given_counts), given_counts) == given_counts).all()
    encoded = encode_counts(given_counts)
    found = decode_counts(encoded, given_counts.dtype.name, len(given_counts))
    assert found.dtype == given_counts.dtype and (found == given_counts).all()
    assert len(encoded) <= 1 + len(pack(given_counts))


@given(counts(), st.data())
def test_other_bytes_are_refused_or_counts(given_counts: Counts, data: st.DataObject) -> None:
    """Whatever the bytes, nothing beyond them is read and nothing beyond the counts written."""
    packed = bytearray(pack(given_counts))
    for _ in range(data.draw(st.integers(1, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    cut = packed[: data.draw(st.integers(0, len(packed)))]
    for changed in (packed, cut, data.draw(st.binary(max_size=40))):
        guarded = np.full(len(given_counts) + 64, 77, given_counts.dtype)
        with contextlib.suppress(ValueError):
            unpack(bytes(changed), guarded[32:-32])
        assert (guarded[:32] == 77).all() and (guarded[-32:] == 77).all()


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.8, 0.99])
def test_a_set_takes_hardly_more_than_its_entropy(share: float) -> None:
    flags = (np.random.default_rng(1).random(20000) < share).astype(np.uint8)
    p = flags.mean()
    entropy = len(flags) * -(p * np.log2(p) + (1 - p) * np.log2(1 - p)) / 8
    assert len(pack(flags)) < 1.03 * entropy + 12


def test_sparse_counts_are_packed_and_repeating_ones_compressed() -> None:
    random = np.random.default_rng(2)
    sparse = np.where(random.random(4096) < 0.1, random.integers(1, 1024, 4096), 0)
    dense = random.integers(0, 1024, 64)
    for some, how in ((sparse, 0), (np.tile(dense, 64), 1)):
        encoded = encode_counts(some.astype(np.uint16))
        assert encoded[0] == how
        assert len(encoded) < 1000
    assert encode_counts(np.zeros(4096, np.uint16)) == b"\x00\x00"


@pytest.mark.parametrize("wrong", [b"", b"\x02abc", b"\x00", b"\x01", b"\x01abc", b"\x00\xff" * 9])
def test_what_is_no_encoding_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"packed|frame"):
        decode_counts(wrong, "uint16", 5)
