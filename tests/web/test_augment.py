"""Images of chosen masks are exported without a browser: told of, and stopped."""

from __future__ import annotations

import asyncio
import io
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nicegui import Client, ui
from PIL import Image

import masksearch_ray as ms
from masksearch_ray.web.options import ServeOptions
from masksearch_ray.web.scenarios.augment import AugmentStep
from masksearch_ray.web.site import Site
from tests.web.conftest import OnPage

N = 5


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Masks, each of an image, with a box."""
    pixels = np.random.default_rng(1).integers(0, 256, (N, 12, 12, 3), np.uint8)
    paths = [str(tmp_path / f"{i}.png") for i in range(N)]
    for path, image in zip(paths, pixels, strict=True):
        Image.fromarray(image).save(path)
    with ms.create(tmp_path / "made") as made:
        rows = {"label": list(range(N)), "image_path": paths, "object_box": [[2, 2, 8, 8]] * N}
        made.append(pixels[..., 0], rows)
    held = Site(ServeOptions(str(tmp_path / "made"), images=(tmp_path,)))
    yield held
    held.close()


def test_an_export_tells_how_far_it_is_and_is_stopped(
    site: Site, on_page: OnPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    monkeypatch.setattr(ui.download, "content", lambda data, *_: sent.append(data))
    begun, further = threading.Event(), threading.Event()

    async def look(client: Client) -> None:
        step = AugmentStep(site, lambda: range(N), lambda: "object_box")
        pictures = step._pictures

        def late(*of: Any) -> Iterator[Any]:
            for at, one in enumerate(pictures(*of)):
                if at == 2:
                    begun.set()
                    assert further.wait(20)
                yield one

        monkeypatch.setattr(step, "_pictures", late)
        export = asyncio.create_task(step._export())
        assert await asyncio.to_thread(begun.wait, 20)
        assert not step._go.enabled and step._stop.visible and step._tick.active
        step._tell_written()
        assert step._exported.text == f"2 of {N} images written"
        step._stopped.set()
        further.set()
        await export
        assert step._exported.text == "Cancelled." and not sent
        assert step._go.enabled and not step._stop.visible and not step._tick.active

        await step._export()
        assert step._exported.text == f"{N} of {N} images written"
        with zipfile.ZipFile(io.BytesIO(sent[0])) as archive:
            assert len(archive.namelist()) == N + 1

    on_page(look)


def test_an_export_ends_with_the_page_and_with_the_server(site: Site, on_page: OnPage) -> None:
    async def look(client: Client) -> None:
        step = AugmentStep(site, lambda: range(N), lambda: "object_box")
        client.delete()
        assert step._stopped.is_set()
        other = AugmentStep(site, lambda: range(N), lambda: "object_box")
        site.closed.set()
        await other._export()
        assert other._exported.text == "Cancelled."

    on_page(look)
