"""Texts of options to values."""

from __future__ import annotations

import math

import pytest

from masksearch_ray.cli.parse import box_or_text, named_values, pair, value
from masksearch_ray.errors import InputError


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", 7),
        ("-7", -7),
        ("0.5", 0.5),
        (".5", 0.5),
        ("1e-3", 0.001),
        ("-inf", -math.inf),
        ("true", True),
        ("False", False),
        ("NULL", None),
        ("cat", "cat"),
        ("'7'", "7"),
        ('"null"', "null"),
        ("", ""),
        ("nan", "nan"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("a=b", "a=b"),
        ("'", "'"),
    ],
)
def test_value(text: str, expected: object) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def test_named_values() -> None:
    assert named_values(["a=1", ":b= x", "c=p=q"], "--param") == {"a": 1, "b": " x", "c": "p=q"}
    for texts in (["a"], ["=1"], ["a=1", "a=2"]):
        with pytest.raises(InputError, match="--param"):
            named_values(texts, "--param")


def test_pair() -> None:
    assert pair("0, 10", "--domain") == (0.0, 10.0)
    assert pair("(-1,1)", "--domain") == (-1.0, 1.0)
    for text in ("1", "1,2,3", "a,b", "1,", "null,1"):
        with pytest.raises(InputError, match="--domain"):
            pair(text, "--domain")


def test_box_or_text() -> None:
    assert box_or_text("5, 6,70,80") == (5, 6, 70, 80)
    assert box_or_text("(5,6,70,80)") == (5, 6, 70, 80)
    assert box_or_text("object_box") == "object_box"
    assert box_or_text("outside(box(1, 2, 3, 4))") == "outside(box(1, 2, 3, 4))"
