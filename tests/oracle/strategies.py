"""Cases to hold an engine against: by Hypothesis, or by a plain seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.oracle.ast import Query, parameters
from tests.oracle.collection import Answer, Collection, Refused
from tests.oracle.draw import Draw, HypothesisDraw, NumpyDraw
from tests.oracle.evaluate import evaluate
from tests.oracle.make_collection import make_collection
from tests.oracle.make_query import QueryMaker
from tests.oracle.make_wrong import make_wrong
from tests.oracle.render import render


@dataclass(frozen=True)
class Case:
    """A query with its collection and the answer that is right."""

    collection: Collection
    query: Query
    answer: Answer | Refused

    def __repr__(self) -> str:
        """The query as text; the collection as what is said of it in failures."""
        masks = ", ".join(f"{mask.dtype}{list(mask.shape)}" for mask in self.collection.masks)
        return (
            f"Case({render(self.query)!r}, parameters={parameters(self.query)}, "
            f"roi={self.query.roi}, domain={self.collection.domain}, masks=[{masks}], "
            f"rows={self.collection.rows}, answer={self.answer})"
        )


def make_case(draw: Draw, collection: Collection) -> Case:
    """Draw a query over a collection; most refusals and empty answers are drawn again."""
    maker = QueryMaker(draw, collection)
    if draw.chance(3):
        query = make_wrong(draw)
        return Case(collection, query, evaluate(collection, query))
    for _ in range(4):
        query = maker.query()
        answer = evaluate(collection, query)
        if isinstance(answer, Answer):
            enough = bool(answer.rows) or draw.chance(15)
        else:
            enough = draw.chance(50)
        if enough:
            break
    return Case(collection, query, answer)


# ------------------------------------------------------------------ by Hypothesis


@st.composite
def collections(draw: st.DrawFn) -> Collection:
    """Collections of up to a dozen masks."""
    return make_collection(HypothesisDraw(draw))


@st.composite
def cases(draw: st.DrawFn, per_collection: int = 1) -> list[Case]:
    """Collections with some queries over each."""
    source = HypothesisDraw(draw)
    collection = make_collection(source)
    return [make_case(source, collection) for _ in range(per_collection)]


# ------------------------------------------------------------------ by a seed


def random_case(seed: int) -> Case:
    """The case of a seed: the same on every machine."""
    return next(random_cases(seed, 1))


def random_cases(seed: int, number: int) -> Iterator[Case]:
    """Some queries over the one collection of a seed."""
    collection = make_collection(NumpyDraw([seed, 0]))
    for n in range(number):
        yield make_case(NumpyDraw([seed, 1 + n]), collection)
