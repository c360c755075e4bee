"""What the tests of the guided pages share: pictures as they are served, and panels of an image."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page

Picture = np.ndarray[Any, np.dtype[np.uint8]]


def titles(page: Page) -> list[str]:
    """What stands above the rows of panels, in order."""
    return page.locator(".ms-rows article .ms-number").all_inner_texts()


def layers(figure: Locator) -> list[str]:
    """Addresses of the pictures that lie over each other, the lowest first."""
    found: list[str] = figure.locator("img").evaluate_all(
        "images => images.map(image => image.src)"
    )
    return found


def captions(row: Locator) -> list[str]:
    """Captions of the panels of a row."""
    return row.locator("figcaption").all_inner_texts()


def picture(page: Page, address: str) -> Picture:
    """A picture as it is served, with its transparency, shape ``(H, W, 4)``."""
    if address.startswith("data:image/png;base64,"):
        data = base64.b64decode(address.partition(",")[2])
    else:
        answer = page.request.get(address)
        assert answer.ok, address
        data = answer.body()
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))


def trains_on(page: Page) -> None:
    """Wait until a training has made some progress."""
    page.wait_for_function(
        "() => document.querySelector('[aria-label=\"Progress of the training\"]')"
        "?.getAttribute('aria-valuenow') > 0"
    )
