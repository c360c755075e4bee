"""Names of the objects of a collection."""

from __future__ import annotations

import re
import uuid

__all__ = [
    "DELETES",
    "INDEX",
    "INDEXES",
    "INGESTS",
    "MANIFESTS",
    "ROWS",
    "SEGMENTS",
    "TILES",
    "delete_key",
    "is_name",
    "manifest_key",
    "manifest_version",
    "new_name",
    "part_key",
    "segment_key",
    "spec_key",
]

MANIFESTS = "manifests/"
SEGMENTS = "segments/"
DELETES = "deletes/"
INDEXES = "indexes/"
INGESTS = "ingests/"

ROWS = "rows.parquet"
TILES = "tiles.bin"
INDEX = "index.arrow"

_MANIFEST = re.compile(r"manifests/(\d{20})\.json")
_NAME = re.compile(r"[0-9a-f]{32}")


def new_name() -> str:
    """Name that nothing else bears: 32 hexadecimal digits."""
    return uuid.uuid4().hex


def is_name(text: object) -> bool:
    """Whether `text` is such a name; whatever else stands in a manifest is no key."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def manifest_key(version: int) -> str:
    """Key of a version's manifest."""
    return f"{MANIFESTS}{version:020d}.json"


def manifest_version(key: str) -> int | None:
    """Version that a key names; None where it is no manifest's."""
    match = _MANIFEST.fullmatch(key)
    return int(match[1]) if match else None


def segment_key(segment: str, object: str) -> str:
    """Key of one object of a segment."""
    return f"{SEGMENTS}{segment}/{object}"


def delete_key(name: str) -> str:
    """Key of a deletion bitmap."""
    return f"{DELETES}{name}.bin"


def part_key(segment: str, spec: str) -> str:
    """Key of an index part built later; `spec` is the hash of what it holds."""
    return f"{INDEXES}{segment}/{spec}.arrow"


def spec_key(spec: str) -> str:
    """Key of the record that says what index parts of this hash hold."""
    return f"{INDEXES}specs/{spec}.json"
