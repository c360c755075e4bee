"""Answers of which rows are missing: what is told, and that no figure is made of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from nicegui import Client, ui

from masksearch_ray.web.explore.answer import Answer
from masksearch_ray.web.explore.results import Results
from masksearch_ray.web.options import ServeOptions
from masksearch_ray.web.runs import Run
from masksearch_ray.web.scenarios import parts
from masksearch_ray.web.scenarios.attacked import _Attacked
from masksearch_ray.web.scenarios.attention import _Attention
from masksearch_ray.web.scenarios.classifier import _Classifier
from masksearch_ray.web.site import Site
from tests.web.conftest import OnPage, texts
from tests.web.small import IMAGES, N, small

MOST = 3
TOLD = "More than 3 rows: too many, so there is no figure of all."


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("cut")
    small(folder).close()
    held = Site(ServeOptions(str(folder / "small"), rows=MOST))
    yield held
    held.close()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let figures be made of a few rows only."""
    monkeypatch.setattr(parts, "MOST_COUNTED", MOST)


def drawn(client: Client, mark: str) -> str:
    """What is drawn where a mark is."""
    (found,) = [
        one for one in client.elements.values() if isinstance(one, ui.html) and mark in one._markers
    ]
    return str(found.content)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (1, "More than 1 row: "),
        (2, "More than 2 rows: "),
        (5_000_000, "More than 5,000,000 rows: "),
    ],
)
def test_what_is_told_in_the_place_of_a_figure(rows: int, told: str) -> None:
    run = Run("SELECT mask_id FROM masks", True, True)
    run.rows = rows
    assert parts.too_many(run).startswith(told)


def test_a_ranking_of_a_part_is_neither_judged_nor_shown(
    site: Site, on_page: OnPage, few: None
) -> None:
    async def look(client: Client) -> None:
        page = _Attacked(site)
        await page._ask(page._asking.begin())
        assert TOLD in texts(client)
        assert drawn(client, "rows") == drawn(client, "precision") == ""
        assert "No column tells which images are attacked" not in " ".join(texts(client))

    on_page(look)


def test_a_histogram_of_a_part_is_not_drawn(site: Site, on_page: OnPage, few: None) -> None:
    async def look(client: Client) -> None:
        page = _Attention(site)
        await page.begin()
        assert page._asked is not None
        await page._ask(page._asking.begin(), page._asked)
        assert TOLD in texts(client)
        bars = [one for one in client.elements.values() if "ms-bar" in one.classes]
        assert len(bars) == 20 and all(bar.props["disabled"] for bar in bars)

    on_page(look)


def test_a_matrix_of_a_part_is_not_drawn(
    site: Site, on_page: OnPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look(client: Client) -> None:
        page = _Classifier(site)
        # Pairs of classes are few, but here are more.
        monkeypatch.setattr(parts, "MOST_COUNTED", 1)
        await page._count()
        assert "More than 1 row: too many, so there is no figure of all." in texts(client)
        assert drawn(client, "matrix") == ""
        # Here the pairs are counted, but of the shares no mean can be had.
        monkeypatch.setattr(parts, "MOST_COUNTED", 4)
        await page._count()
        (told,) = [text for text in texts(client) if " right (" in text]
        assert f"of {N} right" in told and told.endswith(
            "). More than 4 rows: too many, so there is no figure of all."
        )
        assert drawn(client, "matrix").count("<button") == 4
        assert "outside" not in drawn(client, "matrix")

    on_page(look)


def test_of_a_cut_answer_as_many_are_shown_as_are_told(site: Site, on_page: OnPage) -> None:
    async def look(client: Client) -> None:
        results = Results(site, "cut", lambda key: None)
        sql = "SELECT mask_id, CP(mask, full_image, (0.5, 1.0)) AS n FROM masks"
        run = await site.runs.start(sql).wait(60)
        assert run.cut and run.table is not None
        await results.show(run, Answer(run.table, site.collection.parse(sql)))
        assert f"The first {MOST} masks; there are more" in texts(client)
        by_image = "SELECT image_id, SUM(CP(mask, full_image, (0.5, 1.0))) AS n FROM masks"
        run = await site.runs.start(by_image + " GROUP BY image_id", most=IMAGES).wait(60)
        assert not run.cut and run.table is not None
        await results.show(run, Answer(run.table, site.collection.parse(run.sql)))
        assert any(re.fullmatch(f"{IMAGES} images", text) for text in texts(client))

    on_page(look)
