"""How the page is served: wrong options are refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from masksearch_ray.errors import InputError
from masksearch_ray.web.options import ServeOptions, is_loopback


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"port": 70_000}, "port 70000"),
        ({"host": "0.0.0.0"}, "token"),
        ({"token": ""}, "empty"),
        ({"rows": 0}, "more than 0"),
        ({"seconds": 0.0}, "more than 0"),
        ({"images": (Path("no/such/folder"),)}, "no such folder"),
    ],
)
def test_wrong_options(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        ServeOptions("maps", **wrong)  # type: ignore[arg-type]


def test_secrets_are_not_printed() -> None:
    told = repr(ServeOptions("maps", token="secret", image_options={"secret": "hidden"}))
    assert "secret" not in told and "hidden" not in told
