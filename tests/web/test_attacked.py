"""Find attacked images without a browser: the truth chosen, and what is said of a ranking."""

from __future__ import annotations

from pathlib import Path

import pytest
from nicegui import Client

import masksearch_ray as ms
from masksearch_ray.web.options import ServeOptions
from masksearch_ray.web.scenarios.attacked import _Attacked, _verdict
from masksearch_ray.web.scenarios.retrieval import retrieval
from masksearch_ray.web.site import Site
from tests.web.conftest import OnPage
from tests.web.small import MASKS, N, small


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("truth", "worth"),
    [
        ([True] * 5 + [False] * 15, "4.00 times that of chance"),
        ([True, False, False, True] * 5, "hardly better than chance"),
        ([False] * 15 + [True] * 5, "worse than chance"),
    ],
)
def test_a_ranking_is_compared_with_chance(truth: list[bool], worth: str) -> None:
    told = _verdict(retrieval(truth), "odd")
    base = sum(truth) / 20
    assert f", {worth} (odd is true for {100 * base:.1f} % of 20 masks)." in told


def test_a_column_of_another_meaning_is_no_truth_unasked(tmp_path: Path, on_page: OnPage) -> None:
    small(tmp_path).close()
    site = Site(ServeOptions(str(tmp_path / "small")))

    async def look(client: Client) -> None:
        page = _Attacked(site)
        await page.begin()
        assert page._truth.value == "" and page._table.content == ""
        assert page._verdict.text.startswith("Truth is not known, so the ranking is not judged")
        page._truth.set_value("correct")
        await page._ask(page._asking.begin())
        correct = sum(i % 3 == 0 for i in range(N)) / N
        assert page._verdict.text.startswith("Average precision ")
        assert f"(correct is true for {100 * correct:.1f} % of {N} masks)" in page._verdict.text
        assert "attacked" not in page._verdict.text and page._table.content

    on_page(look)
    site.close()


def test_a_column_named_so_is_the_truth(tmp_path: Path, on_page: OnPage) -> None:
    with ms.create(tmp_path / "known") as made:
        rows = {"correct": [True, False] * (N // 2), "attacked": [False, True] * (N // 2)}
        made.append(MASKS, rows)
    site = Site(ServeOptions(str(tmp_path / "known")))

    async def look(client: Client) -> None:
        page = _Attacked(site)
        await page.begin()
        assert page._truth.value == "attacked"
        assert f"(attacked is true for 50.0 % of {N} masks)" in page._verdict.text

    on_page(look)
    site.close()
