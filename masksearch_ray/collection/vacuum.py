"""Removing what no version that is kept needs any more."""

from __future__ import annotations

import itertools
import math
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

from masksearch_ray.collection.journal import JournalInfo, list_journals
from masksearch_ray.collection.layout import DELETES, INDEXES, SEGMENTS, manifest_key
from masksearch_ray.collection.versions import list_versions, newest_version, read_manifest
from masksearch_ray.errors import InputError
from masksearch_ray.storage import Storage

__all__ = ["VacuumReport", "parse_age", "vacuum"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")


@dataclass(frozen=True)
class VacuumReport:
    """Versions and other objects removed, and bytes of the latter."""

    versions: int
    objects: int
    bytes: int


def parse_age(age: str | float) -> float:
    """Seconds of an age such as ``"7d"``, ``"12h"`` or a number of seconds.

    Raises
    ------
    InputError
        If it is none.
    """
    if isinstance(age, str):
        match = _AGE.fullmatch(age.strip())
        if not match:
            raise InputError(
                f"older_than = {age!r}: a number and s, m, h, d or w, as in 7d, wanted"
            )
        return float(match[1]) * _UNITS[match[2]]
    try:
        seconds = float(age)
    except (TypeError, ValueError):
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise InputError(f"older_than = {age!r}: seconds, or an age such as 7d, wanted")
    return seconds


def vacuum(
    storage: Storage, keep_versions: int = 10, older_than: str | float = "7d"
) -> VacuumReport:
    """Remove old versions, and objects that no kept version and no running ingest names.

    What killed writers left half-written goes, too.

    Parameters
    ----------
    storage : Storage
    keep_versions : int
        The newest versions, at least 1, that are kept whatever their age.
    older_than : str or float
        Grace: whatever is younger stays, for a writer may be about to commit it, and versions
        that were replaced later stay, for they may be read. No append, delete, compaction or
        query may take longer than this.

    Raises
    ------
    InputError
        If an argument makes no sense.
    CollectionError
        If there is no collection.
    """
    if not _is_whole(keep_versions) or keep_versions < 1:
        raise InputError(f"keep_versions = {keep_versions!r}: a whole number, at least 1, wanted")
    grace = parse_age(older_than)
    limit = time.time() - grace
    newest_version(storage)
    # Listed before the manifests are read: what is committed in between is named by one of them.
    candidates = [
        info
        for prefix in (SEGMENTS, DELETES, INDEXES)
        for info in storage.list(prefix)
        if info.modified < limit
    ]
    versions = list_versions(storage)
    # A version's age counts from when another took its place: until then readers opened it.
    young = [old for old, new in itertools.pairwise(versions) if new.modified >= limit]
    kept = [one for one in versions if one in young or one in versions[-keep_versions:]]
    named, ingested = _named_by_versions(storage, [one.version for one in kept])
    journals = list_journals(storage)
    dead = [journal for journal in journals if journal.modified < limit]
    for journal in journals:
        named.update(journal.segments if journal not in dead else ())
    # Versions and journals go first: who is interrupted leaves none that names what is gone.
    gone = [one.version for one in versions if one not in kept]
    for key in [manifest_key(version) for version in gone] + _unneeded(dead, ingested):
        storage.delete(key)
    doomed = [info for info in candidates if _name_in(info.key) not in named]
    for info in doomed:
        storage.delete(info.key)
    storage.remove_leftovers(grace)
    return VacuumReport(len(gone), len(doomed), sum(info.size for info in doomed))


def _is_whole(number: object) -> bool:
    return isinstance(number, int)


def _named_by_versions(storage: Storage, versions: Iterable[int]) -> tuple[set[str], set[str]]:
    """Segments and bitmaps that versions name, and segments that were ever ingested."""
    named, ingested = {"specs"}, set[str]()
    for version in versions:
        manifest = read_manifest(storage, version)
        for entry in manifest.segments:
            named.add(entry.id)
            if entry.deletes is not None:
                named.add(entry.deletes.name)
        for segments in manifest.ingests.values():
            ingested.update(segments)
    return named, ingested


def _unneeded(dead: Iterable[JournalInfo], ingested: set[str]) -> list[str]:
    """Keys in journals of dead ingests, but for the records of what they have committed."""
    kept = {
        key for journal in dead for segment, key in journal.segments.items() if segment in ingested
    }
    return [key for journal in dead for key in journal.keys if key not in kept]


def _name_in(key: str) -> str:
    """Segment or bitmap that a key belongs to."""
    return key.split("/")[1].removesuffix(".bin")
