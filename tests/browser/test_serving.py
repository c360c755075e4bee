"""Who may see what, and how the server starts and ends."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

import masksearch_ray as ms
from masksearch_ray.cli import main
from tests.browser.conftest import Served, end, serve


def status(url: str, **headers: str) -> int:
    """Status that a request gets."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.fixture(scope="module")
def guarded(collection: str) -> Iterator[str]:
    process, url = serve(collection, "--token", "secret-of-tests")
    yield url
    end(process)


def test_token(guarded: str, browser: Browser, opened: ms.Collection) -> None:
    plain = guarded.partition("?")[0]
    assert guarded.endswith("?token=secret-of-tests")
    assert status(plain) == 401
    assert status(f"{plain}?token=wrong") == 401
    assert status(f"{plain}picture/main/{opened.version}/heat/0.png") == 401
    context = browser.new_context()
    page = context.new_page()
    page.goto(guarded)
    expect(page.locator("#results .ms-tile").first).to_be_visible(timeout=30_000)
    assert "token" not in page.url
    context.close()


def test_other_sites_get_nothing(served: Served) -> None:
    assert status(served.url) == 200
    assert status(served.url, Host="evil.example") == 403
    assert status(served.url, Origin="http://evil.example") == 403
    assert status(f"{served.url}health") == 200


@pytest.mark.parametrize(
    ("origin", "told"),
    [("http://evil.example", "403"), ("null", "403"), ("PAGE", "101")],
)
def test_other_sites_get_no_websocket(served: Served, origin: str, told: str) -> None:
    host = served.url.rstrip("/").rpartition("//")[2]
    origin = origin.replace("PAGE", f"http://{host}")
    name, _, port = host.rpartition(":")
    lines = (
        "GET /_nicegui_ws/socket.io/?EIO=4&transport=websocket HTTP/1.1", f"Host: {host}",
        f"Origin: {origin}", "Connection: Upgrade", "Upgrade: websocket",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: c2F5IGZyaWVuZCBlbnRlcg==", "", "",
    )  # fmt: skip
    with socket.create_connection((name, int(port)), 20) as plain:
        plain.sendall("\r\n".join(lines).encode())
        assert plain.recv(100).decode().split()[1] == told


@pytest.mark.parametrize(
    "path",
    [
        "picture/main/VERSION/image/0.png?of=label",
        "picture/main/VERSION/image/99999999.png",
        "picture/main/VERSION/heat/../../../../etc/passwd",
        "picture/other/VERSION/heat/0.png",
        "picture/main/77/heat/0.png",
        "static/../app.py",
        "static/%2e%2e/app.py",
        "export/main/nothing.csv",
    ],
)
def test_no_other_file_is_read(served: Served, opened: ms.Collection, path: str) -> None:
    path = path.replace("VERSION", str(opened.version))
    assert status(f"{served.url}{path}") in (404, 422)


@pytest.mark.parametrize("kind", ["heat", "image"])
def test_pictures_are_there(served: Served, opened: ms.Collection, kind: str) -> None:
    assert status(f"{served.url}picture/main/{opened.version}/{kind}/0.png") == 200


def test_wrong_arguments(
    collection: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, told in (
        ([str(tmp_path / "none")], "no collection"),
        ([collection, "--images", str(tmp_path / "none")], "no such folder"),
        ([collection, "--host", "256.1.1.1", "--port", "0"], "cannot listen"),
    ):
        assert main(["serve", *arguments]) in (1, 2)
        assert told in capsys.readouterr().err
