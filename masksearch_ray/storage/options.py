"""Options of a store's client, which hold secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["StorageOptions", "redact"]

# Names whose values may be shown: they say where and how, not who.
_SHOWN = {"anon", "endpoint_url", "profile", "region", "region_name", "requester_pays", "use_ssl"}

_QUERY = re.compile(r"(\bhttps?://[^\s?\"']*)\?[^\s\"']*")
_USER = re.compile(r"(\bhttps?://)[^\s/@\"']+@")


class StorageOptions(dict[str, Any]):
    """Options, of which only those that are no secret are ever printed."""

    def __repr__(self) -> str:
        shown = (
            f"{name!r}: {redact(repr(value)) if name in _SHOWN else repr('***')}"
            for name, value in self.items()
        )
        return f"{{{', '.join(shown)}}}"

    __str__ = __repr__

    def __reduce__(self) -> tuple[Any, ...]:
        return StorageOptions, (dict(self),)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every text that must not be shown, at any depth."""
        return tuple(_texts(self))


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Take secrets, users and queries of URLs out of a text: a query may be a signature."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return _USER.sub(r"\1***@", _QUERY.sub(r"\1?***", text))


def _texts(options: Mapping[str, Any]) -> Iterable[str]:
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _texts(value)
        elif isinstance(value, str) and name not in _SHOWN and len(value) >= 6:
            yield value
