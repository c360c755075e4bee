"""What a collection offers to the builder: regions, pairs, and filters on its metadata.

The page asks `facts_sql` once, then `values_sql` of each column with few values; what comes back
becomes `Facts`, and with the catalog the filters that are offered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import pyarrow as pa

from masksearch_ray.model.query import Catalog, Column, Field
from masksearch_ray.model.roi import BoxColumn, BoxListColumn, Roi
from masksearch_ray.sql import render_expr
from masksearch_ray.web.build.state import PAIR_COLUMNS, Operator, Value

__all__ = [
    "FEW",
    "Facts",
    "Offer",
    "facts_of",
    "facts_sql",
    "offers",
    "pair_columns",
    "region_columns",
    "values_of",
    "values_sql",
]

FEW = 50
"""Most distinct values of a column that are offered to choose from."""

_COMPARED = ("int", "float", "string", "bool")
_NULL: tuple[Operator, ...] = ("is null", "is not null")
_EQUAL: tuple[Operator, ...] = ("=", "<>")
_ORDER: tuple[Operator, ...] = ("<", "<=", ">", ">=", "between")
_OPERATORS: dict[str, tuple[Operator, ...]] = {
    "int": (*_EQUAL, *_ORDER, "in", "not in", *_NULL),
    "float": (*_ORDER, *_EQUAL, *_NULL),
    "string": (*_EQUAL, "in", "not in", "like", "not like", *_NULL),
    "bool": ("=", *_NULL),
    **dict.fromkeys(("box", "boxes", "other"), _NULL),
}


@dataclass(frozen=True)
class Facts:
    """First statistics of a column.

    Parameters
    ----------
    filled : int
        Rows in which it is not NULL.
    rows : int
        Rows of the collection.
    distinct : int or None
        Different values; None for columns that cannot be compared.
    low, high : int, float, str or None
        Least and greatest value of numbers and texts.
    values : tuple
        Its values, ascending, where they are at most `FEW` and were asked for.
    """

    rows: int
    filled: int
    distinct: int | None = None
    low: Value | None = None
    high: Value | None = None
    values: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Offer:
    """A filter that the builder offers for a column.

    Parameters
    ----------
    column : str
    kind : {"int", "float", "string", "bool", "box", "boxes", "other"}
    operators : tuple of Operator
        The likeliest first; those about NULL only where there are NULLs, or it is not known.
    values : tuple
        To choose from; empty where a value is typed.
    low, high : int, float, str or None
        Least and greatest value, where known.
    others : tuple of str
        Columns it may be compared with: those of the same kind, the likeliest first.
    """

    column: str
    kind: Literal["int", "float", "string", "bool", "box", "boxes", "other"]
    operators: tuple[Operator, ...]
    values: tuple[Value, ...] = ()
    low: Value | None = None
    high: Value | None = None
    others: tuple[str, ...] = ()


def facts_sql(catalog: Catalog) -> str:
    """Query of one row that tells of every column; reads no pixels."""
    selected = ["COUNT(*) AS n"]
    for place, field in enumerate(catalog.fields.values()):
        name = render_expr(Column(field.name, "other"))
        selected.append(f"COUNT({name}) AS filled_{place}")
        if field.kind in _COMPARED:
            selected.append(f"COUNT(DISTINCT {name}) AS distinct_{place}")
        if field.kind in ("int", "float", "string"):
            selected += [f"MIN({name}) AS low_{place}", f"MAX({name}) AS high_{place}"]
    return "SELECT " + ",\n       ".join(selected) + "\nFROM masks"


def facts_of(catalog: Catalog, answer: pa.Table) -> dict[str, Facts]:
    """Facts by column from the answer to `facts_sql`."""
    row = answer.to_pylist()[0]
    return {
        name: Facts(
            rows=row["n"],
            filled=row[f"filled_{place}"],
            distinct=row.get(f"distinct_{place}"),
            low=row.get(f"low_{place}"),
            high=row.get(f"high_{place}"),
        )
        for place, name in enumerate(catalog.fields)
    }


def values_sql(column: str) -> str:
    """Query for the values of a column, ascending: one column, at most one row more than `FEW`."""
    name = render_expr(Column(column, "other"))
    return (
        f"SELECT DISTINCT {name}\nFROM masks\nWHERE {name} IS NOT NULL\n"
        f"ORDER BY {name}\nLIMIT {FEW + 1}"
    )


def values_of(facts: Facts, answer: pa.Table) -> Facts:
    """Facts with the values from the answer to `values_sql`; without, where they are too many."""
    found = answer.column(0).to_pylist()
    return replace(facts, values=tuple(found) if len(found) <= FEW else ())


def offers(catalog: Catalog, facts: Mapping[str, Facts] | None = None) -> tuple[Offer, ...]:
    """Filters on metadata in the order in which they are offered.

    Columns that hold nothing, or one value in every row, come last: no filter tells rows apart
    by them.
    """
    known = facts or {}
    made = [_offer(field, catalog, known.get(field.name)) for field in catalog.fields.values()]
    return tuple(sorted(made, key=lambda offer: _is_idle(known.get(offer.column))))


def region_columns(catalog: Catalog) -> tuple[Roi, ...]:
    """Regions that columns of boxes name."""
    boxes = [field for field in catalog.fields.values() if field.kind in ("box", "boxes")]
    return tuple(
        BoxColumn(field.name) if field.kind == "box" else BoxListColumn(field.name)
        for field in boxes
    )


def pair_columns(catalog: Catalog, facts: Mapping[str, Facts]) -> dict[str, tuple[Value, ...]]:
    """Columns by which an IoU can pair masks, and their values; empty where it cannot."""
    if "image_id" not in catalog.fields:
        return {}
    columns = [name for name in PAIR_COLUMNS if name in catalog.fields and name in facts]
    return {name: facts[name].values for name in columns if len(facts[name].values) > 1}


def _offer(field: Field, catalog: Catalog, facts: Facts | None) -> Offer:
    operators = _OPERATORS[field.kind]
    if facts is not None and facts.filled == facts.rows:
        operators = tuple(op for op in operators if op not in _NULL) or operators
    offer = Offer(field.name, field.kind, operators, others=_others(field, catalog))
    if facts is None:
        return offer
    if field.kind == "bool":
        return replace(offer, values=(True, False))
    return replace(offer, values=facts.values, low=facts.low, high=facts.high)


def _others(field: Field, catalog: Catalog) -> tuple[str, ...]:
    if field.kind not in _COMPARED:
        return ()
    same = [f.name for f in catalog.fields.values() if f.kind == field.kind and f != field]
    usual = {"label": "prediction", "prediction": "label"}.get(field.name)
    return tuple(sorted(same, key=lambda name: name != usual))


def _is_idle(facts: Facts | None) -> bool:
    if facts is None:
        return False
    return facts.filled == 0 or (facts.distinct == 1 and facts.filled == facts.rows)
