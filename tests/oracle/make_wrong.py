"""Queries that the language refuses, each for one reason."""

from __future__ import annotations

from dataclasses import replace

from tests.oracle import ast as q
from tests.oracle.draw import Draw

MASK_ID = q.Item(q.Column("mask_id"))
PIXELS = q.CP(q.Mask(), q.FullImage(), q.Range(0.0, 0.5))
COUNT = q.Aggregate("COUNT")
NUMBER, WORD = q.Literal(1), q.Literal("one")


def rows(where: q.Expr) -> q.Query:
    return q.Query((MASK_ID,), where=where)


def positive(term: q.Expr) -> q.Expr:
    return q.Binary(">", term, q.Literal(0))


def pixels_of(roi: q.Roi) -> q.Query:
    return rows(positive(replace(PIXELS, roi=roi)))


def pixels_in(values: q.Range) -> q.Query:
    return rows(positive(replace(PIXELS, range=values)))


WRONG = [
    rows(q.Column("no_such_column")),
    rows(positive(q.Column("no_such_column"))),
    rows(PIXELS),
    rows(q.Binary("=", PIXELS, WORD)),
    rows(q.Binary("=", q.Literal(True), NUMBER)),
    rows(q.Binary("=", q.Binary("+", PIXELS, WORD), NUMBER)),
    rows(q.Binary("AND", PIXELS, q.Literal(True))),
    rows(q.In(q.Column("model_id"), (NUMBER, WORD))),
    rows(q.Between(WORD, NUMBER, WORD)),
    rows(q.Like(q.Column("model_id"), WORD)),
    rows(positive(COUNT)),
    rows(positive(replace(PIXELS, mask=q.MaskAggregate("union")))),
    pixels_of(q.BoxColumn("model_id")),
    pixels_of(q.BoxColumn("no_such_column")),
    pixels_of(q.DefaultRoi()),
    pixels_of(q.Outside(q.DefaultRoi())),
    pixels_in(q.Range(0.6, 0.5)),
    pixels_in(q.Range(q.Param("p", float("nan")), 0.5)),
    pixels_in(q.Range(0.5, q.Param("p", None))),
    q.Query((MASK_ID, q.Item(COUNT, "n"))),
    q.Query((q.Star(), q.Item(COUNT, "n"))),
    q.Query((q.Item(q.Aggregate("SUM", COUNT), "n"),)),
    q.Query((q.Item(q.Aggregate("SUM", WORD), "n"),)),
    q.Query((MASK_ID,), group_by=(q.Column("model_id"),)),
    q.Query((q.Item(PIXELS, "n"),), group_by=(q.Column("model_id"),)),
    q.Query((q.Item(COUNT, "n"),), group_by=(COUNT,)),
    q.Query((MASK_ID,), order_by=(q.Order(2),)),
    q.Query((MASK_ID,), order_by=(q.Order(COUNT),)),
    q.Query((q.Item(q.Call("COALESCE", (NUMBER, WORD)), "x"),)),
]


def make_wrong(draw: Draw) -> q.Query:
    """Draw a query that must be refused, whatever the collection."""
    return draw.choice(WRONG)
