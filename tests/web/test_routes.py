"""Pictures and exports as they are asked for."""

from __future__ import annotations

import asyncio
import io
import time
import zipfile
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

from masksearch_ray.web.options import ServeOptions
from masksearch_ray.web.routes import make_router
from masksearch_ray.web.site import Site
from tests.web.small import N, small


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("routes")
    small(folder).close()
    site = Site(ServeOptions(str(folder / "small")))
    yield site
    site.close()


class Client:
    """Asks the routes of a site."""

    def __init__(self, site: Site) -> None:
        self._app = FastAPI()
        self._app.include_router(make_router(site))

    def get(self, path: str) -> httpx.Response:
        return asyncio.run(self._get(path))

    async def _get(self, path: str) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path)


@pytest.fixture(scope="module")
def client(site: Site) -> Client:
    return Client(site)


def answered(site: Site, sql: str, *marked: str) -> str:
    run = site.runs.start(sql)
    while site.runs.get(run.key) is None:
        time.sleep(0.01)
    run.marked = frozenset(marked)
    return f"/export/main/{run.key}"


def test_exports_know_masks_by_their_id_wherever_it_stands(site: Site, client: Client) -> None:
    url = answered(site, "SELECT label, certainty, mask_id FROM masks ORDER BY mask_id", "3", "5")
    assert client.get(f"{url}.txt").text == "3\n5\n"
    assert client.get(f"{url}.csv").text.splitlines()[0] == '"label","certainty","mask_id"'
    with zipfile.ZipFile(io.BytesIO(client.get(f"{url}.zip").content)) as archive:
        assert archive.namelist() == ["3.png", "5.png"]
    every = answered(site, "SELECT model_id, mask_id FROM masks ORDER BY mask_id")
    assert len(client.get(f"{every}.txt").text.split()) == N
    images = answered(
        site, "SELECT COUNT(*) AS n, image_id FROM masks GROUP BY image_id ORDER BY image_id", "1"
    )
    assert client.get(f"{images}.txt").text == "1\n"


def test_pictures(site: Site, client: Client) -> None:
    here = f"/picture/main/{site.collection.version}"
    assert client.get(f"{here}/heat/0.png").content.startswith(b"\x89PNG")
    assert client.get(f"{here}/heat/{N}.png").status_code == 404
    assert client.get(f"/picture/main/{site.collection.version + 1}/heat/0.png").status_code == 404
    gone = client.get(f"{here}/image/0.png")
    assert gone.status_code == 404 and gone.json() == {"detail": "mask 0: no image_path is known"}
