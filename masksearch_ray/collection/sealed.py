"""Small records as JSON that carries its own checksum."""

from __future__ import annotations

import json
from typing import Any

import google_crc32c

from masksearch_ray.errors import DamagedError

__all__ = ["canonical", "seal", "unseal"]

_SEAL = "crc32c"


def canonical(record: object) -> bytes:
    """One spelling of a record: sorted keys, no blanks, ASCII."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def seal(record: dict[str, Any]) -> bytes:
    """Canonical JSON of `record` and, as one more key, the CRC32C of its canonical JSON."""
    return canonical({**record, _SEAL: google_crc32c.value(canonical(record))})


def unseal(data: bytes, object: str) -> dict[str, Any]:
    """Read what `seal` wrote.

    Parameters
    ----------
    data : bytes
    object : str
        URL of the object, for the error.

    Raises
    ------
    DamagedError
        If it is no such JSON, or its checksum does not fit.
    """
    try:
        record = json.loads(data.decode("ascii"))
        found = record.pop(_SEAL)
        wanted = google_crc32c.value(canonical(record))
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise DamagedError("is no record with a checksum", object) from error
    if found != wanted or not isinstance(record, dict):
        raise DamagedError("its checksum does not fit", object)
    return record
