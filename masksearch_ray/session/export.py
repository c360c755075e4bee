"""Answers as Parquet files, in a folder or an object store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from masksearch_ray.errors import InputError
from masksearch_ray.storage import open_storage
from masksearch_ray.storage.keys import check_key

__all__ = ["ParquetTarget"]


class ParquetTarget:
    """A Parquet file to be; made before the query runs, so that a senseless URL is refused first.

    Parameters
    ----------
    url : str
        Path, or a URL such as ``s3://bucket/answers/found.parquet``.
    storage_options : mapping, optional
        For object storage.

    Raises
    ------
    InputError
        It does not end in ``.parquet``, or there is no such kind of storage.
    """

    def __init__(self, url: str, storage_options: Mapping[str, Any] | None = None) -> None:
        folder, slash, name = url.rpartition("/")
        if not name.endswith(".parquet") or name == ".parquet":
            raise InputError(f"{url}: a name that ends in .parquet wanted")
        self.url = url
        self._key = check_key(name)
        self._storage = open_storage(folder or slash or ".", storage_options)

    def write(self, table: pa.Table) -> None:
        """Write an answer, in place of what was there, all at once.

        Raises
        ------
        StorageError
            It cannot be written.
        """
        # Not above: pyarrow.parquet takes a while to import.
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        self._storage.put(self._key, memoryview(sink.getvalue()))
