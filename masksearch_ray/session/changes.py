"""What changes a collection: adding masks, deleting rows, building indexes, tidying up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike, fspath
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from masksearch_ray.collection.indexing import BuildReport, build_index
from masksearch_ray.collection.ingest import ingest
from masksearch_ray.collection.ingest_run import IngestReport
from masksearch_ray.collection.maintain import CompactReport, DeleteReport, compact, delete
from masksearch_ray.collection.manifest import Manifest
from masksearch_ray.collection.metadata import BoxSource, RowOptions
from masksearch_ray.collection.reader import SegmentReader
from masksearch_ray.collection.register import register
from masksearch_ray.collection.vacuum import VacuumReport, vacuum
from masksearch_ray.collection.versions import open_manifest
from masksearch_ray.collection.writer import AppendReport, append
from masksearch_ray.errors import InputError
from masksearch_ray.execute.columns import interval_of
from masksearch_ray.execute.evaluate import evaluate
from masksearch_ray.execute.interval import Interval
from masksearch_ray.model.progress import Progress, silent
from masksearch_ray.model.query import Catalog, Column, Expr, columns_of
from masksearch_ray.model.roi import Roi
from masksearch_ray.runtime.types import Runtime
from masksearch_ray.session.arguments import (
    check_choice,
    check_path,
    check_pixels,
    check_rows,
    check_text,
    check_work,
)
from masksearch_ray.session.catalog import catalog_of
from masksearch_ray.sql import parse_predicate, parse_roi
from masksearch_ray.storage import Storage

__all__ = ["Changes", "regions_of", "values_of"]


class Changes:
    """The part of a collection that writes; every change is one new version, or none."""

    _storage: Storage
    _manifest: Manifest
    _runtime: Runtime
    _pinned: bool

    def append(
        self,
        masks: npt.NDArray[Any] | Iterable[npt.NDArray[Any]],
        rows: Any = None,
        *,
        progress: Progress = silent,
    ) -> AppendReport:
        """Append masks with their metadata, all or none.

        Parameters
        ----------
        masks : numpy.ndarray or iterable of numpy.ndarray
            ``(N, H, W)``, or arrays ``(H, W)`` of sizes and dtypes that may differ.
        rows : pyarrow.Table, pandas.DataFrame or dict of columns, optional
            One row a mask; ``mask_id`` may be left out.
        progress : Progress

        Raises
        ------
        DataError
            Masks or rows that cannot be taken; the collection stays as it was.
        """
        check_work(progress=progress)
        with self._changing():
            return append(self._storage, masks, rows, progress=progress)

    def ingest(
        self,
        source: Any,
        *,
        metadata: Sequence[Any] = (),
        on: str | None = None,
        boxes: Mapping[str, BoxSource] | None = None,
        images: str | None = None,
        columns: Mapping[str, int | float | str | bool] | None = None,
        column: str | None = None,
        key: str | None = None,
        shape: tuple[int, int] | None = None,
        dtype: Literal["float16", "float32"] | None = None,
        name: str | None = None,
        storage_options: Mapping[str, Any] | None = None,
        threads: int | None = None,
        progress: Progress = silent,
    ) -> IngestReport:
        """Add the masks of a source, with what is known of them, all or none.

        The same call continues an interrupted run, and adds nothing twice. On the Ray runtime a
        source at a URL is read by tasks of the cluster, in the order of ``image_id``.

        Parameters
        ----------
        source : str, path, numpy.ndarray, iterable, pyarrow.Table or Dataset
            A folder, prefix or file of .npy, .npz, .png or .tif; a Zarr array; Parquet or Arrow
            files; a table; anything with ``iter_batches``, as a Ray Dataset; arrays.
        metadata : sequence
            Tables joined by name: CSV, Parquet, Arrow or JSON files, or tables in memory.
        on : str, optional
            Their column of names.
        boxes : mapping, optional
            Box columns to make: from four columns, a list column, or `Coco` annotations.
        images : str, optional
            Folder of the images, for the column ``image_path``.
        columns : mapping, optional
            Columns with one value for all masks, such as ``model_id``.
        column, key, shape : optional
            Where a table holds masks and their names, and the size of flat lists.
        dtype : {"float16", "float32"}, optional
            To which other floats are rounded.
        name : str, optional
            Under which the ingest is continued, in place of source and options.
        storage_options : mapping, optional
            Of the storages that source and metadata lie on.
        threads : int, optional
            Encoders of this process; by default as many as there are processors.
        progress : Progress

        Raises
        ------
        DataError
            Names the file, array or row that cannot be taken.
        """
        check_work(progress=progress, threads=threads)
        check_text(column=column, key=key, name=name)
        check_pixels(shape=shape, dtype=dtype)
        check_rows(on, boxes, images, columns, storage_options)
        with self._changing():
            return ingest(
                self._storage,
                source,
                column=column,
                key=key,
                shape=shape,
                dtype=dtype,
                rows=RowOptions(metadata, on, boxes or {}, images, columns or {}),
                name=name,
                storage_options=storage_options,
                progress=progress,
                threads=threads,
                tasks=self._runtime.tasks(),
            )

    def register(
        self,
        prefix: str | PathLike[str],
        *,
        metadata: Sequence[Any] = (),
        on: str | None = None,
        boxes: Mapping[str, BoxSource] | None = None,
        images: str | None = None,
        columns: Mapping[str, int | float | str | bool] | None = None,
        storage_options: Mapping[str, Any] | None = None,
        progress: Progress = silent,
    ) -> IngestReport:
        """Add .npy or .png masks where they lie; the first query that touches them indexes them.

        Parameters are as for `ingest`.
        """
        check_work(progress=progress)
        check_path(prefix=prefix)
        check_rows(on, boxes, images, columns, storage_options)
        with self._changing():
            return register(
                self._storage,
                fspath(prefix),
                rows=RowOptions(metadata, on, boxes or {}, images, columns or {}),
                storage_options=storage_options,
                progress=progress,
            )

    def delete(
        self, predicate: str, params: Mapping[str, Any] | None = None, **more: Any
    ) -> DeleteReport:
        """Delete the rows for which a predicate on metadata is true.

        Parameters
        ----------
        predicate : str
            What could stand after WHERE, without CP.
        params : mapping, optional
            Values of ``:name`` parameters; further keywords are parameters, too.
        """
        self.refresh()  # others may have brought columns
        catalog = catalog_of(self._manifest, self._storage.url)
        wanted = parse_predicate(predicate, catalog, values_of(params, more))
        with self._changing():
            return delete(self._storage, lambda segment: _selected(segment, wanted))

    def build_index(
        self,
        rois: Literal["auto"] | Sequence[Any] = "auto",
        bins: int | Sequence[float] | Literal["quantiles"] | None = None,
        *,
        threads: int | None = None,
        progress: Progress = silent,
    ) -> BuildReport:
        """Keep histograms of further regions, or with other bins, for all rows there are.

        Parameters
        ----------
        rois : "auto" or sequence
            As for `masksearch_ray.create`.
        bins : int, sequence of float or "quantiles", optional
            256 make every range of values exact for uint8; "quantiles" cuts the collection's
            bins further, into as many that hold equally many pixels, by a sample of the masks.
        threads : int, optional
            Segments built at a time.
        progress : Progress
        """
        check_work(progress=progress, threads=threads)
        with self._changing():
            regions = regions_of(rois, lambda roi: catalog_of(self._manifest, self._storage.url))
            return build_index(
                self._storage,
                regions,
                bins,
                threads=threads,
                progress=progress,
                tasks=self._runtime.tasks(),
            )

    def compact(
        self,
        *,
        cluster_by: Literal["image_id"] | None = None,
        threads: int | None = None,
        progress: Progress = silent,
    ) -> CompactReport:
        """Merge small segments, and those with deleted rows, into full ones.

        Parameters
        ----------
        cluster_by : {"image_id"}, optional
            Sort the masks by it over all segments, so that those of an image lie together;
            answers stay the same. On the Ray runtime tasks of the cluster do it.
        threads : int, optional
            Encoders; by default as many as there are processors.
        progress : Progress
        """
        check_work(progress=progress, threads=threads)
        if cluster_by is not None:
            check_choice("image_id", cluster_by=cluster_by)
        with self._changing():
            return compact(
                self._storage,
                cluster_by=cluster_by,
                threads=threads,
                progress=progress,
                tasks=self._runtime.tasks() if cluster_by else None,
            )

    def vacuum(self, keep_versions: int = 10, older_than: str | float = "7d") -> VacuumReport:
        """Remove old versions, and objects that no kept version and no running ingest names.

        Parameters
        ----------
        keep_versions : int
            The newest versions, which are kept whatever their age.
        older_than : str or float
            Grace, as in ``"7d"``, or seconds: whatever is younger stays.
        """
        with self._changing():
            return vacuum(self._storage, keep_versions, older_than)

    def refresh(self) -> Self:
        """See the newest version."""
        if not self._pinned:
            manifest = open_manifest(self._storage)
            if manifest.version != self._manifest.version:
                self._manifest = manifest
                self._drop()
        return self

    def _changing(self) -> _Change:
        if self._pinned:
            raise InputError(
                f"{self._storage.url} was opened at version {self._manifest.version}, which "
                "cannot be changed; open it without a version"
            )
        return _Change(self)

    def _drop(self) -> None:
        """Forget what was read of the version before."""


class _Change:
    """While the collection changes; afterwards it is seen at the newest version."""

    def __init__(self, collection: Changes) -> None:
        self._collection = collection

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self._collection._drop()
            self._collection.refresh()


def values_of(params: Mapping[str, Any] | None, more: Mapping[str, Any]) -> dict[str, Any]:
    """Values of ``:name`` parameters, given in either way.

    Raises
    ------
    InputError
        If the first are no mapping.
    """
    if params is not None and not isinstance(params, Mapping):
        raise InputError(f'params = {params!r:.60}: values by name wanted, as in {{"lv": 0.6}}')
    return {**(params or {}), **more}


def regions_of(rois: Any, catalog: Callable[[Any], Catalog]) -> tuple[Roi, ...] | Literal["auto"]:
    """Regions as users name them: one or several, or "auto".

    Parameters
    ----------
    rois : object
        ``(x0, y0, x1, y1)``, the name of a box column, or SQL; or a sequence of these.
    catalog : callable
        What names may mean in one of them.
    """
    if isinstance(rois, str):
        return "auto" if rois == "auto" else (parse_roi(rois, catalog(rois)),)
    if not hasattr(rois, "__len__"):
        raise InputError(f"rois = {rois!r}: regions wanted, such as [(x0, y0, x1, y1)]")
    listed = [rois] if len(rois) == 4 and all(map(_is_whole, rois)) else list(rois)
    return tuple(parse_roi(roi, catalog(roi)) for roi in listed)


def _is_whole(part: Any) -> bool:
    return isinstance(part, int | np.integer)


def _selected(segment: SegmentReader, predicate: Expr) -> npt.NDArray[np.bool_]:
    """Rows of a segment for which a predicate on metadata is true: bool ``(rows,)``."""
    table = segment.metadata(sorted(columns_of(predicate)))

    def leaf(expr: Expr) -> Interval:
        assert isinstance(expr, Column)
        return interval_of(table.column(expr.name), expr.type)

    return evaluate(predicate, leaf, segment.entry.rows).surely
