"""Rows of an answer as what the browser draws of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from masksearch_ray.web.explore.answer import Answer, marks_of, regions_of, told
from masksearch_ray.web.rows import Row
from masksearch_ray.web.site import Site
from masksearch_ray.web.view import View

__all__ = ["Tiles"]

_TILE = 160


class Tiles:
    """Makes what the browser draws of rows of an answer; may be used from any thread.

    Parameters
    ----------
    site : Site
    answer : Answer
    view : View
    """

    def __init__(self, site: Site, answer: Answer, view: View) -> None:
        self._site = site
        self._answer = answer
        self._view = view
        self._regions = regions_of(answer.query)

    def make(self) -> list[dict[str, Any]]:
        """Tiles of the page that is looked at."""
        found = self._answer.page(self._view)
        if self._answer.kind == "masks":
            rows = self._site.rows.rows([one[self._answer.key] for one in found])
            shapes = self._site.collection.shapes([row["mask_id"] for row in rows])
            return [
                self._tile(one, [row], shape)
                for one, row, shape in zip(found, rows, shapes, strict=True)
            ]
        keys = [one[self._answer.key] for one in found]
        images = self._site.rows.members([key for key in keys if key is not None])
        members = [self._answer.members(images.get(key, ())) for key in keys]
        firsts = [rows[0]["mask_id"] for rows in members if rows]
        known = dict(zip(firsts, self._site.collection.shapes(firsts), strict=True))
        return [
            self._tile(one, rows, known[rows[0]["mask_id"]]) if rows else self._bare(one)
            for one, rows in zip(found, members, strict=True)
        ]

    def _bare(self, found: Row) -> dict[str, Any]:
        """A tile of an image of which no mask is known, as of the masks that name no image."""
        key = self._answer.key
        return {
            "id": str(found[key]),
            "name": f"{key.removesuffix('_id')} {told(found[key])}",
            "title": self._answer.title(found),
            "lines": self._answer.lines(found, {}),
            "shape": [1, 1],
            "heat": None,
            "image": None,
            "marks": [],
        }

    def _tile(self, found: Row, rows: Sequence[Row], shape: tuple[int, int]) -> dict[str, Any]:
        answer, first = self._answer, rows[0]
        key = found[answer.key]
        marks = marks_of(self._regions, first, self._site.box_columns) if self._view.boxes else []
        return {
            "id": str(key),
            "name": f"{answer.key.removesuffix('_id')} {key}",
            "title": answer.title(found),
            "lines": answer.lines(found, first),
            "shape": list(shape),
            "heat": self._heat(rows),
            "image": self._site.image_url(first, _TILE),
            "marks": marks,
        }

    def _heat(self, rows: Sequence[Row]) -> str:
        ids = [row["mask_id"] for row in rows]
        if len(ids) == 2:
            return self._site.pair_url(ids[0], ids[1], _TILE, self._answer.threshold)
        return self._site.heat_url(ids[0], _TILE, self._view)
