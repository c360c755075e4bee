"""Debug a classifier: matrix, cells, marks and augmented images, against what is counted."""

from __future__ import annotations

import csv
import io
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

import masksearch_ray as ms
from tests.browser.conftest import Served
from tests.browser.guided import layers, picture
from tests.browser.walk import Mask, all_masks, all_rows, choose, ids_of, shows

Cell = tuple[Any, Any]


class Counted:
    """Strong pixels outside the box, and all, of every mask, by brute force."""

    def __init__(self, opened: ms.Collection) -> None:
        self.masks, self.rows = all_masks(opened), all_rows(opened)

    def cells(self, model: int) -> dict[Cell, list[int]]:
        """Masks of every cell of a model's matrix."""
        found = defaultdict(list)
        for mask_id, row in self.rows.items():
            if row["model_id"] == model:
                found[row["label"], row["prediction"]].append(mask_id)
        return found

    def stray(self, mask_id: int, strong: float) -> tuple[int, int]:
        mask: Mask = self.masks[mask_id] >= strong
        x0, y0, x1, y1 = self.rows[mask_id]["digit_box"]
        return int(mask.sum() - mask[y0:y1, x0:x1].sum()), int(mask.sum())

    def worst(self, ids: list[int], strong: float) -> list[int]:
        """The most stray first; those without strong pixels have no share, and come last."""

        def share(mask_id: int) -> float:
            outside, every = self.stray(mask_id, strong)
            return outside / every if every else -1.0

        return sorted(ids, key=lambda i: (-share(i), i))

    def mean(self, ids: list[int], strong: float) -> float | None:
        shares = [outside / n for outside, n in (self.stray(i, strong) for i in ids) if n]
        return sum(shares) / len(shares) if shares else None


@pytest.fixture(scope="module")
def counted(opened: ms.Collection) -> Counted:
    return Counted(opened)


def visit(page: Page, served: Served) -> None:
    page.goto(f"{served.url}classifier")
    expect(page.locator("#worst .ms-tile").first).to_be_visible()


def shows_matrix(page: Page, counted: Counted, model: int, strong: float) -> None:
    """Wait until the matrix is this model's, with every count and mean."""
    cells = counted.cells(model)
    right = sum(len(ids) for (label, found), ids in cells.items() if label == found)
    total = sum(map(len, cells.values()))
    names = []
    for (label, found), ids in sorted(cells.items()):
        mean = counted.mean(ids, strong)
        stray = "" if mean is None else f", {100 * mean:.0f} % outside"
        masks = f"{len(ids)} mask{'s' if len(ids) > 1 else ''}"
        names.append(f"{label} taken for {found}: {masks}{stray}")
    page.wait_for_function(
        "names => [...document.querySelectorAll('.ms-cell')].map(cell => cell.title).join()"
        " === names",
        arg=",".join(names),
    )
    expect(page.get_by_text(f"{right} of {total} right")).to_be_visible()


def worst_cell(counted: Counted, model: int, strong: float) -> list[int]:
    """Masks of the cell that is shown at first: the one with the greatest mean."""
    known = {
        cell: (mean, len(ids))
        for cell, ids in counted.cells(model).items()
        if (mean := counted.mean(ids, strong)) is not None
    }
    return counted.cells(model)[max(known, key=lambda cell: known[cell])]


def test_model_and_threshold(page: Page, served: Served, counted: Counted) -> None:
    visit(page, served)
    shows_matrix(page, counted, 2, 0.5)
    shows(page, counted.worst(worst_cell(counted, 2, 0.5), 0.5)[:60], "worst")
    choose(page, "Model", "1")
    shows_matrix(page, counted, 1, 0.5)
    shows(page, counted.worst(worst_cell(counted, 1, 0.5), 0.5)[:60], "worst")
    page.get_by_label("Strong from").fill("0.8")
    shows_matrix(page, counted, 1, 0.8)
    shows(page, counted.worst(worst_cell(counted, 1, 0.8), 0.8)[:60], "worst")
    # Nothing of before stays beside what is no threshold.
    page.get_by_label("Strong from").fill("")
    expect(page.get_by_text("Strong from: a number is wanted.")).to_be_visible()
    page.get_by_label("Strong from").fill("1.5")
    expect(page.locator(".ms-cell")).to_have_count(0)
    expect(page.locator("#worst .ms-tile")).to_have_count(0)
    page.get_by_label("Strong from").fill("0.3")
    shows_matrix(page, counted, 1, 0.3)


def test_every_kind_of_cell(page: Page, served: Served, counted: Counted) -> None:
    visit(page, served)
    cells = counted.cells(2)
    wrong = next(cell for cell in sorted(cells) if cell[0] != cell[1] and len(cells[cell]) > 1)
    single = next(cell for cell in sorted(cells) if cell[0] != cell[1] and len(cells[cell]) == 1)
    for label, found in (wrong, single, (7, 7)):
        cell = page.locator(f".ms-cell[title^='{label} taken for {found}:']")
        cell.focus()
        page.keyboard.press("Enter")
        ids = counted.worst(cells[label, found], 0.5)
        shows(page, ids[:60], "worst")
        expect(page.get_by_text(f", {label} taken for {found}, the most stray")).to_be_visible()
        for tile, mask_id in zip(page.locator("#worst .ms-tile").all()[:3], ids, strict=False):
            outside, every = counted.stray(mask_id, 0.5)
            expect(tile).to_contain_text(f"pixels {outside:,}")
            expect(tile).to_contain_text(f"out_of {every:,}")
            expect(tile).to_contain_text(f"{label} → {found}")
        # The picture of the cell is that of the mask nearest to its mean.
        mean = counted.mean(ids, 0.5)
        source = cell.locator("img").get_attribute("src") or ""
        if mean is not None:
            shares = {i: counted.stray(i, 0.5) for i in ids}
            away = {i: abs(a / n - mean) for i, (a, n) in shares.items() if n}
            assert f"/heat/{min(away, key=lambda i: (away[i], i))}.png" in source


def test_a_mask_large(page: Page, served: Served, counted: Counted) -> None:
    visit(page, served)
    page.locator(".ms-cell[title^='3 taken for 3:']").click()
    ids = counted.worst(counted.cells(2)[3, 3], 0.5)
    shows(page, ids[:60], "worst")
    page.locator("#worst .ms-tile .ms-pic").nth(1).click()
    title = page.get_by_role("dialog")
    expect(title).to_contain_text(f"mask {ids[1]}, ")
    page.keyboard.press("ArrowRight")
    expect(title).to_contain_text(f"mask {ids[2]}, ")
    page.get_by_role("button", name="The one before").click()
    page.get_by_role("button", name="The one before").click()
    expect(title).to_contain_text(f"mask {ids[0]}, ")
    page.get_by_role("button", name="Close", exact=True).click()
    expect(title).to_have_count(0)


def previews(page: Page) -> Iterator[tuple[int, np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Mask, image before and after, of every preview."""
    for article in page.locator(".ms-previews article").all():
        mask_id = int((article.get_attribute("aria-label") or "").split()[1].rstrip(","))
        before, after = (
            picture(page, layers(figure)[0])[..., :3] for figure in article.locator("figure").all()
        )
        yield mask_id, before, after


def changed(page: Page, method: str) -> Locator:
    """Choose a method, and wait for other previews than those that are shown."""
    shown = page.locator(".ms-previews img").evaluate_all("images => images.map(i => i.src).join()")
    page.get_by_role("button", name=method, exact=True).click()
    page.wait_for_function(
        "shown => { const now = [...document.querySelectorAll('.ms-previews img')];"
        " return now.length && now.map(i => i.src).join() !== shown; }",
        arg=shown,
    )
    return page.locator(".ms-previews article")


def is_made(method: str, before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]) -> bool:
    """Whether pixels, shape ``(n, 3)``, were replaced as the method says."""
    was, now = before.astype(int), after.astype(int)
    match method:
        case "mean":
            return bool((now == now[0]).all() and np.abs(now[0] - was.mean(axis=0)).max() <= 1)
        case "shuffle":
            same = sorted(map(tuple, was)) == sorted(map(tuple, now))
            return same and bool((was != now).any())
        case "randomise":
            # Drawn evenly from all levels, while most of an image is black.
            return bool(100 < now.mean() < 155 and now.std() > 60 and was.mean() < 60)
    # A blur spreads what there is.
    return bool(now.max() < was.max() and abs(now.mean() - was.mean()) < 12 and (was != now).any())


def test_pixels_outside_the_box_are_replaced(page: Page, served: Served, counted: Counted) -> None:
    visit(page, served)
    page.locator(".ms-cell[title^='3 taken for 3:']").click()
    ids = counted.worst(counted.cells(2)[3, 3], 0.5)
    shows(page, ids[:60], "worst")
    # Of all where none is marked, the first four.
    expect(page.get_by_text(f"{len(ids)} masks, the first 4 shown")).to_be_visible()
    for at in (2, 0):
        page.locator("#worst .ms-tile input").nth(at).click()
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("2 masks", exact=True)).to_be_visible()
    for method in ("shuffle", "blur", "mean", "randomise"):
        expect(changed(page, method)).to_have_count(2)
        seen = []
        for mask_id, before, after in previews(page):
            seen.append(mask_id)
            with Image.open(counted.rows[mask_id]["image_path"]) as file:
                assert (np.asarray(file.convert("RGB")) == before).all()
            x0, y0, x1, y1 = counted.rows[mask_id]["digit_box"]
            outside = np.ones(before.shape[:2], np.bool_)
            outside[y0:y1, x0:x1] = False
            assert (before[~outside] == after[~outside]).all()
            assert is_made(method, before[outside], after[outside]), method
        assert sorted(seen) == sorted([ids[0], ids[2]])

    shown = {mask_id: after for mask_id, _, after in previews(page)}
    with page.expect_download() as coming:
        page.get_by_role("button", name="Export images and labels").click()
    with zipfile.ZipFile(Path(coming.value.path())) as archive:
        rows = list(csv.DictReader(io.StringIO(archive.read("labels.csv").decode())))
        assert {int(row["mask_id"]) for row in rows} == set(shown)
        for row in rows:
            with Image.open(io.BytesIO(archive.read(row["file"]))) as file:
                exported = np.asarray(file.convert("RGB"))
            assert (exported == shown[int(row["mask_id"])]).all()
            assert (row["label"], row["method"]) == ("3", "randomise")


def test_marks(page: Page, served: Served, counted: Counted) -> None:
    visit(page, served)
    page.locator(".ms-cell[title^='3 taken for 3:']").click()
    ids = counted.worst(counted.cells(2)[3, 3], 0.5)
    shows(page, ids[:60], "worst")
    region = page.get_by_role("region", name="What it looks at")
    region.get_by_role("button", name="Mark page").click()
    expect(region.get_by_text(f"{len(ids[:60])} marked")).to_be_visible()
    region.get_by_role("button", name="Unmark").click()
    expect(region.get_by_text("0 marked", exact=True)).to_be_visible()
    page.locator("#worst .ms-tile").nth(3).focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("1 mask", exact=True)).to_be_visible()
    ((mask_id, _, _),) = previews(page)
    assert mask_id == ids[3] == ids_of(page, "worst")[3]
    # Of another cell nothing is marked.
    page.locator(".ms-cell[title^='7 taken for 7:']").click()
    sevens = counted.worst(counted.cells(2)[7, 7], 0.5)
    shows(page, sevens[:60], "worst")
    expect(page.get_by_text(f"{len(sevens)} masks, the first 4 shown")).to_be_visible()
    assert [mask_id for mask_id, _, _ in previews(page)] == sevens[:4]
