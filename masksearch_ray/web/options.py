"""How the page is served."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from masksearch_ray.errors import InputError

__all__ = ["ServeOptions", "is_loopback"]


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own, out of reach of all others."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class ServeOptions:
    """How the page is served.

    Parameters
    ----------
    url : str
        Of the collection.
    how : mapping
        Further arguments of `masksearch_ray.open`.
    images : tuple of Path
        Folders in which relative paths of images begin, by default the working folder; where there
        are any, no image is read that does not lie below one of them.
    image_options : mapping
        Options of the storage where images are URLs.
    host : str
        Address to listen at.
    port : int
        0 for any that is free.
    token : str, optional
        Without it in the URL, nothing is shown. Must be given where others can reach the host.
    seconds : float
        After which a query is given up.
    rows : int
        Most rows of an answer that are kept and shown.
    queries : int
        Queries that run at once; others wait.
    picture_bytes : int
        Memory for pictures that were drawn.
    """

    url: str
    how: Mapping[str, Any] = field(default_factory=dict)
    images: tuple[Path, ...] = ()
    image_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = field(default=None, repr=False)
    seconds: float = 60.0
    rows: int = 100_000
    queries: int = 4
    picture_bytes: int = 64 << 20

    def __post_init__(self) -> None:
        if not 0 <= self.port < 1 << 16:
            raise InputError(f"port {self.port}: 0 to {(1 << 16) - 1} wanted")
        if self.seconds <= 0 or self.rows < 1 or self.queries < 1:
            raise InputError("seconds, rows and queries: more than 0 wanted")
        if self.token is not None and not self.token.strip():
            raise InputError("token: it must not be empty")
        if self.token is None and not is_loopback(self.host):
            raise InputError(f"host {self.host}: others reach it, so a token is wanted")
        for folder in self.images:
            if not folder.is_dir():
                raise InputError(f"images {folder}: no such folder")
