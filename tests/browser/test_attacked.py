"""Find attacked images: every control, against what is counted pixel by pixel."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from playwright.sync_api import Page, expect

import masksearch_ray as ms
from masksearch_ray.demo.attack import Attack
from tests.browser.conftest import Served
from tests.browser.guided import captions, layers, picture, titles
from tests.browser.walk import Masks, all_masks, all_rows, choose

SHOWN = 24


class Ranked:
    """Masks of the attacked images, ranked by brute force."""

    def __init__(self, opened: ms.Collection) -> None:
        self.masks: Masks = all_masks(opened)
        self.rows = all_rows(opened)

    def spread(self, low: float, high: float) -> dict[int, int]:
        """Pixels of every mask that are counted; the greatest value belongs to the last range."""
        return {
            i: int(((m >= low) & ((m < high) | (high >= 1))).sum()) for i, m in self.masks.items()
        }

    def first(self, spread: dict[int, int], sign: int = -1) -> list[int]:
        """All masks, the most widely spread first, ties by id."""
        return sorted(self.masks, key=lambda i: (sign * spread[i], i))


@pytest.fixture(scope="module")
def ranked(served: Served) -> Ranked:
    with ms.open(str(Path(served.collection).parent / "attacked")) as opened:
        return Ranked(opened)


def shows_ranking(page: Page, spread: dict[int, int], ids: list[int]) -> None:
    """Wait until the first of these are shown, with their pixels."""
    wanted = [f"{rank}. mask {i}: {spread[i]:,} pixels" for rank, i in enumerate(ids[:SHOWN], 1)]
    page.wait_for_function(
        "wanted => { const found = [...document.querySelectorAll('.ms-rows article .ms-number')];"
        " return found.length === wanted.length"
        " && found.every((one, at) => one.textContent.startsWith(wanted[at])); }",
        arg=wanted,
    )


def judged(truth: np.ndarray[Any, Any]) -> list[list[str]]:
    """The table, by hand."""
    lines = []
    for k in (10, 25, 50, 100):
        found = truth[:k].sum()
        lift = found / k / truth.mean()
        recall = found / truth.sum()
        lines.append([str(k), f"{100 * found / k:.1f} %", f"{lift:.2f}", f"{100 * recall:.1f} %"])
    return lines


def table(page: Page) -> list[list[str]]:
    """The table as it is shown."""
    lines = page.locator(".ms-table tr").all_inner_texts()[1:]
    return [[cell.strip() for cell in line.split("\t")] for line in lines]


def judges(page: Page, truth: np.ndarray[Any, Any]) -> None:
    """The page judges this order rightly: in words, in its table and in its curve."""
    found = np.cumsum(truth)
    precision = found / np.arange(1, len(truth) + 1)
    average = precision[truth].mean()
    words = page.get_by_text(f"Average precision {average:.3f}")
    expect(words).to_be_visible()
    times = average / truth.mean()
    worth = "worse than chance" if times < 1 / 1.2 else "hardly better than chance"
    worth = f"{times:.2f} times that of chance" if times >= 1.2 else worth
    known = f"{worth} (attacked is true for {100 * truth.mean():.1f} % of {len(truth)} masks)"
    expect(words).to_contain_text(known)
    assert table(page) == judged(truth)
    # The curve tells its first points to those who do not see it: recall, precision.
    told = page.locator("[aria-label^='This is a chart']").get_attribute("aria-label") or ""
    numbers = re.search(r"by spread\.The first 10 items are: ([\d., ]+)\. ", told)
    assert numbers is not None, told
    shown = np.array([float(one) for one in numbers[1].split(", ")]).reshape(-1, 2)
    wanted = np.stack([found / truth.sum(), precision], 1)
    assert np.abs(shown - wanted[: len(shown)]).max() < 1e-4 and len(shown) >= 5


def visit(page: Page, served: Served, ranked: Ranked) -> None:
    page.goto(f"{served.url}attacked")
    spread = ranked.spread(0.002, 0.1)
    shows_ranking(page, spread, ranked.first(spread))


def truth_of(ranked: Ranked, ids: list[int]) -> np.ndarray[Any, Any]:
    return np.array([bool(ranked.rows[i]["attacked"]) for i in ids])


def test_the_range_that_is_counted(page: Page, served: Served, ranked: Ranked) -> None:
    visit(page, served, ranked)
    low, high = page.get_by_label("Counted values, from"), page.get_by_label("Counted values, to")
    low.fill("0.25")
    high.fill("0.9")
    spread = ranked.spread(0.25, 0.9)
    shows_ranking(page, spread, ranked.first(spread))
    judges(page, truth_of(ranked, ranked.first(spread)))

    handles = page.locator(".q-range .q-slider__thumb")
    rail = page.locator(".q-range .q-slider__track-container").bounding_box()
    upper = handles.nth(1).bounding_box()
    assert rail is not None and upper is not None
    page.mouse.move(upper["x"] + upper["width"] / 2, upper["y"] + upper["height"] / 2)
    page.mouse.down()
    page.mouse.move(rail["x"] + 0.5 * rail["width"], rail["y"] + rail["height"] / 2, steps=5)
    page.mouse.up()
    expect(high).not_to_have_value("0.9")
    chosen = float(high.input_value())
    assert abs(chosen - 0.5) < 0.05 and low.input_value() == "0.25"
    spread = ranked.spread(0.25, chosen)
    shows_ranking(page, spread, ranked.first(spread))

    low.fill("0.7")
    expect(page.get_by_text("the lower exceeds the upper")).to_be_visible()
    # Nothing of the ranking before stays.
    expect(page.locator(".ms-rows article")).to_have_count(0)
    expect(page.locator(".ms-table")).to_have_count(0)
    expect(page.get_by_text("Average precision")).to_have_count(0)
    high.fill("1")
    spread = ranked.spread(0.7, 1.0)
    shows_ranking(page, spread, ranked.first(spread))


def test_order_and_truth(page: Page, served: Served, ranked: Ranked) -> None:
    visit(page, served, ranked)
    spread = ranked.spread(0.002, 0.1)
    judges(page, truth_of(ranked, ranked.first(spread)))
    page.get_by_role("button", name="fewest first").click()
    fewest = ranked.first(spread, 1)
    shows_ranking(page, spread, fewest)
    judges(page, truth_of(ranked, fewest))
    known = [titles(page)[at].endswith("— attacked") for at in range(SHOWN)]
    assert known == truth_of(ranked, fewest)[:SHOWN].tolist()

    choose(page, "Truth", "not known")
    expect(page.get_by_text("so the ranking is not judged")).to_be_visible()
    expect(page.locator(".ms-table")).to_have_count(0)
    assert not any("attacked" in title for title in titles(page))
    choose(page, "Truth", "attacked")
    judges(page, truth_of(ranked, fewest))
    page.get_by_role("button", name="most first").click()
    shows_ranking(page, spread, ranked.first(spread))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_words_of_the_curve_can_be_read(
    page: Page, served: Served, ranked: Ranked, theme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=theme)
    visit(page, served, ranked)
    expect(page.locator(f"body.body--{theme}")).to_be_attached()
    page.wait_for_function(
        "() => { const words = [...document.querySelectorAll('.ms-chart text')];"
        " const ink = getComputedStyle(document.body).color;"
        " return words.length > 10 && words.every(one => getComputedStyle(one).fill === ink); }"
    )


def test_an_attack_moves_every_pixel_a_little(page: Page, served: Served, ranked: Ranked) -> None:
    visit(page, served, ranked)
    spread = ranked.spread(0.002, 0.1)
    most = 255 * Attack().epsilon + 1.5  # both pictures have whole levels
    seen = set()
    for at, mask_id in enumerate(ranked.first(spread)[:SHOWN]):
        attacked = bool(ranked.rows[mask_id]["attacked"])
        if attacked in seen:
            continue
        seen.add(attacked)
        row = page.locator(".ms-rows article").nth(at)
        assert captions(row) == ["before", "as it is", "attention"]
        figures = row.locator("figure")
        before, now = (
            picture(page, layers(figures.nth(n))[0])[..., :3].astype(int) for n in (0, 1)
        )
        moved = np.abs(before - now)
        assert moved.max() <= most and (moved.max() > 0) == attacked
        heat = picture(page, layers(figures.nth(2))[-1])[..., 3]
        level = np.rint(254 * ranked.masks[mask_id])
        assert (heat == np.rint(255 * np.sqrt(level / 254))).all()
    assert seen == {True, False}


def test_of_changes_the_last_counts(page: Page, served: Served, ranked: Ranked) -> None:
    visit(page, served, ranked)
    high = page.get_by_label("Counted values, to")
    for value in ("0.2", "0.4", "0.6"):
        high.fill(value)
        page.get_by_role("button", name="fewest first").click()
        page.get_by_role("button", name="most first").click()
    spread = ranked.spread(0.002, 0.6)
    shows_ranking(page, spread, ranked.first(spread))
    judges(page, truth_of(ranked, ranked.first(spread)))
