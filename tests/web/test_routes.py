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

from masksearch_ray.errors import DamagedError
from masksearch_ray.web.options import ServeOptions
from masksearch_ray.web.routes import make_router
from masksearch_ray.web.site import Site
from masksearch_ray.web.view import View
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


def test_exports_know_masks_by_what_was_asked_not_by_names(site: Site, client: Client) -> None:
    sql = "SELECT CP(mask, full_image, (0, 2)) AS mask_ids, mask_id AS m FROM masks ORDER BY m"
    url = answered(site, sql, "3", "5")
    assert client.get(f"{url}.txt").text == "3\n5\n"
    assert [line.rpartition(",")[2] for line in client.get(f"{url}.csv").text.splitlines()] == [
        '"m"',
        "3",
        "5",
    ]
    with zipfile.ZipFile(io.BytesIO(client.get(f"{url}.zip").content)) as archive:
        assert archive.namelist() == ["3.png", "5.png"]
    none = answered(site, "SELECT COUNT(*) AS mask_id FROM masks")
    assert client.get(f"{none}.zip").status_code == 400


def test_a_zip_file_is_whole_though_a_mask_cannot_be_read(
    site: Site, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = site.pictures.overlay

    def overlay(mask_id: int) -> bytes:
        if mask_id == 1:
            raise DamagedError("/a/path", "damaged")
        return drawn(mask_id)

    monkeypatch.setattr(site.pictures, "overlay", overlay)
    url = answered(site, "SELECT mask_id FROM masks ORDER BY mask_id LIMIT 3")
    with zipfile.ZipFile(io.BytesIO(client.get(f"{url}.zip").content)) as archive:
        assert archive.namelist() == ["0.png", "1.txt", "2.png"]
        assert archive.read("1.txt") == b"mask 1 cannot be drawn\n"


def test_browsers_keep_no_failures(site: Site, client: Client) -> None:
    here = f"/picture/main/{site.collection.version}"
    assert "immutable" in client.get(f"{here}/heats?ids=0,1").headers["Cache-Control"]
    assert "Cache-Control" not in client.get(f"{here}/heats?ids=0,{N}").headers
    assert client.get(f"{here}/heat/{'1' * 5000}.png").status_code == 404


def test_another_start_has_other_pictures(site: Site) -> None:
    again = Site(site.options)
    assert site.heat_url(0, 96, View()) != again.heat_url(0, 96, View())
    assert (
        site.heat_url(0, 96, View()).partition("?")[0]
        == (again.heat_url(0, 96, View()).partition("?")[0])
    )
    again.close()


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
