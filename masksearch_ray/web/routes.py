"""Routes beside the pages: exports, and whether the server lives."""

from __future__ import annotations

import io
import logging
import zipfile
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as parquet
from fastapi import APIRouter, HTTPException
from fastapi.responses import Response, StreamingResponse

from masksearch_ray.errors import MaskSearchError
from masksearch_ray.web.explore.answer import Answer
from masksearch_ray.web.picture_routes import add_pictures, served
from masksearch_ray.web.site import Site

__all__ = ["make_router"]

_log = logging.getLogger("masksearch_ray.web")


def make_router(site: Site) -> APIRouter:
    """Make the routes.

    Parameters
    ----------
    site : Site
    """
    router = APIRouter()
    router.get("/health")(_health)
    add_pictures(router, site)
    _add_export(router, site)
    return router


def _health() -> dict[str, str]:
    return {"status": "ok"}


def _add_export(router: APIRouter, site: Site) -> None:
    @router.get("/export/{key}/{run}.{ending}")
    def export(key: str, run: str, ending: str) -> Response:
        asked = served(site, key)
        found = asked.runs.get(run)
        if found is None or found.table is None:
            raise HTTPException(404, "This answer is kept no more; ask again.")
        answer = Answer(found.table, asked.collection.parse(found.sql))
        return _exported(asked, answer, _marked(answer, found.marked), ending)


def _exported(site: Site, answer: Answer, table: pa.Table, ending: str) -> Response:
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
            text = "".join(f"{value}\n" for value in table.column(answer.key).to_pylist())
            return Response(text, media_type="text/plain", headers=headers)
        case "zip" if answer.kind != "masks":
            raise HTTPException(400, "the answer has no mask_id, so there are no masks to draw")
        case "zip":
            ids = table.column(answer.key).to_pylist()
            return StreamingResponse(
                _zipped(site, ids), media_type="application/zip", headers=headers
            )
    raise HTTPException(404, "csv, parquet, txt or zip wanted")


def _marked(answer: Answer, marked: frozenset[str]) -> pa.Table:
    """Rows whose mask or image is among those that were marked; all where none were."""
    if not marked:
        return answer.table
    return answer.table.filter(pa.array([key in marked for key in answer.keys], pa.bool_()))


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


def _zipped(site: Site, mask_ids: Iterable[int]) -> Iterator[bytes]:
    """Overlays of masks, as a ZIP file, part by part; of one that cannot be had, why."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for mask_id in mask_ids:
            try:
                archive.writestr(f"{mask_id}.png", site.pictures.overlay(mask_id))
            except MaskSearchError as error:
                # Half a ZIP file would be none.
                _log.warning("an overlay cannot be drawn: %s", error)
                archive.writestr(f"{mask_id}.txt", f"mask {mask_id} cannot be drawn\n")
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
