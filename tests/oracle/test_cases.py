"""The generators reach what they are for, and the referee stands by itself."""

from __future__ import annotations

import ast as python
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from tests.oracle import ast as q
from tests.oracle.ast import parameters, walk
from tests.oracle.collection import Answer, Collection, Refused
from tests.oracle.draw import NumpyDraw
from tests.oracle.evaluate import evaluate
from tests.oracle.make_collection import make_collection
from tests.oracle.make_wrong import WRONG
from tests.oracle.render import render
from tests.oracle.strategies import Case, cases, collections, random_case, random_cases

SEEDS = 400
ROOM = Path(__file__).parent


@pytest.fixture(scope="module")
def some_cases() -> list[Case]:
    return [random_case(seed) for seed in range(SEEDS)]


def test_nothing_here_imports_the_engine() -> None:
    for path in ROOM.glob("*.py"):
        for node in python.walk(python.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, python.Import) else []
            names += [node.module or ""] if isinstance(node, python.ImportFrom) else []
            assert not any(name.split(".")[0] == "masksearch_ray" for name in names), path


def test_a_seed_always_makes_the_same_case(some_cases: list[Case]) -> None:
    again = random_case(7)
    assert repr(again) == repr(some_cases[7])
    pairs = zip(again.collection.masks, some_cases[7].collection.masks, strict=True)
    assert all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs)


def test_one_collection_serves_several_queries() -> None:
    several = list(random_cases(3, 5))
    assert len({id(case.collection) for case in several}) == 1
    assert len({render(case.query) for case in several}) > 1


def test_most_answers_say_something(some_cases: list[Case]) -> None:
    kinds = Counter(
        "refused" if isinstance(case.answer, Refused) else "rows" if case.answer.rows else "empty"
        for case in some_cases
    )
    assert kinds["rows"] > 0.75 * SEEDS
    assert kinds["empty"] > 0
    assert kinds["refused"] > 0


def test_the_whole_grammar_is_drawn(some_cases: list[Case]) -> None:
    drawn = {type(node) for case in some_cases for node in walk(case.query)}
    abstract = {q.Node}
    forms = {form for form in vars(q).values() if isinstance(form, type)}
    assert {form for form in forms if issubclass(form, q.Node)} - abstract <= drawn


def test_comparisons_are_not_trivial(some_cases: list[Case]) -> None:
    """A fair part of the filters on pixels keeps some rows and drops others."""
    filters = kept = 0
    for case in some_cases:
        where = case.query.where
        if isinstance(case.answer, Answer) and any(isinstance(n, q.CP) for n in walk(where)):
            query = q.Query((q.Item(q.Column("mask_id")),), where=where, roi=case.query.roi)
            answer = evaluate(case.collection, query)
            filters += 1
            kept += isinstance(answer, Answer) and 0 < len(answer.rows) < len(case.collection.rows)
    assert filters > SEEDS / 10
    assert kept > 0.4 * filters


def test_parameters_have_names_of_their_own(some_cases: list[Case]) -> None:
    for case in some_cases:
        found = {id(n): n for n in walk(case.query) if isinstance(n, q.Param)}.values()
        assert {node.name: node.value for node in found} == parameters(case.query)
        assert len({(node.name, repr(node.value)) for node in found}) == len(parameters(case.query))


@pytest.mark.parametrize("query", WRONG, ids=render)
def test_wrong_queries_are_refused_by_any_collection(query: q.Query) -> None:
    for seed in range(5):
        assert isinstance(evaluate(make_collection(NumpyDraw(seed)), query), Refused)


@settings(max_examples=25, deadline=None)
@given(collections())
def test_collections_keep_their_own_rules(collection: Collection) -> None:
    low, high = collection.domain
    for values in collection.values:
        assert values.size > 0
        assert collection.nan == "keep" or not np.isnan(values).any()
        assert ((values >= low) & (values <= high) | np.isnan(values)).all()
    assert collection.table().num_rows == len(collection.masks)
    assert len({row["mask_id"] for row in collection.rows}) == len(collection.rows)


@settings(max_examples=25, deadline=None)
@given(cases(per_collection=2))
def test_cases_are_reproducible(several: list[Case]) -> None:
    for case in several:
        assert evaluate(case.collection, case.query) == case.answer
