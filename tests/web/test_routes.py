"""Pictures and exports as they are asked for."""

from __future__ import annotations

import asyncio
import base64
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


def unpacked(answer: httpx.Response) -> list[bytes]:
    return [base64.b64decode(file or "") for file in answer.json()]


@pytest.mark.parametrize(
    ("kind", "names", "query"),
    [("heat", ["2", "0", "5"], "size=96&map=viridis&own=1"), ("pair", ["0-1", "3-2"], "at=0.25")],
)
def test_several_pictures_are_those_one_by_one(
    site: Site, client: Client, kind: str, names: list[str], query: str
) -> None:
    here = f"/picture/main/{site.collection.version}"
    together = client.get(f"{here}/{kind}s?{query}&ids={','.join(names)}")
    one_by_one = [client.get(f"{here}/{kind}/{name}.png?{query}").content for name in names]
    assert unpacked(together) == one_by_one
    assert len(set(one_by_one)) == len(names)


def test_of_several_pictures_one_that_is_not_there_is_empty(site: Site, client: Client) -> None:
    here = f"/picture/main/{site.collection.version}"
    drawn = unpacked(client.get(f"{here}/heats?ids=0,{N},1"))
    assert [picture[:4] for picture in drawn] == [b"\x89PNG", b"", b"\x89PNG"]
    assert unpacked(client.get(f"{here}/images?ids=0,1")) == [b"", b""]
    assert unpacked(client.get(f"{here}/pairs?ids=1-,1&at=0.5")) == [b"", b""]


@pytest.mark.parametrize(
    ("query", "status"),
    [("ids=../0", 422), ("ids=", 422), (f"ids={'1,' * 64}1", 422), ("ids=1&of=label", 422)],
)
def test_wrong_questions_for_several(site: Site, client: Client, query: str, status: int) -> None:
    here = f"/picture/main/{site.collection.version}"
    assert client.get(f"{here}/images?{query}").status_code == status
