"""Metadata of masks by id, as the page shows them beside pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from masksearch_ray.collection.recent import Recent
from masksearch_ray.errors import InputError
from masksearch_ray.session import Collection

__all__ = ["Row", "RowBook", "literal", "quoted"]

Row = Mapping[str, Any]
"""Columns of one mask by name."""

_MOST_BESIDE = 64
_KEPT = 20_000
_AT_ONCE = 1000


def quoted(name: str) -> str:
    """A column's name as SQL takes it, whatever it is."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """A value as SQL takes it."""
    if value is None:
        return "NULL"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


class RowBook:
    """Rows of a collection, by ``mask_id``; threads may share it.

    Parameters
    ----------
    collection : Collection
    seconds : float, optional
        After which a query is given up.
    """

    def __init__(self, collection: Collection, seconds: float | None = None) -> None:
        self._collection = collection
        self._seconds = seconds
        self._kept = Recent[Row](_KEPT)

    def rows(self, mask_ids: Iterable[int]) -> list[Row]:
        """All columns of masks, in the order asked for.

        Raises
        ------
        InputError
            There is no mask of an id.
        """
        wanted = [int(mask_id) for mask_id in mask_ids]
        found = {mask_id: self._kept.get(mask_id) for mask_id in wanted}
        missing = [mask_id for mask_id, row in found.items() if row is None]
        for start in range(0, len(missing), _AT_ONCE):
            some = missing[start : start + _AT_ONCE]
            ids = ", ".join(map(str, some))
            for row in self._ask(f"SELECT * FROM masks WHERE mask_id IN ({ids})"):
                found[row["mask_id"]] = row
                self._kept.put(row["mask_id"], row, 1)
        rows = [found[mask_id] for mask_id in wanted]
        if None in rows:
            raise InputError(f"no mask with mask_id {wanted[rows.index(None)]}")
        return [row for row in rows if row is not None]

    def first(self) -> int | None:
        """Any mask, for an example; None where there is none."""
        found = self._ask("SELECT mask_id FROM masks LIMIT 1")
        return int(found[0]["mask_id"]) if found else None

    def beside(self, row: Row) -> list[Row]:
        """Masks of the same image, the row's own among them, by id."""
        image = row.get("image_id")
        if image is None:
            return [row]
        return self._ask(
            "SELECT * FROM masks "
            f"WHERE image_id = {literal(image)} ORDER BY mask_id LIMIT {_MOST_BESIDE}"
        )

    def members(self, images: Sequence[Any], where: str = "") -> dict[Any, list[Row]]:
        """Masks of images, those that a condition leaves, by image and id."""
        found: dict[Any, list[Row]] = {image: [] for image in images}
        for start in range(0, len(images), _AT_ONCE):
            some = images[start : start + _AT_ONCE]
            values = ", ".join(map(literal, some))
            also = f" AND ({where})" if where else ""
            for row in self._ask(f"SELECT * FROM masks WHERE image_id IN ({values}){also}"):
                found[row["image_id"]].append(row)
                self._kept.put(row["mask_id"], row, 1)
        return found

    def _ask(self, sql: str) -> list[Row]:
        return list(self._collection.sql(sql, timeout=self._seconds).to_pylist())
