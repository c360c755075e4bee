"""Routes beside the pages: pictures and exports."""

from __future__ import annotations

import io
import logging
import zipfile
from collections.abc import Callable, Iterator
from typing import Annotated

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as parquet
from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import Response, StreamingResponse

from masksearch_ray.errors import CollectionError, InputError, MaskSearchError
from masksearch_ray.render import COLOUR_MAPS, PairShown
from masksearch_ray.web.pictures import Look
from masksearch_ray.web.site import Site

__all__ = ["make_router"]

# Pictures of a version never change, and the version is in their URL.
_KEEP = {"Cache-Control": "private, max-age=3600, immutable"}

_log = logging.getLogger("masksearch_ray.web")

IMAGE_COLUMNS = ("image_path", "clean_path")
"""Columns whose files may be shown."""

Size = Annotated[int, Query(ge=16, le=1024)]


def make_router(site: Site) -> APIRouter:
    """Make the routes.

    Parameters
    ----------
    site : Site
    """
    router = APIRouter()
    router.get("/health")(_health)
    _add_pictures(router, site)
    _add_export(router, site)
    return router


def _health() -> dict[str, str]:
    return {"status": "ok"}


def _add_pictures(router: APIRouter, site: Site) -> None:
    @router.get("/picture/{key}/{version}/heat/{mask_id}.png")
    def heat(
        key: str,
        version: int,
        mask_id: int,
        size: Size = 160,
        map: str = COLOUR_MAPS[0],
        own: bool = False,
    ) -> Response:
        asked = _asked(site, key, version)
        return _picture(lambda: asked.pictures.heat(mask_id, Look(size, map, own)))

    @router.get("/picture/{key}/{version}/pair/{first}-{second}.png")
    def pair(
        key: str,
        version: int,
        first: int,
        second: int,
        at: float,
        size: Size = 160,
        show: PairShown = "all",
    ) -> Response:
        asked = _asked(site, key, version)
        return _picture(lambda: asked.pictures.pair(first, second, at, size, show))

    @router.get("/picture/{key}/{version}/image/{mask_id}.png")
    def image(
        key: str, version: int, mask_id: int, size: Size = 160, of: str = IMAGE_COLUMNS[0]
    ) -> Response:
        asked = _asked(site, key, version)
        if of not in IMAGE_COLUMNS:
            raise HTTPException(404, "no such column of images")
        return _picture(lambda: asked.pictures.image(mask_id, size, of))


def _add_export(router: APIRouter, site: Site) -> None:
    @router.get("/export/{key}/{run}.{ending}")
    def export(key: str, run: str, ending: str) -> Response:
        asked = _asked(site, key)
        found = asked.runs.get(run)
        if found is None or found.table is None:
            raise HTTPException(404, "This answer is kept no more; ask again.")
        return _exported(asked, _marked(found.table, found.marked), ending)


def _asked(site: Site, key: str, version: int | None = None) -> Site:
    asked = site.served(key)
    if asked is None:
        raise HTTPException(404, "no such collection is served")
    if version not in (None, asked.collection.version):
        raise HTTPException(404, "another version of the collection is served")
    return asked


def _picture(draw: Callable[[], bytes]) -> Response:
    try:
        return Response(draw(), media_type="image/png", headers=_KEEP)
    except MaskSearchError as error:
        if isinstance(error, InputError) and not isinstance(error, CollectionError):
            raise HTTPException(404, str(error)) from error
        # What it says may name files of this machine.
        _log.warning("a picture cannot be drawn: %s", error)
        raise HTTPException(500, "this picture cannot be drawn") from error


def _exported(site: Site, table: pa.Table, ending: str) -> Response:
    name = f"attachment; filename=masksearch.{ending}"
    headers = {"Content-Disposition": name}
    match ending:
        case "csv":
            return Response(_csv(table), media_type="text/csv", headers=headers)
        case "parquet":
            sink = io.BytesIO()
            parquet.write_table(table, sink)
            return Response(sink.getvalue(), headers=headers)
        case "txt":
            text = "".join(f"{value}\n" for value in table.column(_key(table)).to_pylist())
            return Response(text, media_type="text/plain", headers=headers)
        case "zip" if "mask_id" not in table.column_names:
            raise HTTPException(400, "the answer has no mask_id, so there are no masks to draw")
        case "zip":
            return StreamingResponse(
                _zipped(site, table), media_type="application/zip", headers=headers
            )
    raise HTTPException(404, "csv, parquet, txt or zip wanted")


def _marked(table: pa.Table, marked: frozenset[str]) -> pa.Table:
    """Rows whose mask or image is among those that were marked; all where none were."""
    if not marked:
        return table
    keep = [str(value) in marked for value in table.column(_key(table)).to_pylist()]
    return table.filter(pa.array(keep, pa.bool_()))


def _key(table: pa.Table) -> str:
    """Column that says which mask or image a row is; the first where none does."""
    names: list[str] = table.column_names
    return next((name for name in ("mask_id", "image_id") if name in names), names[0])


def _csv(table: pa.Table) -> bytes:
    """CSV, lists (boxes) as text."""
    columns = [
        pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())
        if pa.types.is_nested(column.type)
        else column
        for column in table.columns
    ]
    sink = io.BytesIO()
    csv.write_csv(pa.table(columns, names=table.column_names), sink)
    return sink.getvalue()


def _zipped(site: Site, table: pa.Table) -> Iterator[bytes]:
    """Overlays of the answer's masks, as a ZIP file, part by part."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for mask_id in table.column("mask_id").to_pylist():
            archive.writestr(f"{mask_id}.png", site.pictures.overlay(mask_id))
            yield sink.taken()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """A file that is read while it is written; it cannot seek, so nothing is kept of it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """What was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
