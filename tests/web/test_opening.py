"""What belongs to a collection is found when it is opened to be served."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from nicegui import Client

import masksearch_ray as ms
from masksearch_ray.demo.data import Mark
from masksearch_ray.demo.record import DemoRecord, remember
from masksearch_ray.web.opening import open_site
from masksearch_ray.web.options import ServeOptions
from masksearch_ray.web.scenarios.classifier import _Classifier
from tests.web.conftest import OnPage


def test_the_record_of_the_demonstration_is_read_once(
    tmp_path: Path, on_page: OnPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("masks", "attacked"):
        with ms.create(tmp_path / name) as made:
            rows = {"label": [1, 2], "prediction": [1, 1], "object_box": [[0, 0, 4, 4]] * 2}
            made.append(np.zeros((2, 8, 8), np.uint8), rows)
    remember(DemoRecord(3, Mark(), 2), str(tmp_path))
    site = open_site(ServeOptions(str(tmp_path / "masks")))
    assert site.record is not None and site.record.seed == 3
    assert list(site.beside) == ["attacked"]

    def recall(*_: object) -> None:
        raise AssertionError("it is read again")

    monkeypatch.setattr("masksearch_ray.demo.record.recall", recall)

    async def look(client: Client) -> None:
        page = _Classifier(site)
        assert page._retrain is not None and page._retrain._record is site.record

    on_page(look)
    site.close()
