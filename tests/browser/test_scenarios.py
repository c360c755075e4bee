"""The guided pages: what they show, against what is counted pixel by pixel."""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from sklearn.metrics import average_precision_score

import masksearch_ray as ms
from tests.browser.conftest import Served, Shoot, end, serve
from tests.browser.walk import Masks, all_masks, all_rows, choose, ids_of, shows


@pytest.fixture(scope="module")
def masks(opened: ms.Collection) -> Masks:
    return all_masks(opened)


@pytest.fixture(scope="module")
def rows(opened: ms.Collection) -> dict[int, dict[str, object]]:
    return all_rows(opened)


def stray(mask: np.ndarray, box: list[int]) -> tuple[int, int]:
    """Strong pixels outside a box, and all."""
    strong = mask >= 0.5
    x0, y0, x1, y1 = box
    return int(strong.sum() - strong[y0:y1, x0:x1].sum()), int(strong.sum())


def test_classifier(
    page: Page, served: Served, masks: Masks, rows: dict[int, dict[str, object]], shoot: Shoot
) -> None:
    page.goto(f"{served.url}classifier")
    of_model = {i: row for i, row in rows.items() if row["model_id"] == 2}
    counts = Counter((row["label"], row["prediction"]) for row in of_model.values())
    right = sum(n for (label, found), n in counts.items() if label == found)
    expect(page.get_by_text(f"{right} of {len(of_model)} right")).to_be_visible()
    told = page.locator(".ms-cell").evaluate_all(
        "cells => cells.map(c => [...c.dataset.value.split('\\n'), c.innerText.trim()].join())"
    )
    assert sorted(told) == sorted(f"{a},{b},{n}" for (a, b), n in counts.items())

    page.locator(".ms-cell[title^='3 taken for 3:']").click()
    threes = [i for i, row in of_model.items() if row["label"] == row["prediction"] == 3]

    def share(i: int) -> float:
        outside, every = stray(masks[i], rows[i]["digit_box"])  # type: ignore[arg-type]
        return outside / every if every else -1.0

    wanted = sorted(threes, key=lambda i: (-share(i), i))
    shows(page, wanted[:60], "worst")
    page.locator("#worst .ms-tile input").nth(1).click()
    page.get_by_role("button", name="blur", exact=True).click()
    expect(page.locator(".ms-previews article")).to_have_count(1)
    page.evaluate("scrollTo(0, 0)")
    shoot(page, "classifier")
    with page.expect_download() as coming:
        page.get_by_role("button", name="Export images and labels").click()
    with zipfile.ZipFile(Path(coming.value.path())) as archive:
        (row,) = csv.DictReader(io.StringIO(archive.read("labels.csv").decode()))
        assert row["mask_id"] == str(ids_of(page, "worst")[1]) and row["label"] == "3"
        assert archive.read(row["file"]).startswith(b"\x89PNG")


def test_training_again_helps_against_the_mark(page: Page, served: Served, shoot: Shoot) -> None:
    page.goto(f"{served.url}classifier")
    expect(page.locator("#worst .ms-tile").first).to_be_visible()
    page.get_by_role("button", name="Train again").click()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text("Cancelled.")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Train again").click()
    table = page.locator(".ms-table")
    expect(table).to_be_visible(timeout=120_000)
    expect(page.get_by_text("were added, changed by randomise.")).to_be_visible()
    told = {
        line.split("\t")[0]: [float(one.rstrip(" %")) for one in line.split("\t")[1:]]
        for line in table.inner_text().splitlines()[1:]
    }
    before, after = told["strong attention outside the box, marked class"]
    assert after < before / 2
    table.scroll_into_view_if_needed()
    shoot(page, "retrained")
    page.get_by_role("button", name="blur", exact=True).click()
    page.get_by_role("button", name="Train again").click()
    expect(page.get_by_text("were added, changed by blur.")).to_be_visible(timeout=120_000)


def test_attacked(page: Page, served: Served, shoot: Shoot) -> None:
    page.goto(f"{served.url}attacked")
    expect(page.get_by_text("Average precision")).to_be_visible()
    with ms.open(str(Path(served.collection).parent / "attacked")) as opened:
        masks, rows = all_masks(opened), all_rows(opened)
    spread = {i: int(((m >= 0.002) & (m < 0.1)).sum()) for i, m in masks.items()}
    ranked = sorted(masks, key=lambda i: (-spread[i], i))
    truth = np.array([rows[i]["attacked"] for i in ranked])
    wanted = average_precision_score(truth, -np.arange(len(truth)))
    expect(page.get_by_text(f"Average precision {wanted:.3f}")).to_be_visible()
    first = page.locator(".ms-rows article").first
    expect(first).to_contain_text(f"1. mask {ranked[0]}: {spread[ranked[0]]:,} pixels")
    expect(page.locator(".ms-table")).to_contain_text(f"{100 * truth[:25].mean():.1f} %")
    shoot(page, "attacked")
    page.get_by_role("button", name="fewest first").click()
    fewest = min(masks, key=lambda i: (spread[i], i))
    expect(first).to_contain_text(f"1. mask {fewest}: ")
    choose(page, "Truth", "not known")
    expect(page.get_by_text("so the ranking is not judged")).to_be_visible()


def test_attention(
    page: Page, served: Served, masks: Masks, rows: dict[int, dict[str, object]], shoot: Shoot
) -> None:
    page.goto(f"{served.url}attention")
    pairs: dict[object, list[np.ndarray]] = {}
    for i in sorted(masks):
        pairs.setdefault(rows[i]["image_id"], []).append(masks[i] >= 0.5)
    ious = {image: (a & b).sum() / (a | b).sum() for image, (a, b) in pairs.items()}
    first = min(ious, key=lambda image: (ious[image], image))
    article = page.locator(".ms-rows article")
    expect(article.first).to_contain_text(f"image {first}: IoU")
    mean = np.mean(list(ious.values()))
    expect(page.get_by_text(f"{len(ious)} images, mean {mean:.3f}")).to_be_visible()
    shoot(page, "attention")
    page.get_by_role("button", name="most alike").click()
    last = min(ious, key=lambda image: (-ious[image], image))
    expect(article.first).to_contain_text(f"image {last}: IoU")
    page.get_by_text("Open in Explore").click()
    expect(page.locator("#results .ms-tile").first).to_be_visible()
    assert ids_of(page)[0] == last


def test_figures_are_of_all_masks_whatever_the_limit_of_rows(
    page: Page, collection: str, rows: dict[int, dict[str, object]]
) -> None:
    process, url = serve(collection, "--rows", "20")
    try:
        page.goto(f"{url}attention")
        images = len({row["image_id"] for row in rows.values()})
        expect(page.get_by_text(f"{images} images, mean ")).to_be_visible()
        page.goto(f"{url}classifier")
        of_model = [row for row in rows.values() if row["model_id"] == 2]
        right = sum(row["label"] == row["prediction"] for row in of_model)
        expect(page.get_by_text(f"{right} of {len(of_model)} right")).to_be_visible()
        page.goto("about:blank")
    finally:
        end(process)
