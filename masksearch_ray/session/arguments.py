"""Checks of arguments, where they are first used: what is wrong is named, and what is wanted."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

from masksearch_ray.errors import InputError

__all__ = [
    "cache_limit",
    "check_bytes",
    "check_choice",
    "check_flag",
    "check_function",
    "check_mapping",
    "check_path",
    "check_pixels",
    "check_rows",
    "check_text",
    "check_work",
]

_MOST_THREADS = 1024
_CACHE_BYTES = "MASKSEARCH_CACHE_BYTES"
_SECRET = {"storage_options"}


def check_choice(*texts: str, **given: object) -> None:
    """Refuse what is none of some texts."""
    wanted = " or ".join(map(repr, texts))
    _check(lambda value: isinstance(value, str) and value in texts, wanted, given)


def check_flag(**given: object) -> None:
    """Refuse what is neither True nor False."""
    _check(lambda value: isinstance(value, bool | np.bool_), "True or False", given)


def check_path(**given: object) -> None:
    """Refuse what is neither a text nor a path."""
    _check(lambda value: isinstance(value, str | PathLike), "a text or a path", given)


def check_mapping(**given: object) -> None:
    """Refuse what is given and is no mapping from names."""
    _check(_or_none(_is_mapping), "values by name", given)


def check_work(*, progress: object, threads: object = None) -> None:
    """Refuse a progress that cannot be called, and a senseless number of threads."""
    _check(callable, "a function", {"progress": progress})
    wanted = f"a whole number from 1 to {_MOST_THREADS}"
    _check(
        _or_none(lambda n: _is_whole(n) and 1 <= n <= _MOST_THREADS), wanted, {"threads": threads}
    )


def check_function(**given: object) -> None:
    """Refuse what is given and cannot be called."""
    _check(_or_none(callable), "a function", given)


def check_text(**given: object) -> None:
    """Refuse what is given and is no text."""
    _check(_or_none(lambda value: isinstance(value, str)), "a text", given)


def check_pixels(*, shape: object, dtype: object) -> None:
    """Refuse what is given and is no size of masks, or no dtype to round to."""
    _check(_or_none(_is_shape), "two whole numbers (height, width)", {"shape": shape})
    if dtype is not None:
        check_choice("float16", "float32", dtype=dtype)


def check_rows(
    on: object, boxes: object, images: object, columns: object, storage_options: object
) -> None:
    """Refuse what says nothing of metadata that are to be joined."""
    check_text(on=on)
    check_path(images="" if images is None else images)
    check_mapping(boxes=boxes, columns=columns, storage_options=storage_options)
    _check(_or_none(_has_plain_values), "a finite number or a text for each", {"columns": columns})


def cache_limit(given: object) -> int | None:
    """Bytes of the cache on disk: as given, else as the environment says; None for neither."""
    name = "cache_bytes"
    if given is None and (text := os.environ.get(_CACHE_BYTES, "")):
        name, given = _CACHE_BYTES, int(text) if text.isdecimal() else text
    wanted = "a whole number of bytes, 0 or more,"
    _check(_or_none(lambda n: _is_whole(n) and n >= 0), wanted, {name: given})
    return given if given is None else int(given)  # type: ignore[call-overload]


def check_bytes(**given: object) -> None:
    """Refuse what is no number of bytes; None passes."""
    _check(
        _or_none(lambda n: _is_whole(n) and n >= 0), "a whole number of bytes, 0 or more,", given
    )


def _check(holds: Callable[[Any], bool], wanted: str, given: Mapping[str, object]) -> None:
    for name, value in given.items():
        if not holds(value):
            # Options hold secrets, also where they are given wrongly.
            told = f"a {type(value).__name__}" if name in _SECRET else f"{value!r:.60}"
            raise InputError(f"{name} = {told}: {wanted} wanted")


def _or_none(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or holds(value)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(name, str) for name in value)


def _has_plain_values(columns: Mapping[str, object]) -> bool:
    return all(
        isinstance(value, int | str) or (isinstance(value, float) and math.isfinite(value))
        for value in columns.values()
    )


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer)


def _is_shape(value: Any) -> bool:
    is_pair = isinstance(value, Sequence) and len(value) == 2
    return is_pair and all(_is_whole(side) and side > 0 for side in value)
