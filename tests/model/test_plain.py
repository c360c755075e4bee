"""URLs and texts as they may be shown."""

from __future__ import annotations

import pytest

from masksearch_ray.model.text import age, plain_url, shortened


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://bucket/maps", "s3://bucket/maps"),
        ("s3://key:secret@bucket/maps", "s3://bucket/maps"),
        ("https://host/maps?X-Amz-Signature=abc#part", "https://host/maps"),
        ("az://container/a@b", "az://container/a@b"),
        ("/data/is it #1?", "/data/is it #1?"),
    ],
)
def test_no_secret_of_a_url_is_shown(url: str, shown: str) -> None:
    assert plain_url(url) == shown


def test_a_long_text_is_cut_to_one_line() -> None:
    assert shortened("SELECT 1\n  FROM\tmasks\x1b", 100) == "SELECT 1 FROM masks\\x1b"
    assert shortened("x" * 100, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (7200, "2 h"), (86400 * 3, "3 d")],
)
def test_ages(seconds: float, told: str) -> None:
    assert age(seconds) == told
