"""Manifests are read as they were written; whatever else lies there is refused."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masksearch_ray.collection import BOX, BOXES, create_collection, open_manifest
from masksearch_ray.collection.layout import manifest_key
from masksearch_ray.collection.manifest import (
    BlockEntry,
    DeleteEntry,
    Manifest,
    ObjectEntry,
    SegmentEntry,
    SegmentSizes,
)
from masksearch_ray.collection.manifest_json import FORMAT, decode_manifest, encode_manifest
from masksearch_ray.collection.sealed import seal, unseal
from masksearch_ray.collection.specs import IndexSpec, edges_of
from masksearch_ray.errors import CollectionError, DamagedError, InputError
from masksearch_ray.model.grid import BlockShape
from masksearch_ray.model.roi import (
    Box,
    BoxColumn,
    BoxListColumn,
    FullImage,
    Outside,
    Polygon,
    Roi,
)
from masksearch_ray.model.values import DTYPES, Domain
from tests.collection.helpers import memory

ROWS = st.integers(1, 10_000)
CRCS = st.integers(0, 2**32 - 1)
IDS = st.integers(-(2**63), 2**63 - 1)
NAMES = st.uuids().map(lambda name: name.hex)
NUMBERS = st.floats(-1e300, 1e300)
ROIS: st.SearchStrategy[Roi] = st.recursive(
    st.one_of(
        st.just(FullImage()),
        st.builds(Box, *[st.integers(-(2**31), 2**31)] * 4),
        st.builds(BoxColumn, st.text(max_size=5)),
        st.builds(BoxListColumn, st.text(max_size=5)),
        st.lists(st.tuples(NUMBERS, NUMBERS), min_size=3, max_size=4).map(
            lambda points: Polygon(tuple(points))
        ),
    ),
    lambda inner: st.builds(Outside, inner),
    max_leaves=3,
)
BLOCKS = st.builds(
    BlockEntry,
    st.builds(BlockShape, ROWS, ROWS, st.sampled_from(DTYPES)),
    ROWS,
    st.booleans(),
    ROWS,
    ROWS,
)
SIZES = st.builds(SegmentSizes, *[st.integers(0, 2**40)] * 6)


@st.composite
def segments(draw: st.DrawFn) -> SegmentEntry:
    blocks = tuple(draw(st.lists(BLOCKS, min_size=1, max_size=3)))
    rows = sum(block.rows for block in blocks)
    return SegmentEntry(
        id=draw(NAMES),
        kind=draw(st.sampled_from(["stored", "registered"])),
        rows=rows,
        id_base=draw(st.none() | IDS),
        id_min=draw(IDS),
        id_max=draw(IDS),
        image_min=draw(st.none() | IDS | st.text()),
        image_max=draw(st.none() | IDS | st.text()),
        blocks=blocks,
        objects=draw(
            st.dictionaries(
                st.sampled_from(["rows.parquet", "tiles.bin", "index.arrow"]),
                st.builds(ObjectEntry, ROWS, CRCS),
            )
        ),
        deletes=draw(st.none() | st.builds(DeleteEntry, NAMES, st.integers(1, rows), CRCS)),
        sizes=draw(SIZES),
    )


SCHEMAS = st.lists(
    st.tuples(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4),
        st.sampled_from(
            [pa.int64(), pa.string(), BOX, BOXES, pa.null(), pa.timestamp("us", "UTC")]
        ),
    ),
    unique_by=lambda column: column[0],
    max_size=4,
).map(lambda columns: pa.schema([pa.field(*column) for column in columns]))

MANIFESTS = st.builds(
    Manifest,
    version=ROWS,
    uuid=NAMES,
    created=st.text(max_size=9),
    kind=st.just("mask"),
    domain=st.just(Domain(-0.1, 2e-7)),
    nan=st.sampled_from(["reject", "keep"]),
    spec=st.builds(
        IndexSpec,
        st.none() | st.integers(1, 64),
        st.lists(NUMBERS, max_size=4).map(tuple),
        st.just("auto") | st.lists(ROIS, max_size=3).map(tuple),
    ),
    schema=SCHEMAS,
    segments=st.lists(segments(), max_size=3, unique_by=lambda entry: entry.id).map(tuple),
    next_id=st.integers(0, 2**63),
    ingests=st.dictionaries(NAMES, st.lists(NAMES, max_size=2).map(tuple), max_size=2),
)


@given(MANIFESTS)
def test_a_manifest_is_read_as_it_was_written(manifest: Manifest) -> None:
    assert decode_manifest(encode_manifest(manifest), "here") == manifest


def one() -> dict[str, Any]:
    """A manifest's record, to be spoilt."""
    entry = SegmentEntry(
        id=uuid.uuid4().hex,
        kind="stored",
        rows=2,
        id_base=0,
        id_min=0,
        id_max=1,
        image_min=None,
        image_max=None,
        blocks=(BlockEntry(BlockShape(4, 4, "uint8"), 2, False, 0, 10),),
        objects={"rows.parquet": ObjectEntry(1, 2)},
        deletes=DeleteEntry(uuid.uuid4().hex, 1, 2),
        sizes=SegmentSizes(),
    )
    storage = memory()
    manifest = replace(create_collection(storage), segments=(entry,))
    return unseal(encode_manifest(manifest), "here")


def spoilt(path: str, value: Any) -> bytes:
    record = one()
    *parents, last = path.split("/")
    place: Any = record
    for name in parents:
        place = place[int(name) if isinstance(place, list) else name]
    if value is KeyError:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return seal(record)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", KeyError),
        ("version", "1"),
        ("version", -1),
        ("version", True),
        ("uuid", "../../etc/passwd"),
        ("kind", "feature map"),
        ("domain", [1.0, 0.0]),
        ("domain", [0.0]),
        ("nan", "maybe"),
        ("spec", None),
        ("spec/cell", 0),
        ("spec/edges", ["a"]),
        ("spec/rois", [{"form": "circle"}]),
        ("spec/rois", [{"form": "box", "box": [1, 2, 3]}]),
        ("schema", "AAAA"),
        ("schema", "not base64"),
        ("segments", None),
        ("segments", {"0": {}}),
        ("segments/0/id", "../secrets"),
        ("segments/0/id", 7),
        ("segments/0/kind", "virtual"),
        ("segments/0/rows", 3),
        ("segments/0/rows", 2.0),
        ("segments/0/blocks/0/shape/dtype", "object"),
        ("segments/0/blocks/0/shape/height", 0),
        ("segments/0/blocks/0/nan", "no"),
        ("segments/0/objects", {"../rows.parquet": {"size": 1, "crc32c": 2}}),
        ("segments/0/objects/rows.parquet/size", -1),
        ("segments/0/deletes/name", "x"),
        ("segments/0/deletes/count", 3),
        ("segments/0/sizes/more", 3),
        ("segments/0/image", [1.5, None]),
        ("next_id", None),
        ("ingests", {"x": []}),
        ("format", 0),
        ("format", "1"),
    ],
)
def test_what_is_no_manifest_is_named(path: str, value: Any) -> None:
    with pytest.raises(DamagedError, match=r"^here: is no manifest"):
        decode_manifest(spoilt(path, value), "here")


def test_a_segment_named_twice_is_no_manifest() -> None:
    record = one()
    record["segments"] *= 2
    with pytest.raises(DamagedError, match="named twice"):
        decode_manifest(seal(record), "here")


def test_an_older_format_is_read() -> None:
    record = one()
    assert record["format"] == FORMAT
    older = decode_manifest(seal({**record, "format": 1}), "here")
    assert older == decode_manifest(seal(record), "here")


def test_a_newer_format_is_told_from_damage() -> None:
    record = {"format": FORMAT + 1, "whatever": "it holds"}
    with pytest.raises(CollectionError, match=f"format {FORMAT + 1} by a newer version"):
        decode_manifest(seal(record), "here")
    broken = seal(record).replace(b"whatever", b"whenever")
    with pytest.raises(DamagedError, match="checksum"):
        decode_manifest(broken, "here")


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"null", b"7", b'"crc32c"', b'{"crc32c": "x"}', b"\xff", b"[" * 100_000,
     b'{"crc32c":1,"x":NaN}', b'{"crc32c":1,"x":1e999}'],
)  # fmt: skip
def test_what_is_no_record_is_named(data: bytes) -> None:
    with pytest.raises(DamagedError, match=r"^here: "):
        decode_manifest(data, "here")


def test_a_manifest_under_another_version_is_noticed() -> None:
    storage = memory()
    create_collection(storage)
    storage.put(manifest_key(2), storage.get(manifest_key(1)))
    with pytest.raises(DamagedError, match="holds version 1"):
        open_manifest(storage)


def test_a_person_can_read_a_manifest() -> None:
    record = json.loads(
        encode_manifest(
            Manifest(
                version=1,
                uuid=uuid.uuid4().hex,
                created="2026-01-01",
                kind="mask",
                domain=Domain(),
                nan="reject",
                spec=IndexSpec(None, (0.0, 1.0)),
                schema=pa.schema([("label", pa.int64())]),
            )
        )
    )
    assert (record["version"], record["columns"]) == (1, {"label": "int64"})


@pytest.mark.parametrize(
    "settings",
    [
        {"domain": (1.0, 0.0)},
        {"domain": (0.0, float("inf"))},
        {"nan": "drop"},
        {"cell": 0},
        {"cell": 10**6},
        {"bins": 0},
        {"bins": 10**9},
        {"bins": [0.0, 0.5]},
        {"bins": [0.0, 0.7, 0.3, 1.0]},
        {"bins": [0.0, float("nan"), 1.0]},
        {"bins": []},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    storage = memory()
    with pytest.raises(InputError):
        create_collection(storage, **settings)
    assert not list(storage.list())


def test_edges_by_hand_and_by_count() -> None:
    assert edges_of([0, 0.25, 1], Domain()) == (0.0, 0.25, 1.0)
    assert edges_of(20, Domain())[12] == 0.6
