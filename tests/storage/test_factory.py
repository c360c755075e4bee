from __future__ import annotations

import sys

import pytest

from masksearch_ray.errors import InputError
from masksearch_ray.storage import (
    LocalStorage,
    MemoryStorage,
    RetryingStorage,
    is_remote,
    open_storage,
)


def test_schemes() -> None:
    assert isinstance(open_storage("/data/masks"), LocalStorage)
    assert isinstance(open_storage("FILE:///data/masks"), LocalStorage)
    assert isinstance(open_storage("Memory://x"), MemoryStorage)
    storage = open_storage("S3://bucket/masks/", {"anon": True})
    assert isinstance(storage, RetryingStorage)
    assert storage.url == "s3://bucket/masks"
    assert storage.describe() == ("s3://bucket/masks", {"anon": True})


def test_what_is_asked_over_a_network_is_remote() -> None:
    for url in ("s3://bucket/masks", "S3://bucket", "gs://bucket/masks", "az://bucket"):
        assert is_remote(url)
    for url in ("/data/masks", "file:///data", "memory://x", "s3-masks/folder"):
        assert not is_remote(url)


@pytest.mark.parametrize("url", ["http://host/masks", "s4://bucket", "hdfs://x", "c+d.e-f://x"])
def test_an_unknown_scheme_is_told_the_known_ones(url: str) -> None:
    accepted = "a path, file://, memory://, s3://, gs://, az://"
    with pytest.raises(InputError, match=f"unknown scheme .* accepted: {accepted}"):
        open_storage(url)


@pytest.mark.parametrize("url", ["", "s3://", "s3:///masks/../x", "s3://bucket/../x"])
def test_urls_that_cannot_be(url: str) -> None:
    with pytest.raises(InputError):
        open_storage(url)


def test_options_are_for_remote_storage() -> None:
    with pytest.raises(InputError, match="remote"):
        open_storage("/data/masks", {"key": "x"})


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(InputError, match="needs the package gcsfs"):
        open_storage("gs://bucket/masks")
